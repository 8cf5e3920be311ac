package vigil

import (
	"context"
	"errors"
)

// A Writer takes a batch of events. When Write returns nil the Writer has taken
// responsibility for all of them; when it returns an error, for none. It keeps
// neither the slice nor, unless it says so, the events.
type Writer interface {
	Write(ctx context.Context, events []*Event) error
}

// WriterFunc adapts a function to a [Writer].
type WriterFunc func(context.Context, []*Event) error

// Write implements [Writer].
func (f WriterFunc) Write(ctx context.Context, events []*Event) error { return f(ctx, events) }

// Tee returns a Writer that writes each batch to every one of writers, in order,
// and joins their errors. After an error some of them may have taken the batch:
// a retry needs writers that know what they have.
func Tee(writers ...Writer) Writer {
	if len(writers) == 1 {
		return writers[0]
	}
	return WriterFunc(func(ctx context.Context, events []*Event) error {
		var errs []error
		for _, w := range writers {
			errs = append(errs, w.Write(ctx, events))
		}
		return errors.Join(errs...)
	})
}

// Map returns a Writer that rewrites each event with f, or drops it where f
// returns nil, before it reaches w. f must not change the event it is given.
func Map(w Writer, f func(*Event) *Event) Writer {
	return WriterFunc(func(ctx context.Context, events []*Event) error {
		kept := make([]*Event, 0, len(events))
		for _, e := range events {
			if e = f(e); e != nil {
				kept = append(kept, e)
			}
		}
		if len(kept) == 0 {
			return nil
		}
		return w.Write(ctx, kept)
	})
}
