package segment

import (
	"encoding/json"
	"errors"
	"math/rand/v2"
	"os"
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
