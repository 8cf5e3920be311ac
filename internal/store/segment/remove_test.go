package segment

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"vigil"
	"vigil/internal/query"
	"vigil/internal/store"
	"vigil/internal/store/storetest"
)

var why = store.Removal{Reason: "asked for", Sender: &vigil.Sender{Subject: "tester"}}

// watched opens a store whose steps call reached. It is not started yet.
func watched(t testing.TB, o Options, reached func(s *Store, point string)) *Store {
	t.Helper()
	s, err := open(o, storetest.Config(nil), toServe)
	if err != nil {
		t.Fatal(err)
	}
	s.reached = func(point string) { reached(s, point) }
	s.start()
	return s
}

// current returns a store's manifest, which is its sealer's.
func current(t testing.TB, s *Store) (m *manifest) {
	t.Helper()
	if err := s.do(t.Context(), "looking", func() error { m = s.manifest; return nil }); err != nil {
		t.Fatal(err)
	}
	return m
}

// contains reports which files below a directory hold some bytes.
func contains(t testing.TB, dir string, b []byte) (names []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil // merged meanwhile
		}
		if bytes.Contains(data, b) {
			names = append(names, filepath.Base(path))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// TestErased looks for what was erased in every byte of the directory: once
// Erase has returned, document, sender and salt are nowhere.
func TestErased(t *testing.T) {
	t.Parallel()
	for _, headBytes := range []int64{0, 4 << 10} {
		o := testOptions(t, headBytes)
		s := mustOpen(t, o, storetest.Config(nil))
		rnd := rand.New(rand.NewPCG(8, 8))
		for range 40 {
			if _, err := s.Append(t.Context(), batch(rnd, 10)); err != nil {
				t.Fatal(err)
			}
		}
		secret := &vigil.Event{
			Table: vigil.TableEvents, Format: vigil.FormatLogserver,
			Doc: []byte(`{"patient":"Patient/4711-secret"}`), Sender: &vigil.Sender{Subject: "somebody-secret"},
		}
		if err := s.Write(t.Context(), []*vigil.Event{secret}); err != nil {
			t.Fatal(err)
		}
		for range 40 {
			if _, err := s.Append(t.Context(), batch(rnd, 10)); err != nil {
				t.Fatal(err)
			}
		}
		if len(contains(t, o.Dir, secret.Salt[:])) == 0 {
			t.Fatal("the test looks at the wrong place")
		}
		settle(t, s)
		if n, err := s.Erase(t.Context(), []vigil.UID{secret.UID}, why); n != 1 || err != nil {
			t.Fatalf("erased %d, %v", n, err)
		}
		for what, b := range map[string][]byte{"document": []byte("4711-secret"), "sender": []byte("somebody-secret"), "salt": secret.Salt[:]} {
			if names := contains(t, o.Dir, b); len(names) > 0 {
				t.Errorf("head of %d: the %s is still in %v", headBytes, what, names)
			}
		}
		storetest.CheckRoot(t, s)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		r, err := Check(t.Context(), o, storetest.Config(nil), nil)
		if err != nil || len(r.Problems) > 0 || r.Removed != 1 {
			t.Errorf("check: %+v, %v", r, err)
		}
		s = mustOpen(t, o, storetest.Config(nil))
		if _, err := s.ByUID(t.Context(), secret.UID); !isErased(err) {
			t.Errorf("after a restart: %v", err)
		}
		storetest.CheckRoot(t, s)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func isErased(err error) bool {
	_, ok := errors.AsType[*store.ErasedError](err)
	return ok
}

// removalPoints are where a crash may end a removal.
var removalPoints = []string{
	"all sealed", "files of a removal written", "removal planned", "removal recorded",
	"manifest written", "old files removed", "journal purged",
}

// TestRemovalCrash takes a copy of the directory between any two steps of removals
// and opens it: either nothing was removed, and the log does not say so, or all of
// it was, and the log says so.
func TestRemovalCrash(t *testing.T) {
	t.Parallel()
	images := t.TempDir()
	o := testOptions(t, 4<<10)
	var mu sync.Mutex // of these, which the sealer looks at
	var removing bool
	var all, goes []*vigil.Event
	seen := map[string]int{}
	s := watched(t, o, func(s *Store, point string) {
		mu.Lock()
		defer mu.Unlock()
		if !removing || !slices.Contains(removalPoints, point) {
			return
		}
		seen[point]++
		image := Options{Dir: filepath.Join(images, fmt.Sprint(point, seen[point])), HeadBytes: 4 << 10, JournalFile: 1 << 20}
		done := make(chan struct{})
		go func() { // which may end early, as the sealer must not
			defer close(done)
			copyRunning(t, o, image)
			afterCrash(t, point, image, all, goes)
		}()
		<-done
	})
	rnd := rand.New(rand.NewPCG(9, 9))
	fill := func() {
		for range 12 {
			b := batch(rnd, 10)
			if _, err := s.Append(t.Context(), b); err != nil {
				t.Fatal(err)
			}
			mu.Lock()
			all = append(all, b.Events...)
			mu.Unlock()
		}
	}
	fill()
	for round := range 2 {
		mu.Lock()
		goes = nil
		for i := range 5 {
			goes = append(goes, all[len(all)-1-7*i])
		}
		removing = true
		mu.Unlock()
		if n, err := s.Erase(t.Context(), uidsOf(goes), why); n != 5 || err != nil {
			t.Fatalf("round %d: erased %d, %v", round, n, err)
		}
		mu.Lock()
		removing = false
		all = slices.DeleteFunc(all, func(e *vigil.Event) bool { return slices.Contains(goes, e) })
		mu.Unlock()
		fill()
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for _, point := range removalPoints {
		if seen[point] < 2 {
			t.Errorf("point %q was reached %d times", point, seen[point])
		}
	}
}

// copyRunning copies a store whose sealer stands still. Its sequencer may begin a
// new file of the journal meanwhile: then the copy is of no one moment, and made anew.
func copyRunning(t testing.TB, from, to Options) {
	t.Helper()
	for {
		before, err := filepath.Glob(filepath.Join(layout(from.Dir).journal(), "*"))
		if err != nil {
			t.Fatal(err)
		}
		err = copyFiles(from.Dir, to.Dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		after, _ := filepath.Glob(filepath.Join(layout(from.Dir).journal(), "*")) // a pattern as good as before
		if err == nil && slices.Equal(before, after) {
			copyDir(t, from.withDefaults().Guard, to.withDefaults().Guard)
			return
		}
		if err := os.RemoveAll(to.Dir); err != nil {
			t.Fatal(err)
		}
	}
}

func uidsOf(events []*vigil.Event) (uids []vigil.UID) {
	for _, e := range events {
		uids = append(uids, e.UID)
	}
	return uids
}

// afterCrash opens an image of a store from which some events were about to go.
func afterCrash(t *testing.T, point string, image Options, all, goes []*vigil.Event) {
	t.Helper()
	if r, err := Check(t.Context(), image, storetest.Config(nil), nil); err != nil || slices.ContainsFunc(r.Problems, func(p Problem) bool { return !p.Harmless }) {
		t.Errorf("%s: check says %+v, %v", point, r, err)
	}
	s, err := open(image, storetest.Config(nil), toServe)
	if err != nil {
		t.Fatalf("%s: %v", point, err)
	}
	defer s.Close()
	storetest.CheckRoot(t, s)
	var last *vigil.Event
	for e, err := range s.Entries(t.Context(), 0) {
		if err != nil {
			t.Fatalf("%s: %v", point, err)
		}
		last = e
	}
	recorded := bytes.Contains(last.Doc, []byte("were removed"))
	gone := 0
	for _, e := range all {
		got, err := s.ByUID(t.Context(), e.UID)
		switch {
		case isErased(err) && slices.Contains(goes, e):
			gone++
		case err != nil || !bytes.Equal(got.Doc, e.Doc):
			t.Fatalf("%s: event %s: %v", point, e.UID, err)
		}
	}
	if want := map[bool]int{true: len(goes)}[recorded]; gone != want {
		t.Errorf("%s: %d events are gone, %d by the log", point, gone, want)
	}
	for _, e := range goes {
		if names := contains(t, image.Dir, e.Salt[:]); recorded && len(names) > 0 {
			t.Errorf("%s: a removed event is still in %v", point, names)
		}
	}
	if s.manifest.Removing != nil || s.manifest.Purge {
		t.Errorf("%s: the removal is neither finished nor given up", point)
	}
	if left, err := s.dir.leftovers(s.manifest); err != nil || len(left) > 0 {
		t.Errorf("%s: %v is left over, %v", point, left, err)
	}
	s.start()
	if err := s.Write(t.Context(), numbered(0, 3)); err != nil {
		t.Errorf("%s: %v", point, err)
	}
	// What was given up can be done now.
	if n, err := s.Erase(t.Context(), uidsOf(goes), why); err != nil || int(n) != len(goes)-gone {
		t.Errorf("%s: erased %d, %v", point, n, err)
	}
	storetest.CheckRoot(t, s)
}

// TestRemovalKeepsUp removes while others write without a pause, into heads so
// small that each commit fills one, and the next always waits to be sealed:
// nothing waits for ever, and what is left is what it should be.
func TestRemovalKeepsUp(t *testing.T) {
	t.Parallel()
	o := testOptions(t, 2<<10)
	s := mustOpen(t, o, storetest.Config(nil))
	defer s.Close()
	first := numbered(0, 200)
	if err := s.Write(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	// They end after a while: what only their end lets go on was kept waiting by them.
	writing, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	var written atomic.Int64
	var writers sync.WaitGroup
	for range 3 {
		writers.Go(func() {
			for writing.Err() == nil {
				if err := s.Write(t.Context(), numbered(0, 50)); err != nil {
					t.Error(err)
					return
				}
				written.Add(50)
			}
		})
	}
	for i := range 8 {
		if n, err := s.Erase(t.Context(), uidsOf(first[i*5:i*5+5]), why); n != 5 || err != nil {
			t.Fatalf("erased %d, %v", n, err)
		}
		if writing.Err() != nil {
			t.Fatalf("removal %d was done when the writers had ended", i)
		}
	}
	if b, err := s.Backup(t.Context(), filepath.Join(t.TempDir(), "copy")); err != nil || writing.Err() != nil {
		t.Fatalf("backup: %+v, %v", b, err)
	}
	stop()
	writers.Wait()
	want := written.Load() + 160
	if n, err := s.Count(t.Context(), &query.Query{Table: vigil.TableEvents, Limit: -1}); n != want || err != nil {
		t.Errorf("%d events, %v; want %d", n, err, want)
	}
	if n := len(current(t, s).Removed); n > 6 {
		t.Errorf("%d files of leaves", n)
	}
	storetest.CheckRoot(t, s)
}

// TestPruneUnlinks makes sure that whole segments go, and with them their space.
func TestPruneUnlinks(t *testing.T) {
	t.Parallel()
	o := testOptions(t, 64<<10)
	s := mustOpen(t, o, storetest.Config(nil))
	defer s.Close()
	events := numbered(0, 3000)
	for _, e := range events {
		e.Doc = fmt.Appendf(nil, `{"random":"%x"}`, incompressible(300))
	}
	for i := 0; i < len(events); i += 100 {
		if err := s.Write(t.Context(), events[i:i+100]); err != nil {
			t.Fatal(err)
		}
	}
	settle(t, s)
	for time.Now().Truncate(time.Microsecond).Before(events[2999].Received.Add(time.Microsecond)) {
		time.Sleep(time.Millisecond)
	}
	size := func() (sum int64) {
		m := current(t, s)
		for _, e := range slices.Concat(m.Segments, m.Removed) {
			sum += e.Bytes
		}
		return sum
	}
	before := size()
	if n, err := s.Prune(t.Context(), vigil.TableEvents, events[2500].Received, why); n < 2400 || n > 2500 || err != nil {
		t.Fatalf("pruned %d, %v", n, err)
	}
	if after := size(); after > before/2 {
		t.Errorf("%d bytes before, %d after", before, after)
	}
	for _, e := range current(t, s).Removed {
		each := e.Bytes / e.Count
		t.Logf("a leaf takes %d bytes", each)
		if each > 70 {
			t.Errorf("a leaf takes %d bytes", each)
		}
	}
	storetest.CheckRoot(t, s)
}
