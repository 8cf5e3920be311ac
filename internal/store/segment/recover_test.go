package segment

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vigil"
	"vigil/internal/ledger"
	"vigil/internal/query"
	"vigil/internal/store"
	"vigil/internal/store/storetest"
)

// sign does what the publisher of checkpoints does with the guard.
func sign(t testing.TB, s *Store, checkpoint string) {
	t.Helper()
	size, root := s.Log().Published()
	err := s.Guard().Save(ledger.GuardState{
		StoreID: s.StoreID(), Epoch: s.Epoch(), Size: size, Root: root,
		LastIDs: s.LastIDs(), Checkpoint: []byte(checkpoint), Saved: time.Now(),
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestRollback puts an older copy of a store back: it is read-only until it is
// recovered, and then its log goes on in a new epoch, with no id given twice.
func TestRollback(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name      string
		headBytes int64
	}{{"in the journal", 0}, {"sealed", 4 << 10}} {
		t.Run(c.name, func(t *testing.T) { testRollback(t, testOptions(t, c.headBytes)) })
	}
}

func testRollback(t *testing.T, o Options) {
	old := t.TempDir()
	s := mustOpen(t, o, storetest.Config(nil))
	rnd := rand.New(rand.NewPCG(1, 1))
	write := func(s *Store, n int) {
		t.Helper()
		for range n {
			if _, err := s.Append(t.Context(), batch(rnd, 5)); err != nil {
				t.Fatal(err)
			}
		}
	}
	write(s, 40)
	sign(t, s, "first")
	oldSize := s.Log().Size()
	s = suiteReopen(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	copyDir(t, o.Dir, old)
	s = mustOpen(t, o, storetest.Config(nil))
	if err := s.Err(); err != nil {
		t.Fatalf("the store that was signed: %v", err)
	}
	write(s, 40)
	sign(t, s, "second")
	lost := s.LastIDs()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Recover(o, storetest.Config(nil), "no need"); err == nil {
		t.Fatal("a store that is in order was recovered")
	}

	if err := os.RemoveAll(o.Dir); err != nil {
		t.Fatal(err)
	}
	copyDir(t, old, o.Dir)
	s = mustOpen(t, o, storetest.Config(nil))
	readOnly(t, s, oldSize)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	epoch, err := Recover(o, storetest.Config(nil), "restored for a test")
	if err != nil || epoch != 2 {
		t.Fatalf("recover: epoch %d, %v", epoch, err)
	}
	recoveredStore(t, mustOpen(t, o, storetest.Config(nil)), oldSize, lost, write)
}

func suiteReopen(t testing.TB, s *Store) *Store {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return mustOpen(t, s.opts, storetest.Config(nil))
}

func readOnly(t *testing.T, s *Store, size int64) {
	t.Helper()
	if _, ok := errors.AsType[*ledger.RollbackError](s.Err()); !ok {
		t.Errorf("an older store says %v", s.Err())
	}
	_, err := s.Append(t.Context(), &store.Batch{Events: numbered(0, 1)})
	if vigil.KindOf(err) != vigil.Unavailable {
		t.Errorf("append to an older store: %v", err)
	}
	n := int64(0)
	for _, err := range s.Entries(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	if n != size {
		t.Errorf("an older store has %d entries to read, want %d", n, size)
	}
}

func recoveredStore(t *testing.T, s *Store, oldSize int64, lost map[string]int64, write func(*Store, int)) {
	t.Helper()
	for round := range 3 {
		if s.Err() != nil || s.Epoch() != 2 || !strings.HasSuffix(s.Log().Origin(), "/e2") {
			t.Fatalf("round %d: err %v, epoch %d, origin %s", round, s.Err(), s.Epoch(), s.Log().Origin())
		}
		write(s, 30)
		storetest.CheckRoot(t, s)
		s = suiteReopen(t, s)
	}
	defer s.Close()
	for e, err := range s.Entries(t.Context(), 0) {
		switch {
		case err != nil:
			t.Fatal(err)
		case e.Index < oldSize && e.Epoch != 1, e.Index >= oldSize && e.Epoch != 2:
			t.Fatalf("entry %d has epoch %d", e.Index, e.Epoch)
		case e.Index >= oldSize && e.ID <= lost[e.Table]:
			t.Fatalf("id %d of %s was given again: it had gone up to %d", e.ID, e.Table, lost[e.Table])
		case e.Index == oldSize:
			firstOfEpoch(t, e)
		}
	}
	rows, err := s.Count(t.Context(), &query.Query{Table: vigil.TableSystem, Limit: -1})
	if err != nil || rows != 1 {
		t.Errorf("%d system events, %v", rows, err)
	}
}

func firstOfEpoch(t *testing.T, e *vigil.Event) {
	t.Helper()
	var doc struct {
		Reason, Checkpoint string
		Epoch              int
	}
	if err := json.Unmarshal(e.Doc, &doc); err != nil {
		t.Fatal(err)
	}
	if e.Table != vigil.TableSystem || e.Format != vigil.FormatSystem ||
		doc.Reason != "restored for a test" || doc.Checkpoint != "second" || doc.Epoch != 2 {
		t.Errorf("the epoch begins with %s %s", e.Table, e.Doc)
	}
}

// TestRecoverJournal recovers a store whose journal is damaged: what was sealed
// is kept, the damaged journal is set aside, and the loss is in the log.
func TestRecoverJournal(t *testing.T) {
	t.Parallel()
	o, _ := damageable(t)
	for _, path := range files(t, layout(o.Dir).journal()) {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		data[4096+80] ^= 1
		data[20] ^= 1
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Open(o, storetest.Config(nil)); err == nil {
		t.Fatal("a store with a damaged journal was opened")
	}
	if epoch, err := Recover(o, storetest.Config(nil), "the disk"); err != nil || epoch != 2 {
		t.Fatalf("recover: %d, %v", epoch, err)
	}
	s := mustOpen(t, o, storetest.Config(nil))
	defer s.Close()
	storetest.CheckRoot(t, s)
	if err := s.Write(t.Context(), numbered(0, 1)); err != nil {
		t.Error(err)
	}
}

// TestRecoverKilled ends a recovery after the journal was set aside and before
// the new epoch was there: nothing starts on silently less, and a second
// recovery ends what the first began. Ids of the lost journal do not come again.
func TestRecoverKilled(t *testing.T) {
	t.Parallel()
	o, _ := damageable(t)
	before := mustOpen(t, o, storetest.Config(nil))
	last := before.LastIDs()["events"]
	if err := before.Close(); err != nil {
		t.Fatal(err)
	}
	for _, path := range files(t, layout(o.Dir).journal()) {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		data[4096+80] ^= 1
		data[20] ^= 1
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.RemoveAll(o.Guard); err != nil { // so that only the manifest can tell
		t.Fatal(err)
	}
	s, err := open(o, storetest.Config(nil), toRecover)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.release(); err != nil { // here it is killed
		t.Fatal(err)
	}
	if _, err := Open(o, storetest.Config(nil)); err == nil || !strings.Contains(err.Error(), "not finished") {
		t.Fatalf("after half a recovery the store opens with %v", err)
	}
	if epoch, err := Recover(o, storetest.Config(nil), "the disk"); err != nil || epoch != 2 {
		t.Fatalf("recover: %d, %v", epoch, err)
	}
	s = mustOpen(t, o, storetest.Config(nil))
	storetest.CheckRoot(t, s)
	events := numbered(0, 1)
	if err := s.Write(t.Context(), events); err != nil {
		t.Fatal(err)
	}
	if events[0].ID <= last {
		t.Errorf("id %d is given again: %d had been given", events[0].ID, last)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s = mustOpen(t, o, storetest.Config(nil)); current(t, s).State != stateReady {
		t.Errorf("after the recovery the store is %s", current(t, s).State)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestNoGuard takes the guard away from stores of all sorts: none of them takes
// events or may be signed until the guard is back or the store is recovered.
func TestNoGuard(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		headBytes int64
		events    int
		remove    func(o Options) error
	}{
		"empty":          {0, 0, func(o Options) error { return os.RemoveAll(o.Guard) }},
		"in the journal": {0, 40, func(o Options) error { return os.RemoveAll(o.Guard) }},
		"sealed":         {4 << 10, 400, func(o Options) error { return os.RemoveAll(o.Guard) }},
		"only the file": {0, 40, func(o Options) error {
			names, err := filepath.Glob(filepath.Join(o.Guard, "*.json"))
			if len(names) != 1 {
				return fmt.Errorf("guards: %v, %v", names, err)
			}
			return os.Remove(names[0])
		}},
	} {
		t.Run(name, func(t *testing.T) {
			o := testOptions(t, c.headBytes).withDefaults()
			s := mustOpen(t, o, storetest.Config(nil))
			if st, err := s.Guard().Load(s.StoreID()); err != nil || st.Size != 0 || st.Epoch != 1 || st.Root != s.Log().Root() {
				t.Fatalf("a new store has the guard %+v, %v", st, err)
			}
			if err := s.Write(t.Context(), numbered(0, c.events)); err != nil {
				t.Fatal(err)
			}
			size := s.Log().Size()
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			if err := c.remove(o); err != nil {
				t.Fatal(err)
			}
			withoutGuard(t, o, size)
		})
	}
}

func withoutGuard(t *testing.T, o Options, size int64) {
	t.Helper()
	for range 2 { // a start does not make the next one better
		s := mustOpen(t, o, storetest.Config(nil))
		none, ok := errors.AsType[*ledger.NoGuardError](s.Err())
		if !ok || !strings.HasPrefix(none.File, o.Guard+"/") || !strings.Contains(s.Err().Error(), "vigil recover") {
			t.Fatalf("a store without its guard says %v", s.Err())
		}
		_, err := s.Append(t.Context(), &store.Batch{Events: numbered(0, 1)})
		if e, ok := errors.AsType[*vigil.Error](err); !ok || e.Kind != vigil.Unavailable || e.RetryAfter < time.Second {
			t.Errorf("append without a guard: %v", err)
		}
		if got := s.Log().Size(); got != size {
			t.Errorf("%d entries to read, want %d", got, size)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		found, err := problems(t, o, storetest.Config(nil))
		if err != nil || len(found) != 1 || found[0].Harmless || !strings.Contains(found[0].String(), "no rollback guard") {
			t.Errorf("check without a guard: %v, %v", found, err)
		}
	}
	epoch, err := Recover(o, storetest.Config(nil), "the guard's disk is gone")
	if err != nil || epoch != 2 {
		t.Fatalf("recover: %d, %v", epoch, err)
	}
	s := mustOpen(t, o, storetest.Config(nil))
	defer s.Close()
	st, err := s.Guard().Load(s.StoreID())
	if s.Err() != nil || err != nil || st.Epoch != 2 || st.Size != size+1 {
		t.Errorf("after recovery: %v; guard %+v, %v", s.Err(), st, err)
	}
	for e, err := range s.Entries(t.Context(), size) {
		if err != nil || !strings.Contains(string(e.Doc), "the guard's disk is gone") || !strings.Contains(string(e.Doc), "guard was missing") {
			t.Errorf("the epoch begins with %s, %v", e.Doc, err)
		}
	}
}

// TestOldNewManifest puts back the manifest of a first start, as if nothing had
// been acknowledged: what was signed is not forgotten.
func TestOldNewManifest(t *testing.T) {
	t.Parallel()
	o := testOptions(t, 0)
	s := mustOpen(t, o, storetest.Config(nil))
	if err := s.Write(t.Context(), numbered(0, 5)); err != nil {
		t.Fatal(err)
	}
	sign(t, s, "first")
	m := s.manifest.clone()
	m.State = stateNew
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := m.write(layout(o.Dir).manifest()); err != nil {
		t.Fatal(err)
	}
	s = mustOpen(t, o, storetest.Config(nil))
	defer s.Close()
	if _, ok := errors.AsType[*ledger.RollbackError](s.Err()); !ok {
		t.Errorf("a store that begins again says %v", s.Err())
	}
}
