package segment

import (
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"vigil"
	"vigil/internal/store"
	"vigil/internal/store/storetest"
)

// driven is a store without goroutines of its own: the test commits, seals and
// merges, one step after the other, so that every run is the same.
type driven struct {
	*Store
	t     testing.TB
	acked []*vigil.Event
}

func drive(t testing.TB, o Options) *driven {
	t.Helper()
	s, err := open(o, storetest.Config(nil), toServe)
	if err != nil {
		t.Fatal(err)
	}
	return &driven{Store: s, t: t}
}

// put commits one batch, and seals and merges what is due.
func (d *driven) put(b *store.Batch) {
	d.t.Helper()
	p, err := store.Prepare(d.Catalog, b)
	if err != nil {
		d.t.Fatal(err)
	}
	r := &request{p: p, done: make(chan struct{}, 1)}
	d.commit([]*request{r})
	if r.err != nil {
		d.t.Fatal(r.err)
	}
	if !r.receipt.Replayed {
		p.Fill()
		d.acked = append(d.acked, b.Events...)
	}
	d.freezeIfDue()
	d.sealAll()
}

func (d *driven) sealAll() {
	d.t.Helper()
	for h := d.oldestFrozen(); h != nil; h = d.oldestFrozen() {
		if err := d.sealHead(h); err != nil {
			d.t.Fatal(err)
		}
	}
	for merged := true; merged; {
		again, err := d.mergeOne()
		if err != nil {
			d.t.Fatal(err)
		}
		merged = again == 0
	}
}

// batch makes a batch of events of several tables.
func batch(rnd *rand.Rand, n int) *store.Batch {
	b := &store.Batch{}
	tables := []string{vigil.TableEvents, vigil.TableEvents, vigil.TableLogs, "custom"}
	for i := range n {
		b.Events = append(b.Events, &vigil.Event{
			Table: tables[rnd.IntN(len(tables))], Format: vigil.FormatLogserver,
			Doc:    fmt.Appendf(nil, `{"n":%d,"r":"%x","patient":["Patient/%d"]}`, i, rnd.Uint64(), rnd.IntN(9)),
			Sender: &vigil.Sender{Subject: fmt.Sprint("s", rnd.IntN(3)), Listener: "test"},
		})
	}
	if rnd.IntN(2) == 0 {
		b.Key = &store.Key{Scope: "test", Key: fmt.Sprintf("%x", rnd.Uint64())}
	}
	return b
}

// copyDir copies a directory as a crash would leave it to the next start.
func copyDir(t testing.TB, from, to string) {
	t.Helper()
	if err := copyFiles(from, to); err != nil {
		t.Fatal(err)
	}
}

func copyFiles(from, to string) error {
	return filepath.WalkDir(from, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		if e.IsDir() {
			return os.MkdirAll(filepath.Join(to, rel), 0o700)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, rel), data, 0o600)
	})
}

// copyStore copies a store with its guard.
func copyStore(t testing.TB, from, to Options) {
	t.Helper()
	copyDir(t, from.Dir, to.Dir)
	copyDir(t, from.withDefaults().Guard, to.withDefaults().Guard)
}

// holds makes sure that a store has exactly these events, and that its log is of them.
func holds(t testing.TB, s *Store, want []*vigil.Event) {
	t.Helper()
	n := 0
	for e, err := range s.Entries(t.Context(), 0) {
		if err != nil {
			t.Fatalf("entry %d: %v", n, err)
		}
		if n == len(want) {
			t.Fatalf("more than the %d events that were acknowledged", n)
		}
		if w := want[n]; e.UID != w.UID || e.ID != w.ID || e.Table != w.Table || string(e.Doc) != string(w.Doc) {
			t.Fatalf("entry %d is %+v, acknowledged was %+v", n, e, w)
		}
		n++
	}
	if n != len(want) {
		t.Fatalf("%d events, %d were acknowledged", n, len(want))
	}
	storetest.CheckRoot(t, s)
}

// problems returns what Check finds.
func problems(t testing.TB, o Options, c store.Config) ([]Problem, error) {
	t.Helper()
	r, err := Check(t.Context(), o, c, nil)
	return r.Problems, err
}

// segmentFiles returns the names of the files in segments/.
func segmentFiles(t testing.TB, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(layout(dir).segments())
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}
