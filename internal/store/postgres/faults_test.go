package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"vigil"
	"vigil/internal/pgtest"
	"vigil/internal/query"
	"vigil/internal/store"
	"vigil/internal/store/postgres"
	"vigil/internal/store/storetest"
)

// TestFrontEnds writes through several stores on one database at once.
func TestFrontEnds(t *testing.T) {
	t.Parallel()
	first, url := open(t)
	ends := []*postgres.Store{first, connect(t, url), connect(t, url)}
	const writers, each = 4, 25
	var total atomic.Int64
	var wg sync.WaitGroup
	for k, s := range ends {
		for w := range writers {
			wg.Go(func() {
				for i := range each {
					batch := numbered([]string{vigil.TableEvents, "custom"}[(w+i)%2], i, i%4+1)
					key := &store.Key{Scope: "test", Key: fmt.Sprint(w, "/", i)} // the same through each of them
					if k == 0 {
						key = nil
					}
					r, err := s.Append(t.Context(), &store.Batch{Events: batch, Key: key})
					if err != nil {
						t.Errorf("append: %v", err)
						return
					}
					if !r.Replayed {
						total.Add(int64(len(batch)))
					}
					q := &query.Query{Table: batch[0].Table, Where: query.Test{Path: query.Path{Column: "_index"}, Op: query.Eq, Value: fmt.Sprint(r.First)}, Limit: -1}
					if n, err := ends[(k+1)%len(ends)].Count(t.Context(), q); err != nil || n != 1 {
						t.Errorf("through another front end an acknowledged event is there %d times, %v", n, err)
					}
				}
			})
		}
	}
	wg.Wait()
	if want := int64(2 * writers * (each/4*10 + 1)); total.Load() != want {
		t.Errorf("%d events were added, want %d: keys do not hold for all front ends", total.Load(), want)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for _, s := range ends {
		size, err := s.Wait(ctx, total.Load()-1)
		if err != nil || size != total.Load() {
			t.Fatalf("a front end sees %d entries, %v; want %d", size, err, total.Load())
		}
		if s.Log().Root() != first.Log().Root() {
			t.Error("front ends have different roots")
		}
		storetest.CheckRoot(t, s)
		n, err := s.Count(ctx, &query.Query{Table: vigil.TableEvents, Limit: -1})
		m, err2 := s.Count(ctx, &query.Query{Table: "custom", Limit: -1})
		if err != nil || err2 != nil || n+m != total.Load() {
			t.Errorf("%d and %d rows, %v, %v; want %d in all", n, m, err, err2, total.Load())
		}
	}
}

// TestBrokenCommits cuts the connection at every message of a commit, both
// ways. Each event is stored once all the same.
func TestBrokenCommits(t *testing.T) {
	t.Parallel()
	direct, url := open(t)
	p, through := newProxy(t, url)
	s := connect(t, through)
	write(t, s, numbered(vigil.TableEvents, 0, 1))
	want := int64(1)
	for _, reply := range []bool{false, true} {
		cut := 0
		for n := range 12 {
			p.arm(n, reply)
			before := p.disarm()
			p.arm(n, reply)
			if err := s.Write(t.Context(), numbered(vigil.TableEvents, n, 300)); err != nil {
				t.Fatalf("cut at message %d, answers %v: %v", n, reply, err)
			}
			cut += p.disarm() - before
			want += 300
			count, err := direct.Count(t.Context(), &query.Query{Table: vigil.TableEvents, Where: query.And{}, Limit: -1})
			if err != nil || count != want {
				t.Fatalf("cut at message %d, answers %v: %d rows, %v; want %d", n, reply, count, err, want)
			}
			if err := s.Err(); err != nil {
				t.Fatal(err)
			}
		}
		if cut < 2 {
			t.Errorf("only %d connections were cut", cut)
		}
	}
	storetest.CheckRoot(t, s)
	// What one store wrote in spite of all that, the other follows.
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if size, err := direct.Wait(ctx, want-1); err != nil || size != want {
		t.Fatalf("the other store has %d entries, %v; want %d", size, err, want)
	}
	storetest.CheckRoot(t, direct)
}

// TestLateCommit has the server read a commit only after its connection broke and
// the store asked what became of it: it is stored once all the same.
func TestLateCommit(t *testing.T) {
	t.Parallel()
	_, url := open(t)
	p, through := newProxy(t, url)
	s := connect(t, through)
	conn := dial(t, url)
	rows := func() string { return value(t, conn, "select count(*)::text from api.events") }
	for n := range 2 { // so that the next goes in one trip, with statements that are known
		write(t, s, numbered(vigil.TableEvents, n, 1))
	}
	released := false
	p.mu.Lock()
	p.late = &lateCommit{armed: true, release: func() {
		until(t, func() bool { return rows() == "3" })
		released = true
	}}
	p.mu.Unlock()
	write(t, s, numbered(vigil.TableEvents, 2, 1))
	if !released {
		t.Fatal("no commit came late")
	}
	wantRows(t, s, conn, 3)
	write(t, s, numbered(vigil.TableEvents, 3, 1))
	wantRows(t, s, conn, 4)
}

// long says whether the long tests are to be run, as make faults does.
func long() bool { return os.Getenv("FAULTS") == "long" }

// TestFaultStops stops the server at once under load, again and again, and once
// kills a backend: it recovers from its log. Nothing acknowledged is lost, nothing
// is there twice.
func TestFaultStops(t *testing.T) {
	t.Parallel()
	cluster := startServer(t)
	rounds := 2
	if long() {
		rounds = 8
	}
	url := cluster.url()
	if err := postgres.Migrate(t.Context(), url, storetest.Config(nil), postgres.Grants{}); err != nil {
		t.Fatal(err)
	}
	s := connect(t, url)
	var acked, tries atomic.Int64
	done := make(chan struct{})
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-done:
					return
				default:
				}
				key := &store.Key{Scope: "load", Key: fmt.Sprint(w, "/", i)}
				for { // until it is taken: the key makes that harmless
					tries.Add(1)
					_, err := s.Append(context.Background(), &store.Batch{Events: numbered(vigil.TableEvents, w*1_000_000+i, 1), Key: key})
					if err == nil {
						break
					}
					if e, ok := errors.AsType[*vigil.Error](err); !ok || e.Kind != vigil.Unavailable || e.RetryAfter == 0 {
						t.Errorf("append: %v", err)
						return
					}
					time.Sleep(time.Millisecond)
				}
				acked.Add(1)
			}
		})
	}
	if err := crash(t, url); err != nil {
		t.Error(err)
	}
	for round := range rounds {
		until(t, func() bool { return acked.Load() > int64(100*(round+1)) })
		cluster.stop()
		cluster.start()
		now := acked.Load()
		until(t, func() bool { return acked.Load() > now+50 && s.Err() == nil })
	}
	close(done)
	wg.Wait()
	conn := dial(t, url)
	if got, want := value(t, conn, "select count(*)::text from api.events"), fmt.Sprint(acked.Load()); got != want {
		t.Errorf("%s events are stored, %s were acknowledged", got, want)
	}
	if got := value(t, conn, "select count(distinct event->>'n')::text from api.events"); got != fmt.Sprint(acked.Load()) {
		t.Errorf("%s different events are stored, %d were acknowledged", got, acked.Load())
	}
	storetest.CheckRoot(t, s)
	again := connect(t, url)
	storetest.CheckRoot(t, again)
	t.Logf("%d events in %d tries", acked.Load(), tries.Load())
}

