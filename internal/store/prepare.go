package store

import (
	"crypto/rand"
	"fmt"
	"time"

	"vigil"
	"vigil/internal/ledger"
)

// MaxBatch is the most bytes of documents and senders that one batch may have.
const MaxBatch = 64 << 20

// itemOverhead is what an event costs beside its document and sender.
const itemOverhead = 128

// Prepared is a batch with the work done that needs no order: senders written,
// salts drawn, commitments hashed. It is made in the goroutine of the request,
// numbered by a [Sequence], and written by a store.
type Prepared struct {
	Batch *Batch
	Items []Item // one for each event
	Bytes int    // what the batch weighs in queues and frames, about

	// Set by Sequence.Assign.
	First    int64
	Epoch    int
	Received time.Time

	key KeyID
}

// Item is what a [Prepared] knows of one event.
type Item struct {
	Table    *Table
	Sender   []byte // as AppendSender writes it; shared between items
	Salt     [16]byte
	ID       int64
	SourceID int64
	UID      vigil.UID

	text       []byte // kept instead of what was received; nil: that is kept
	random     [10]byte
	commitment ledger.Hash
	before     int64 // last id of the table before this item
}

// Prepare checks b and does what can be done before it has its place.
func Prepare(c *Catalog, b *Batch) (*Prepared, error) {
	p := &Prepared{Batch: b, Items: make([]Item, len(b.Events))}
	if b.Key != nil {
		p.key = b.Key.ID()
	}
	for i, e := range b.Events {
		if i > 0 && e.Table == b.Events[i-1].Table {
			p.Items[i].Table = p.Items[i-1].Table
		} else if err := p.table(c, i, e.Table); err != nil {
			return nil, err
		}
		switch {
		case e.Format == "" || len(e.Format) > 64:
			return nil, vigil.Errorf(vigil.Invalid, "an event has no format, or one longer than 64 bytes")
		case len(e.Doc) == 0:
			return nil, vigil.Errorf(vigil.Invalid, "an event has no document")
		}
		if err := b.checkID(e.WantID); err != nil {
			return nil, err
		}
		if i > 0 && e.Sender == b.Events[i-1].Sender {
			p.Items[i].Sender = p.Items[i-1].Sender
		} else {
			p.Items[i].Sender = AppendSender(nil, e.Sender)
		}
		p.Bytes += len(e.Doc) + len(p.Items[i].Sender) + itemOverhead
		if p.Bytes > MaxBatch {
			return nil, &vigil.Error{
				Kind:    vigil.TooLarge,
				Message: fmt.Sprintf("a batch of more than %d MiB fits no commit", MaxBatch>>20),
				Hint:    "Send the events in smaller batches.",
			}
		}
	}
	p.commit()
	return p, nil
}

func (p *Prepared) table(c *Catalog, i int, name string) error {
	t, view, err := c.Lookup(name)
	if err != nil {
		return err
	}
	if view != nil {
		return &vigil.Error{Kind: vigil.NotAllowed, Code: "55000", Message: fmt.Sprintf("cannot insert into view %q", name)}
	}
	p.Items[i].Table = t
	return nil
}

// commit draws the randomness of all items at once and hashes.
func (p *Prepared) commit() {
	const each = 26
	random := make([]byte, each*len(p.Items))
	rand.Read(random) // never fails: the program ends where there is no randomness
	for i := range p.Items {
		it := &p.Items[i]
		copy(it.Salt[:], random[i*each:])
		copy(it.random[:], random[i*each+16:])
		it.commitment = ledger.Commit(it.Salt, it.Sender, p.Batch.Events[i].Doc)
	}
}

// KeepText has the store keep the text of item i's document, as jsonb prints it,
// instead of what was received, and the log commit to that.
func (p *Prepared) KeepText(i int, text []byte) {
	it := &p.Items[i]
	it.text = text
	it.commitment = ledger.Commit(it.Salt, it.Sender, text)
}

// Leaf returns the leaf of item i, which Assign has numbered.
func (p *Prepared) Leaf(i int) ledger.Leaf {
	it := &p.Items[i]
	form := ledger.FormRaw
	if it.text != nil {
		form = ledger.FormCanonical
	}
	return ledger.Leaf{
		Epoch: p.Epoch, Table: it.Table.Name, ID: it.ID, UID: it.UID.String(),
		Received: p.Received, Form: form, Commitment: it.commitment,
	}
}

// Seen returns what is to be remembered of the batch's key, which it must have.
func (p *Prepared) Seen() Seen {
	return Seen{
		ID: p.key, Body: p.Batch.Key.Body, First: p.First, Count: int64(len(p.Items)),
		At: p.Received.UnixMicro(),
	}
}

// Row fills r with the stored form of item i.
func (p *Prepared) Row(i int, r *Row) {
	it, e := &p.Items[i], p.Batch.Events[i]
	r.Sender = it.Sender
	r.Stored = vigil.Event{
		Table: it.Table.Name, Format: e.Format, Doc: e.Doc,
		ID: it.ID, Index: p.First + int64(i), Epoch: p.Epoch, UID: it.UID,
		Received: p.Received, SourceID: it.SourceID, Salt: it.Salt,
	}
	if it.text != nil {
		r.Stored.Doc, r.Stored.Canonical = it.text, true
	}
}

// Fill tells the events of the batch what became of them. It is called once the
// commit has succeeded, in the goroutine that owns the events.
func (p *Prepared) Fill() {
	for i, e := range p.Batch.Events {
		it := &p.Items[i]
		e.ID, e.Index, e.Epoch, e.UID = it.ID, p.First+int64(i), p.Epoch, it.UID
		e.Received, e.SourceID, e.Salt = p.Received, it.SourceID, it.Salt
		if it.text != nil {
			e.Doc, e.Canonical = it.text, true
		}
	}
}
