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

// TestFull writes to a small file system until it is full, makes room, and goes on.
func TestFull(t *testing.T) {
	t.Parallel()
	disk := smallDisk(t)
	resumed := make(chan int64, 1)
	o := Options{
		Dir: disk + "/data", Guard: t.TempDir(), HeadBytes: 256 << 10, JournalFile: 1 << 20,
		OnResume: func(n int64) { resumed <- n },
	}
	s := mustOpen(t, o, storetest.Config(nil))
	defer s.Close()
	stored, refused := int64(0), int64(0)
	write := func() error {
		events := numbered(int(stored), 50)
		for _, e := range events {
			e.Doc = fmt.Appendf(nil, `{"random":"%x"}`, incompressible(500))
		}
		err := s.Write(t.Context(), events)
		switch {
		case err == nil:
			stored += 50
		case vigil.KindOf(err) == vigil.Full:
			refused += 50
		default:
			t.Fatalf("write: %v", err)
		}
		return err
	}
	ballast := disk + "/ballast"
	if err := os.WriteFile(ballast, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 1000 {
		if write() != nil {
			break
		}
	}
	for range 5 {
		_ = write()
	}
	if refused == 0 || vigil.KindOf(s.Err()) != vigil.Full {
		t.Fatalf("the disk did not get full, or the store failed: %v", s.Err())
	}
	if n := s.Log().Size(); n != stored {
		t.Errorf("%d events are in the log, %d were acknowledged", n, stored)
	}
	storetest.CheckRoot(t, s)

	// A start on the full disk reads, and refuses as before.
	s = suiteReopen(t, s)
	defer s.Close()
	refused = 0
	storetest.CheckRoot(t, s)
	if n := s.Log().Size(); n != stored {
		t.Errorf("%d events after a start on a full disk, %d were acknowledged", n, stored)
	}
	for range 1000 { // the start may have freed a little
		if write() != nil {
			break
		}
	}
	if refused == 0 || vigil.KindOf(s.Err()) != vigil.Full {
		t.Fatalf("the disk is no longer full, or the store failed: %v", s.Err())
	}

	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(10 * time.Second); write() != nil; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("writing did not resume")
		}
	}
	if err := s.Err(); err != nil {
		t.Errorf("after writing resumed: %v", err)
	}
	select {
	case n := <-resumed:
		if n != refused {
			t.Errorf("OnResume was told of %d refused events, there were %d", n, refused)
		}
	case <-time.After(5 * time.Second):
		t.Error("OnResume was not called")
	}
	storetest.CheckRoot(t, s)
	s = suiteReopen(t, s)
	defer s.Close()
	if n := s.Log().Size(); n != stored {
		t.Errorf("%d events after a restart, %d were acknowledged", n, stored)
	}
}
