package spool

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"vigil"
)

// TestTogether keeps the pen while many records come, so that they are written as
// one frame, and reads each of them back: those that ended, once, and those that
// only began.
func TestTogether(t *testing.T) {
	dir := t.TempDir()
	var mu sync.Mutex
	seen := map[string]int{}
	away := true
	c := Config{
		Dir: dir, MinPause: time.Millisecond,
		Events: func(rec []byte) ([]*vigil.Event, error) {
			return []*vigil.Event{{Table: "t", Format: "f", Doc: append([]byte(nil), rec...)}}, nil
		},
		Writer: vigil.WriterFunc(func(_ context.Context, events []*vigil.Event) error {
			mu.Lock()
			defer mu.Unlock()
			if away {
				return &vigil.Error{Kind: vigil.Unavailable, Message: "away"}
			}
			for _, e := range events {
				seen[string(e.Doc)]++
			}
			return nil
		}),
	}
	s, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	const n = 40
	all := func(do func(i int)) (frames uint64) {
		before := s.cur.j.End()
		s.pen.Lock()
		var wg sync.WaitGroup
		for i := range n {
			wg.Go(func() { do(i) })
		}
		for joined := 0; joined < n; time.Sleep(time.Millisecond) {
			s.mu.Lock()
			if joined = 0; s.next != nil {
				joined = len(s.next.entries)
			}
			s.mu.Unlock()
		}
		s.pen.Unlock()
		wg.Wait()
		return uint64(s.cur.j.End().Offset-before.Offset) / 4096
	}
	var numbers [n]uint64
	var blocks uint64
	blocks += all(func(i int) {
		n, err := s.Begin(t.Context(), fmt.Appendf(nil, "begun-%d", i))
		if numbers[i] = n; err != nil {
			t.Error(err)
		}
	})
	blocks += all(func(i int) {
		var err error
		if i%4 == 0 {
			_, err = s.End(t.Context(), 0, fmt.Appendf(nil, "more-%d", i))
		} else {
			_, err = s.End(t.Context(), numbers[i], fmt.Appendf(nil, "ended-%d", i))
		}
		if err != nil {
			t.Error(err)
		}
	})
	if blocks > 4 {
		t.Errorf("%d records took %d blocks", 2*n, blocks)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	away = false
	mu.Unlock()
	if s, err = Open(c); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	for i := range n {
		want := []string{fmt.Sprint("ended-", i)}
		if i%4 == 0 {
			want = []string{fmt.Sprint("more-", i), fmt.Sprint("begun-", i)}
		}
		for _, doc := range want {
			if seen[doc] != 1 {
				t.Errorf("%s was sent %d times", doc, seen[doc])
			}
			delete(seen, doc)
		}
	}
	if len(seen) > 0 {
		t.Errorf("sent, too: %v", seen)
	}
}
