package postgres_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"vigil"
	"vigil/internal/ledger"
	"vigil/internal/pgtest"
	"vigil/internal/query"
	"vigil/internal/store"
	"vigil/internal/store/postgres"
	"vigil/internal/store/storetest"
)

// TestBlockedRead makes sure that a statement ends with the client that wanted
// it, and after the time that it is given.
func TestBlockedRead(t *testing.T) {
	t.Parallel()
	first, url := open(t)
	write(t, first, numbered(vigil.TableEvents, 0, 3))
	s, err := postgres.Open(t.Context(), postgres.Options{URL: url, ReadTimeout: 300 * time.Millisecond}, storetest.Config(nil))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	conn, watch := dial(t, url), dial(t, url) // in a transaction the activity stands still
	tx, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), "lock table api.events in access exclusive mode"); err != nil {
		t.Fatal(err)
	}
	q := &query.Query{Table: vigil.TableEvents, Where: query.And{}, Limit: -1}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := first.Count(ctx, q); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a count whose client has left: %v", err)
	}
	until(t, func() bool { return locked(t, watch) == "0" })
	_, err = s.Count(t.Context(), q)
	wantKind(t, "a count that takes too long", err, vigil.Unavailable, "57014")
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n, err := first.Count(t.Context(), q); err != nil || n != 3 {
		t.Errorf("a count afterwards: %d, %v", n, err)
	}
}

// locked returns how many sessions of the database wait for a lock.
func locked(t testing.TB, conn *pgx.Conn) string {
	t.Helper()
	return value(t, conn, "select count(*)::text from pg_stat_activity where state = 'active' and datname = current_database() and pid <> pg_backend_pid() and wait_event_type = 'Lock'")
}

func wantKind(t testing.TB, what string, err error, kind vigil.Kind, code string) {
	t.Helper()
	e, ok := errors.AsType[*vigil.Error](err)
	if !ok || e.Kind != kind || e.Code != code {
		t.Errorf("%s: got %v, want kind %d code %q", what, err, kind, code)
		return
	}
	for _, word := range []string{"select", "insert", "vigil.", "api.", "$1"} {
		if strings.Contains(e.Message+e.Details+e.Hint, word) {
			t.Errorf("%s: the message has SQL: %s", what, e.Message)
		}
	}
}

// TestTrouble goes through what operators do to databases. The store says what
// is wrong, acknowledges nothing, and goes on when it is over.
func TestTrouble(t *testing.T) {
	t.Parallel()
	s, url := open(t)
	write(t, s, numbered(vigil.TableEvents, 0, 10))
	conn := dial(t, url)
	const others = "; select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'"
	database := value(t, conn, "select current_database()::text")
	for name, c := range map[string]struct {
		do, undo string
		kind     vigil.Kind
	}{
		"read-only": {"alter database " + database + " set default_transaction_read_only = on" + others, "alter database " + database + " reset default_transaction_read_only" + others, vigil.Unavailable},
		"no right":  {"revoke insert on api.events from vigil_writer", "grant insert on api.events to vigil_writer", vigil.Unavailable},
		"dead worker": {`create function public.gone() returns trigger language plpgsql as $$ begin raise exception 'connection to the remote node failed' using errcode = 'connection_failure'; end $$;
			create trigger worker before insert on api.events for each row execute function public.gone()`, "drop function public.gone() cascade", vigil.Unavailable},
		"renamed": {"alter table api.events rename to gone", "alter table api.gone rename to events", vigil.Unavailable},
	} {
		if err := pgtest.Exec(t.Context(), url, c.do); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		_, err := s.Append(t.Context(), &store.Batch{Events: numbered(vigil.TableEvents, 0, 2)})
		wantKind(t, name, err, c.kind, "")
		if err := pgtest.Exec(t.Context(), url, "set transaction read write; "+c.undo); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		until(t, func() bool { return s.Err() == nil })
		write(t, s, numbered(vigil.TableEvents, 0, 1))
	}
	if n, err := s.Count(t.Context(), &query.Query{Table: vigil.TableEvents, Where: query.And{}, Limit: -1}); err != nil || n != 14 {
		t.Errorf("%d rows, %v, want 14", n, err)
	}
	storetest.CheckRoot(t, s)
}

