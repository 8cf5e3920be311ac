package postgres_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"vigil"
	"vigil/internal/pgtest"
	"vigil/internal/store"
	"vigil/internal/store/postgres"
	"vigil/internal/store/storetest"
)

// staged has one array wait in its commit, for a lock, until the rows of another
// have been copied; then the lock is let go. It returns what became of both, and the
// transaction of the second's copy.
func staged(t *testing.T, s *postgres.Store, url string, second []*vigil.Event) (errs [2]error, copied string) {
	t.Helper()
	conn, watch := dial(t, url), dial(t, url)
	tx, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), "lock table vigil.tiles in exclusive mode"); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	send := func(k int, events []*vigil.Event) {
		wg.Go(func() { errs[k] = s.Write(context.Background(), events) })
	}
	send(0, numbered(vigil.TableEvents, 0, 300))
	until(t, func() bool { return locked(t, watch) == "1" })
	send(1, second)
	until(t, func() bool {
		copied = value(t, watch, `select coalesce(min(backend_xid::text), '') from pg_stat_activity
			where state = 'idle in transaction' and datname = current_database() and query like 'copy%_facts_%'`)
		return copied != ""
	})
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	return errs, copied
}

func wantRows(t *testing.T, s *postgres.Store, conn *pgx.Conn, want int) {
	t.Helper()
	got := value(t, conn, "select format('%s rows, %s ids from %s to %s', count(*), count(distinct id), min(id), max(id)) from api.events")
	if right := fmt.Sprintf("%d rows, %[1]d ids from 1 to %[1]d", want); got != right {
		t.Errorf("%s, want %s", got, right)
	}
	if got := value(t, conn, "select count(*)::text from vigil._facts_events"); got != itoa(want) {
		t.Errorf("%s rows of facts, want %d", got, want)
	}
	storetest.CheckRoot(t, s)
}

// TestStage copies an array while the one before it is committed.
func TestStage(t *testing.T) {
	t.Parallel()
	s, url := open(t)
	conn := dial(t, url)
	errs, copied := staged(t, s, url, numbered(vigil.TableEvents, 300, 200))
	if errs[0] != nil || errs[1] != nil {
		t.Fatal(errs)
	}
	wantRows(t, s, conn, 500)
	if got := value(t, conn, "select count(*)::text from api.events where xmin::text = $1 and id > 300", copied); got != "200" {
		t.Errorf("%s rows are those that were copied beside the first commit, want 200", got)
	}
}

// TestStageAfterRefusal has the database refuse the array before one that was
// copied: its places are others then.
func TestStageAfterRefusal(t *testing.T) {
	t.Parallel()
	s, url := open(t)
	conn := dial(t, url)
	if err := pgtest.Exec(t.Context(), url, `create sequence public.tries; grant usage on sequence public.tries to vigil_writer;
		create function public.once() returns trigger language plpgsql as $$ begin
			if nextval('public.tries') = 1 then raise exception 'not this time'; end if; return new; end $$;
		create trigger once before insert on vigil.tiles for each row execute function public.once()`); err != nil {
		t.Fatal(err)
	}
	errs, copied := staged(t, s, url, numbered(vigil.TableEvents, 300, 200))
	wantKind(t, "the array that is refused", errs[0], vigil.Unavailable, "")
	if errs[1] != nil {
		t.Fatal(errs[1])
	}
	wantRows(t, s, conn, 200)
	if got := value(t, conn, "select count(*)::text from api.events where xmin::text = $1", copied); got != "0" {
		t.Errorf("%s rows have places that were never given", got)
	}
}

// TestStageRefused has the database refuse an array that is copied ahead, and
// another one not that shares its group or comes after it.
func TestStageRefused(t *testing.T) {
	t.Parallel()
	s, url := open(t)
	conn := dial(t, url)
	if err := pgtest.Exec(t.Context(), url, "alter table api.events add constraint no_bad check (event->>'bad' is null)"); err != nil {
		t.Fatal(err)
	}
	const clients, each = 4, 6
	var wg sync.WaitGroup
	for w := range clients {
		wg.Go(func() {
			for i := range each {
				events := numbered(vigil.TableEvents, i, 150)
				bad := (w+i)%4 == 0
				if bad {
					events[140].Doc = []byte(`{"bad": 1}`)
				}
				err := s.Write(context.Background(), events)
				if (err != nil) != bad {
					t.Errorf("array %d of client %d: %v", i, w, err)
				} else if bad {
					wantKind(t, "an array that is refused", err, vigil.Invalid, "23514")
				}
			}
		})
	}
	wg.Wait()
	wantRows(t, s, conn, clients*each*150*3/4)
}

// TestStageMixed writes arrays, single events and batches with keys at once.
func TestStageMixed(t *testing.T) {
	t.Parallel()
	s, url := open(t)
	conn := dial(t, url)
	const each = 12
	var wg sync.WaitGroup
	for w := range 6 {
		wg.Go(func() {
			for i := range each {
				b := &store.Batch{Events: numbered(vigil.TableEvents, i, 130)}
				switch w {
				case 0:
					b.Events = b.Events[:1]
				case 1:
					b.Key = &store.Key{Scope: "test", Key: itoa(i / 2)} // each twice
				case 2:
					b.Events = append(b.Events, numbered("custom", i, 3)...)
				}
				if _, err := s.Append(context.Background(), b); err != nil {
					t.Errorf("client %d: %v", w, err)
				}
			}
		})
	}
	wg.Wait()
	wantRows(t, s, conn, each+each/2*130+4*each*130)
	if got := value(t, conn, "select count(*)::text from api.custom"); got != itoa(3*each) {
		t.Errorf("%s rows in the other table, want %d", got, 3*each)
	}
}

// TestStageFrontEnds has two front ends write arrays, so that what one has copied
// ahead is often not what the log goes on with.
func TestStageFrontEnds(t *testing.T) {
	t.Parallel()
	first, url := open(t)
	ends := []*postgres.Store{first, connect(t, url)}
	const clients, each = 3, 8
	var wg sync.WaitGroup
	for _, s := range ends {
		for range clients {
			wg.Go(func() {
				for i := range each {
					if err := s.Write(context.Background(), numbered(vigil.TableEvents, i, 100)); err != nil {
						t.Error(err)
					}
				}
			})
		}
	}
	wg.Wait()
	wantRows(t, first, dial(t, url), 2*clients*each*100)
}

// TestStageBroken cuts connections at messages of a commit while arrays come from
// several clients. Each is stored once all the same.
func TestStageBroken(t *testing.T) {
	t.Parallel()
	_, url := open(t)
	p, through := newProxy(t, url)
	s := connect(t, through)
	conn := dial(t, url)
	want, cuts := 0, 0
	for _, reply := range []bool{false, true} {
		for n := range 10 {
			p.arm(n, reply)
			var wg sync.WaitGroup
			for w := range 4 {
				wg.Go(func() {
					if err := s.Write(context.Background(), numbered(vigil.TableEvents, w, 150)); err != nil {
						t.Errorf("cut at message %d, answers %v: %v", n, reply, err)
					}
				})
			}
			wg.Wait()
			want += 4 * 150
			cuts = p.disarm()
		}
	}
	if cuts < 5 {
		t.Errorf("only %d connections were cut", cuts)
	}
	wantRows(t, s, conn, want)
}
