create table if not exists schema_version (version text primary key, applied timestamptz not null default now());
create table if not exists tenants (id serial primary key, name text not null);
insert into schema_version (version) values ('2.12') on conflict do nothing;
