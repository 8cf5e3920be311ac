package spool_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"vigil"
	"vigil/internal/spool"
)

// keeper is a Writer with the behaviour of a store: all or nothing, and it
// knows the keys it has seen.
type keeper struct {
	mu     sync.Mutex
	docs   []string
	keys   map[string]int // by key, how many events
	down   bool
	byKey  bool // know a batch by its key, whatever is in it
	lie    bool // take the batch, and say that it was not taken
	refuse func(*vigil.Event) error
	calls  int
}

var errDown = errors.New("down")

func (k *keeper) Write(ctx context.Context, events []*vigil.Event) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.calls++
	if k.down {
		return errDown
	}
	key, ok := spool.Key(ctx)
	if !ok {
		return vigil.Errorf(vigil.Internal, "no key")
	}
	for _, e := range events {
		if k.refuse != nil {
			if err := k.refuse(e); err != nil {
				return err
			}
		}
	}
	if k.keys == nil {
		k.keys = map[string]int{}
	}
	if n, seen := k.keys[key]; seen {
		if n != len(events) && !k.byKey {
			return fmt.Errorf("the key %s came with %d events, and before with %d", key, len(events), n)
		}
		return nil
	}
	k.keys[key] = len(events)
	for _, e := range events {
		k.docs = append(k.docs, e.Table+" "+string(e.Doc))
	}
	if k.lie {
		k.lie = false
		return errDown
	}
	return nil
}

func (k *keeper) set(f func(*keeper)) {
	k.mu.Lock()
	defer k.mu.Unlock()
	f(k)
}

func (k *keeper) got() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.docs)
}

// asEvent makes an event whose document is the record.
func asEvent(rec []byte) ([]*vigil.Event, error) {
	return []*vigil.Event{{Table: "t", Format: "f", Doc: slices.Clone(rec)}}, nil
}

