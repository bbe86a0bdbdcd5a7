create table if not exists audit (id bigserial primary key, at timestamptz not null default now(), entry text not null);
insert into schema_version (version) values ('2.16') on conflict do nothing;
