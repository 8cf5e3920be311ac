package segment

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"vigil"
	"vigil/internal/query"
	"vigil/internal/store"
	"vigil/internal/store/storetest"
)

// TestQueueBounds fills the queue of a store that commits nothing.
func TestQueueBounds(t *testing.T) {
	o := testOptions(t, 0)
	o.QueueLen, o.QueueBytes = 3, 1<<20
	d := drive(t, o)
	t.Cleanup(func() { d.Close() })
	ctx, cancel := context.WithCancel(t.Context())
	var waitingRequests sync.WaitGroup
	for i := range 3 {
		waitingRequests.Go(func() {
			if err := d.Write(ctx, numbered(i, 1)); !errors.Is(err, context.Canceled) {
				t.Errorf("a request that waits: %v", err)
			}
		})
	}
	for d.queue.len() < 3 {
		runtime.Gosched()
	}
	err := d.Write(t.Context(), numbered(0, 1))
	e, ok := errors.AsType[*vigil.Error](err)
	if !ok || e.Kind != vigil.Unavailable || e.RetryAfter <= 0 {
		t.Errorf("one more than the queue holds: %v", err)
	}
	cancel()
	waitingRequests.Wait()
	d.queue.mu.Lock()
	defer d.queue.mu.Unlock()
	if group := d.queue.next(nil, groupBytes); len(group) != 0 || d.queue.bytes != 0 {
		t.Errorf("cancelled requests are served: %d, %d bytes", len(group), d.queue.bytes)
	}
}

// TestGroups makes sure that a group is bounded, in order, and takes what is
// larger than a group alone.
func TestGroups(t *testing.T) {
	q := newQueue(1<<40, 1<<20)
	sizes := []int{400, 400, 400, 5000, 10, 10, 1000, 990}
	for _, n := range sizes {
		if err := q.put(&request{p: &store.Prepared{Bytes: n}, done: make(chan struct{}, 1)}); err != nil {
			t.Fatal(err)
		}
	}
	var got []int
	for q.len() > 0 {
		group, _ := q.take(nil, 1000)
		sum := 0
		for _, r := range group {
			sum += r.p.Bytes
		}
		got = append(got, len(group), sum)
	}
	if want := []int{2, 800, 1, 400, 1, 5000, 2, 20, 1, 1000, 1, 990}; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("groups of (requests, bytes) %v, want %v", got, want)
	}
}

// TestOverload writes faster than a tiny queue takes: each event is either
// acknowledged and there, or refused and not.
func TestOverload(t *testing.T) {
	o := testOptions(t, 16<<10)
	o.QueueLen, o.QueueBytes = 4, 4<<10
	s := mustOpen(t, o, storetest.Config(nil))
	defer s.Close()
	var acked, refused atomic.Int64
	var wg sync.WaitGroup
	for range 32 {
		wg.Go(func() {
			for i := range 40 {
				switch err := s.Write(t.Context(), numbered(i, 1)); {
				case err == nil:
					acked.Add(1)
				case vigil.KindOf(err) == vigil.Unavailable:
					refused.Add(1)
				default:
					t.Errorf("write: %v", err)
				}
			}
		})
	}
	wg.Wait()
	n, err := s.Count(t.Context(), &query.Query{Table: vigil.TableEvents, Limit: -1})
	if err != nil || n != acked.Load() {
		t.Errorf("%d events are stored (%v), %d were acknowledged", n, err, acked.Load())
	}
	if refused.Load() == 0 || acked.Load() == 0 {
		t.Errorf("%d acknowledged, %d refused: not what the test is about", acked.Load(), refused.Load())
	}
	if err := s.Err(); err != nil {
		t.Errorf("too many requests made the store fail: %v", err)
	}
	storetest.CheckRoot(t, s)
}

// TestFatal breaks the journal under a store: it stops for good, and says so.
func TestFatal(t *testing.T) {
	o := testOptions(t, 0)
	fatal := make(chan error, 2)
	o.OnFatal = func(err error) { fatal <- err }
	registry := prometheus.NewRegistry()
	s := mustOpen(t, o, store.Config{Metrics: registry})
	if err := s.Write(t.Context(), numbered(0, 3)); err != nil {
		t.Fatal(err)
	}
	if err := s.journal.Close(); err != nil { // stands for a disk that is gone
		t.Fatal(err)
	}
	for range 3 {
		if err := s.Write(t.Context(), numbered(0, 1)); vigil.KindOf(err) != vigil.Unavailable {
			t.Errorf("write after the end: %v", err)
		}
	}
	select {
	case <-fatal:
	case <-time.After(5 * time.Second):
		t.Fatal("OnFatal was not called")
	}
	if s.Err() == nil {
		t.Error("the store says that it takes events")
	}
	if n, err := s.Count(t.Context(), &query.Query{Table: vigil.TableEvents, Limit: -1}); n != 3 || err != nil {
		t.Errorf("reading after the end: %d rows, %v", n, err)
	}
	storetest.CheckRoot(t, s)
	if err := s.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	if families, err := registry.Gather(); err != nil || len(families) != 0 {
		t.Errorf("metrics stay registered after Close: %d, %v", len(families), err)
	}
	o.OnFatal = nil
	s = mustOpen(t, o, store.Config{Metrics: registry})
	defer s.Close()
	if s.Log().Size() != 3 {
		t.Errorf("%d events after a restart, want 3", s.Log().Size())
	}
}

