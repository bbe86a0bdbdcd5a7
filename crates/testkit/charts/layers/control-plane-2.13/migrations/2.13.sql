insert into tenants (name) select 'default' where not exists (select from tenants);
insert into schema_version (version) values ('2.13') on conflict do nothing;