// crash kills a backend, and waits until the server has ended the others.
func crash(t testing.TB, url string) error {
	t.Helper()
	conn, watch := dial(t, url), dial(t, url)
	if err := syscall.Kill(int(conn.PgConn().PID()), syscall.SIGKILL); err != nil {
		return err
	}
	if _, err := watch.Exec(t.Context(), "select pg_sleep(30)"); err == nil {
		return errors.New("the server went on")
	}
	return nil
}

func until(t testing.TB, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("not within 30 seconds")
		}
	}
}

// TestUnreachable makes sure that a store without its server says so, soon, and
// goes on by itself.
func TestUnreachable(t *testing.T) {
	t.Parallel()
	_, url := open(t)
	p, through := newProxy(t, url)
	s, err := postgres.Open(t.Context(), postgres.Options{URL: through, Resolve: 100 * time.Millisecond}, storetest.Config(nil))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	write(t, s, numbered(vigil.TableEvents, 0, 1))
	p.refuse(true)
	err = s.Write(t.Context(), numbered(vigil.TableEvents, 1, 1))
	if vigil.KindOf(err) != vigil.Unavailable || s.Err() == nil {
		t.Errorf("append without a server: %v, the store says %v", err, s.Err())
	}
	if _, err := s.Count(t.Context(), &query.Query{Table: vigil.TableEvents, Where: query.And{}, Limit: -1}); vigil.KindOf(err) != vigil.Unavailable {
		t.Errorf("count without a server: %v", err)
	}
	p.refuse(false)
	until(t, func() bool { return s.Err() == nil })
	write(t, s, numbered(vigil.TableEvents, 2, 1))
	storetest.CheckRoot(t, s)
}

