package transfer

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"vigil/internal/jsonb"
)

// Follow imports a file of lines while others write to it, and the file that
// comes in its place, without end.
//
// A line is taken when its newline is there. Where the file is renamed and a new
// one begins (app.log, app.log.1 or app.log.old), or copied and truncated, the old
// one is read to its end first, also when that happened while nobody followed.
//
// # Exactly once
//
// The cursor says how far the import has come and, before lines are handed over,
// up to where that will be: after a crash the same lines are handed over again,
// under the same idempotency key, for which the target takes them once.
type Follow struct {
	Target Target
	Path   string // the file
	Cursor string // file that remembers the position
	// Refused is called for each line that is not taken, at least once.
	Refused func(*BadRecord) error
	// Tell gets what went wrong, which Follow tries again or goes past.
	Tell func(error)

	Poll      time.Duration // how often the file is looked at; 0 is half a second
	Grace     time.Duration // how long a renamed file may still be written to; 0 is 2 seconds
	MaxRecord int           // bytes of one line; 0 is 16 MiB
	MaxBytes  int           // bytes handed over at once; 0 is 1 MiB
	Limits    jsonb.Limits  // of one document
	Taken     func(lines int)
}

// Run follows the file until ctx ends, which is no error.
func (fo *Follow) Run(ctx context.Context) error {
	fo.defaults()
	at, known, err := loadPlace(fo.Cursor)
	if err != nil {
		return err
	}
	for ctx.Err() == nil {
		var f *os.File
		if known {
			if f, err = fo.locate(at); err != nil {
				return err
			}
		}
		if f == nil {
			if known && at.Offset > 0 {
				fo.tell(fmt.Errorf("the file that was followed up to byte %d is gone, or begins otherwise now: going on at the beginning of %s", at.Offset, fo.Path))
			}
			if f, err = fo.open(ctx); f == nil {
				return err
			}
			at = newPlace()
		}
		at, known, err = fo.file(ctx, f, at)
		if err = errors.Join(err, f.Close()); err != nil {
			return err
		}
	}
	return nil
}

// defaults fills what was not given.
func (fo *Follow) defaults() {
	if fo.Poll == 0 {
		fo.Poll = 500 * time.Millisecond
	}
	if fo.Grace == 0 {
		fo.Grace = 2 * time.Second
	}
	if fo.MaxRecord == 0 {
		fo.MaxRecord = defaultMaxRecord
	}
	if fo.MaxBytes == 0 {
		fo.MaxBytes = 1 << 20
	}
}

func (fo *Follow) tell(err error) {
	if fo.Tell != nil {
		fo.Tell(err)
	}
}

// open opens the file when it is there; nil where ctx ends before.
func (fo *Follow) open(ctx context.Context) (*os.File, error) {
	for {
		f, err := os.Open(fo.Path)
		if err == nil || !errors.Is(err, os.ErrNotExist) {
			return f, err
		}
		if sleep(ctx, fo.Poll) != nil {
			return nil, nil
		}
	}
}

// file imports an open file from a place on, until another is to be read. It
// returns the place in that one; where it is not known, the file must be
// looked for.
func (fo *Follow) file(ctx context.Context, f *os.File, at place) (place, bool, error) {
	for {
		moved, err := fo.piece(ctx, f, &at, false)
		if err != nil || ctx.Err() != nil {
			return at, true, ignoreEnd(ctx, err)
		}
		if moved {
			continue
		}
		switch same, err := fo.state(f, at); {
		case err != nil:
			return at, true, err
		case same == truncated:
			return at, true, nil // what was not read may be in a copy
		case same == current:
			if sleep(ctx, fo.Poll) != nil {
				return at, true, nil
			}
			continue
		}
		if grown, err := fo.settle(ctx, f, at); grown || err != nil || ctx.Err() != nil {
			if grown {
				continue
			}
			return at, true, ignoreEnd(ctx, err)
		}
		// The last line has no newline, and will have none.
		if _, err := fo.piece(ctx, f, &at, true); err != nil || ctx.Err() != nil {
			return at, true, ignoreEnd(ctx, err)
		}
		return fo.next(ctx, f, at)
	}
}

