package segment

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vigil"
	"vigil/internal/journal"
	"vigil/internal/store/storetest"
)

// placed is a commit in a file of the journal.
type placed struct {
	file     string
	from, to int64 // its bytes in the file
	first    int64 // place of its first event
}

// journaled makes a closed store with many commits in several files of the journal.
// What was sealed of them is not named, though it is there still.
func journaled(t *testing.T) (o Options, acked []*vigil.Event, commits []placed) {
	t.Helper()
	o = testOptions(t, 0)
	o.JournalFile = 64 << 10
	d := drive(t, o)
	rnd := rand.New(rand.NewPCG(11, 12))
	for i := range 60 {
		if i == 20 { // what comes before is in segments
			if err := d.journal.Release(d.journal.End()); err != nil {
				t.Fatal(err)
			}
			d.freeze()
			d.sealAll()
		}
		d.put(batch(rnd, 1+rnd.IntN(8)))
	}
	o, acked = d.opts, d.acked
	id, sealed := d.manifest.id(), d.manifest.Size
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	names, err := filepath.Glob(filepath.Join(layout(o.Dir).journal(), "*.journal"))
	if err != nil || len(names) < 3 {
		t.Fatalf("files of the journal: %v, %v", names, err)
	}
	data := map[string][]byte{}
	for _, name := range names {
		if data[name], err = os.ReadFile(name); err != nil {
			t.Fatal(err)
		}
	}
	err = journal.Salvage(layout(o.Dir).journal(), journal.Options{StoreID: id}, func(_ journal.Position, b []byte) error {
		h, err := parseFrameHead(b)
		for name, text := range data {
			if at := bytes.Index(text, b); at >= 0 && h.first >= sealed {
				commits = append(commits, placed{name, int64(at - 72), int64(at + len(b)), h.first})
			}
		}
		return err
	})
	if err != nil || len(commits) < 39 {
		t.Fatalf("%d commits, %v", len(commits), err)
	}
	return o, acked, commits
}

// TestSalvage flips one bit of the journal at random places: all commits before
// the damage are kept, nothing is made up, and the log says what was lost.
func TestSalvage(t *testing.T) {
	t.Parallel()
	o, acked, commits := journaled(t)
	rounds := 40
	if testing.Short() {
		rounds = 10
	}
	rnd := rand.New(rand.NewPCG(13, 14))
	damaged := 0
	for range rounds {
		c := commits[rnd.IntN(len(commits)-1)] // the last cannot be told from one that was cut short
		at := c.from + rnd.Int64N(c.to-c.from)
		image := Options{Dir: filepath.Join(t.TempDir(), "data"), Guard: filepath.Join(t.TempDir(), "guard"), JournalFile: 64 << 10}
		copyDir(t, o.Dir, image.Dir)
		copyDir(t, o.withDefaults().Guard, image.Guard)
		flip(t, strings.Replace(c.file, o.Dir, image.Dir, 1), at, byte(1)<<rnd.IntN(8))
		if s, err := Open(image, storetest.Config(nil)); err == nil {
			t.Fatalf("opened with byte %d of %s changed: %v", at, c.file, s.Close())
		}
		damaged++
		salvagedStore(t, image, acked, c.first)
	}
	if damaged != rounds {
		t.Errorf("%d of %d rounds had damage", damaged, rounds)
	}
}

func flip(t *testing.T, path string, at int64, bit byte) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	data[at] ^= bit
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// salvagedStore recovers a store and compares what it kept.
func salvagedStore(t *testing.T, o Options, acked []*vigil.Event, keeps int64) {
	t.Helper()
	if epoch, err := Recover(o, storetest.Config(nil), "the disk"); err != nil || epoch != 2 {
		t.Fatalf("recover: %d, %v", epoch, err)
	}
	s := mustOpen(t, o, storetest.Config(nil))
	defer s.Close()
	storetest.CheckRoot(t, s)
	n := int64(0)
	for e, err := range s.Entries(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Epoch == 1 {
			if w := acked[n]; e.UID != w.UID || e.ID != w.ID || !bytes.Equal(e.Doc, w.Doc) {
				t.Fatalf("entry %d is %s %d, not what was acknowledged", n, e.Table, e.ID)
			}
			n++
			continue
		}
		var doc struct{ Journal salvaged }
		if err := json.Unmarshal(e.Doc, &doc); err != nil {
			t.Fatal(err)
		}
		w := doc.Journal
		if w.LostFrom != n || e.Index != n || w.LostTo != int64(len(acked))-1 || !strings.Contains(w.Damage, ".journal is damaged at byte") {
			t.Errorf("kept %d of %d; the log says %+v", n, len(acked), w)
		}
		if names, err := filepath.Glob(filepath.Join(o.Dir, w.SetAside, "*.journal")); err != nil || len(names) == 0 {
			t.Errorf("nothing lies in %q, %v", w.SetAside, err)
		}
	}
	if n != keeps {
		t.Errorf("%d events were kept, %d were before the damage", n, keeps)
	}
	if err := s.Write(t.Context(), numbered(0, 3)); err != nil {
		t.Error(err)
	}
}

// TestSalvageKilled ends a recovery at each of its steps: the next one ends it,
// and keeps the same.
func TestSalvageKilled(t *testing.T) {
	t.Parallel()
	o, acked, commits := journaled(t)
	c := commits[len(commits)/2]
	flip(t, c.file, c.from+100, 1)
	for name, kill := range map[string]func(t *testing.T, o Options){
		"named": func(t *testing.T, o Options) { // the rename is missing
			halfRecovered(t, o)
			aside, err := filepath.Glob(layout(o.Dir).journal() + ".damaged-*")
			if err != nil || len(aside) != 1 {
				t.Fatal(aside, err)
			}
			if err := errorsOf(os.RemoveAll(layout(o.Dir).journal()), os.Rename(aside[0], layout(o.Dir).journal())); err != nil {
				t.Fatal(err)
			}
		},
		"set aside": func(t *testing.T, o Options) {
			halfRecovered(t, o)
			if err := os.RemoveAll(layout(o.Dir).journal()); err != nil {
				t.Fatal(err)
			}
		},
		"half written": func(t *testing.T, o Options) {
			halfRecovered(t, o)
			if err := os.RemoveAll(layout(o.Dir).journal()); err != nil {
				t.Fatal(err)
			}
			if err := os.Mkdir(layout(o.Dir).journal(), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(layout(o.Dir).journal(), "0000000000000001.tmp"), []byte("half"), 0o600); err != nil {
				t.Fatal(err)
			}
		},
		"written": halfRecovered,
	} {
		t.Run(name, func(t *testing.T) {
			image := Options{Dir: filepath.Join(t.TempDir(), "data"), Guard: filepath.Join(t.TempDir(), "guard"), JournalFile: 64 << 10}
			copyDir(t, o.Dir, image.Dir)
			copyDir(t, o.withDefaults().Guard, image.Guard)
			kill(t, image)
			if s, err := Open(image, storetest.Config(nil)); err == nil {
				t.Fatalf("half a recovery was served: %v", s.Close())
			}
			salvagedStore(t, image, acked, c.first)
		})
	}
}

// halfRecovered does all of a recovery before the new epoch.
func halfRecovered(t *testing.T, o Options) {
	t.Helper()
	s, err := open(o, storetest.Config(nil), toRecover)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.release(); err != nil {
		t.Fatal(err)
	}
}

func errorsOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
