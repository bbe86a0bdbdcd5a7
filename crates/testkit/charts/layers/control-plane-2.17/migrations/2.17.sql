create table if not exists notifications (id bigserial primary key, tenant integer not null, text text not null);
insert into schema_version (version) values ('2.17') on conflict do nothing;
