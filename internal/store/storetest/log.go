package storetest

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"vigil"
	"vigil/internal/ledger"
	"vigil/internal/query"
	"vigil/internal/store"
)

// fill stores events of several tables in batches of several sizes, and returns
// them in the log's order.
func (f *fixture) fill(t testing.TB, n int) []*vigil.Event {
	t.Helper()
	tables := []string{vigil.TableEvents, vigil.TableLogs, "custom", vigil.TableEvents}
	var out []*vigil.Event
	for i := 0; len(out) < n; i++ {
		var batch []*vigil.Event
		for k := range i%7 + 1 {
			batch = append(batch, event(tables[(i+k)%len(tables)], `{"n":%d,"k":%d}`, i, k))
		}
		f.put(t, batch...)
		out = append(out, batch...)
		f.clock.advance(time.Millisecond)
		if len(out) < n/2 && i%40 == 39 {
			f.settle(t)
		}
	}
	return out
}

func testEntries(t *testing.T, f *fixture) {
	want := f.fill(t, 700)
	for _, from := range []int64{0, 1, 255, 256, 350, int64(len(want)) - 1, int64(len(want)), int64(len(want)) + 5, -1} {
		at := max(from, 0)
		for e, err := range f.Entries(f.ctx, from) {
			if err != nil {
				t.Fatalf("entries from %d: %v", from, err)
			}
			w := want[at]
			if e.Index != at || e.Table != w.Table || e.ID != w.ID || e.UID != w.UID || string(e.Doc) != string(w.Doc) || !e.Received.Equal(w.Received) {
				t.Fatalf("entry %d from %d: got %+v, want %+v", at, from, e, w)
			}
			at++
		}
		equal(t, fmt.Sprintf("end of the entries from %d", from), at, max(from, int64(len(want))))
	}
	for range f.Entries(f.ctx, 0) {
		break // leaves nothing behind: testCancel looks for that
	}
}

func testByUID(t *testing.T, f *fixture) {
	for i, e := range f.fill(t, 200) {
		if i%7 != 0 {
			continue
		}
		got, err := f.ByUID(f.ctx, e.UID)
		if err != nil {
			t.Fatalf("event %d: %v", i, err)
		}
		if got.Index != e.Index || got.Table != e.Table || string(got.Doc) != string(e.Doc) || *got.Sender != *sender {
			t.Fatalf("event %d: got %+v, want %+v", i, got, e)
		}
	}
	_, err := f.ByUID(f.ctx, vigil.NewUID(f.clock.Now(), [10]byte{1}))
	wantError(t, "unknown uid", err, vigil.NotFound, "")
}

// CheckRoot computes every leaf of s anew, and fails the test unless they give
// the root of its log at the present size.
func CheckRoot(t testing.TB, s store.Store) {
	t.Helper()
	size, root := s.Log().Published()
	mine := ledger.NewLog("", new(ledger.MemoryTiles))
	for e, err := range s.Entries(context.Background(), 0) {
		if err != nil {
			t.Fatalf("read entries: %v", err)
		}
		if e.Index == size {
			break
		}
		mine.Append(ledger.HashLeaf(store.LeafOf(e).AppendText(nil)))
	}
	if n, got := mine.Head(); n != size || got != root {
		t.Fatalf("the %d entries give root %v, the log of size %d says %v", n, got, size, root)
	}
}

func testRoot(t *testing.T, f *fixture) {
	CheckRoot(t, f.Store)
	events := f.fill(t, 600)
	CheckRoot(t, f.Store)
	mine := ledger.NewLog("", new(ledger.MemoryTiles))
	for _, e := range events {
		leaf := ledger.Leaf{
			Epoch: e.Epoch, Table: e.Table, ID: e.ID, UID: e.UID.String(), Received: e.Received, Form: map[bool]string{false: "raw", true: "canonical"}[e.Canonical],
			Commitment: ledger.Commit(e.Salt, store.AppendSender(nil, e.Sender), e.Doc),
		}
		record := leaf.AppendText(nil)
		mine.Append(ledger.HashLeaf(record))
		size, root := mine.Head()
		if size%97 != 0 {
			continue
		}
		if got, err := f.Log().RootAt(size); err != nil || got != root {
			t.Fatalf("root at %d: %v, %v; want %v", size, got, err, root)
		}
	}
	equal(t, "origin", f.Log().Origin(), "test.example/log")
}

func testWait(t *testing.T, f *fixture) {
	f.put(t, numbered(vigil.TableEvents, 0, 3)...)
	size, err := f.Wait(f.ctx, 2)
	if err != nil || size != 3 {
		t.Fatalf("wait for what is there: %d, %v", size, err)
	}
	ctx, cancel := context.WithCancel(f.ctx)
	cancel()
	if size, err = f.Wait(ctx, 3); !errors.Is(err, context.Canceled) || size != 3 {
		t.Errorf("wait until cancelled: %d, %v", size, err)
	}
	var wg sync.WaitGroup
	for range 5 {
		wg.Go(func() {
			size, err := f.Wait(f.ctx, 3)
			if err != nil || size <= 3 {
				t.Errorf("wait: %d, %v", size, err)
			}
			if n, err := f.Count(f.ctx, all(vigil.TableEvents)); err != nil || n <= 3 {
				t.Errorf("%d rows, %v: the log was seen to grow before the rows", n, err)
			}
		})
	}
	f.put(t, event(vigil.TableEvents, `{}`))
	wg.Wait()
}

