package store

import (
	"fmt"
	"time"

	"vigil"
	"vigil/internal/ledger"
)

// The largest ids that may be asked for. One sender must not be able to use up a
// table's ids for all others, so what a POST may ask for is what fits logserver's
// column, a serial; an import may bring what fits a number of JSON. The store
// itself goes on beyond both.
const (
	MaxID       = 1<<31 - 1
	MaxImportID = 1<<53 - 1
)

// Sequence gives ids and places in the log, and knows the idempotency keys: the
// rules that every store keeps. It belongs to one goroutine.
//
// A group of batches is sequenced between Begin and the commit; when the commit
// fails without a trace, Rollback takes the group back.
type Sequence struct {
	Epoch int
	Next  int64   // place in the log of the next event
	Last  []int64 // last id of each table, by number
	Keys  Keys

	begun struct {
		next int64
		last []int64
		keys []undoKey
	}
}

type undoKey struct {
	id  KeyID
	old Seen
	had bool
}

// Begin starts a group.
func (s *Sequence) Begin() {
	s.begun.next = s.Next
	s.begun.last = append(s.begun.last[:0], s.Last...)
	s.begun.keys = s.begun.keys[:0]
}

// Rollback undoes everything since Begin.
func (s *Sequence) Rollback() {
	s.Next = s.begun.next
	copy(s.Last, s.begun.last)
	for i := len(s.begun.keys) - 1; i >= 0; i-- {
		if u := s.begun.keys[i]; u.had {
			s.Keys.m[u.id] = u.old
		} else {
			delete(s.Keys.m, u.id)
		}
	}
	s.begun.keys = s.begun.keys[:0]
}

// Assign gives every event of p its id, place, UID and time. Where it fails, or
// the receipt says that p was replayed, nothing has been given.
func (s *Sequence) Assign(p *Prepared, now time.Time) (Receipt, error) {
	if p.Batch.Key != nil {
		if r, err := s.Keys.Find(p.key, p.Batch.Key.Body, now); err != nil {
			return Receipt{}, err
		} else if r != nil {
			return *r, nil
		}
	}
	if err := s.assignIDs(p); err != nil {
		return Receipt{}, err
	}
	r := Receipt{First: s.Next, Count: len(p.Items)}
	p.First, p.Epoch, p.Received = s.Next, s.Epoch, now.UTC().Truncate(time.Microsecond)
	for i := range p.Items {
		p.Items[i].UID = vigil.NewUID(p.Received, p.Items[i].random)
	}
	s.Next += int64(len(p.Items))
	if p.Batch.Key != nil {
		old, had := s.Keys.m[p.key]
		s.begun.keys = append(s.begun.keys, undoKey{p.key, old, had})
		s.Keys.Add(p.Seen())
	}
	return r, nil
}

// assignIDs takes back what it gave when it fails.
func (s *Sequence) assignIDs(p *Prepared) error {
	for i := range p.Items {
		it := &p.Items[i]
		e := p.Batch.Events[i]
		last := &s.Last[it.Table.Number]
		it.before = *last
		it.ID, it.SourceID = *last+1, e.SourceID
		switch {
		case e.WantID == 0:
		case e.WantID > *last:
			it.ID = e.WantID
		case p.Batch.Import:
			it.SourceID = e.WantID
		default:
			for ; i > 0; i-- {
				s.Last[p.Items[i-1].Table.Number] = p.Items[i-1].before
			}
			return refuseID(e.WantID, it.Table.Name)
		}
		*last = it.ID
	}
	return nil
}

// checkID reports an id that no table can be asked to give, without repeating it.
func (b *Batch) checkID(id int64) error {
	most, name := int64(MaxID), "integer"
	if b.Import {
		most, name = MaxImportID, "bigint"
	}
	if id <= most {
		return nil
	}
	return &vigil.Error{
		Kind: vigil.Invalid, Code: "22003", Message: "value is out of range for type " + name,
		Details: fmt.Sprintf("An id that is asked for may be at most %d.", most),
		Hint:    "Leave the id out to get the next one.",
	}
}

func refuseID(id int64, table string) error {
	return &vigil.Error{
		Kind: vigil.Conflict, Code: "23505",
		Message: fmt.Sprintf("duplicate key value violates unique constraint %q", table+"_pkey"),
		Details: fmt.Sprintf("Key (id)=(%d) already exists.", id),
		Hint:    "Ids are given in increasing order and never reused; leave the id out to get the next one.",
	}
}

// AppendLeaves appends the leaves of p, which Assign has numbered, to the log.
// It uses and returns buf.
func (p *Prepared) AppendLeaves(l *ledger.Log, buf []byte) []byte {
	for i := range p.Items {
		buf = p.Leaf(i).AppendText(buf[:0])
		l.Append(ledger.HashLeaf(buf))
	}
	return buf
}
