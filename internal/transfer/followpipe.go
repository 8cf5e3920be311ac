package transfer

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// linger is how long lines of a pipe wait for more of them.
const linger = 200 * time.Millisecond

// Pipe imports lines from a reader as they come, until it ends or ctx does. What
// writes into it waits where the target cannot take lines. A pipe cannot be read
// again: what was read and not handed over when the program is killed is lost, so
// a file is the better way.
func (fo *Follow) Pipe(ctx context.Context, r io.Reader) error {
	fo.defaults()
	lines := make(chan []byte)
	failed := make(chan error, 1)
	go func() { failed <- split(ctx, r, fo.MaxRecord, lines) }()
	at := newPlace()
	var chunk []byte
	hand := func() error {
		if len(chunk) == 0 {
			return nil
		}
		// The end of ctx is the end of reading; what was read goes over still.
		late, cancel := context.WithTimeout(context.WithoutCancel(ctx), fo.Grace)
		defer cancel()
		use := ctx
		if ctx.Err() != nil {
			use = late
		}
		if err := fo.hand(use, at, chunk); err != nil {
			return err // the end of ctx may be why, and then it goes over once more
		}
		at.Offset += int64(len(chunk))
		chunk = chunk[:0]
		return nil
	}
	for {
		var idle <-chan time.Time
		if len(chunk) > 0 {
			idle = time.After(linger)
		}
		select {
		case line, more := <-lines:
			if !more {
				return errors.Join(hand(), <-failed)
			}
			if chunk = append(chunk, line...); len(chunk) < fo.MaxBytes {
				continue
			}
		case <-idle:
		case <-ctx.Done():
			return hand()
		}
		if err := hand(); err != nil && ctx.Err() == nil {
			return err
		}
	}
}

// split sends each line, newline included, in bytes of its own. One that is
// longer than most is cut.
func split(ctx context.Context, r io.Reader, most int, lines chan<- []byte) error {
	defer close(lines)
	in := bufio.NewReaderSize(r, 64<<10)
	var line []byte
	for {
		part, err := in.ReadSlice('\n')
		line = append(line, part...)
		if err == nil || len(line) > most || err == io.EOF && len(line) > 0 {
			select {
			case lines <- line:
			case <-ctx.Done():
				return nil
			}
			line = nil
		}
		switch {
		case err == io.EOF:
			return nil
		case err != nil && !errors.Is(err, bufio.ErrBufferFull):
			return fmt.Errorf("read the pipe: %w", err)
		}
	}
}
