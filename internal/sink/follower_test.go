package sink

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"vigil"
	"vigil/internal/store"
)

// target is a destination that can be away.
type target struct {
	mu      sync.Mutex
	got     []string
	fail    func(events []*vigil.Event) error // nil: takes everything
	largest int
	synced  int // of got
}

func (w *target) Write(_ context.Context, events []*vigil.Event) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.largest = max(w.largest, len(events))
	n := len(events)
	var err error
	if w.fail != nil {
		if err = w.fail(events); err != nil {
			n = 0
		}
		if p, ok := errors.AsType[*Partial](err); ok {
			n = p.Done
		}
	}
	for _, e := range events[:n] {
		w.got = append(w.got, string(e.Doc))
	}
	return err
}

func (w *target) Sync() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.synced = len(w.got)
	return nil
}

func (w *target) lines() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.got)
}

func memory(t *testing.T) *store.Memory {
	t.Helper()
	m, err := store.NewMemory(store.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func add(t *testing.T, s vigil.Writer, table string, from, to int) []string {
	t.Helper()
	var docs []string
	var events []*vigil.Event
	for i := from; i < to; i++ {
		docs = append(docs, fmt.Sprintf(`{"n":%d}`, i))
		events = append(events, &vigil.Event{Table: table, Format: vigil.FormatLogserver, Doc: []byte(docs[len(docs)-1])})
	}
	if err := s.Write(context.Background(), events); err != nil {
		t.Fatal(err)
	}
	return docs
}

// follow runs a follower until the function it returns is called.
func follow(t *testing.T, c FollowerConfig) (f *Follower, stop func()) {
	t.Helper()
	if c.Name == "" {
		c.Name = "test"
	}
	f, err := NewFollower(c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f.Run(ctx) }()
	return f, func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func equal(t *testing.T, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Fatalf("%d lines %.200q, want %d: %.200q", len(got), got, len(want), want)
	}
}

func TestFollow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, w := memory(t), &target{}
		cursor := filepath.Join(t.TempDir(), "c")
		want := add(t, s, "events", 0, 2500)
		c := FollowerConfig{Log: s, Cursor: cursor, Writer: w, Metrics: prometheus.NewRegistry(), BatchEvents: 100}
		_, stop := follow(t, c)
		synctest.Wait()
		equal(t, w.lines(), want)
		want = append(want, add(t, s, "logs", 2500, 2501)...)
		synctest.Wait()
		equal(t, w.lines(), want)
		stop()
		if w.synced != len(want) || w.largest > 100 {
			t.Errorf("%d synced of %d; the largest batch had %d", w.synced, len(want), w.largest)
		}
		want = append(want, add(t, s, "events", 2501, 2600)...)
		c.Metrics = nil
		_, stop = follow(t, c)
		synctest.Wait()
		stop()
		equal(t, w.lines(), want)
	})
}

// TestAway lets the destination be away for an hour: it gets everything, once,
// in order, and a batch at a time is all that is in memory.
func TestAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memory(t)
		back := time.Now().Add(time.Hour)
		tries := 0
		w := &target{fail: func([]*vigil.Event) error {
			tries++
			if time.Now().Before(back) {
				return errors.New("nobody there")
			}
			return nil
		}}
		var notices []Notice
		f, stop := follow(t, FollowerConfig{
			Log: s, Cursor: filepath.Join(t.TempDir(), "c"), Writer: w, BatchEvents: 10,
			Tell: func(n Notice) { notices = append(notices, n) },
		})
		var want []string
		for i := range 60 {
			want = append(want, add(t, s, "events", i*100, i*100+100)...)
			time.Sleep(time.Minute)
		}
		if err := f.Err(); err == nil || !strings.Contains(err.Error(), "nobody there") {
			t.Errorf("while it is away Err is %v", err)
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		stop()
		equal(t, w.lines(), want)
		if tries > 60*3+len(want) || w.largest > 10 || f.Err() != nil {
			t.Errorf("%d tries, %d events in the largest batch, Err %v", tries, w.largest, f.Err())
		}
		if len(notices) != 2 || !notices[0].Failed || notices[1].Failed {
			t.Errorf("notices %+v", notices)
		}
	})
}

func TestRetryAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, start := memory(t), time.Now()
		var at []time.Duration
		w := &target{fail: func([]*vigil.Event) error {
			if at = append(at, time.Since(start)); len(at) < 3 {
				return &vigil.Error{Kind: vigil.Unavailable, Message: "later", RetryAfter: 17 * time.Second}
			}
			return nil
		}}
		want := add(t, s, "events", 0, 1)
		_, stop := follow(t, FollowerConfig{Log: s, Cursor: filepath.Join(t.TempDir(), "c"), Writer: w})
		time.Sleep(time.Minute)
		stop()
		equal(t, w.lines(), want)
		if !slices.Equal(at, []time.Duration{0, 17 * time.Second, 34 * time.Second}) {
			t.Errorf("tried at %v", at)
		}
	})
}

func TestFollowPartial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memory(t)
		w := &target{fail: func(events []*vigil.Event) error {
			if len(events) > 3 {
				return &Partial{Done: 3, Err: errors.New("no more")}
			}
			return nil
		}}
		want := add(t, s, "events", 0, 10)
		_, stop := follow(t, FollowerConfig{Log: s, Cursor: filepath.Join(t.TempDir(), "c"), Writer: w})
		time.Sleep(time.Minute)
		stop()
		equal(t, w.lines(), want)
	})
}

func TestFollowSome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, w := memory(t), &target{}
		add(t, s, "events", 0, 5)
		want := add(t, s, "logs", 5, 10)[:4]
		add(t, s, "system", 10, 15)
		cursor := filepath.Join(t.TempDir(), "c")
		c := FollowerConfig{Log: s, Cursor: cursor, Writer: w, Tables: []string{"logs", "audit_events"}, Keep: func(e *vigil.Event) (bool, error) {
			switch string(e.Doc) {
			case `{"n":9}`:
				return false, nil
			case `{"n":5}`:
				return false, errors.New("cannot be evaluated")
			}
			return true, nil
		}}
		_, stop := follow(t, c)
		synctest.Wait()
		stop()
		equal(t, w.lines(), want)
		if at, ok, err := loadCursor(cursor); !ok || err != nil || at.Next != 15 || at.Last != 8 {
			t.Errorf("cursor %+v %t %v, want it behind what was filtered", at, ok, err)
		}
		_, stop = follow(t, c) // knows the log again
		synctest.Wait()
		stop()
		equal(t, w.lines(), want)
	})
}

func TestFromNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, w := memory(t), &target{}
		add(t, s, "events", 0, 5)
		c := FollowerConfig{Log: s, Cursor: filepath.Join(t.TempDir(), "c"), Writer: w, FromNow: true}
		_, stop := follow(t, c)
		synctest.Wait()
		stop()
		want := add(t, s, "events", 5, 6) // while it does not run
		_, stop = follow(t, c)
		synctest.Wait()
		stop()
		equal(t, w.lines(), want)
	})
}

// TestAnotherLog follows a log that is not the one of the cursor from its
// beginning, whether it is shorter or longer.
func TestAnotherLog(t *testing.T) {
	for _, size := range []int{3, 20} {
		synctest.Test(t, func(t *testing.T) {
			cursor := filepath.Join(t.TempDir(), "c")
			s := memory(t)
			add(t, s, "events", 0, 10)
			_, stop := follow(t, FollowerConfig{Log: s, Cursor: cursor, Writer: &target{}})
			synctest.Wait()
			stop()
			other, w := memory(t), &target{}
			want := add(t, other, "events", 100, 100+size)
			var notices []Notice
			_, stop = follow(t, FollowerConfig{Log: other, Cursor: cursor, Writer: w, Tell: func(n Notice) { notices = append(notices, n) }})
			synctest.Wait()
			stop()
			equal(t, w.lines(), want)
			if len(notices) != 1 || !notices[0].Failed {
				t.Errorf("notices %+v", notices)
			}
		})
	}
}

func TestDamagedCursor(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c")
	for _, text := range []string{"", "{", `{"next":-1}`, `{"next":3,"uid":"x"}`, "null null"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := NewFollower(FollowerConfig{Name: "x", Cursor: path, Log: memory(t), Writer: &target{}}); err == nil || !strings.Contains(err.Error(), "damaged") {
			t.Errorf("cursor %q: %v", text, err)
		}
	}
}

