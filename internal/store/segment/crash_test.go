package segment

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"vigil"
	"vigil/internal/ledger"
	"vigil/internal/store"
	"vigil/internal/store/storetest"
)

// TestCrashPoints takes a copy of the directory between any two steps of sealing
// and merging, and opens it: everything acknowledged is there, nothing else, and
// what the crash left is cleaned up.
func TestCrashPoints(t *testing.T) {
	t.Parallel()
	o := testOptions(t, 4<<10)
	d := drive(t, o)
	defer d.Close()
	seen := map[string]int{}
	images := t.TempDir()
	d.reached = func(point string) {
		seen[point]++
		if n := seen[point]; n > 4 && n%17 != 0 {
			return
		}
		image := filepath.Join(images, fmt.Sprint(point, seen[point]))
		copyStore(t, o, Options{Dir: image})
		s := mustOpen(t, Options{Dir: image, HeadBytes: 4 << 10, JournalFile: 1 << 20}, storetest.Config(nil))
		defer s.Close()
		holds(t, s, d.acked)
		settle(t, s)
		if err := s.Write(t.Context(), numbered(0, 3)); err != nil {
			t.Fatalf("write after a crash: %v", err)
		}
		storetest.CheckRoot(t, s)
		os.RemoveAll(image)
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 150 {
		d.put(batch(rnd, 1+rnd.IntN(20)))
	}
	for _, point := range []string{"segments written", "tiles written", "manifest written", "old files removed", "journal released"} {
		if seen[point] < 10 {
			t.Errorf("point %q was reached %d times", point, seen[point])
		}
	}
	if n := testMerges(t, d.Store); n == 0 {
		t.Error("nothing was merged")
	}
}

// TestMerge makes sure that segments stay few, and that what was in them is
// still there, in the same order.
func TestMerge(t *testing.T) {
	t.Parallel()
	o := testOptions(t, 2<<10)
	d := drive(t, o)
	rnd := rand.New(rand.NewPCG(3, 4))
	for range 300 {
		d.put(batch(rnd, 1+rnd.IntN(10)))
	}
	holds(t, d.Store, d.acked)
	perTable := map[string]int{}
	for _, e := range d.manifest.Segments {
		perTable[e.Table]++
	}
	for table, n := range perTable {
		if n > 3*mergeRun {
			t.Errorf("table %s has %d segments", table, n)
		}
	}
	if len(d.manifest.Keys) > maxKeys+1 {
		t.Errorf("%d files of keys", len(d.manifest.Keys))
	}
	files := segmentFiles(t, o.Dir)
	if want := len(d.manifest.Segments) + len(d.manifest.Keys); len(files) != want {
		t.Errorf("%d files, the manifest names %d: %v", len(files), want, files)
	}
	acked := d.acked
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	s := mustOpen(t, o, storetest.Config(nil))
	defer s.Close()
	holds(t, s, acked)
}

func testMerges(t testing.TB, s *Store) int {
	t.Helper()
	largest := int64(0)
	for _, e := range s.manifest.Segments {
		largest = max(largest, e.DocBytes)
	}
	return int(largest / (4 << 10)) // more than a head holds
}

// TestHalfMade opens what a first start may leave when it ends too early.
func TestHalfMade(t *testing.T) {
	whole := testOptions(t, 0)
	s := mustOpen(t, whole, store.Config{})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	newManifest := s.manifest.clone()
	newManifest.State = stateNew
	for name, prepare := range map[string]func(dir string) error{
		"nothing":   func(string) error { return nil },
		"directory": func(dir string) error { return os.Mkdir(dir, 0o700) },
		"lock": func(dir string) error {
			return os.WriteFile(layout(dir).lock(), nil, 0o600)
		},
		"manifest aside": func(dir string) error {
			return os.WriteFile(layout(dir).manifest()+".42.tmp", []byte("vig"), 0o600)
		},
		"manifest": func(dir string) error { return newManifest.write(layout(dir).manifest()) },
		"guard": func(dir string) error {
			g, err := ledger.OpenGuard(Options{Dir: dir}.withDefaults().Guard)
			if err != nil {
				return err
			}
			if err := g.Save(ledger.GuardState{StoreID: newManifest.StoreID, Epoch: 1, Root: newManifest.Root}); err != nil {
				return err
			}
			return newManifest.write(layout(dir).manifest())
		},
		"some of it": func(dir string) error {
			if err := os.MkdirAll(layout(dir).journal(), 0o700); err != nil {
				return err
			}
			if err := os.WriteFile(filepath.Join(layout(dir).journal(), "0000000000000001.journal"), []byte("half"), 0o600); err != nil {
				return err
			}
			return newManifest.write(layout(dir).manifest())
		},
	} {
		o := testOptions(t, 0)
		if name != "nothing" && name != "directory" {
			if err := os.MkdirAll(o.Dir, 0o700); err != nil {
				t.Fatal(err)
			}
		}
		if err := prepare(o.Dir); err != nil {
			t.Fatal(err)
		}
		before := files(t, filepath.Dir(o.Dir))
		if name != "nothing" {
			if _, err := problems(t, o, store.Config{}); err != nil {
				t.Errorf("%s: check: %v", name, err)
			}
		}
		if after := files(t, filepath.Dir(o.Dir)); !slices.Equal(before, after) {
			t.Errorf("%s: check made %v of %v", name, after, before)
		}
		s, err := Open(o, store.Config{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if err := s.Err(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := s.Write(t.Context(), numbered(0, 3)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := s.Close(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// childDir, set in the environment, makes the test binary a process that writes
// to a store until it is killed.
const childDir = "VIGIL_SEGMENT_TEST_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		writeUntilKilled(dir)
	}
	os.Exit(m.Run())
}

// writeUntilKilled prints the UIDs of each batch that was acknowledged.
func writeUntilKilled(dir string) {
	s, err := Open(Options{Dir: dir, HeadBytes: 64 << 10, JournalFile: 1 << 20}, storetest.Config(nil))
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	for w := range 4 {
		go func() {
			rnd := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), uint64(w)))
			for {
				b := batch(rnd, 1+rnd.IntN(30))
				if _, err := s.Append(context.Background(), b); err != nil {
					fmt.Println("error", err)
					os.Exit(1)
				}
				var line strings.Builder
				for _, e := range b.Events {
					fmt.Fprintf(&line, "%s/%d/%s ", e.Table, e.ID, e.UID)
				}
				os.Stdout.WriteString(line.String() + "\n")
			}
		}()
	}
	select {}
}

// TestKill kills a writing process again and again, and looks after each time
// what there is.
func TestKill(t *testing.T) {
	t.Parallel()
	rounds := 8
	if testing.Short() {
		rounds = 3
	}
	o := testOptions(t, 64<<10)
	acked := map[string]bool{}
	rnd := rand.New(rand.NewPCG(5, 6))
	for round := range rounds {
		killed := runChild(t, o.Dir, time.Duration(20+rnd.IntN(200))*time.Millisecond)
		for _, id := range killed {
			if acked[id] {
				t.Fatalf("round %d: %s was given twice", round, id)
			}
			acked[id] = true
		}
		s := mustOpen(t, o, storetest.Config(nil))
		left := len(acked)
		var last int64 = -1
		for e, err := range s.Entries(t.Context(), 0) {
			if err != nil {
				t.Fatal(err)
			}
			if e.Index != last+1 {
				t.Fatalf("place %d after %d", e.Index, last)
			}
			last = e.Index
			if acked[fmt.Sprintf("%s/%d/%s", e.Table, e.ID, e.UID)] {
				left--
			}
		}
		if left != 0 {
			t.Fatalf("round %d: %d of %d acknowledged events are gone", round, left, len(acked))
		}
		storetest.CheckRoot(t, s)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if len(acked) < rounds {
		t.Errorf("only %d events were acknowledged", len(acked))
	}
}

// runChild runs a writing process for a while after its first answer, and
// returns what it had acknowledged.
func runChild(t *testing.T, dir string, after time.Duration) []string {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childDir+"="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var acked []string
	r := bufio.NewReader(out)
	for {
		line, err := r.ReadString('\n')
		if err == io.EOF {
			break // a last line without its end was not yet acknowledged to anybody
		}
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(line, "error") {
			t.Fatal(line)
		}
		if acked == nil {
			time.AfterFunc(after, func() { cmd.Process.Kill() })
		}
		acked = append(acked, strings.Fields(line)...)
	}
	_ = cmd.Wait() // it was killed
	return slices.Clip(acked)
}

// TestLock makes sure that a directory has one store at a time.
func TestLock(t *testing.T) {
	o := testOptions(t, 0)
	s := mustOpen(t, o, store.Config{})
	defer s.Close()
	if _, err := Open(o, store.Config{}); err == nil || !strings.Contains(err.Error(), ErrLocked.Error()) {
		t.Errorf("second open: %v", err)
	}
	if _, err := problems(t, o, store.Config{}); err == nil {
		t.Error("a store that is open was checked")
	}
	if err := s.Write(t.Context(), []*vigil.Event{numbered(0, 1)[0]}); err != nil {
		t.Error(err)
	}
}

// TestLockForked closes a store while a child that was forked, and has not begun
// its program yet, has the store's files open: it can be opened again at once.
func TestLockForked(t *testing.T) {
	o := testOptions(t, 0)
	s := mustOpen(t, o, store.Config{})
	child, err := syscall.Dup(int(s.lock.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(child)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := mustOpen(t, o, store.Config{}).Close(); err != nil {
		t.Error(err)
	}
}
