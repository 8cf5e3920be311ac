package segment

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"vigil"
	"vigil/internal/store"
	"vigil/internal/store/storetest"
)

// TestBackup copies a store while others write to it: the copy has what was
// acknowledged before, holds by itself, and is noticed where it is put back.
func TestBackup(t *testing.T) {
	t.Parallel()
	for name, headBytes := range map[string]int64{"in the journal": 0, "sealed": 4 << 10} {
		t.Run(name, func(t *testing.T) { testBackup(t, testOptions(t, headBytes)) })
	}
}

func testBackup(t *testing.T, o Options) {
	s := mustOpen(t, o, storetest.Config(nil))
	rnd := rand.New(rand.NewPCG(4, 4))
	var acked []*vigil.Event
	for range 60 {
		b := batch(rnd, 10)
		if _, err := s.Append(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		acked = append(acked, b.Events...)
	}
	if n, err := s.Erase(t.Context(), uidsOf(acked[3:5]), why); n != 2 || err != nil {
		t.Fatalf("erased %d, %v", n, err)
	}
	sign(t, s, "signed before")
	size := s.Log().Size()
	stop, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-stop:
				return
			default:
				if err := s.Write(t.Context(), numbered(0, 7)); err != nil {
					t.Error(err)
				}
			}
		}
	}()
	to := filepath.Join(t.TempDir(), "copy")
	b, err := s.Backup(t.Context(), to)
	close(stop)
	<-ended
	if err != nil || b.Size < size || !b.Checkpoint || b.Files == 0 {
		t.Fatalf("backup: %+v, %v", b, err)
	}
	if note, err := os.ReadFile(filepath.Join(to, store.BackupCheckpoint)); err != nil || string(note) != "signed before" {
		t.Errorf("checkpoint %q, %v", note, err)
	}
	if _, err := s.Backup(t.Context(), to); vigil.KindOf(err) != vigil.Conflict {
		t.Errorf("a second backup in the same directory: %v", err)
	}
	if _, err := s.Backup(t.Context(), filepath.Join(o.Dir, "here")); vigil.KindOf(err) != vigil.Invalid {
		t.Errorf("a backup in the store: %v", err)
	}
	if err := s.Write(t.Context(), numbered(0, 1)); err != nil { // so that the copy is the older one
		t.Fatal(err)
	}
	sign(t, s, "signed after")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	if err := os.RemoveAll(o.Dir); err != nil {
		t.Fatal(err)
	}
	copyDir(t, to, o.Dir)
	s = mustOpen(t, o, storetest.Config(nil))
	readOnly(t, s, b.Size)
	if root := s.Log().Root(); root != b.Root {
		t.Errorf("root %s, the backup said %s", root, b.Root)
	}
	storetest.CheckRoot(t, s)
	for i, e := range acked {
		got, err := s.ByUID(t.Context(), e.UID)
		if i == 3 || i == 4 {
			if !isErased(err) {
				t.Errorf("an erased event: %v", err)
			}
		} else if err != nil || string(got.Doc) != string(e.Doc) {
			t.Fatalf("event %d: %v", i, err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if epoch, err := Recover(o, storetest.Config(nil), "restored"); err != nil || epoch != 2 {
		t.Fatalf("recover: %d, %v", epoch, err)
	}
	s = mustOpen(t, o, storetest.Config(nil))
	defer s.Close()
	if err := s.Write(t.Context(), numbered(0, 3)); err != nil {
		t.Error(err)
	}
	storetest.CheckRoot(t, s)
}
