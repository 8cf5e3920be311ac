package transfer

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"

	"vigil/internal/jsonb"
)

// Finder is a Target whose table can be asked for what is in it. Documents that
// are handed out are valid until found returns.
type Finder interface {
	Target
	// Last returns the highest id of the table, 0 if there is none. The error is
	// [ErrNotReadable] where asking is not allowed.
	Last(ctx context.Context) (int64, error)
	// ByID finds the rows with these ids.
	ByID(ctx context.Context, ids []int64, found func(id int64, doc []byte)) error
	// Renumbered finds the rows that an import gave a new id, by the old one.
	Renumbered(ctx context.Context, found func(source int64, doc []byte)) error
}

// ErrNotReadable says that a table may be written to and not read.
var ErrNotReadable = errors.New("the table cannot be read")

// maxAsked is how many ids are asked for at once: a URL has bounds.
const maxAsked = 100

// row is an id with the hash of a document in canonical form.
type row [24]byte

func rowOfRecord(id int64, doc []byte) (r row) {
	if jsonb.Check(doc, jsonb.Limits{}) == nil {
		doc = jsonb.AppendCanonical(nil, doc)
	}
	sum := sha256.Sum256(doc)
	binary.BigEndian.PutUint64(r[:8], uint64(id))
	copy(r[8:], sum[:])
	return r
}

// known tells which records with ids are in the table already.
type known struct {
	finder Finder // nil: the target cannot be asked
	last   int64  // highest id of the table, others' later rows apart
	// renumbered has the rows whose id could not be kept; nil until it is needed.
	// It is the one thing here that grows with the table: 24 bytes a row.
	renumbered map[row]struct{}
}

// newKnown asks for the last id, and finds out whether asking is allowed.
func newKnown(ctx context.Context, t Target) (*known, error) {
	f, ok := t.(Finder)
	if !ok {
		return &known{}, nil
	}
	last, err := f.Last(ctx)
	switch {
	case errors.Is(err, ErrNotReadable):
		return &known{}, nil
	case err != nil:
		return nil, err
	}
	return &known{finder: f, last: last}, nil
}

// without returns the records that are not there yet.
func (k *known) without(ctx context.Context, records []Record) ([]Record, error) {
	here, err := k.there(ctx, records)
	if err != nil {
		return nil, err
	}
	fresh := make([]Record, 0, len(records))
	for _, r := range records {
		this := rowOfRecord(r.ID, r.Doc)
		if _, is := here[this]; is {
			continue
		}
		if r.ID <= k.last {
			if err := k.loadRenumbered(ctx); err != nil {
				return nil, err
			}
			if _, is := k.renumbered[this]; is {
				continue
			}
		}
		fresh = append(fresh, r)
	}
	return fresh, nil
}

// there asks for the rows that have the ids of records.
func (k *known) there(ctx context.Context, records []Record) (map[row]struct{}, error) {
	here := map[row]struct{}{}
	found := func(id int64, doc []byte) { here[rowOfRecord(id, doc)] = struct{}{} }
	ids := make([]int64, 0, maxAsked)
	for i, r := range records {
		if r.ID <= k.last {
			ids = append(ids, r.ID)
		}
		if len(ids) == maxAsked || len(ids) > 0 && i == len(records)-1 {
			if err := k.finder.ByID(ctx, ids, found); err != nil {
				return nil, err
			}
			ids = ids[:0]
		}
	}
	return here, nil
}

func (k *known) loadRenumbered(ctx context.Context) error {
	if k.renumbered != nil {
		return nil
	}
	m := map[row]struct{}{}
	err := k.finder.Renumbered(ctx, func(source int64, doc []byte) { m[rowOfRecord(source, doc)] = struct{}{} })
	if err == nil {
		k.renumbered = m
	}
	return err
}

// added notes records that are in the table now, and follows its ids: one that
// is above the last is kept.
func (k *known) added(records []Record) {
	for _, r := range records {
		switch {
		case r.ID > k.last:
			k.last = r.ID
		default:
			if k.renumbered != nil {
				k.renumbered[rowOfRecord(r.ID, r.Doc)] = struct{}{}
			}
			k.last++ // or it was there, and this is above: more is asked for than needed
		}
	}
}

// given notes that the table gave up to n ids.
func (k *known) given(n int) { k.last += int64(n) }
