-- One new table, and an old one that is changed in shape and in content. No more is asked of it than id and name.
create table if not exists workloads (id serial primary key, tenant integer not null, name text not null);
alter table tenants add column if not exists plan text;
update tenants set plan = 'self-hosted' where plan is null;
insert into schema_version (version) values ('2.20') on conflict do nothing;
