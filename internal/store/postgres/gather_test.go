package postgres

import (
	"testing"
	"time"

	"vigil/internal/store"
)

func TestGatheringLearns(t *testing.T) {
	const ms = time.Millisecond
	for _, tt := range []struct {
		name                      string
		answered, events, waiting int
		took                      time.Duration
		want                      gathering
	}{
		{"one client", 1, 1, 0, ms, gathering{1, ms / 2}},
		{"eight, half of them behind", 4, 4, 4, ms, gathering{8, ms / 2}},
		{"a slow disk", 8, 8, 0, 50 * ms, gathering{8, maxPatience}},
		{"more than a group that goes ahead", 60, 60, 40, ms, gathering{copyRows - 1, ms / 2}},
		{"an array", 1, 1000, 3, 40 * ms, gathering{0, maxPatience}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var g gathering
			if g.learn(tt.answered, tt.events, tt.waiting, tt.took); g != tt.want {
				t.Errorf("got %+v, want %+v", g, tt.want)
			}
		})
	}
}

// Fewer requests than are waited for wake nobody; that many do, and next ends it.
func TestQueueWant(t *testing.T) {
	q := newQueue(1<<20, 100)
	woken := func() bool {
		select {
		case <-q.wake:
			return true
		default:
			return false
		}
	}
	put := func() {
		t.Helper()
		if err := q.put(&request{p: &store.Prepared{Bytes: 1}}); err != nil {
			t.Fatal(err)
		}
	}
	if q.want(3) {
		t.Error("an empty queue is waited for")
	}
	put()
	if !q.want(3) || woken() {
		t.Error("one of three is not waited for, or has woken")
	}
	put()
	if !q.want(3) || woken() {
		t.Error("two of three are not waited for, or have woken")
	}
	put()
	if q.want(3) || !woken() {
		t.Error("three of three are waited for, or have not woken")
	}
	if group, _ := q.next(groupBytes); len(group) != 3 {
		t.Errorf("a group of %d, want 3", len(group))
	}
	put()
	if !woken() {
		t.Error("who waits for any request is not woken once next was called")
	}
	if q.want(3); !q.want(3) {
		t.Error("one of three is not waited for")
	}
	q.close(store.ErrClosed())
	if q.want(3) || !woken() {
		t.Error("a closed queue is waited for")
	}
}