// smallDisk mounts a file system of 6 MiB.
func smallDisk(t *testing.T) string {
	t.Helper()
	disk := t.TempDir()
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=6m"); err != nil {
		t.Skipf("left out: this machine refuses mount: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(disk, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return disk
}

// fullDisk is a small file system with a store on it.
type fullDisk struct {
	t       *testing.T
	s       *Store
	ballast string

	stored  int64         // events
	refused int64         // events, since the store was opened
	resumed *atomic.Int64 // of those refused, OnResume was told of
}

// counting has a counter of its own for each opening: OnResume may come late.
func (d *fullDisk) counting() func(int64) {
	counter := new(atomic.Int64)
	d.resumed = counter
	return func(n int64) { counter.Add(n) }
}

// write hands over 50 events.
func (d *fullDisk) write() error {
	events := numbered(int(d.stored), 50)
	for _, e := range events {
		e.Doc = fmt.Appendf(nil, `{"random":"%x"}`, incompressible(500))
	}
	err := d.s.Write(d.t.Context(), events)
	switch {
	case err == nil:
		d.stored += 50
	case vigil.KindOf(err) == vigil.Full:
		d.refused += 50
	default:
		d.t.Fatalf("write: %v", err)
	}
	return err
}

// fill takes all the space that is left, and reports whether there was any. What
// the sealer frees behind the test's back would else let a write through that
// the test expects to be refused.
func (d *fullDisk) fill() bool {
	d.t.Helper()
	f, err := os.OpenFile(d.ballast, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		d.t.Fatal(err)
	}
	defer f.Close()
	for some := false; ; some = true {
		if _, err := f.Write(make([]byte, 4096)); errors.Is(err, syscall.ENOSPC) {
			return some
		} else if err != nil {
			d.t.Fatal(err)
		}
	}
}

// exhaust writes until everything is refused, and stays so.
func (d *fullDisk) exhaust() {
	d.t.Helper()
	for inRow, end := 0, time.Now().Add(60*time.Second); inRow < 5; {
		freed := d.fill()
		if err := d.write(); err == nil || freed {
			inRow = 0
		} else {
			inRow++
		}
		if time.Now().After(end) {
			d.t.Fatal("the disk did not get full")
		}
	}
	if vigil.KindOf(d.s.Err()) != vigil.Full {
		d.t.Fatalf("the store failed: %v", d.s.Err())
	}
}

// reopen closes the store and opens it again.
func (d *fullDisk) reopen() {
	d.t.Helper()
	d.refused = 0
	d.s.opts.OnResume = d.counting()
	d.s = suiteReopen(d.t, d.s)
	if n := d.s.Log().Size(); n != d.stored {
		d.t.Errorf("%d events are in the log, %d were acknowledged", n, d.stored)
	}
	storetest.CheckRoot(d.t, d.s)
}

// TestFull writes to a small file system until it is full, starts on the full
// one, makes room, and goes on.
func TestFull(t *testing.T) {
	t.Parallel()
	disk := smallDisk(t)
	d := &fullDisk{t: t, ballast: disk + "/ballast"}
	o := Options{
		Dir: disk + "/data", Guard: t.TempDir(), HeadBytes: 256 << 10, JournalFile: 1 << 20,
		OnResume: d.counting(),
	}
	d.s = mustOpen(t, o, storetest.Config(nil))
	defer func() { d.s.Close() }()
	for range 20 { // there is something to read, and some of it is sealed
		if err := d.write(); err != nil {
			t.Fatal(err)
		}
	}
	d.exhaust()
	if n := d.s.Log().Size(); n != d.stored {
		t.Errorf("%d events are in the log, %d were acknowledged", n, d.stored)
	}
	storetest.CheckRoot(t, d.s)

	// A start on the full disk reads, and refuses as before.
	d.reopen()
	d.exhaust()
	var first vigil.UID
	for e, err := range d.s.Entries(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		first = e.UID
		break
	}
	if n, err := d.s.Erase(t.Context(), []vigil.UID{first}, why); n != 0 || vigil.KindOf(err) != vigil.Full {
		t.Errorf("erased %d on a full disk, %v", n, err)
	}
	if e, err := d.s.ByUID(t.Context(), first); err != nil || len(e.Doc) == 0 {
		t.Errorf("an event that could not be erased: %v", err)
	}

	if err := os.Remove(d.ballast); err != nil {
		t.Fatal(err)
	}
	eventually(t, "writing resumes", func() bool { return d.write() == nil })
	if err := d.s.Err(); err != nil {
		t.Errorf("after writing resumed: %v", err)
	}
	eventually(t, "an event can be erased", func() bool {
		n, err := d.s.Erase(t.Context(), []vigil.UID{first}, why)
		return err == nil && n == 1
	})
	d.stored++ // the record of it
	eventually(t, "OnResume tells of every refused event", func() bool { return d.resumed.Load() == d.refused })
	storetest.CheckRoot(t, d.s)
	d.reopen()
}

// eventually waits until something is so, for longer than a busy machine needs.
func eventually(t *testing.T, what string, so func() bool) {
	t.Helper()
	for end := time.Now().Add(60 * time.Second); !so(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within a minute: %s", what)
		}
	}
}
