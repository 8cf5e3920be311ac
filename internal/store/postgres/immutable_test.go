package postgres_test

import (
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"vigil"
	"vigil/internal/store/postgres"
	"vigil/internal/store/storetest"
)

// numbered returns events {"n":from}, …
func numbered(table string, from, n int) []*vigil.Event {
	var out []*vigil.Event
	for i := range n {
		out = append(out, &vigil.Event{
			Table: table, Format: vigil.FormatLogserver, Sender: &vigil.Sender{Listener: "test"},
			Doc: []byte(`{"n": ` + itoa(from+i) + `, "patient": ["Patient/` + itoa((from+i)%7) + `"]}`),
		})
	}
	return out
}

func write(t testing.TB, s *postgres.Store, events []*vigil.Event) {
	t.Helper()
	if err := s.Write(t.Context(), events); err != nil {
		t.Fatal(err)
	}
}

func dial(t testing.TB, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

// value returns the one text that a statement answers with.
func value(t testing.TB, conn *pgx.Conn, sql string, args ...any) string {
	t.Helper()
	var v string
	if err := conn.QueryRow(t.Context(), sql, args...).Scan(&v); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return v
}

// TestImmutable tries to change what is stored, as everybody who might.
func TestImmutable(t *testing.T) {
	t.Parallel()
	s, url := open(t)
	write(t, s, numbered(vigil.TableEvents, 0, 300))
	conn := dial(t, url)
	part := "vigil." + value(t, conn, "select relname::text from api.events e join pg_class c on c.oid = e.tableoid limit 1")
	if !strings.HasPrefix(part, "vigil.events_2") {
		t.Fatalf("the events are in %s, which is no month's partition", part)
	}
	before := value(t, conn, "select md5(string_agg(t::text, ',' order by id)) from api.events t")
	for _, rel := range []string{"api.events", part, "vigil.events_default", "vigil.tiles", "vigil.senders"} {
		for _, change := range []string{"update REL set COL = COL", "delete from REL", "truncate REL", "truncate REL cascade"} {
			column := map[string]string{"vigil.tiles": "level", "vigil.senders": "body"}[rel]
			if column == "" {
				column = "event"
			}
			sql := strings.NewReplacer("REL", rel, "COL", column).Replace(change)
			for _, as := range []string{"", "set session_replication_role = replica", "set role vigil_writer", "set role vigil_reader"} {
				if rel == "vigil.events_default" && !strings.HasPrefix(sql, "truncate") && !strings.Contains(as, "role vigil") {
					continue // it is empty: no row is there to be refused
				}
				if err := try(t, conn, as, sql); err == nil {
					t.Errorf("%s; %s: it was done", as, sql)
				} else if state(err) != "42501" {
					t.Errorf("%s; %s: %v", as, sql, err)
				}
			}
		}
	}
	for _, sql := range []string{
		"insert into " + part + " select * from api.events limit 1",
		"drop table api.events", "alter table api.events disable trigger all", "alter table api.events detach partition " + part,
		"insert into vigil.removing values (pg_backend_pid())", "delete from vigil.erased", "truncate vigil.removals",
		"update vigil.migrations set hash = ''", "select vigil.make_table('x')", "select vigil.never_changes('api.events')",
	} {
		if err := try(t, conn, "set role vigil_writer", sql); state(err) != "42501" {
			t.Errorf("as the writer: %s: %v", sql, err)
		}
	}
	for _, sql := range []string{"insert into api.events (id, event) values (9999, '{}')", "select vigil.make_partitions(now())", "insert into vigil.keys values (gen_random_uuid(), '', 0, 0, now())"} {
		if err := try(t, conn, "set role vigil_reader", sql); state(err) != "42501" {
			t.Errorf("as the reader: %s: %v", sql, err)
		}
	}
	if err := try(t, conn, "", `insert into api.events (id, event) values (9999, '{}')`); state(err) != "23502" {
		t.Errorf("a row by direct SQL: %v", err)
	}
	if after := value(t, conn, "select md5(string_agg(t::text, ',' order by id)) from api.events t"); after != before {
		t.Error("the events have changed")
	}
	storetest.CheckRoot(t, s)
}

// try runs a statement after another one, in a transaction that is undone.
func try(t testing.TB, conn *pgx.Conn, before, sql string) error {
	t.Helper()
	ctx := t.Context()
	tx, err := conn.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(ctx) }()
	if before != "" {
		if _, err := tx.Exec(ctx, "set local "+strings.TrimPrefix(before, "set ")); err != nil {
			t.Fatalf("%s: %v", before, err)
		}
	}
	_, err = tx.Exec(ctx, sql)
	return err
}

// TestHashedAgain computes leaves with nothing but SQL, from the rows.
func TestHashedAgain(t *testing.T) {
	t.Parallel()
	s, url := open(t)
	write(t, s, numbered(vigil.TableEvents, 0, 700))
	write(t, s, []*vigil.Event{{Table: vigil.TableLogs, Format: vigil.FormatLogserver, Doc: []byte(" {\"b\":1.0,\n \"a\": 2}")}})
	conn := dial(t, url)
	const sql = `with all_events as (
			select 'events' as tbl, * from api.events union all select 'logs', * from api.logs
		), leaves as (
			select _index, sha256('\x00'::bytea || convert_to(format(E'vigil-leaf/v1\n%s\n%s %s\n%s\n%s\n%s\n%s\n',
				_epoch, tbl, e.id, _uid, to_char(_received at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), case when _canonical then 'canonical' else 'raw' end,
				encode(sha256('\x01'::bytea || _salt || int4send(coalesce(octet_length(body), 0)) || convert_to(coalesce(body, ''), 'UTF8')
					|| coalesce(_raw, convert_to(event::text, 'UTF8'))), 'base64')), 'UTF8')) as hash
			from all_events e left join vigil.senders s on s.id = _sender
		), stored as (
			select n * 256 + i as _index, substr(hashes, (i * 32 + 1)::int, 32) as hash from vigil.tiles, generate_series(0, 255) i where level = 0
			union all
			select first + i, substr(hashes, i * 32 + 1, 32) from vigil.leaves, generate_series(0, 255) i where i < length(hashes) / 32
		)
		select format('%s of %s', count(*), (select count(*) from stored)) from leaves join stored using (_index, hash)`
	if got := value(t, conn, sql); got != "701 of 701" {
		t.Errorf("%s leaf hashes are what the rows make", got)
	}
	// A document that is spelled as jsonb is has its bytes once.
	if got := value(t, conn, "select count(_raw)::text from api.events"); got != "0" {
		t.Errorf("%s documents are stored twice", got)
	}
}
