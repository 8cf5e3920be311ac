package sink

import (
	"context"
	"fmt"
)

// begin settles where to go on. A log that is not the one that the cursor is of
// (a backup was put back, or another store is there) is followed from its
// beginning: what is doubled can be told apart by its UID, what is left out not.
func (f *Follower) begin(ctx context.Context) error {
	size, err := f.c.Log.Wait(ctx, -1) // answers at once
	if err != nil {
		return fmt.Errorf("ask for the log's size: %w", err)
	}
	f.metrics.size.Set(float64(size))
	switch {
	case !f.found && f.c.FromNow:
		f.at = cursor{Next: size}
		f.found, f.saved = true, f.at
		return f.at.save(f.c.Cursor)
	case !f.found:
		return nil
	}
	known, err := f.recognise(ctx, size)
	if err != nil || known {
		return err
	}
	message := fmt.Sprintf("the log is not the one that sink %s followed to place %d: it follows this one from its beginning", f.c.Name, f.at.Next)
	f.c.Logger.Warn(message)
	f.c.Tell(Notice{Sink: f.c.Name, Failed: true, Message: message})
	f.at = cursor{}
	return nil
}

// recognise reports whether the log still has the last event that was given, or
// had that it has been erased.
func (f *Follower) recognise(ctx context.Context, size int64) (bool, error) {
	if f.at.Next > size {
		return false, nil
	}
	if f.at.UID == "" {
		return true, nil
	}
	for e, err := range f.c.Log.Entries(ctx, f.at.Last) {
		if err != nil {
			return false, fmt.Errorf("read the log: %w", err)
		}
		return e.Index != f.at.Last || e.UID.String() == f.at.UID, nil
	}
	return true, nil // erased, and nothing behind it
}
