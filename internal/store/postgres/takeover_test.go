package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"vigil"
	"vigil/internal/pgtest"
	"vigil/internal/query"
	"vigil/internal/store/postgres"
	"vigil/internal/store/storetest"
)

// logserver returns a database with logserver's table, whose ids have gaps and
// whose sequence is ahead of them.
func logserver(t testing.TB, rows int) string {
	t.Helper()
	url := pgtest.Postgres(t)
	if err := pgtest.CreateLogserver(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	if err := pgtest.Exec(t.Context(), url, fmt.Sprintf(`
		insert into api.events (event) select jsonb_build_object('n', i, 'patient', jsonb_build_array('Patient/' || i %% 7), 'tags', '["a"]'::jsonb, 'text', E'a\tb\\c\u00e9') from generate_series(1, %d) i;
		insert into api.events (event) values ('"text"'), ('null'), ('[1, 2.50]'), ('{"b": 1, "a": 1e3}');
		delete from api.events where id %% 10 = 3;
		select nextval('api.events_id_seq');
		create view api.events_view as select id, event->>'n' as user_id from api.events;
		create view api.mine as select count(*) from api.events_view;
		create table api.other (id int primary key, label text)`, rows)); err != nil {
		t.Fatal(err)
	}
	return url
}

// TestTakeOver moves a logserver's rows, broken off twice: all of them come,
// once, with their ids, and nothing is lost of the old table.
func TestTakeOver(t *testing.T) {
	t.Parallel()
	url := logserver(t, 4500)
	c := storetest.Config(nil)
	conn := dial(t, url)
	const digest = "select count(*) || ' ' || md5(string_agg(id || event::text, ',' order by id)) from "
	before := value(t, conn, digest+"api.events")
	if _, err := postgres.Open(t.Context(), postgres.Options{URL: url}, c); !errors.Is(err, postgres.ErrForeign) {
		t.Errorf("open: %v", err)
	}
	if err := postgres.Migrate(t.Context(), url, c, postgres.Grants{}); !errors.Is(err, postgres.ErrForeign) {
		t.Errorf("migrate: %v", err)
	}
	g := postgres.Grants{Readers: []string{"web_anon", "nobody_here"}}
	for _, stop := range []int64{1000, 3000, 1 << 40} {
		ctx, cancel := context.WithCancel(t.Context())
		calls := int64(0)
		got, err := postgres.TakeOver(ctx, url, postgres.Options{}, c, g, func(done, total int64) {
			if calls++; total != 4053 || done > total {
				t.Errorf("%d of %d rows", done, total)
			}
			if done >= stop {
				cancel()
			}
		})
		cancel()
		if stop < 1<<40 {
			if err == nil {
				t.Fatal("a take-over that was broken off reports success")
			}
			if _, err := postgres.Open(t.Context(), postgres.Options{URL: url}, c); !errors.Is(err, postgres.ErrNotMigrated) {
				t.Errorf("open in the middle: %v", err)
			}
			continue
		}
		if err != nil || strings.Join(got.Moved, " ") != "events_view mine" || got.Rows != 4053 || len(got.Hash) != 64 || calls > 3 {
			t.Fatalf("%+v in %d parts, %v", got, calls, err)
		}
	}
	for _, table := range []string{"api.events", "logserver_old.events"} {
		if after := value(t, conn, digest+table); after != before {
			t.Errorf("%s has %s, there were %s", table, after, before)
		}
	}
	if got := value(t, conn, "select string_agg(format('%s.%s', table_schema, table_name), ' ' order by 1) from (select table_schema, table_name from information_schema.views where table_schema in ('api', 'logserver_old') order by 1, 2) v"); got != "logserver_old.events_view logserver_old.mine" {
		t.Errorf("views: %s", got)
	}
	if got, err := postgres.TakeOver(t.Context(), url, postgres.Options{}, c, g, nil); got != nil || err != nil {
		t.Errorf("again: %+v, %v", got, err)
	}
	s := connect(t, url)
	storetest.CheckRoot(t, s)
	if n, err := s.Count(t.Context(), &query.Query{Table: vigil.TableEvents, Where: query.Test{Path: query.Path{Column: "_patient"}, Op: query.Eq, Value: "Patient/3"}, Limit: -1}); err != nil || n < 500 {
		t.Errorf("%d events of a patient, %v", n, err)
	}
	if n, err := s.Count(t.Context(), &query.Query{Table: vigil.TableSystem, Limit: -1}); err != nil || n != 1 {
		t.Errorf("%d records of it, %v", n, err)
	}
	events := numbered(vigil.TableEvents, 0, 1)
	write(t, s, events)
	if events[0].ID != 4506 {
		t.Errorf("the next id is %d, the sequence was at 4505", events[0].ID)
	}
	if err := try(t, conn, "set role web_anon", "select count(*) from api.events"); err != nil {
		t.Errorf("as web_anon: %v", err)
	}
	if problems, err := postgres.Check(t.Context(), postgres.Options{URL: url}, c, nil); err != nil || len(problems) > 0 {
		t.Errorf("check: %q, %v", problems, err)
	}
}

// TestTakeOverRefused has tables that are no logserver's, and rows that cannot
// become events: nothing is changed.
func TestTakeOverRefused(t *testing.T) {
	t.Parallel()
	for name, script := range map[string]string{
		"another table": "create schema api; create table api.events (id int, event jsonb, at date)",
		"a view":        "create schema api; create view api.events as select 1 as id, '{}'::jsonb as event",
		"same ids":      "create schema api; create table api.events (id int, event jsonb); insert into api.events values (1, '{}'), (1, '{}')",
		"no document":   "create schema api; create table api.events (id int, event jsonb); insert into api.events values (1, null)",
		"negative ids":  "create schema api; create table api.events (id int, event jsonb); insert into api.events values (-1, '{}')",
	} {
		url := pgtest.Postgres(t)
		if err := pgtest.Exec(t.Context(), url, script); err != nil {
			t.Fatal(err)
		}
		_, err := postgres.TakeOver(t.Context(), url, postgres.Options{}, storetest.Config(nil), postgres.Grants{}, nil)
		if !errors.Is(err, postgres.ErrForeign) {
			t.Errorf("%s: %v", name, err)
		}
		if got := value(t, dial(t, url), "select string_agg(nspname, ' ' order by 1) from pg_namespace where nspname in ('api', 'vigil', 'logserver_old') and to_regclass('api.events') is not null"); got != "api" {
			t.Errorf("%s: schemas %s", name, got)
		}
	}
}
