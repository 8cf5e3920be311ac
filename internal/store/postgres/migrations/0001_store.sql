-- Vigil's own tables, the log, and what makes event tables.
--
-- api holds what people and programs read: event tables and views. Everything
-- else, partitions included, is in vigil. Names in vigil that begin with an
-- underscore belong to event tables, whose own names cannot begin with one.

create schema if not exists api;

-- on_citus says whether the tables are spread over the servers of a Citus cluster.
create function vigil.on_citus() returns boolean language sql stable set search_path = pg_catalog, pg_temp as $$
  select exists (select from pg_extension where extname = 'citus')
$$;

-- Citus connects to its workers as the role that a session acts as, so there it
-- may log in. It has no password.
do $$
begin
  for i in 1..2 loop
    begin
      execute format('create role %I %s', (array['vigil_writer', 'vigil_reader'])[i], case when vigil.on_citus() then 'login' else 'nologin' end);
    exception when duplicate_object or unique_violation then null;
    end;
  end loop;
end $$;

-- The log: one row, whose lock is the turn to write.
create table vigil.tree (
  one      boolean primary key default true check (one),
  store_id uuid    not null default gen_random_uuid(),
  epoch    integer not null default 1,
  size     bigint  not null default 0,
  root     bytea   not null default sha256(''),
  -- Number of the mapping that made all facts; null where it was not one.
  mapping  bigint,
  -- By name: the last id given, and the number of rows.
  tables   jsonb   not null default '{}',
  -- Whether a rollback guard is kept: a store that had one must not be signed
  -- where it is missing.
  guarded  boolean not null default false
) with (fillfactor = 30);
insert into vigil.tree default values;

-- Full tiles of the Merkle tree: 256 hashes each.
create table vigil.tiles (
  level  smallint not null,
  n      bigint   not null,
  hashes bytea    not null check (length(hashes) = 8192),
  primary key (level, n)
);
alter table vigil.tiles alter column hashes set storage external;

-- Leaf hashes of the tile that is not full: those of one commit in each row.
create table vigil.leaves (
  first  bigint primary key,
  hashes bytea  not null
);

-- Idempotency keys; first and count say where the events of the request are.
create table vigil.keys (
  id    uuid        primary key,
  body  bytea       not null,
  first bigint      not null,
  count bigint      not null,
  at    timestamptz not null
);
create index on vigil.keys (at);

-- Who handed events over; the id is the beginning of the text's SHA-256.
create table vigil.senders (
  id   uuid primary key,
  body text not null
);

create table vigil.tables (
  name   text collate "C" primary key check (name ~ '^[a-z][a-z0-9_]{0,62}$'),
  number integer generated always as identity
);

do $$
begin
  if vigil.on_citus() then
    perform create_reference_table('vigil.senders');
  end if;
end $$;

create function vigil.refuse() returns trigger language plpgsql as $$
begin
  raise exception 'events are never changed or removed: % of %.% is refused', tg_op, tg_table_schema, tg_table_name
    using errcode = 'insufficient_privilege',
          hint = 'Retention and erasure are done by vigil, and recorded.';
end $$;

-- never_changes makes a table refuse what would change it, for its owner and
-- for replication too. A trigger for truncate does not reach partitions, so it
-- is asked for with each of them.
create function vigil.never_changes(rel regclass) returns void language plpgsql as $$
begin
  if vigil.on_citus() then -- these look at no other table than their own, nearly
    perform set_config('citus.enable_unsafe_triggers', 'on', true);
  end if;
  if not exists (select from pg_trigger where tgrelid = rel and tgname = 'vigil_never_changes') then
    execute format('create trigger vigil_never_changes before update or delete on %s for each row execute function vigil.refuse()', rel);
  end if;
  if not exists (select from pg_trigger where tgrelid = rel and tgname = 'vigil_never_emptied') then
    execute format('create trigger vigil_never_emptied before truncate on %s for each statement execute function vigil.refuse()', rel);
  end if;
  -- What a partition has from its table is so already. Citus could not say it there:
  -- on a worker the trigger's name has the number of the table's shard, not its own.
  if exists (select from pg_trigger where tgrelid = rel and tgname = 'vigil_never_changes' and tgenabled <> 'A') then
    execute format('alter table %s enable always trigger vigil_never_changes', rel);
  end if;
  execute format('alter table %s enable always trigger vigil_never_emptied', rel);
