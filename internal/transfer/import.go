package transfer

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"iter"
	"strconv"
)

// Target takes chunks of records.
type Target interface {
	// Append takes all of the records or none. A key that was seen with the same
	// records before adds nothing: merged is true. An error of type *[Refusal]
	// is about what the records are; any other ends the import.
	Append(ctx context.Context, key string, records []Record) (merged bool, err error)
}

// Refusal says that some record of a chunk is not taken, and never will be.
type Refusal struct{ Err error }

// Error implements error.
func (r *Refusal) Error() string { return r.Err.Error() }

// Unwrap returns the reason.
func (r *Refusal) Unwrap() error { return r.Err }

// Counts says what became of the records of an import.
type Counts struct {
	Taken   int64 // added now
	Merged  int64 // added by an earlier run
	Refused int64
	Offset  int64 // bytes of the file that are dealt with
}

// Import is one file on its way into a target. A run that was broken off is
// repeated from the start: chunks are cut at the same places and keyed by what
// is in them and where they lie, so what the target knows is merged.
type Import struct {
	Target Target
	// Refused is called for each record that is not taken.
	Refused func(*BadRecord) error
	// Progress is called after each chunk; nil is not.
	Progress func(Counts)
	// MaxRecords and MaxBytes cut the chunks; 0 is 1,000 and 1 MiB.
	MaxRecords int
	MaxBytes   int64
}

// chunk is what is handed over in one piece.
type chunk struct {
	records []Record
	bad     []*BadRecord
	end     int64 // offset in the file
	err     error // why the file ends here
}

// Run imports the records. The error is why the import could not go on; what is
// counted as taken or merged by then is in the target. Where ctx ends, Run
// returns at once, though a read of the file may still be under way.
func (im *Import) Run(ctx context.Context, records iter.Seq2[Record, error]) (Counts, error) {
	var c Counts
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	chunks := make(chan chunk, 1)
	go func() { // reads ahead while the target commits
		defer close(chunks)
		im.cut(records, func(ch chunk) bool {
			select {
			case chunks <- ch:
				return true
			case <-ctx.Done():
				return false
			}
		})
	}()
	for {
		select {
		case <-ctx.Done():
			return c, ctx.Err()
		case ch, more := <-chunks:
			if !more {
				return c, ctx.Err()
			}
			if err := im.take(ctx, &c, ch); err != nil {
				return c, err
			}
		}
	}
}

// take deals with one chunk.
func (im *Import) take(ctx context.Context, c *Counts, ch chunk) error {
	for _, bad := range ch.bad {
		if err := im.refuse(c, bad); err != nil {
			return err
		}
	}
	if err := im.hand(ctx, c, ch.records); err != nil {
		return err
	}
	c.Offset = max(c.Offset, ch.end)
	if im.Progress != nil {
		im.Progress(*c)
	}
	return ch.err
}

// cut makes chunks of the records.
func (im *Import) cut(records iter.Seq2[Record, error], send func(chunk) bool) {
	most, size := im.MaxRecords, im.MaxBytes
	if most == 0 {
		most = 1000
	}
	if size == 0 {
		size = 1 << 20
	}
	var ch chunk
	var held int64
	for rec, err := range records {
		bad, isBad := errors.AsType[*BadRecord](err)
		switch {
		case isBad:
			ch.bad = append(ch.bad, bad)
			held += int64(len(bad.Text))
		case err != nil:
			ch.err = err
			send(ch)
			return
		default:
			ch.records = append(ch.records, rec)
			ch.end = rec.Offset + rec.Size
			held += int64(len(rec.Doc))
		}
		if len(ch.records)+len(ch.bad) >= most || held >= size {
			if !send(ch) {
				return
			}
			ch, held = chunk{end: ch.end}, 0
		}
	}
	if len(ch.records)+len(ch.bad) > 0 {
		send(ch)
	}
}

// hand gives records to the target, in halves where some are refused, until
// the ones that are refused are alone.
func (im *Import) hand(ctx context.Context, c *Counts, records []Record) error {
	if len(records) == 0 {
		return nil
	}
	merged, err := im.Target.Append(ctx, key(records), records)
	refusal, refused := errors.AsType[*Refusal](err)
	switch {
	case refused && len(records) == 1:
		r := records[0]
		return im.refuse(c, &BadRecord{Line: r.Line, Offset: r.Offset, Text: r.Doc, Err: refusal.Err})
	case refused:
		half := len(records) / 2
		if err := im.hand(ctx, c, records[:half]); err != nil {
			return err
		}
		return im.hand(ctx, c, records[half:])
	case err != nil:
		return err
	case merged:
		c.Merged += int64(len(records))
	default:
		c.Taken += int64(len(records))
	}
	return nil
}

func (im *Import) refuse(c *Counts, bad *BadRecord) error {
	c.Refused++
	if im.Refused == nil {
		return nil
	}
	return im.Refused(bad)
}

// key is the idempotency key of a chunk: where it begins in the file, and the
// hash of its records.
func key(records []Record) string {
	sum := digest(records)
	return "import-" + strconv.FormatInt(records[0].Offset, 10) + "-" + hex.EncodeToString(sum[:])
}

// digest hashes ids and documents.
func digest(records []Record) [32]byte {
	h := sha256.New()
	var n [16]byte
	for _, r := range records {
		binary.BigEndian.PutUint64(n[:8], uint64(r.ID))
		binary.BigEndian.PutUint64(n[8:], uint64(len(r.Doc)))
		h.Write(n[:])
		h.Write(r.Doc)
	}
	var sum [32]byte
	h.Sum(sum[:0])
	return sum
}
