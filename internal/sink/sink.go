// Package sink brings events to the outside: it follows a store's log from where
// it stopped, turns events into lines, and hands them to files and servers
// without losing any while those are away.
//
// It is not the destinations themselves: files are vigil/internal/sink/rolling,
// servers vigil/internal/sink/remote.
//
//	store ─Follower→ [filter] ─→ Writer: rolling.File | remote.Sink | Stream
//	                                       each with a Line, which
//	                                       Transforms and a Level may be around
//
// # What it promises
//
// A [Follower] gives every event of its tables to its Writer, in the log's order,
// and moves its cursor only behind what the Writer took. While the Writer fails
// it waits and tries again, for as long as it takes, and holds one batch in
// memory. After a crash what was taken since the cursor was last saved (a quarter
// of a second at most) is given again: a Writer that knows events by their UID
// takes nothing twice.
package sink

import (
	"context"
	"errors"
	"fmt"

	"vigil"
)

// A Line appends the lines of one event to dst: none, one or several, each ended
// by a newline and without control characters inside. It never fails: what it
// cannot read it shows as it is. It keeps neither argument, and is safe for
// concurrent use.
type Line func(dst []byte, e *vigil.Event) []byte

// Partial is the error of a Writer that took the first Done events of a batch
// and none of the others. A [Follower] goes on behind them; for another caller
// it is an error like any, and a retry gives Done events twice.
type Partial struct {
	Done int
	Err  error
}

// Error implements error.
func (p *Partial) Error() string { return p.Err.Error() }

// Unwrap returns the cause.
func (p *Partial) Unwrap() error { return p.Err }

// partial returns the Partial in err.
func partial(err error) (*Partial, bool) {
	p, ok := errors.AsType[*Partial](err)
	return p, ok && p.Done > 0
}

// Refused is a line that its destination will never take.
type Refused struct {
	Sink   string       // name of the sink
	Event  *vigil.Event // whose line it is
	Line   []byte       // without the newline; of the callee only during the call
	Reason string       // the destination's, without the line's contents where it can be told apart
	Count  int          // lines that it stands for where the destination did not say which; 0 is one
}

// String says what was refused, without the document.
func (r Refused) String() string {
	return fmt.Sprintf("%s refused event %s of %s: %s", r.Sink, r.Event.UID, r.Event.Table, r.Reason)
}

// SetAside keeps refused lines where people find them. When it returns nil they
// are on stable storage.
type SetAside func(ctx context.Context, refused []Refused) error
