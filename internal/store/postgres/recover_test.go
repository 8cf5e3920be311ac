package postgres_test

import (
	"errors"
	"strings"
	"testing"

	"vigil"
	"vigil/internal/ledger"
	"vigil/internal/query"
	"vigil/internal/store"
	"vigil/internal/store/postgres"
	"vigil/internal/store/storetest"
)

// TestRecover puts an older state of the database back, and goes on from it.
func TestRecover(t *testing.T) {
	t.Parallel()
	o := postgres.Options{URL: migrated(t), Guard: t.TempDir()}
	openIt := func() *postgres.Store {
		t.Helper()
		s, err := postgres.Open(t.Context(), o, storetest.Config(nil))
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	shut := func(s *postgres.Store) {
		t.Helper()
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	s := openIt()
	write(t, s, numbered(vigil.TableEvents, 0, 300))
	size, root := s.Log().Published()
	state := ledger.GuardState{StoreID: s.StoreID(), Epoch: 1, Size: size, Root: root, LastIDs: s.LastIDs()}
	if err := s.Guard().Save(state); err != nil {
		t.Fatal(err)
	}
	shut(s)
	if _, err := postgres.Recover(t.Context(), o, storetest.Config(nil), "no reason"); err == nil {
		t.Error("a store that is in order was recovered")
	}
	s = openIt() // what was signed is there
	if err := s.Err(); err != nil {
		t.Fatal(err)
	}
	state.Size, state.LastIDs[vigil.TableEvents], state.Checkpoint = 320, 320, []byte("what was signed")
	if err := s.Guard().Save(state); err != nil { // as if 20 more had been, before the backup came back
		t.Fatal(err)
	}
	shut(s)

	s = openIt()
	if vigil.KindOf(s.Err()) != vigil.Unavailable {
		t.Errorf("a store that was put back says %v", s.Err())
	}
	if err := s.Write(t.Context(), numbered(vigil.TableEvents, 0, 1)); vigil.KindOf(err) != vigil.Unavailable {
		t.Errorf("append to a store that was put back: %v", err)
	}
	if n, err := s.Count(t.Context(), &query.Query{Table: vigil.TableEvents, Limit: -1}); err != nil || n != 300 {
		t.Errorf("reading a store that was put back: %d, %v", n, err)
	}
	shut(s)

	epoch, err := postgres.Recover(t.Context(), o, storetest.Config(nil), "the disk was lost")
	if err != nil || epoch != 2 {
		t.Fatalf("epoch %d, %v", epoch, err)
	}
	s = openIt()
	defer shut(s)
	if err := s.Err(); err != nil {
		t.Fatal(err)
	}
	events := numbered(vigil.TableEvents, 0, 1)
	write(t, s, events)
	if e := events[0]; e.ID != 321 || e.Index != 301 || e.Epoch != 2 {
		t.Errorf("the first event has id %d, place %d, epoch %d", e.ID, e.Index, e.Epoch)
	}
	if got := s.Log().Origin(); got != store.Origin(storetest.Config(nil), [16]byte{}, 2) {
		t.Errorf("the log is called %s", got)
	}
	for e, err := range s.Entries(t.Context(), 300) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Table != vigil.TableSystem || !strings.Contains(string(e.Doc), `"the disk was lost"`) || !strings.Contains(string(e.Doc), "what was signed") {
			t.Errorf("the epoch begins with %s", e.Doc)
		}
		break
	}
	storetest.CheckRoot(t, s)
}

// TestNoGuard takes the guard of a store away: it is read-only then, but for
// what signs nothing.
func TestNoGuard(t *testing.T) {
	t.Parallel()
	o := postgres.Options{URL: migrated(t), Guard: t.TempDir()}
	openIt := func(o postgres.Options) (err error) {
		t.Helper()
		s, err := postgres.Open(t.Context(), o, storetest.Config(nil))
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if cerr := s.Close(); cerr != nil {
				t.Error(cerr)
			}
		}()
		if err = s.Err(); err == nil {
			err = s.Write(t.Context(), numbered(vigil.TableEvents, 0, 3))
		}
		return err
	}
	unsigned := o
	unsigned.Guard, unsigned.Unsigned = t.TempDir(), true
	for name, o := range map[string]postgres.Options{"unsigned, before": unsigned, "first": o, "second": o} {
		if err := openIt(o); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := openIt(unsigned); err != nil {
		t.Errorf("unsigned, after: %v", err)
	}
	lost := o
	lost.Guard = t.TempDir()
	err := openIt(lost)
	if _, ok := errors.AsType[*ledger.NoGuardError](err); !ok || vigil.KindOf(err) != vigil.Unavailable {
		t.Errorf("without its guard: %v", err)
	}
	if epoch, err := postgres.Recover(t.Context(), lost, storetest.Config(nil), "lost"); err != nil || epoch != 2 {
		t.Errorf("recover: %d, %v", epoch, err)
	}
	if err := openIt(lost); err != nil {
		t.Errorf("recovered: %v", err)
	}
}