func testCancel(t *testing.T, f *fixture) {
	f.put(t, numbered(vigil.TableEvents, 0, 2000)...)
	f.settle(t)
	f.put(t, numbered(vigil.TableEvents, 0, 500)...)
	before := runtime.NumGoroutine()
	ctx, cancel := context.WithCancel(f.ctx)
	defer cancel()
	n, ended := 0, error(nil)
	for _, err := range f.Records(ctx, all(vigil.TableEvents)) {
		if err != nil {
			ended = err
			break
		}
		if n++; n == 10 {
			cancel()
		}
	}
	if !errors.Is(ended, context.Canceled) || n >= 2500 {
		t.Errorf("a cancelled scan ended after %d rows with %v", n, ended)
	}
	for range f.Records(f.ctx, all(vigil.TableEvents)) {
		break
	}
	for _, err := range f.Records(f.ctx, &query.Query{Table: vigil.TableEvents, Limit: 1}) {
		if err != nil {
			t.Error(err)
		}
	}
	eventually(t, "goroutines of ended scans end", func() bool { return runtime.NumGoroutine() <= before })
	if _, err := f.Append(ctx, &store.Batch{Events: numbered(vigil.TableEvents, 0, 1)}); !errors.Is(err, context.Canceled) {
		t.Errorf("append with a cancelled context: %v", err)
	}
	equal(t, "size of the log", f.Log().Size(), 2500)
}

// testConcurrent writes and reads from many goroutines at once.
func testConcurrent(t *testing.T, f *fixture) {
	const writers, each = 8, 60
	var mu sync.Mutex
	acked := map[int64]*vigil.Event{}
	done := make(chan struct{})
	var writing, reading sync.WaitGroup
	for w := range writers {
		writing.Go(func() {
			for i := range each {
				batch := numbered([]string{vigil.TableEvents, "custom"}[(w+i)%2], i, i%3+1)
				if _, err := f.Append(f.ctx, &store.Batch{Events: batch}); err != nil {
					t.Errorf("append: %v", err)
					return
				}
				mu.Lock()
				for _, e := range batch {
					if acked[e.Index] != nil {
						t.Errorf("place %d was given twice", e.Index)
					}
					acked[e.Index] = e
				}
				mu.Unlock()
			}
		})
	}
	for range 2 {
		reading.Go(func() { f.readUntil(t, done) })
	}
	writing.Wait()
	close(done)
	reading.Wait()
	f.settle(t)
	n := int64(0)
	for e, err := range f.Entries(f.ctx, 0) {
		if err != nil {
			t.Fatal(err)
		}
		if a := acked[e.Index]; a == nil || a.UID != e.UID || a.ID != e.ID {
			t.Fatalf("entry %d is %+v, acknowledged was %+v", e.Index, e, a)
		}
		n++
	}
	equal(t, "entries", n, int64(len(acked)))
	CheckRoot(t, f.Store)
}

// readUntil reads while others write: ids increase, and counts never fall.
func (f *fixture) readUntil(t testing.TB, done chan struct{}) {
	rows := 0
	for {
		last, n := int64(0), 0
		for e, err := range f.Records(f.ctx, all(vigil.TableEvents)) {
			if err != nil {
				t.Errorf("records: %v", err)
				return
			}
			if e.ID <= last {
				t.Errorf("id %d after %d", e.ID, last)
			}
			last = e.ID
			n++
		}
		if n < rows {
			t.Errorf("%d rows after %d", n, rows)
		}
		rows = n
		select {
		case <-done:
			return
		default:
		}
	}
}

func testReopen(t *testing.T, f *fixture) {
	if f.Reopen == nil {
		t.Log("the store keeps nothing")
		return
	}
	events := f.fill(t, 400)
	before := f.rows(t, all(vigil.TableEvents))
	size, root := f.Log().Published()
	for round := range 3 {
		f.Store = f.Reopen(t, f.Store, f.config)
		gotSize, gotRoot := f.Log().Published()
		if gotSize != size || gotRoot != root {
			t.Fatalf("round %d: the log has size %d and root %v, had %d and %v", round, gotSize, gotRoot, size, root)
		}
		equalLines(t, "rows after a restart", f.rows(t, all(vigil.TableEvents)), before...)
		CheckRoot(t, f.Store)
		got, err := f.ByUID(f.ctx, events[123].UID)
		if err != nil || got.Index != 123 || string(got.Doc) != string(events[123].Doc) {
			t.Fatalf("by uid after a restart: %v, %v", got, err)
		}
	}
	e := event("custom", `{}`)
	last := int64(0)
	for _, old := range events {
		if old.Table == "custom" {
			last = old.ID
		}
	}
	f.put(t, e)
	equal(t, "id after a restart", e.ID, last+1)
	equal(t, "place after a restart", e.Index, size)
	CheckRoot(t, f.Store)
}
