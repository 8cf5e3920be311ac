-- Tables of other makers whose rows were moved into an event table, and are kept
-- as they were. The hash is that of COPY (SELECT id, event FROM … ORDER BY id) TO
-- STDOUT, of either.
create table vigil.takeovers (
  source text        primary key,
  rows   bigint      not null,
  sha256 bytea       not null check (length(sha256) = 32),
  at     timestamptz not null default now()
);
grant select on vigil.takeovers to vigil_writer, vigil_reader;
