create table if not exists schema_version (version text primary key, applied timestamptz not null default now());
-- The steps of versions that were passed over come first. No step asks for more of an old `tenants` than id and name.
create table if not exists tenants (id serial primary key, name text not null);
insert into tenants (name) select 'default' where not exists (select from tenants);
-- New in 2.20: one new table, and an old one that is changed in shape and in content.
create table if not exists workloads (id serial primary key, tenant integer not null, name text not null);
alter table tenants add column if not exists plan text;
update tenants set plan = 'self-hosted' where plan is null;
insert into schema_version (version) values ('2.20') on conflict do nothing;