// TestStaleReaders ends every session between two questions: nobody notices.
func TestStaleReaders(t *testing.T) {
	t.Parallel()
	s, url := open(t)
	write(t, s, numbered(vigil.TableEvents, 0, 3))
	q := &query.Query{Table: vigil.TableEvents, Where: query.And{}, Limit: -1}
	for range 5 {
		if n, err := s.Count(t.Context(), q); err != nil || n != 3 {
			t.Fatalf("%d rows, %v; want 3", n, err)
		}
		if err := pgtest.Exec(t.Context(), url, pgtest.EndSessions("datname = current_database() and backend_type = 'client backend'")); err != nil {
			t.Fatal(err)
		}
	}
}

// TestTampering has a superuser change what triggers keep from others: the root
// no longer fits.
func TestTampering(t *testing.T) {
	t.Parallel()
	s, url := open(t)
	write(t, s, numbered(vigil.TableEvents, 0, 300))
	if err := pgtest.Exec(t.Context(), url, `alter table api.events disable trigger vigil_never_changes; update api.events set event = '{"n": -1}' where id = 123; alter table api.events enable always trigger vigil_never_changes`); err != nil {
		t.Fatal(err)
	}
	tile, err := s.Log().Tile(0, 0, 256)
	if err != nil {
		t.Fatal(err)
	}
	wrong := []int64{}
	for e, err := range s.Entries(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Index >= 256 {
			break
		}
		if h := ledger.HashLeaf(store.LeafOf(e).AppendText(nil)); string(h[:]) != string(tile[e.Index*32:e.Index*32+32]) {
			wrong = append(wrong, e.Index)
		}
	}
	if len(wrong) != 1 || wrong[0] != 122 {
		t.Errorf("entries %v are not what was logged, want 122", wrong)
	}
}

// TestOneRefused has the database refuse one request of a group: the others are
// stored.
func TestOneRefused(t *testing.T) {
	t.Parallel()
	s, url := open(t)
	if err := pgtest.Exec(t.Context(), url, "alter table api.events add constraint no_bad check (event->>'bad' is null)"); err != nil {
		t.Fatal(err)
	}
	conn, watch := dial(t, url), dial(t, url) // in a transaction the activity stands still
	tx, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), "select * from vigil.tree for update"); err != nil {
		t.Fatal(err)
	}
	first := make(chan error, 1)
	go func() { first <- s.Write(context.Background(), numbered(vigil.TableEvents, 99, 1)) }()
	until(t, func() bool { return locked(t, watch) == "1" }) // it has its turn, and the others wait for theirs
	const requests = 12
	errs := make(chan error, requests)
	for i := range requests {
		go func() {
			events := numbered(vigil.TableEvents, i, 2)
			if i == 5 {
				events[1].Doc = []byte(`{"bad": 1}`)
			}
			_, err := s.Append(context.Background(), &store.Batch{Events: events, Key: &store.Key{Key: itoa(i)}})
			if (err != nil) != (i == 5) {
				t.Errorf("request %d: %v", i, err)
			}
			errs <- err
		}()
	}
	until(t, func() bool { return postgres.Waiting(s) == requests })
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-first; err != nil {
		t.Error(err)
	}
	for range requests {
		if err := <-errs; err != nil {
			wantKind(t, "the request that the database refuses", err, vigil.Invalid, "23514")
		}
	}
	if n, err := s.Count(t.Context(), &query.Query{Table: vigil.TableEvents, Where: query.And{}, Limit: -1}); err != nil || n != 2*(requests-1)+1 {
		t.Errorf("%d rows, %v; want %d", n, err, 2*(requests-1)+1)
	}
	storetest.CheckRoot(t, s)
}
