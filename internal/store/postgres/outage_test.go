package postgres_test

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"vigil"
	"vigil/internal/ledger"
	"vigil/internal/pgtest"
	"vigil/internal/query"
	"vigil/internal/store/postgres"
	"vigil/internal/store/storetest"
)

// TestFaultFailover has the address of the database lead to a copy of the server:
// one that has everything, which is taken, and one that lacks the last events,
// which is not.
func TestFaultFailover(t *testing.T) {
	t.Parallel()
	first := startServer(t, "fsync=off", "max_wal_senders=4")
	if err := postgres.Migrate(t.Context(), first.url(), storetest.Config(nil), postgres.Grants{}); err != nil {
		t.Fatal(err)
	}
	p, through := newProxy(t, first.url())
	fatal := make(chan error, 1)
	o := postgres.Options{URL: through, Guard: t.TempDir(), OnFatal: func(err error) { fatal <- err }}
	s, err := postgres.Open(t.Context(), o, storetest.Config(nil))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	write(t, s, numbered(vigil.TableEvents, 0, 10))
	second := first.copied()
	first.stop()
	p.turn(second.address())
	until(t, func() bool { return s.Write(t.Context(), numbered(vigil.TableEvents, 10, 10)) == nil })
	storetest.CheckRoot(t, s)

	third := second.copied()
	write(t, s, numbered(vigil.TableEvents, 20, 10)) // the tail that gets lost
	size, root := s.Log().Published()
	err = s.Guard().Save(ledger.GuardState{StoreID: s.StoreID(), Epoch: s.Epoch(), Size: size, Root: root, LastIDs: s.LastIDs(), Saved: time.Now().UTC()})
	if err != nil {
		t.Fatal(err)
	}
	second.stop()
	p.turn(third.address())
	until(t, func() bool {
		err := s.Write(t.Context(), numbered(vigil.TableEvents, 30, 1))
		if vigil.KindOf(err) != vigil.Unavailable {
			t.Fatalf("append to a server that lacks events: %v", err)
		}
		return len(fatal) == 1
	})
	again, err := postgres.Open(t.Context(), o, storetest.Config(nil))
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	wantKind(t, "a restart", again.Err(), vigil.Unavailable, "")
	if err := again.Write(t.Context(), numbered(vigil.TableEvents, 30, 1)); vigil.KindOf(err) != vigil.Unavailable {
		t.Errorf("append after a restart: %v", err)
	}
	if n, err := again.Count(t.Context(), everything()); err != nil || n != 20 {
		t.Errorf("%d rows can be read, %v; want 20", n, err)
	}
}

func everything() *query.Query {
	return &query.Query{Table: vigil.TableEvents, Where: query.And{}, Limit: -1}
}

// TestFaultConnections takes every connection that the server has.
func TestFaultConnections(t *testing.T) {
	t.Parallel()
	srv := startServer(t, "fsync=off", "max_connections=14", "superuser_reserved_connections=0")
	if err := postgres.Migrate(t.Context(), srv.url(), storetest.Config(nil), postgres.Grants{}); err != nil {
		t.Fatal(err)
	}
	s, err := postgres.Open(t.Context(), postgres.Options{URL: srv.url(), Resolve: 200 * time.Millisecond}, storetest.Config(nil))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	write(t, s, numbered(vigil.TableEvents, 0, 3))
	var taken []*pgx.Conn
	fill := func() {
		for {
			conn, err := pgx.Connect(t.Context(), srv.url())
			if err != nil {
				return
			}
			taken = append(taken, conn)
		}
	}
	fill()
	others := pgtest.EndSessions("application_name = 'vigil'")
	if _, err := taken[0].Exec(t.Context(), others); err != nil {
		t.Fatal(err)
	}
	for s.Err() == nil { // the store may have been faster
		fill()
		if _, err := taken[0].Exec(t.Context(), others); err != nil {
			t.Fatal(err)
		}
		fill()
		if err := s.Write(t.Context(), numbered(vigil.TableEvents, 3, 1)); err != nil && vigil.KindOf(err) != vigil.Unavailable {
			t.Fatalf("append without a connection: %v", err)
		}
	}
	_, err = s.Count(t.Context(), everything())
	wantKind(t, "a count without a connection", err, vigil.Unavailable, "")
	for _, conn := range taken {
		_ = conn.Close(t.Context())
	}
	until(t, func() bool { return s.Err() == nil })
	write(t, s, numbered(vigil.TableEvents, 4, 1))
	storetest.CheckRoot(t, s)
}