// TestNotReady makes sure that nothing is made or changed by opening.
func TestNotReady(t *testing.T) {
	t.Parallel()
	url := pgtest.Postgres(t)
	o := postgres.Options{URL: url}
	if _, err := postgres.Open(t.Context(), o, store.Config{}); !errors.Is(err, postgres.ErrNotMigrated) {
		t.Errorf("an empty database: %v", err)
	}
	if err := pgtest.CreateLogserver(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	if _, err := postgres.Open(t.Context(), o, store.Config{}); !errors.Is(err, postgres.ErrForeign) {
		t.Errorf("logserver's database: %v", err)
	}
	if err := postgres.Migrate(t.Context(), url, store.Config{}, postgres.Grants{}); !errors.Is(err, postgres.ErrForeign) {
		t.Errorf("migrating logserver's database: %v", err)
	}
	if got := value(t, dial(t, url), "select count(*)::text from pg_namespace where nspname = 'vigil'"); got != "0" {
		t.Error("the schema vigil was made beside a foreign api.events")
	}
	_, url = open(t)
	if _, err := postgres.Open(t.Context(), postgres.Options{URL: url}, store.Config{Tables: []string{"more"}}); !errors.Is(err, postgres.ErrNotMigrated) {
		t.Errorf("a table that is not there: %v", err)
	}
	const anon = "do $$ begin create role web_anon nologin; exception when duplicate_object or unique_violation then null; end $$"
	if err := pgtest.Exec(t.Context(), url, anon); err != nil {
		t.Fatal(err)
	}
	for range 2 { // again is harmless
		if err := postgres.Migrate(t.Context(), url, store.Config{Tables: []string{"more"}}, postgres.Grants{Readers: []string{"web_anon", "nobody_such"}}); err != nil {
			t.Fatal(err)
		}
	}
	s, err := postgres.Open(t.Context(), postgres.Options{URL: url}, store.Config{Tables: []string{"more"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := try(t, dial(t, url), "set role web_anon", "select id, event from api.more"); err != nil {
		t.Errorf("reading as web_anon: %v", err)
	}
	if err := try(t, dial(t, url), "set role web_anon", "insert into api.more (id, event) values (1, '{}')"); state(err) != "42501" {
		t.Errorf("inserting as web_anon: %v", err)
	}
}

// TestOlderDatabase has the database go back behind a running store: it stops.
func TestOlderDatabase(t *testing.T) {
	t.Parallel()
	url := migrated(t)
	fatal := make(chan error, 1)
	s, err := postgres.Open(t.Context(), postgres.Options{URL: url, OnFatal: func(err error) { fatal <- err }}, storetest.Config(nil))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	write(t, s, numbered(vigil.TableEvents, 0, 10))
	if err := pgtest.Exec(t.Context(), url, "update vigil.tree set size = 4, root = sha256('x')"); err != nil {
		t.Fatal(err)
	}
	if err := s.Write(t.Context(), numbered(vigil.TableEvents, 0, 1)); vigil.KindOf(err) != vigil.Unavailable {
		t.Errorf("append to an older database: %v", err)
	}
	select {
	case <-fatal:
	case <-time.After(10 * time.Second):
		t.Error("nobody was told")
	}
	if s.Err() == nil {
		t.Error("the store says that it takes events")
	}
	if got := value(t, dial(t, url), "select count(*)::text from api.events"); got != "10" {
		t.Errorf("%s rows, want 10", got)
	}
}

// TestViewPages reads a view in pages while rows are added.
func TestViewPages(t *testing.T) {
	t.Parallel()
	s, _ := open(t)
	for i := range 3 {
		write(t, s, numbered(vigil.TableEvents, i*1000, 1000))
	}
	for _, desc := range []bool{false, true} {
		before, err := s.Count(t.Context(), &query.Query{Table: "brief", Limit: -1})
		if err != nil {
			t.Fatal(err)
		}
		q := &query.Query{Table: "brief", Order: []query.Order{{Path: query.Path{Column: "id"}, Desc: desc}}, Limit: -1}
		var last, n int64
		for e, err := range s.Records(t.Context(), q) {
			if err != nil {
				t.Fatal(err)
			}
			if n > 0 && (e.ID > last) == desc {
				t.Fatalf("id %d after %d", e.ID, last)
			}
			if last, n = e.ID, n+1; n%500 == 0 {
				write(t, s, numbered(vigil.TableEvents, 0, 5))
			}
		}
		if n != before {
			t.Errorf("%d rows of the view, want %d", n, before)
		}
	}
}
