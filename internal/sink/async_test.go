package sink

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"vigil"
)

func numbered(from, to int) []*vigil.Event {
	var events []*vigil.Event
	for i := from; i < to; i++ {
		events = append(events, &vigil.Event{Doc: fmt.Append(nil, i)})
	}
	return events
}

// TestAsyncBlocks expects a full buffer to hold up the caller, and nothing to be
// lost.
func TestAsyncBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		w := &target{fail: func([]*vigil.Event) error {
			if time.Since(start) < time.Minute {
				return errors.New("away")
			}
			return nil
		}}
		a := NewAsync(AsyncConfig{Writer: w, BufferSize: 10})
		for i := range 50 {
			if err := a.Write(context.Background(), numbered(i, i+1)); err != nil {
				t.Fatal(err)
			}
		}
		if time.Since(start) < time.Minute {
			t.Error("the caller was not held up")
		}
		if err := a.Close(context.Background()); err != nil {
			t.Fatal(err)
		}
		for i, line := range w.lines() {
			if line != fmt.Sprint(i) {
				t.Fatalf("line %d is %s", i, line)
			}
		}
		if n := len(w.lines()); n != 50 || a.Dropped() != 0 {
			t.Errorf("%d written, %d dropped", n, a.Dropped())
		}
		if a.Write(context.Background(), numbered(0, 1)) == nil {
			t.Error("taken after Close")
		}
	})
}

// TestAsyncDrops expects dropped events to be counted and told, all of them.
func TestAsyncDrops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		away := true
		w := &target{fail: func([]*vigil.Event) error {
			if away {
				return errors.New("away")
			}
			return nil
		}}
		var gaps int64
		a := NewAsync(AsyncConfig{Writer: w, BufferSize: 10, DropWhenFull: true, Gap: func(n int64) { gaps += n }})
		if err := a.Write(context.Background(), numbered(0, 100)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Second)
		w.mu.Lock()
		away = false
		w.mu.Unlock()
		if err := a.Close(context.Background()); err != nil {
			t.Fatal(err)
		}
		if n := int64(len(w.lines())); n+a.Dropped() != 100 || gaps != a.Dropped() || n < 10 || n > 20 {
			t.Errorf("%d written, %d dropped, %d told", n, a.Dropped(), gaps)
		}
	})
}

func TestAsyncCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := NewAsync(AsyncConfig{Writer: &target{fail: func([]*vigil.Event) error { return errors.New("away") }}, BufferSize: 3})
		ctx, stop := context.WithTimeout(context.Background(), time.Second)
		defer stop()
		err := a.Write(ctx, numbered(0, 10))
		if p, ok := errors.AsType[*Partial](err); !ok || p.Done < 3 || p.Done > 9 {
			t.Errorf("Write: %v", err)
		}
		if err := a.Close(ctx); err == nil {
			t.Error("Close says that everything is written")
		}
	})
}
