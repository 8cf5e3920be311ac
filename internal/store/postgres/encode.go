package postgres

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"

	"vigil"
	"vigil/internal/jsonb"
	"vigil/internal/store"
)

const (
	encodeRows = 64  // rows that are worth a goroutine of their own, and are made one after the other
	encodeLate = 256 // from how many rows on the first are written while the last are made
)

// rows are those of a request. Whoever needs one waits until it is made.
type rows struct {
	all     []row
	parts   []part // of encodeRows each, but for the last
	next    atomic.Int64
	running sync.WaitGroup
}

type part struct {
	made   chan struct{} // closed when its rows are there
	failed any           // what making them panicked with
}

// errNotMade says that rows could not be made, by a fault of the program, which ends
// the request that they are of.
var errNotMade = errors.New("rows of a request could not be made")

// at returns row i when it is made.
func (r *rows) at(i int) (*row, error) {
	p := &r.parts[i/encodeRows]
	if <-p.made; p.failed != nil {
		return nil, errNotMade
	}
	return &r.all[i], nil
}

// end waits until nothing of the request's events is read any more. It panics
// with what a goroutine of the request did: that ends the request, not the process.
func (r *rows) end() {
	r.running.Wait()
	for i := range r.parts {
		if v := r.parts[i].failed; v != nil {
			panic(v)
		}
	}
}

// encode prepares the rows of a batch, and says of what the log commits to the
// text. It refuses what jsonb cannot hold. Many rows may not be made yet when it
// returns, but some goroutines are at it.
func (s *Store) encode(p *store.Prepared) (*rows, error) {
	n := len(p.Items)
	r := &rows{all: make([]row, n), parts: make([]part, (n+encodeRows-1)/encodeRows)}
	for i := range r.parts {
		r.parts[i].made = make(chan struct{})
	}
	if err := s.checkAll(p); err != nil {
		return nil, err
	}
	work := func() {
		for k := int(r.next.Add(1) - 1); k < len(r.parts); k = int(r.next.Add(1) - 1) {
			s.encodePart(p, r, k)
		}
	}
	for range min(runtime.GOMAXPROCS(0), len(r.parts)) - btoi(n < encodeLate) {
		r.running.Go(work)
	}
	if n < encodeLate {
		work()
		r.end()
	}
	return r, nil
}

// checkAll refuses documents that jsonb cannot hold.
func (s *Store) checkAll(p *store.Prepared) error {
	parts := max(1, min(runtime.GOMAXPROCS(0), len(p.Items)/encodeRows))
	errs := make([]error, parts)
	var running sync.WaitGroup
	for part := range parts {
		from, to := part*len(p.Items)/parts, (part+1)*len(p.Items)/parts
		if part == parts-1 { // the last one is for this goroutine
			errs[part] = checkPart(p, from, to)
			break
		}
		running.Go(func() { errs[part] = checkPart(p, from, to) })
	}
	running.Wait()
	for _, err := range errs { // that of the first row which has one
		if err != nil {
			return err
		}
	}
	return nil
}

func checkPart(p *store.Prepared, from, to int) error {
	for i := from; i < to; i++ {
		if e := p.Batch.Events[i]; store.IsJSON(p.Items[i].Table.Name, e.Format) {
			if err := jsonb.Check(e.Doc, jsonb.Limits{}); err != nil {
				return &vigil.Error{Kind: vigil.Invalid, Code: "22P02", Message: "a document is not JSON that jsonb can hold", Err: err}
			}
		}
	}
	return nil
}

// encodePart makes the rows of one part.
func (s *Store) encodePart(p *store.Prepared, rs *rows, k int) {
	part := &rs.parts[k]
	defer close(part.made)
	defer func() { part.failed = recover() }()
	from := k * encodeRows
	for i := from; i < min(from+encodeRows, len(rs.all)); i++ {
		e, r, it := p.Batch.Events[i], &rs.all[i], &p.Items[i]
		shown := store.Row{Stored: vigil.Event{Table: it.Table.Name, Format: e.Format, Doc: e.Doc}}
		r.event = shown.Value(store.ColEvent).B
		doc, text := e.Doc, jsonb.AppendCanonical(make([]byte, 0, len(r.event)+64), r.event)
		switch {
		case !s.opts.KeepRaw && e.Format == vigil.FormatLogserver && store.IsJSON(it.Table.Name, e.Format):
			p.KeepText(i, text)
			doc = text
		case !bytes.Equal(text, e.Doc):
			r.raw = e.Doc
		}
		switch {
		case len(it.Sender) == 0:
		case i > from && e.Sender == p.Batch.Events[i-1].Sender:
			r.sender = rs.all[i-1].sender
		default:
			sum := sha256.Sum256(it.Sender)
			r.sender = sender{id: [16]byte(sum[:16]), body: string(it.Sender)}
		}
		if s.cfg.Mapping != nil {
			r.facts = s.cfg.Mapping.Facts(e.Format, doc)
		}
		r.tidy()
		r.keys = keysOf(&r.facts)
	}
}
