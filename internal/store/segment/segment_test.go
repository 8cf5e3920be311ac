package segment

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"vigil"
	"vigil/internal/store"
	"vigil/internal/store/storetest"
)

// suite is the conformance suite over stores with heads of a size.
func suite(headBytes int64) storetest.Suite {
	return storetest.Suite{
		Open: func(t testing.TB, c store.Config) store.Store {
			return mustOpen(t, testOptions(t, headBytes), c)
		},
		Reopen: func(t testing.TB, s store.Store, c store.Config) store.Store {
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			return mustOpen(t, s.(*Store).opts, c)
		},
		Settle: func(t testing.TB, s store.Store) { settle(t, s.(*Store)) },
	}
}

// TestSuite has everything in the head and in the journal.
func TestSuite(t *testing.T) { suite(0).Run(t) }

// TestSuiteSealing seals all the time, and merges.
func TestSuiteSealing(t *testing.T) { suite(4 << 10).Run(t) }

func testOptions(t testing.TB, headBytes int64) Options {
	t.Helper()
	return Options{Dir: filepath.Join(t.TempDir(), "data"), HeadBytes: headBytes, JournalFile: 1 << 20}
}

func mustOpen(t testing.TB, o Options, c store.Config) *Store {
	t.Helper()
	s, err := Open(o, c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// settle waits until every frozen head is sealed.
func settle(t testing.TB, s *Store) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); s.frozenHeads() > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) || s.failed() != nil {
			t.Fatalf("heads are not sealed: %v, %v", s.failed(), s.sealBlocked())
		}
	}
}

func (s *Store) frozenHeads() int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return len(s.frozen)
}

// TestModes makes sure that nobody else can read the files.
func TestModes(t *testing.T) {
	o := testOptions(t, 2<<10)
	s := mustOpen(t, o, store.Config{})
	for i := range 80 {
		if err := s.Write(t.Context(), numbered(i, 5)); err != nil {
			t.Fatal(err)
		}
	}
	settle(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	kinds := map[string]bool{}
	err := filepath.WalkDir(filepath.Dir(o.Dir), func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == filepath.Dir(o.Dir) {
			return err
		}
		st, err := os.Stat(path)
		if err != nil {
			return err
		}
		want := fs.FileMode(0o600)
		if d.IsDir() {
			want = 0o700
		}
		if got := st.Mode().Perm(); got != want {
			t.Errorf("%s has mode %v, want %v", path, got, want)
		}
		kinds[filepath.Ext(path)] = true
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, ext := range []string{".seg", ".journal", ".tiles"} {
		if !kinds[ext] {
			t.Errorf("no %s file was looked at", ext)
		}
	}
}

func numbered(from, n int) []*vigil.Event {
	events := make([]*vigil.Event, n)
	for i := range events {
		events[i] = &vigil.Event{
			Table: vigil.TableEvents, Format: vigil.FormatLogserver,
			Doc: fmt.Appendf(nil, `{"n":%d}`, from+i), Sender: &vigil.Sender{Listener: "test"},
		}
	}
	return events
}