end $$;

select vigil.never_changes(t) from unnest(array['vigil.tiles', 'vigil.senders', 'vigil.migrations']::regclass[]) t;

-- part names a partition of an event table or, with the prefix _facts_, of its facts.
create function vigil.part(prefix text, t vigil.tables, suffix text) returns text language sql immutable as $$
  select case when length(prefix || t.name || '_' || suffix) <= 63 then prefix || t.name || '_' || suffix
              else '_' || prefix || t.number || '_' || suffix end
$$;

create function vigil.facts_of(t vigil.tables) returns text language sql immutable as $$
  select case when length(t.name) <= 56 then '_facts_' || t.name else '_facts__' || t.number end
$$;

-- make_table makes an event table with its facts. It does nothing for one that is there.
create function vigil.make_table(table_name text) returns void language plpgsql as $$
declare
  t vigil.tables;
  facts text;
begin
  if exists (select from vigil.tables where name = table_name) then
    return;
  end if;
  insert into vigil.tables (name) values (table_name) returning * into t;
  facts := vigil.facts_of(t);
  execute format('create table api.%I (
      id         bigint      not null check (id > 0),
      event      jsonb       not null,
      _index     bigint      not null,
      _uid       uuid        not null,
      _received  timestamptz not null,
      _format    text        not null,
      _sender    uuid,
      _source_id bigint,
      _epoch     integer     not null,
      _salt      bytea       not null,
      _canonical boolean     not null,
      _raw       bytea,
      check (not _canonical or _raw is null),
      primary key (id, _received)
    ) partition by range (_received)', table_name);
  execute format('comment on column api.%I._canonical is %L', table_name, 'Whether the log commits to the text of event instead of to what was received.');
  execute format('comment on column api.%I._raw is %L', table_name, 'What was received, where it is not the text of event.');
  -- Its end is where rows are added, which costs the least.
  execute format('create index on api.%I (_received, id)', table_name);
  execute format('create index on api.%I using brin (_received)', table_name);
  execute format('create index on api.%I (_index)', table_name);
  execute format('create index on api.%I using gin ((event->''tags'') jsonb_path_ops) with (gin_pending_list_limit = 256) where (event->''tags'') is not null', table_name);
  -- A text of more than 2.7 kB has no place in an index, and must not keep an event
  -- out. Partial indexes would do, but the planner has no statistics from them.
  execute format('create index on api.%I (left(event->>''subject'', 500))', table_name);
  execute format('create index on api.%I (left(event->>''patient'', 500))', table_name);
  execute format('create index on api.%I (left(event->''source''->>''type'', 500))', table_name);
  -- For ranges of times as logserver spells them.
  execute format('create index on api.%I (left(event->>''asctime'', 500) collate "C")', table_name);
  execute format('create table vigil.%I (
      id         bigint      not null,
      _received  timestamptz not null,
      mapping    bigint      not null,
      _keys      bigint[]    not null,
      _occurred  timestamptz,
      _severity text, _type text, _subtype text, _action text, _outcome text,
      _agent text[], _agent_name text[], _client text, _ip text[], _patient text[], _entity text[],
      _source text, _source_type text, _correlation text, _purpose text[], _tenant text,
      primary key (id, _received)
    ) partition by range (_received)', facts);
  -- _keys are hashes of the values that are searched for most. Measured on 200,000
  -- events: narrow rows (fact, value, id) took 12 times as long to insert as lists
  -- with a GIN of patients and agents, and 4 times the space; one jsonb, 3 times.
  execute format('create index on vigil.%I using gin (_keys) with (gin_pending_list_limit = 512)', facts);
  if vigil.on_citus() then -- before there are partitions, which follow
    perform create_distributed_table(format('api.%I', table_name)::regclass, 'id', colocate_with => 'none');
    perform create_distributed_table(format('vigil.%I', facts)::regclass, 'id', colocate_with => format('api.%I', table_name));
  end if;
  -- What searches of FHIR ask for in ranges, or for what is rare. Each costs a few
  -- hundredths of what an insertion takes.
  execute format('create index on vigil.%I (_occurred, id)', facts);
  execute format('create index on vigil.%I (_type, id)', facts);
  execute format('create index on vigil.%I (_subtype, id) where _subtype is not null', facts); -- a search by type looks there too
  execute format('create index on vigil.%I (_outcome, id)', facts);
  perform vigil.never_changes(format('api.%I', table_name)::regclass); -- before there are partitions, which follow
  execute format('create table vigil.%I partition of api.%I default', vigil.part('', t, 'default'), table_name);
  execute format('create table vigil.%I partition of vigil.%I default', vigil.part('_facts_', t, 'default'), facts);
  perform vigil.never_changes(format('vigil.%I', vigil.part('', t, 'default'))::regclass);
  execute format('grant insert, select on api.%I to vigil_writer', table_name);
  execute format('grant select on api.%I to vigil_reader', table_name);
  execute format('grant insert, select on vigil.%I to vigil_writer', facts);
  execute format('grant select on vigil.%I to vigil_reader', facts);
