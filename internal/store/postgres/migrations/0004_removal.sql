-- Retention and erasure: documents go, with their senders and salts, and what the
-- log needs of them stays.

-- What is left of events whose documents were removed.
create table vigil.erased (
  index      bigint      primary key,
  tbl        text        not null,
  id         bigint      not null,
  uid        uuid        not null unique,
  received   timestamptz not null,
  format     text        not null,
  epoch      integer     not null,
  canonical  boolean     not null,
  commitment bytea       not null check (length(commitment) = 32)
);

-- Who removed how much; the reason is in the log, at this place.
create table vigil.removals (
  at      timestamptz not null default clock_timestamp(),
  login   text        not null default session_user,
  address inet                 default inet_client_addr(),
  tbl     text        not null,
  rows    bigint      not null,
  before  timestamptz
);

select vigil.never_changes(t) from unnest(array['vigil.erased', 'vigil.removals']::regclass[]) t;

-- The sessions that remove rows at this moment: a row lives as long as a call of
-- vigil.remove, and nobody else sees it.
create table vigil.removing (
  pid integer primary key
);

create or replace function vigil.refuse() returns trigger language plpgsql as $$
begin
  -- The workers of Citus do not have the table, and remove nothing.
  if tg_op = 'DELETE' and to_regclass('vigil.removing') is not null and tg_table_schema || '.' || tg_table_name not in ('vigil.erased', 'vigil.removals', 'vigil.tiles', 'vigil.migrations') then
    if exists (select from vigil.removing where pid = pg_backend_pid()) then
      return old;
    end if;
  end if;
  raise exception 'events are never changed or removed: % of %.% is refused', tg_op, tg_table_schema, tg_table_name
    using errcode = 'insufficient_privilege',
          hint = 'Retention and erasure are done by vigil, and recorded.';
end $$;

-- remove takes away the rows of a table that were received between two times and,
-- where uids are given, have one of these. It fails unless they are as many as
-- expected. The commitments are made anew from the rows, as anybody could.
create function vigil.remove(table_name text, uids uuid[], since timestamptz, before timestamptz, expected bigint) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  t vigil.tables;
  which text := 'e._received >= $2 and e._received < $3 and ($1 is null or e._uid = any($1))';
  n bigint;
begin
  select * into strict t from vigil.tables where name = table_name;
  insert into vigil.removing values (pg_backend_pid());
  execute format('insert into vigil.erased (index, tbl, id, uid, received, format, epoch, canonical, commitment)
    select e._index, %L, e.id, e._uid, e._received, e._format, e._epoch, e._canonical,
      sha256(''\x01''::bytea || e._salt || int4send(coalesce(octet_length(s.body), 0)) || convert_to(coalesce(s.body, ''''), ''UTF8'')
        || coalesce(e._raw, convert_to(e.event::text, ''UTF8'')))
    from api.%I e left join vigil.senders s on s.id = e._sender where %s', t.name, t.name, which)
    using uids, since, before;
  get diagnostics n = row_count;
  if n <> expected then
    raise exception 'other rows than expected would be removed: % instead of %', n, expected using errcode = 'data_exception';
  end if;
  execute format('delete from vigil.%I f using api.%I e where f.id = e.id and f._received = e._received and %s', vigil.facts_of(t), t.name, which)
    using uids, since, before;
  execute format('delete from api.%I e where %s', t.name, which) using uids, since, before;
  insert into vigil.removals (tbl, rows, before) values (t.name, n, case when uids is null then before end);
  delete from vigil.removing where pid = pg_backend_pid();
end $$;

revoke all on function vigil.remove(text, uuid[], timestamptz, timestamptz, bigint) from public;
grant execute on function vigil.remove(text, uuid[], timestamptz, timestamptz, bigint) to vigil_writer;
grant select on vigil.erased, vigil.removals to vigil_writer, vigil_reader;