// ignoreEnd leaves out the error of a ctx that has ended.
func ignoreEnd(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// settle waits whether somebody still writes to a file that was renamed.
func (fo *Follow) settle(ctx context.Context, f *os.File, at place) (grown bool, err error) {
	for end := time.Now().Add(fo.Grace); time.Now().Before(end); {
		if sleep(ctx, min(fo.Poll, fo.Grace)) != nil {
			return false, nil
		}
		chunk, err := fo.read(f, at.Offset, 0, false)
		if err != nil || len(chunk) > 0 {
			return len(chunk) > 0, err
		}
	}
	return false, nil
}

// piece imports the next whole lines, up to MaxBytes of them, and reports whether
// there were some. Last has the file end without a newline.
func (fo *Follow) piece(ctx context.Context, f *os.File, at *place, last bool) (bool, error) {
	chunk, err := fo.read(f, at.Offset, at.End, last)
	if err != nil || len(chunk) == 0 {
		return false, err
	}
	at.End = at.Offset + int64(len(chunk))
	if err := at.fingerprint(f); err != nil {
		return false, err
	}
	if err := at.save(fo.Cursor); err != nil {
		return false, err
	}
	if err := fo.hand(ctx, *at, chunk); err != nil {
		return false, err
	}
	at.Offset, at.End = at.End, 0
	return true, at.save(fo.Cursor)
}

// read returns what is to be handed over from an offset on: up to end where that
// is known, else whole lines. A line that is too long is returned in part.
func (fo *Follow) read(f *os.File, offset, end int64, last bool) ([]byte, error) {
	size := int64(fo.MaxBytes)
	if end > offset {
		size = end - offset
	}
	for {
		b := make([]byte, size)
		n, err := f.ReadAt(b, offset)
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("read what was written: %w", err)
		}
		b = b[:n]
		if end > offset {
			if int64(n) < end-offset {
				return nil, fmt.Errorf("read what was written: %s is shorter than it was: remove %s to read it from the beginning", fo.Path, fo.Cursor)
			}
			return b, nil
		}
		if i := bytes.LastIndexByte(b, '\n'); i >= 0 {
			return b[:i+1], nil
		}
		switch {
		case int64(n) < size && last, n > fo.MaxRecord:
			return b, nil
		case int64(n) < size:
			return nil, nil
		}
		size *= 2 // a line that is longer than what is read at once
	}
}

// hand hands the lines of a chunk to the target, again and again where it cannot
// take them now.
func (fo *Follow) hand(ctx context.Context, at place, chunk []byte) error {
	var records []Record
	for rec, err := range Read(bytes.NewReader(chunk), NDJSON, Options{MaxRecord: fo.MaxRecord, Limits: fo.Limits}) {
		bad, isBad := errors.AsType[*BadRecord](err)
		switch {
		case isBad:
			bad.Line, bad.Offset = 0, bad.Offset+at.Offset
			if err := fo.refuse(bad); err != nil {
				return err
			}
			continue
		case err != nil:
			return err
		}
		rec.Line, rec.Offset = 0, rec.Offset+at.Offset
		rec.HasID, rec.ID = false, 0 // a line of a log has no place in a table
		records = append(records, rec)
	}
	return fo.give(ctx, at.File, records)
}

func (fo *Follow) refuse(bad *BadRecord) error {
	if fo.Refused == nil {
		return nil
	}
	return fo.Refused(bad)
}

// give gives records to the target, in halves where some are refused.
func (fo *Follow) give(ctx context.Context, file string, records []Record) error {
	if len(records) == 0 {
		return nil
	}
	sum := digest(records)
	key := "follow-" + file + "-" + strconv.FormatInt(records[0].Offset, 10) + "-" + hex.EncodeToString(sum[:16])
	for wait := fo.Poll; ; wait = min(2*wait, time.Minute) {
		_, err := fo.Target.Append(ctx, key, records)
		refusal, refused := errors.AsType[*Refusal](err)
		switch {
		case err == nil:
			if fo.Taken != nil {
				fo.Taken(len(records))
			}
			return nil
		case refused && len(records) > 1:
			half := len(records) / 2
			if err := fo.give(ctx, file, records[:half]); err != nil {
				return err
			}
			return fo.give(ctx, file, records[half:])
		case refused:
			r := records[0]
			return fo.refuse(&BadRecord{Line: r.Line, Offset: r.Offset, Text: r.Doc, Err: refusal.Err})
		}
		if ctx.Err() == nil {
			fo.tell(fmt.Errorf("trying again in %v: %w", wait, err))
		}
		if err := sleep(ctx, wait); err != nil {
			return err
		}
	}
}
