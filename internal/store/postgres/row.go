package postgres

import (
	"bytes"
	"crypto/sha256"
	"runtime"
	"strings"
	"sync"

	"vigil"
	"vigil/internal/jsonb"
	"vigil/internal/store"
)

// row is what is inserted for one event beside what the sequencer gives it. It
// is made in the goroutine of the request.
type row struct {
	event  []byte // JSON text
	raw    []byte // what was received; nil where it is the text of event
	sender sender
	facts  vigil.Facts
	keys   []int64
}

// sender is a text of a sender with its name in vigil.senders.
type sender struct {
	id   [16]byte
	body string // empty: unknown
}

// encodeRows is how many rows are worth a goroutine of their own.
const encodeRows = 64

// encode prepares the rows of a batch, and says of what the log commits to the
// text. It refuses what jsonb cannot hold.
func (s *Store) encode(p *store.Prepared) ([]row, error) {
	rows := make([]row, len(p.Items))
	parts := max(1, min(runtime.GOMAXPROCS(0), len(rows)/encodeRows))
	errs, panics := make([]error, parts), make([]any, parts)
	var wg sync.WaitGroup
	for part := range parts {
		from, to := part*len(rows)/parts, (part+1)*len(rows)/parts
		if part == parts-1 { // the last one is for this goroutine
			errs[part] = s.encodePart(p, rows, from, to)
			break
		}
		wg.Go(func() {
			defer func() { panics[part] = recover() }()
			errs[part] = s.encodePart(p, rows, from, to)
		})
	}
	wg.Wait()
	for part, err := range errs {
		if v := panics[part]; v != nil { // must end the request, not the process
			panic(v)
		}
		if err != nil { // that of the first row which has one
			return nil, err
		}
	}
	return rows, nil
}

// encodePart prepares some of the rows of a batch, up to the first that cannot be.
func (s *Store) encodePart(p *store.Prepared, rows []row, from, to int) error {
	for i := from; i < to; i++ {
		e, r, it := p.Batch.Events[i], &rows[i], &p.Items[i]
		if store.IsJSON(it.Table.Name, e.Format) {
			if err := jsonb.Check(e.Doc, jsonb.Limits{}); err != nil {
				return &vigil.Error{Kind: vigil.Invalid, Code: "22P02", Message: "a document is not JSON that jsonb can hold", Err: err}
			}
		}
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
			r.sender = rows[i-1].sender
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
	return nil
}

// tidy makes facts texts that the database can hold: those of documents that
// are no JSON may have anything in them.
func (r *row) tidy() {
	for f, values := range r.facts.Values {
		for i, v := range values {
			if t := strings.ReplaceAll(strings.ToValidUTF8(v, "\uFFFD"), "\x00", "\uFFFD"); t != v {
				values = append([]string(nil), values...)
				values[i] = t
				r.facts.Values[f] = values
			}
		}
	}
}

// keyed are the facts whose values are in _keys: those that are searched for
// most and that have many values. A change needs another mapping number.
var keyed = [...]vigil.Fact{vigil.FactPatient, vigil.FactAgent, vigil.FactEntity}

func isKeyed(f vigil.Fact) bool {
	for _, k := range keyed {
		if k == f {
			return true
		}
	}
	return false
}

// keysOf returns the keys of facts, not nil.
func keysOf(f *vigil.Facts) []int64 {
	n := 0
	for _, k := range keyed {
		n += len(f.Values[k])
	}
	keys := make([]int64, 0, n)
	for _, k := range keyed {
		for _, v := range f.Values[k] {
			keys = append(keys, keyOf(k, v))
		}
	}
	return keys
}

// keyOf is a hash of one value of a fact: FNV-1a of its column's name, a zero
// and the value. The rows that it finds are looked at again.
func keyOf(f vigil.Fact, value string) int64 {
	h := uint64(14695981039346656037)
	add := func(c byte) { h = (h ^ uint64(c)) * 1099511628211 }
	name := factNames[f]
	for i := range len(name) {
		add(name[i])
	}
	add(0)
	for i := range len(value) {
		add(value[i])
	}
	return int64(h)
}

// factNames are the columns of the facts, lists those that are arrays.
var factNames, factLists = func() (names [vigil.NumFacts]string, lists [vigil.NumFacts]bool) {
	for i, c := range store.EventSchema("").Columns[store.ColFacts:] {
		names[i], lists[i] = c.Name, c.Any
	}
	return names, lists
}()
