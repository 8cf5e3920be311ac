-- What views over event tables are made with. Views are made by vigil migrate,
-- which knows the configuration; here is by which names it made them.

create table vigil.views (
  name text collate "C" primary key,
  sql  text not null
);
grant select on vigil.views to vigil_writer, vigil_reader;

-- time_of reads a time as documents spell it: ISO 8601 with T or a space, to the
-- minute or finer, a dot or comma before the fraction, and a zone or none, which
-- is then the given one; a date alone; or a number of seconds, milliseconds,
-- microseconds or nanoseconds since 1970, told apart by size. What is none of these
-- is null. It says what vigil says, which is why it casts no text to a time.
create function vigil.time_of(value jsonb, zone text) returns timestamptz
language plpgsql stable strict parallel unsafe set search_path = pg_catalog, pg_temp as $$
declare
  s text := value #>> '{}';
  p text[];
  t timestamp;
  f double precision;
  n numeric;
  us bigint;
begin
  if jsonb_typeof(value) not in ('string', 'number') or octet_length(s) > 48 then
    return null;
  end if;
  p := regexp_match(s, '^([0-9]{4})-([0-9]{2})-([0-9]{2})(?:[Tt ]([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:[.,]([0-9]+))?)?( *)(?:(Z|z|UTC|GMT)|([+-])([0-9]{2})(?::?([0-9]{2}))?)?)?$');
  if p is not null then
    if p[4]::int > 24 or p[5]::int > 59 or p[6]::int > 60 or p[4] = '24' and (p[5] <> '00' or coalesce(p[6], '00') <> '00')
      or p[11]::int > 15 or p[12]::int > 59 or p[1] = '0000' then
      return null;
    end if;
    n := rpad(left(coalesce(p[7], ''), 9), 9, '0')::numeric;
    us := div(n, 1000);
    if n % 1000 > 500 or n % 1000 = 500 and us % 2 = 1 then
      us := us + 1;
    end if;
    t := make_date(p[1]::int, p[2]::int, p[3]::int)
      + make_interval(hours => coalesce(p[4], '0')::int, mins => coalesce(p[5], '0')::int)
      + coalesce(p[6], '0')::int * interval '1 second' + us * interval '1 microsecond';
    if p[10] is not null then
      return (t - (p[10] || '1')::int * make_interval(hours => p[11]::int, mins => coalesce(p[12], '0')::int)) at time zone 'UTC';
    end if;
    return t at time zone case when p[9] is null then zone else 'UTC' end;
  end if;
  if s !~ '^[0-9][0-9.eE+]{8,}$' then
    return null;
  end if;
  if s ~ '^[0-9]+$' and s::numeric <= 9223372036854775807 then
    n := s::numeric;
    us := case when n < 1e8 then null when n < 1e11 then n * 1000000 when n < 1e14 then n * 1000 when n < 1e17 then n else div(n + 500, 1000) end;
  else
    f := s::double precision;
    if f < 1e8 or f >= 1e19 then
      return null;
    end if;
    while f >= 1e11 loop
      f := f / 1000;
    end loop;
    us := floor(f * 1e6 + 0.5);
  end if;
  return (timestamp '1970-01-01' + (us / 86400000000)::int * interval '1 day' + (us % 86400000000) * interval '1 microsecond') at time zone 'UTC';
exception when data_exception then
  return null;
end $$;

-- version_of is the text of a version that is one of a schema, such as 1 or 3.0.
-- Versions of builds are null.
create function vigil.version_of(value jsonb) returns text
language sql immutable strict parallel safe as $$
  select case when jsonb_typeof(value) in ('string', 'number') and value #>> '{}' ~ '^[0-9]+(\.[0-9]+)?$' and octet_length(value #>> '{}') <= 8
    then value #>> '{}' end
$$;