// TestCursorUnwritable ends the follower where it could not remember how far it
// came: going on for ever would double everything at the next start.
func TestCursorUnwritable(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "d")
	f, err := NewFollower(FollowerConfig{Name: "x", Cursor: filepath.Join(dir, "c"), Log: memory(t), Writer: &target{}, SaveEvery: time.Nanosecond, FromNow: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "save cursor") {
		t.Errorf("Run: %v", err)
	}
}

// TestSaved expects the cursor to follow within SaveEvery, quiet or busy.
func TestSaved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, w := memory(t), &target{}
		cursor := filepath.Join(t.TempDir(), "c")
		_, stop := follow(t, FollowerConfig{Log: s, Cursor: cursor, Writer: w, SaveEvery: time.Second})
		add(t, s, "events", 0, 5)
		time.Sleep(time.Second + time.Millisecond)
		if at, _, _ := loadCursor(cursor); at.Next != 5 {
			t.Errorf("when it is quiet the cursor is %+v after a second", at)
		}
		for i := 5; i < 25; i++ {
			add(t, s, "events", i, i+1)
			time.Sleep(100 * time.Millisecond)
		}
		if at, _, _ := loadCursor(cursor); at.Next < 14 {
			t.Errorf("when it is busy the cursor is %+v", at)
		}
		stop()
	})
}

func TestLinger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, w := memory(t), &target{}
		_, stop := follow(t, FollowerConfig{Log: s, Cursor: filepath.Join(t.TempDir(), "c"), Writer: w, Linger: time.Second, BatchEvents: 5})
		for i := range 4 {
			add(t, s, "events", i, i+1)
			time.Sleep(100 * time.Millisecond)
		}
		if n := len(w.lines()); n != 0 {
			t.Errorf("%d events were given before the time", n)
		}
		add(t, s, "events", 4, 5) // fills the batch
		synctest.Wait()
		if n := len(w.lines()); n != 5 || w.largest != 5 {
			t.Errorf("%d events were given, %d at most at once", n, w.largest)
		}
		add(t, s, "events", 5, 6)
		time.Sleep(1100 * time.Millisecond)
		if n := len(w.lines()); n != 6 {
			t.Errorf("%d events were given when the time was over", n)
		}
		stop()
	})
}

// TestResume gives a batch again as a spool does.
func TestResume(t *testing.T) {
	type key struct{}
	w := &target{fail: func(events []*vigil.Event) error {
		if len(events) > 2 {
			return &Partial{Done: 2, Err: errors.New("no more")}
		}
		return nil
	}}
	r := Resume(w, func(ctx context.Context) string { s, _ := ctx.Value(key{}).(string); return s })
	var events []*vigil.Event
	for i := range 5 {
		events = append(events, &vigil.Event{Doc: fmt.Append(nil, i)})
	}
	for _, k := range []string{"a", "b"} {
		ctx := context.WithValue(context.Background(), key{}, k)
		for range 2 {
			if err := r.Write(ctx, events); err == nil {
				t.Fatal("taken at once")
			}
		}
		if err := r.Write(ctx, events); err != nil {
			t.Fatal(err)
		}
	}
	equal(t, w.lines(), []string{"0", "1", "2", "3", "4", "0", "1", "2", "3", "4"})
}

// TestErased follows a log of which a part was removed before: what is left is
// given, and the follower comes to the end.
func TestErased(t *testing.T) {
	m := memory(t)
	old := add(t, m, vigil.TableEvents, 0, 5)
	var uids []vigil.UID
	for e, err := range m.Entries(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Index > 0 {
			uids = append(uids, e.UID)
		}
	}
	if n, err := m.Erase(t.Context(), uids, store.Removal{Reason: "asked for"}); n != 4 || err != nil {
		t.Fatalf("erased %d, %v", n, err)
	}
	w := &target{}
	f, stop := follow(t, FollowerConfig{Log: m, Cursor: filepath.Join(t.TempDir(), "cursor"), Writer: w, Tables: []string{vigil.TableEvents}})
	defer stop()
	more := add(t, m, vigil.TableEvents, 5, 7)
	if err := f.Reach(t.Context(), m.Log().Size()); err != nil {
		t.Fatal(err)
	}
	equal(t, w.lines(), append(old[:1], more...))
}
