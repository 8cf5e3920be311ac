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
type Refusal struct {
	Err error
	// KeyUsed says that it is not for the records: the key was seen with others.
	KeyUsed bool
}

// Error implements error.
func (r *Refusal) Error() string { return r.Err.Error() }

// Unwrap returns the reason.
func (r *Refusal) Unwrap() error { return r.Err }

// Counts says what became of the records of an import.
type Counts struct {
	Taken   int64 // added now
	Merged  int64 // there already
	Refused int64
	Offset  int64 // bytes of the file that are dealt with
}

// Import is one file on its way into a target. A run that was broken off is
// repeated from the start, and a file that has grown is imported again: what
// the target has is merged.
//
// A record with an id is there if the table has the same document under that
// id, or under a new one that was given in its place. Records without ids, and
// all of them where the target cannot be asked, are known by the idempotency
// keys of the pieces they were handed over in: see [Import.pieces]. The target
// remembers keys for seven days.
type Import struct {
	Target Target
	// Refused is called for each record that is not taken.
	Refused func(*BadRecord) error
	// Progress is called after each chunk; nil is not.
	Progress func(Counts)
	// MaxRecords and MaxBytes cut the chunks; 0 is 1,000 and 1 MiB.
	MaxRecords int
	MaxBytes   int64

	known *known
}

// chunk is what is handed over in one piece.
type chunk struct {
	records []Record
	bad     []*BadRecord
	end     int64 // offset in the file
	full    bool  // it ends because it is full: more at the end of the file changes nothing
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
	if err := im.hand(ctx, c, ch); err != nil {
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
			ch.full = true
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

// hand gives the records of a chunk to the target: those with ids that the
// table can be asked for without what is there, the others under keys that tell
// what is there.
func (im *Import) hand(ctx context.Context, c *Counts, ch chunk) error {
	if im.known == nil && len(ch.records) > 0 {
		k, err := newKnown(ctx, im.Target)
		if err != nil {
			return err
		}
		im.known = k
	}
	for rest := ch.records; len(rest) > 0; {
		run := rest
		if im.known.finder != nil {
			run = alike(rest)
		}
		rest = rest[len(run):]
		if im.known.finder == nil || !run[0].HasID {
			if err := im.pieces(ctx, c, run, ch.full || len(rest) > 0); err != nil {
				return err
			}
			im.known.given(len(run))
			continue
		}
		fresh, err := im.known.without(ctx, run)
		if err != nil {
			return err
		}
		c.Merged += int64(len(run) - len(fresh))
		if err := im.halve(ctx, c, fresh); err != nil {
			return err
		}
	}
	return nil
}

// halve appends records, in halves where some are refused, until the ones that
// are refused are alone.
func (im *Import) halve(ctx context.Context, c *Counts, records []Record) error {
	if len(records) == 0 {
		return nil
	}
	sum := digest(records)
	merged, err := im.Target.Append(ctx, "import-"+strconv.FormatInt(records[0].Offset, 10)+"-"+hex.EncodeToString(sum[:]), records)
	refusal, refused := errors.AsType[*Refusal](err)
	switch {
	case refused && len(records) == 1:
		return im.refuseRecord(c, records[0], refusal)
	case refused:
		half := len(records) / 2
		if err := im.halve(ctx, c, records[:half]); err != nil {
			return err
		}
		return im.halve(ctx, c, records[half:])
	case err != nil:
		return err
	}
	c.count(len(records), merged)
	im.known.added(records)
	return nil
}

// alike returns the records at the beginning that have an id, each another, or
// that have none.
func alike(records []Record) []Record {
	seen := map[int64]bool{}
	for i, r := range records {
		if r.HasID != records[0].HasID || r.HasID && seen[r.ID] {
			return records[:i]
		}
		seen[r.ID] = true
	}
	return records
}

func (c *Counts) count(n int, merged bool) {
	if merged {
		c.Merged += int64(n)
	} else {
		c.Taken += int64(n)
	}
}

func (im *Import) refuseRecord(c *Counts, r Record, why *Refusal) error {
	return im.refuse(c, &BadRecord{Line: r.Line, Offset: r.Offset, Text: r.Doc, Err: why.Err})
}

func (im *Import) refuse(c *Counts, bad *BadRecord) error {
	c.Refused++
	if im.Refused == nil {
		return nil
	}
	return im.Refused(bad)
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