end $$;

-- make_partitions makes the partitions of the month of a time and of the three
-- months after it, and returns how many could not be made: because a lock was
-- not had in time, or because rows of the month are in the default partition.
create function vigil.make_partitions(at timestamptz) returns integer
language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '2s' as $$
declare
  t vigil.tables;
  month timestamp;
  events text;
  facts text;
  bounds text;
  failed integer := 0;
begin
  for t in select * from vigil.tables order by number loop
    for k in 0..3 loop
      month := date_trunc('month', at at time zone 'UTC') + make_interval(months => k);
      events := vigil.part('', t, to_char(month, 'YYYYMM'));
      facts := vigil.part('_facts_', t, to_char(month, 'YYYYMM'));
      continue when to_regclass(format('vigil.%I', events)) is not null;
      bounds := format('for values from (%L) to (%L)',
        to_char(month, 'YYYY-MM-DD') || ' 00:00:00+00', to_char(month + interval '1 month', 'YYYY-MM-DD') || ' 00:00:00+00');
      begin
        execute format('create table vigil.%I partition of api.%I %s', events, t.name, bounds);
        execute format('create table vigil.%I partition of vigil.%I %s', facts, vigil.facts_of(t), bounds);
        perform vigil.never_changes(format('vigil.%I', events)::regclass);
      exception when check_violation or lock_not_available or deadlock_detected then
        failed := failed + 1;
      end;
    end loop;
  end loop;
  return failed;
end $$;

-- analyze gives the planner statistics of tables that have grown by such a part
-- since it last had some. The server makes them of partitions by itself, but later,
-- and never of a table of partitions.
create function vigil.analyze(growth real) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  t vigil.tables;
  known real;
begin
  if vigil.on_citus() or not pg_try_advisory_xact_lock(hashtext('vigil.analyze')) then
    return;
  end if;
  for t in select * from vigil.tables order by number loop
    select coalesce(sum(greatest(c.reltuples, 0)), 0) into known from pg_inherits i join pg_class c on c.oid = i.inhrelid
      where i.inhparent = format('api.%I', t.name)::regclass
        and exists (select from pg_stats s where s.schemaname = 'api' and s.tablename = t.name);
    if (select (r.tables->t.name->>'rows')::bigint from vigil.tree r) > (1 + growth) * known + 5000 then
      execute format('analyze api.%I', t.name);
      execute format('analyze vigil.%I', vigil.facts_of(t));
    end if;
  end loop;
end $$;

-- in_default says which event tables have rows in their default partition.
create function vigil.in_default() returns setof text
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare
  t vigil.tables;
  found_one boolean;
begin
  for t in select * from vigil.tables order by number loop
    execute format('select exists (select 1 from vigil.%I)', vigil.part('', t, 'default')) into found_one;
    if found_one then
      return next t.name;
    end if;
  end loop;
end $$;

revoke all on all functions in schema vigil from public;
grant execute on function vigil.make_partitions(timestamptz), vigil.in_default(), vigil.analyze(real) to vigil_writer;
grant execute on function vigil.facts_of(vigil.tables), vigil.on_citus() to vigil_writer, vigil_reader;
grant usage on schema api, vigil to vigil_writer, vigil_reader;
grant select, update on vigil.tree to vigil_writer;
grant select, insert on vigil.tiles, vigil.senders to vigil_writer;
grant select, insert, delete on vigil.leaves to vigil_writer;
grant select, insert, update, delete on vigil.keys to vigil_writer;
grant select on vigil.tables, vigil.migrations to vigil_writer;
grant select on vigil.tree, vigil.tiles, vigil.leaves, vigil.senders, vigil.tables, vigil.migrations to vigil_reader;
