package sink

import (
	"context"
	"fmt"
	"io"
	"sync"

	"vigil"
)

// Stream is the Writer of a stream such as the standard output: the lines of a
// batch in one Write. It is safe for concurrent use.
type Stream struct {
	line Line
	mu   sync.Mutex
	out  io.Writer
	buf  []byte
}

var _ vigil.Writer = (*Stream)(nil)

// NewStream returns a Stream that writes lines to out.
func NewStream(out io.Writer, line Line) *Stream { return &Stream{out: out, line: line} }

// Write implements [vigil.Writer]. After an error part of the batch may have
// been written.
func (s *Stream) Write(_ context.Context, events []*vigil.Event) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.buf = s.buf[:0]
	for _, e := range events {
		s.buf = s.line(s.buf, e)
	}
	if len(s.buf) == 0 {
		return nil
	}
	if _, err := s.out.Write(s.buf); err != nil {
		return fmt.Errorf("write lines: %w", err)
	}
	return nil
}

// Resume returns a Writer for a caller that gives a batch again, with the same
// key, until it is taken: where w took a part of it (a [Partial]), only the rest
// is given to w again. Key names the batch that is being written; a caller
// without keys gets a Writer like w.
func Resume(w vigil.Writer, key func(context.Context) string) vigil.Writer {
	r := &resumed{w: w, key: key}
	return vigil.WriterFunc(r.write)
}

type takenKey struct{}

// Taken returns how many events of the batch stand before those that a Writer is
// given, because they were taken already. What names events by their place in the
// batch counts from there.
func Taken(ctx context.Context) int {
	n, _ := ctx.Value(takenKey{}).(int)
	return n
}

// resumed is for one batch at a time.
type resumed struct {
	w   vigil.Writer
	key func(context.Context) string

	mu    sync.Mutex
	batch string
	done  int
}

func (r *resumed) write(ctx context.Context, events []*vigil.Event) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if key := r.key(ctx); key == "" || key != r.batch {
		r.batch, r.done = key, 0
	}
	done := min(r.done, len(events))
	if done == len(events) {
		return nil
	}
	err := r.w.Write(context.WithValue(ctx, takenKey{}, done), events[done:])
	if p, ok := partial(err); ok {
		r.done = done + p.Done
		return p.Err
	}
	return err
}
