package segment

import (
	"cmp"
	"fmt"
	"iter"
	"slices"
	"time"

	"vigil"
	"vigil/internal/ledger"
	"vigil/internal/store"
	"vigil/internal/store/segfile"
)

// A leaves file holds what is left of removed events: all that their leaves in
// the log are made of, and nothing of what they said. It is a segment file whose
// records have the first half of the commitment where the salt stood, and the
// second half where the document stood.
const (
	leavesSuffix = ".leaves"
	halfHash     = ledger.HashSize / 2
)

// leafRecord returns what is left of a record.
func leafRecord(r *segfile.Record) segfile.Record {
	c := ledger.Commit(r.Salt, r.Sender, r.Doc)
	return segfile.Record{
		ID: r.ID, Index: r.Index, UID: r.UID, Received: r.Received, Epoch: r.Epoch, Format: r.Format,
		Salt: [halfHash]byte(c[:halfHash]), Doc: slices.Clone(c[halfHash:]),
	}
}

// fillLeaf makes row what is left of an event.
func fillLeaf(row *store.Row, table string, r *segfile.Record) error {
	if len(r.Doc) != halfHash {
		return fmt.Errorf("read the log: what is left of entry %d is no leaf (vigil check names what is damaged)", r.Index)
	}
	*row = store.Row{Stored: vigil.Event{
		Table: table, Format: vigil.Format(r.Format), ID: r.ID, Index: r.Index, Epoch: r.Epoch, UID: r.UID,
		Received: time.UnixMicro(r.Received).UTC(), Erased: true,
	}}
	copy(row.Stored.Commitment[:], r.Salt[:])
	copy(row.Stored.Commitment[halfHash:], r.Doc)
	return nil
}

// fileRecords yields the records of a file. They are the cache's and not to be
// changed. Before each block stop is asked, if there is one: its error ends it.
func (s *Store) fileRecords(sg *seg, stop func() error) iter.Seq2[*segfile.Record, error] {
	return func(yield func(*segfile.Record, error) bool) {
		for block := range sg.file.Blocks() {
			recs, err := s.records(&unit{seg: sg, block: block})
			if err == nil && stop != nil {
				err = stop()
			}
			if err != nil {
				yield(nil, err)
				return
			}
			for i := range recs {
				if !yield(&recs[i], nil) {
					return
				}
			}
		}
	}
}

// byID yields the records of several sequences, each in the order of ids, in
// that order.
func byID(lists []iter.Seq2[*segfile.Record, error]) iter.Seq2[*segfile.Record, error] {
	return func(yield func(*segfile.Record, error) bool) {
		type source struct {
			next func() (*segfile.Record, error, bool)
			cur  *segfile.Record
		}
		var sources []*source
		advance := func(x *source) (bool, error) {
			r, err, ok := x.next()
			x.cur = r
			return ok, err
		}
		for _, list := range lists {
			next, stop := iter.Pull2(list)
			defer stop()
			x := &source{next: next}
			ok, err := advance(x)
			if err != nil {
				yield(nil, err)
				return
			}
			if ok {
				sources = append(sources, x)
			}
		}
		for len(sources) > 0 {
			least := slices.MinFunc(sources, func(a, b *source) int { return cmp.Compare(a.cur.ID, b.cur.ID) })
			if !yield(least.cur, nil) {
				return
			}
			ok, err := advance(least)
			if err != nil {
				yield(nil, err)
				return
			}
			if !ok {
				sources = slices.DeleteFunc(sources, func(x *source) bool { return x == least })
			}
		}
	}
}

// absorbed returns the leaves files of a table that are written together with n
// more leaves: those that are not much larger, so that there are few files, and
// each leaf is written a few times only.
func absorbed(files []*seg, table int, n int64) []*seg {
	var own, out []*seg
	for _, sg := range files {
		if sg.table == table {
			own = append(own, sg)
		}
	}
	slices.SortFunc(own, func(a, b *seg) int { return cmp.Compare(a.Count, b.Count) })
	for _, sg := range own {
		if sg.Count > 2*n {
			break
		}
		n += sg.Count
		out = append(out, sg)
	}
	return out
}
