package segment

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"vigil"
	"vigil/internal/store"
)

// request is one batch that waits for its commit.
type request struct {
	p     *store.Prepared
	state atomic.Int32
	done  chan struct{} // one token when answered

	receipt store.Receipt // set before done
	err     error
}

// A request is waiting until either the sequencer takes it or its context ends.
const (
	waiting int32 = iota
	taken
	cancelled
)

func (r *request) answer() { r.done <- struct{}{} }

// wait returns when r has been answered. Until it is taken, it can be cancelled.
func (r *request) wait(ctx context.Context) error {
	select {
	case <-r.done:
		return r.err
	case <-ctx.Done():
	}
	if r.state.CompareAndSwap(waiting, cancelled) {
		return ctx.Err()
	}
	<-r.done
	return r.err
}

// queue holds the requests that wait, in the order they came, bounded by what
// they weigh and how many they are.
type queue struct {
	maxBytes int64
	maxLen   int

	mu      sync.Mutex
	waiting []*request
	bytes   int64
	refuse  error         // set: nothing more is taken in
	wake    chan struct{} // one token when there is something, or refuse or nudged was set
	nudged  bool          // take is to return without a group
}

func newQueue(maxBytes int64, maxLen int) *queue {
	return &queue{maxBytes: maxBytes, maxLen: maxLen, wake: make(chan struct{}, 1)}
}

// put adds r, or says why it cannot be taken.
func (q *queue) put(r *request) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.refuse != nil:
		return q.refuse
	case len(q.waiting) >= q.maxLen, len(q.waiting) > 0 && q.bytes+int64(r.p.Bytes) > q.maxBytes:
		return &vigil.Error{
			Kind: vigil.Unavailable, RetryAfter: time.Second,
			Message: "too many events are waiting to be stored",
			Hint:    "Send them again a little later; nothing of this request was stored.",
		}
	}
	q.waiting = append(q.waiting, r)
	q.bytes += int64(r.p.Bytes)
	if len(q.waiting) == 1 {
		q.signal()
	}
	return nil
}

func (q *queue) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// take returns the requests of the next group, oldest first, in group's memory.
// It waits for one. It returns none after nudge, and, with false, when the queue
// was closed and is empty.
func (q *queue) take(group []*request, limit int) ([]*request, bool) {
	for {
		q.mu.Lock()
		nudged := q.nudged
		q.nudged = false
		group = group[:0]
		if !nudged {
			group = q.next(group, limit)
		}
		done := q.refuse != nil && len(q.waiting) == 0
		q.mu.Unlock()
		if len(group) > 0 || nudged || done {
			return group, !done || len(group) > 0
		}
		<-q.wake
	}
}

// nudge has take return soon.
func (q *queue) nudge() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.nudged = true
	q.signal()
}

func (q *queue) next(group []*request, limit int) []*request {
	n, size := 0, 0
	for _, r := range q.waiting {
		if size > 0 && size+r.p.Bytes > limit {
			break
		}
		n++
		q.bytes -= int64(r.p.Bytes)
		if r.state.CompareAndSwap(waiting, taken) {
			group = append(group, r)
			size += r.p.Bytes
		}
	}
	rest := copy(q.waiting, q.waiting[n:])
	clear(q.waiting[rest:])
	q.waiting = q.waiting[:rest]
	return group
}

// close refuses everything from now on with err; what waits is still served.
func (q *queue) close(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.refuse == nil {
		q.refuse = err
	}
	q.signal()
}

// fail refuses everything from now on, and what waits as well.
func (q *queue) fail(err error) {
	q.mu.Lock()
	q.refuse = err
	var left []*request
	left = q.next(left, int(^uint(0)>>1))
	q.signal()
	q.mu.Unlock()
	for _, r := range left {
		r.err = err
		r.answer()
	}
}

// len returns how many requests wait.
func (q *queue) len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.waiting)
}
