package postgres_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"vigil"
	"vigil/internal/pgtest"
	"vigil/internal/store"
	"vigil/internal/store/postgres"
	"vigil/internal/store/storetest"
)

// citusVariable names the environment variable with the address of an empty
// database on a coordinator of Citus, its owner's.
const citusVariable = "CITUS_URL"

// pretend makes a database look as if it had Citus: what is called of it is
// written down, with how many partitions there are at that moment.
const pretend = `set allow_system_table_mods = on;
	create table public.calls (n serial, call text);
	create function pg_catalog.create_reference_table(rel regclass) returns void language sql as
		$$ insert into public.calls (call) values ('create_reference_table ' || rel::text) $$;
	create function pg_catalog.create_distributed_table(rel regclass, by text, colocate_with text) returns void language sql as
		$$ insert into public.calls (call) select format('create_distributed_table %s by %s with %s, partitions %s', rel, by, colocate_with, count(*)) from pg_inherits where inhparent = rel $$;
	insert into pg_extension (oid, extname, extowner, extnamespace, extrelocatable, extversion) values (99999, 'citus', 10, 11, false, '0')`

// TestCitusSQL migrates a database that pretends to have Citus. What is asked of
// it is in testdata, and groups are inserted with VALUES.
func TestCitusSQL(t *testing.T) {
	t.Parallel()
	srv := startServer(t, "fsync=off")
	if err := pgtest.Exec(t.Context(), srv.url(), pretend); err != nil {
		t.Fatal(err)
	}
	if err := postgres.Migrate(t.Context(), srv.url(), storetest.Config(nil), postgres.Grants{}); err != nil {
		t.Fatal(err)
	}
	conn := dial(t, srv.url())
	got := value(t, conn, "select string_agg(call, e'\\n' order by n) || e'\\n' from public.calls")
	got += value(t, conn, "select string_agg(rolname || ' login ' || rolcanlogin, e'\\n' order by rolname) || e'\\n' from pg_roles where rolname like 'vigil\\_%'")
	golden := filepath.Join("testdata", "citus.golden")
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("asked of Citus:\n%swant, from %s:\n%s", got, golden, want)
	}
	if err := pgtest.Exec(t.Context(), srv.url(), `
		create function public.no_copy() returns trigger language plpgsql as $$ begin
			if current_query() not like 'insert%values%' then raise exception '%', left(current_query(), 20); end if; return new; end $$;
		create trigger no_copy before insert on api.events for each row execute function public.no_copy()`); err != nil {
		t.Fatal(err)
	}
	s := connect(t, srv.url())
	write(t, s, numbered(vigil.TableEvents, 0, 300))
	storetest.CheckRoot(t, s)
	away := func(yes bool) {
		t.Helper()
		script := "drop trigger away on api.events"
		if yes {
			script = `create function public.away() returns trigger language plpgsql as $$ begin raise exception 'connection to the remote node failed' using errcode = '08006'; end $$;
				create trigger away before insert on api.events for each row execute function public.away()`
		}
		if err := pgtest.Exec(t.Context(), srv.url(), script); err != nil {
			t.Fatal(err)
		}
	}
	away(true)
	wantKind(t, "writing without a worker", s.Write(t.Context(), numbered(vigil.TableEvents, 300, 1)), vigil.Unavailable, "")
	wantKind(t, "the store without a worker", s.Err(), vigil.Unavailable, "")
	away(false)
	write(t, s, numbered(vigil.TableEvents, 300, 1))
	if err := s.Err(); err != nil {
		t.Errorf("with its worker: %v", err)
	}
	_, err = s.Prune(t.Context(), vigil.TableEvents, time.Now(), store.Removal{Reason: "test"})
	wantKind(t, "pruning", err, vigil.NotAllowed, "")
	if n, err := s.Count(t.Context(), everything()); err != nil || n != 301 {
		t.Errorf("%d rows are left, %v", n, err)
	}
}

// TestCitus writes and reads on a real coordinator, where one is given.
func TestCitus(t *testing.T) {
	t.Parallel()
	url := os.Getenv(citusVariable)
	if url == "" {
		t.Skipf("left out: %s has no address of an empty database on a coordinator", citusVariable)
	}
	if err := postgres.Migrate(t.Context(), url, storetest.Config(nil), postgres.Grants{}); err != nil {
		t.Fatal(err)
	}
	s := connect(t, url)
	before, err := s.Count(t.Context(), everything())
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		write(t, s, numbered(vigil.TableEvents, i, 100))
	}
	if n, err := s.Count(t.Context(), everything()); err != nil || n != before+300 {
		t.Errorf("%d rows, %v; want %d", n, err, before+300)
	}
	if got := value(t, dial(t, url), "select count(*)::text from citus_tables where table_name = 'api.events'::regclass and distribution_column = 'id'"); got != "1" {
		t.Error("api.events is not distributed by id")
	}
	if err := try(t, dial(t, url), "set role vigil_writer", "update api.events set event = '{}' where id = 1"); err == nil {
		t.Error("an event was changed")
	}
	storetest.CheckRoot(t, s)
}
