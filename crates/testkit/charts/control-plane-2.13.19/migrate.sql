create table if not exists schema_version (version text primary key, applied timestamptz not null default now());
create table if not exists tenants (id serial primary key, name text not null);
insert into tenants (name) select 'default' where not exists (select from tenants);
insert into schema_version (version) values ('2.13') on conflict do nothing;