func open(t *testing.T, dir string, w vigil.Writer, change ...func(*spool.Config)) *spool.Spool {
	t.Helper()
	c := spool.Config{Dir: dir, Writer: w, Events: asEvent, MinPause: time.Millisecond, MaxPause: 5 * time.Millisecond}
	for _, f := range change {
		f(&c)
	}
	s, err := spool.Open(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func flush(t *testing.T, s *spool.Spool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	if err := s.Flush(ctx); err != nil {
		t.Fatalf("flush: %v, %+v", err, s.Status())
	}
}

func end(t *testing.T, s *spool.Spool, begun uint64, rec string) {
	t.Helper()
	if _, err := s.End(t.Context(), begun, []byte(rec)); err != nil {
		t.Fatal(err)
	}
}

func begin(t *testing.T, s *spool.Spool, rec string) uint64 {
	t.Helper()
	n, err := s.Begin(t.Context(), []byte(rec))
	if err != nil || n == 0 {
		t.Fatal(n, err)
	}
	return n
}

func same(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Fatalf("got %d: %.300q\nwant %d: %.300q", len(got), got, len(want), want)
	}
}

// TestOrder sends records in the order in which they ended.
func TestOrder(t *testing.T) {
	k := &keeper{}
	s := open(t, t.TempDir(), k)
	a, b := begin(t, s, "a?"), begin(t, s, "b?")
	end(t, s, b, "b")
	end(t, s, 0, "c")
	end(t, s, a, "a")
	events := []*vigil.Event{{Table: "x", Format: "f", Doc: []byte("1"), Sender: &vigil.Sender{Subject: "me"}, WantID: 7}, {Table: "x", Format: "f", Doc: []byte("2")}}
	if err := s.Write(t.Context(), events); err != nil {
		t.Fatal(err)
	}
	flush(t, s)
	same(t, k.got(), "t b", "t c", "t a", "x 1", "x 2")
	if st := s.Status(); st.Waiting != 0 || st.Begun != 0 || st.Events != 5 {
		t.Errorf("status %+v", st)
	}
}

// TestRestart has records that waited, that were taken, and that never ended.
func TestRestart(t *testing.T) {
	dir := t.TempDir()
	k := &keeper{}
	s := open(t, dir, k)
	end(t, s, 0, "1")
	flush(t, s)
	k.set(func(k *keeper) { k.down = true })
	begin(t, s, "never")
	n := begin(t, s, "late?")
	end(t, s, 0, "2")
	end(t, s, n, "3")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.End(t.Context(), 0, []byte("closed")); err == nil {
		t.Error("a closed spool takes records")
	}
	if st, err := spool.Inspect(dir); err != nil || st.Waiting != 2*4096 || st.Begun != 1 || st.Volumes != 1 {
		t.Errorf("status %+v, %v", st, err)
	}
	for range 3 { // the store stays away over several starts
		s = open(t, dir, k)
		s.Close()
	}
	k.set(func(k *keeper) { k.down = false })
	s = open(t, dir, k)
	end(t, s, 0, "4")
	flush(t, s)
	same(t, k.got(), "t 1", "t 2", "t 3", "t never", "t 4")
	if st := s.Status(); st.Waiting != 0 || st.Begun != 0 {
		t.Errorf("status %+v", st)
	}
	s.Close()
	volumes, _ := filepath.Glob(filepath.Join(dir, "0*"))
	if len(volumes) != 1 {
		t.Errorf("volumes %v", volumes)
	}
}

// TestTwice lets the Writer take a batch and fail, and the process end before
// another attempt: the batch comes again under its key, whatever came since.
func TestTwice(t *testing.T) {
	dir := t.TempDir()
	k := &keeper{}
	s := open(t, dir, k, func(c *spool.Config) { c.MinPause, c.MaxPause = time.Hour, time.Hour })
	k.set(func(k *keeper) { k.lie = true })
	end(t, s, 0, "1")
	for len(k.got()) == 0 {
		time.Sleep(time.Millisecond)
	}
	end(t, s, 0, "2")
	s.Close()

	s = open(t, dir, k, func(c *spool.Config) {
		c.Events = func(rec []byte) ([]*vigil.Event, error) { // another version of the program
			return asEvent(append([]byte("new "), rec...))
		}
	})
	flush(t, s)
	same(t, k.got(), "t 1", "t new 2")
}

// TestBeyondMemory has more waiting than memory may hold.
func TestBeyondMemory(t *testing.T) {
	k := &keeper{down: true}
	dir := t.TempDir()
	s := open(t, dir, k, func(c *spool.Config) { c.MaxMemory, c.BatchEvents = 1000, 7 })
	var want []string
	slow := begin(t, s, "slow?")
	for i := range 300 {
		rec := fmt.Sprintf("%0100d", i)
		end(t, s, begin(t, s, "?"), rec)
		want = append(want, "t "+rec)
	}
	k.set(func(k *keeper) { k.down = false })
	flush(t, s)
	same(t, k.got(), want...)
	end(t, s, slow, "slow")
	end(t, s, 0, "after")
	flush(t, s)
	same(t, k.got(), append(want, "t slow", "t after")...)
	if st := s.Status(); st.Waiting != 0 || st.Volumes != 1 || st.Begun != 0 {
		t.Errorf("status %+v", st)
	}
}

// TestRoom fills the disk's share: who begins waits, who has begun may end.
func TestRoom(t *testing.T) {
	k := &keeper{down: true}
	s := open(t, t.TempDir(), k, func(c *spool.Config) { c.MaxBytes = 16 << 10 })
	n := begin(t, s, "first?")
	for range 3 {
		end(t, s, 0, "x")
	}
	done, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Begin(done, nil); err == nil {
		t.Fatal("a full spool began a record")
	}
	if _, err := s.End(done, 0, []byte("lost")); err == nil {
		t.Fatal("a full spool took a record that never began")
	}
	end(t, s, n, "first")
	got := make(chan error)
	go func() {
		n, err := s.Begin(t.Context(), []byte("waits?"))
		if err == nil {
			_, err = s.End(t.Context(), n, []byte("waits"))
		}
		got <- err
	}()
	select {
	case err := <-got:
		t.Fatal("began without room", err)
	case <-time.After(20 * time.Millisecond):
	}
	k.set(func(k *keeper) { k.down = false })
	if err := <-got; err != nil {
		t.Fatal(err)
	}
	flush(t, s)
	same(t, k.got(), "t x", "t x", "t x", "t first", "t waits")
}

// TestByKey lets a Writer that goes by the key alone take a batch, before the
// process ends and another version of it makes more events of each record: what
// was taken stays as it was, and what was not comes from the new version.
func TestByKey(t *testing.T) {
	newVersion := func(c *spool.Config) {
		c.ByKey = true
		c.Events = func(rec []byte) ([]*vigil.Event, error) {
			one, _ := asEvent(append([]byte("new "), rec...))
			two, err := asEvent(append([]byte("also "), rec...))
			return append(one, two...), err
		}
	}
	for _, taken := range []bool{true, false} {
		dir, k := t.TempDir(), &keeper{byKey: true, lie: taken, down: !taken}
		s := open(t, dir, k, func(c *spool.Config) { c.ByKey, c.MinPause, c.MaxPause = true, time.Hour, time.Hour })
		end(t, s, 0, "1")
		for s.Status().Retries == 0 {
			time.Sleep(time.Millisecond)
		}
		end(t, s, 0, "2")
		s.Close()
		k.set(func(k *keeper) { k.down = false })
		if st, err := spool.Inspect(dir); err != nil || st.Records != 2 {
			t.Errorf("status %+v, %v", st, err)
		}
		for range 2 {
			s = open(t, dir, k, newVersion)
			flush(t, s)
			s.Close()
		}
		want := []string{"t new 1", "t also 1", "t new 2", "t also 2"}
		if taken {
			want = []string{"t 1", "t new 2", "t also 2"}
		}
		same(t, k.got(), want...)
		s = open(t, dir, k, newVersion)
		end(t, s, 0, "3")
		flush(t, s)
		same(t, k.got(), append(want, "t new 3", "t also 3")...)
	}
}

// TestErr says that the destination fails only once that has lasted.
func TestErr(t *testing.T) {
	k := &keeper{down: true}
	var mu sync.Mutex
	now := time.Date(2025, 1, 2, 3, 4, 5, 0, time.UTC)
	s := open(t, t.TempDir(), k, func(c *spool.Config) {
		c.Patience = time.Minute
		c.Now = func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
	})
	end(t, s, 0, "1")
	for s.Status().Retries == 0 {
		time.Sleep(time.Millisecond)
	}
	if err := s.Err(); err != nil {
		t.Error(err)
	}
	mu.Lock()
	now = now.Add(time.Minute)
	mu.Unlock()
	if err := s.Err(); !errors.Is(err, errDown) {
		t.Errorf("error %v", err)
	}
	k.set(func(k *keeper) { k.down = false })
	flush(t, s)
	if err := s.Err(); err != nil {
		t.Error(err)
	}
}

// TestSync waits for the disk, and many wait for one fdatasync.
func TestSync(t *testing.T) {
	s := open(t, t.TempDir(), &keeper{})
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			n, err := s.Begin(t.Context(), []byte("?"))
			if err == nil {
				err = s.Sync(t.Context(), n)
			}
			if err == nil {
				n, err = s.End(t.Context(), n, []byte("!"))
			}
			if err == nil {
				err = s.Sync(t.Context(), n)
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	done, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Sync(done, 1<<40); !errors.Is(err, context.Canceled) {
		t.Errorf("a frame that is not there is synced: %v", err)
	}
}

// TestMetrics offers them from Open to Close, and for one spool only.
func TestMetrics(t *testing.T) {
	r := prometheus.NewRegistry()
	metrics := func(c *spool.Config) { c.Metrics = r }
	s := open(t, t.TempDir(), &keeper{}, metrics)
	end(t, s, 0, "1")
	flush(t, s)
	if _, err := spool.Open(spool.Config{Dir: t.TempDir(), Writer: &keeper{}, Metrics: r}); err == nil {
		t.Error("two spools share their metrics")
	}
	families, err := r.Gather()
	if err != nil || len(families) != 8 {
		t.Errorf("%d metrics, %v", len(families), err)
	}
	for _, f := range families {
		if f.GetName() == "vigil_spool_sent_events_total" && f.GetMetric()[0].GetCounter().GetValue() != 1 {
			t.Errorf("%v", f)
		}
	}
	s.Close()
	if families, err := r.Gather(); err != nil || len(families) != 0 {
		t.Errorf("%d metrics after Close, %v", len(families), err)
	}
}

func TestOpenErrors(t *testing.T) {
	dir := t.TempDir()
	open(t, dir, &keeper{})
	if _, err := spool.Open(spool.Config{Dir: dir, Writer: &keeper{}}); err == nil {
		t.Error("two spools have one directory")
	}
	if _, err := spool.Inspect(dir); err == nil {
		t.Error("a spool is inspected that is open")
	}
	if _, err := spool.Inspect(dir + "/absent"); err == nil {
		t.Error("a spool is inspected that is not there")
	}
	if _, err := spool.Open(spool.Config{Dir: t.TempDir()}); err == nil {
		t.Error("a spool without a Writer")
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := spool.Open(spool.Config{Dir: file, Writer: &keeper{}}); err == nil {
		t.Error("a file is no directory")
	}
}

// TestLongRunning keeps one record open while much passes: the journal's files
// are used again all the same.
func TestLongRunning(t *testing.T) {
	k := &keeper{}
	dir := t.TempDir()
	s := open(t, dir, k)
	n := begin(t, s, "long?")
	big := make([]byte, 1<<20)
	for i := range 150 {
		if _, err := s.End(t.Context(), 0, big); err != nil {
			t.Fatal(err)
		}
		if i%10 == 0 {
			flush(t, s)
		}
	}
	flush(t, s)
	var size int64
	files, _ := filepath.Glob(filepath.Join(dir, "*", "*"))
	for _, f := range files {
		if st, err := os.Stat(f); err == nil {
			size += st.Size()
		}
	}
	if size > 8*32<<20 {
		t.Errorf("%d bytes in %d files for nothing that waits", size, len(files))
	}
	s.Close()
	s = open(t, dir, k)
	flush(t, s)
	if got := k.got(); got[len(got)-1] != "t long?" || len(got) != 151 {
		t.Errorf("%d events", len(got))
	}
	_ = n
}
