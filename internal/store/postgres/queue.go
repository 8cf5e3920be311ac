package postgres

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
	rows  *rows     // as they are inserted, without what the sequencer gives
	takes []removal // what it also takes away; its events record that
	state atomic.Int32
	done  chan struct{} // closed when answered

	receipt store.Receipt // set before done
	err     error
}

// A request is waiting until either the sequencer takes it or its context ends.
const (
	waiting int32 = iota
	taken
	cancelled
)

func (r *request) answer(receipt store.Receipt, err error) {
	r.receipt, r.err = receipt, err
	close(r.done)
}

// wait returns when r has been answered. Until it is taken, it can be cancelled.
func (r *request) wait(ctx context.Context) (store.Receipt, error) {
	select {
	case <-r.done:
	case <-ctx.Done():
		if r.state.CompareAndSwap(waiting, cancelled) {
			return store.Receipt{}, ctx.Err()
		}
		<-r.done
	}
	return r.receipt, r.err
}

// queue holds the requests that wait, in the order they came, bounded by what
// they weigh and how many they are.
type queue struct {
	maxBytes int64
	maxLen   int
	wake     chan struct{} // one token when there is something to do

	mu      sync.Mutex
	waiting []*request
	bytes   int64
	wanted  int   // requests that are waited for; fewer wake nobody
	refuse  error // set: nothing more is taken in
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
	if len(q.waiting) >= q.wanted {
		q.signal()
	}
	return nil
}

// want has wake signalled when n requests wait, until next is called, and reports
// whether some do, but fewer.
func (q *queue) want(n int) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.wanted = n
	return q.refuse == nil && len(q.waiting) > 0 && len(q.waiting) < n
}

// signal wakes the sequencer.
func (q *queue) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// next returns the requests of the next group, oldest first, and whether the
// queue has been closed and is empty.
func (q *queue) next(limit int) (group []*request, closed bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.wanted = 0
	group = q.take(q.first(limit))
	return group, q.refuse != nil && len(q.waiting) == 0
}

// nextIf is next for a group that suits; where it does not, nothing is taken.
func (q *queue) nextIf(limit int, suits func([]*request) bool) []*request {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := q.first(limit)
	if !suits(q.waiting[:n]) {
		return nil
	}
	return q.take(n)
}

// first returns how many requests the next group has.
func (q *queue) first(limit int) (n int) {
	size := 0
	for _, r := range q.waiting {
		if size > 0 && size+r.p.Bytes > limit {
			break
		}
		n++
		if r.state.Load() == waiting {
			size += r.p.Bytes
		}
	}
	return n
}

// take removes the first n requests, and returns those that are still wanted.
func (q *queue) take(n int) (group []*request) {
	for _, r := range q.waiting[:n] {
		q.bytes -= int64(r.p.Bytes)
		if r.state.CompareAndSwap(waiting, taken) {
			group = append(group, r)
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

// len returns how many requests wait.
func (q *queue) len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.waiting)
}
