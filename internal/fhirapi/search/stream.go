package search

import (
	"context"
	"strconv"

	"vigil"
	"vigil/internal/format/fhir"
	"vigil/internal/query"
)

// A stream asks for few rows first and then for more, and holds no more than
// about maxHeld bytes of documents.
const (
	lastBatch = 1024
	maxHeld   = 4 << 20
)

// Entry is an event that matches.
type Entry struct {
	Event *vigil.Event
	Node  *fhir.Node // the event as AuditEvent of the search's version, whole
	key   key
}

// stream gives the matching events of one part of a table, in the answer's order
// or against it.
type stream struct {
	run    *run
	table  string
	part   part
	column string
	desc   bool
	batch  int

	last    *key  // of the row that was read last, or of where the page begins
	lastID  int64 // of that row; 0 before the first
	fetches int
	places  []place // found by facts, and not read yet
	found   bool    // all places are
	held    []*vigil.Event
	done    bool
	head    *Entry // the next one, once it was looked at
}

func decimal(n int64) string { return strconv.FormatInt(n, 10) }

// next returns the next event that matches; nil is the end. It is returned again
// until it is taken.
func (st *stream) next(ctx context.Context) (*Entry, error) {
	for st.head == nil {
		if len(st.held) == 0 {
			if st.done {
				return nil, nil
			}
			fetch := st.fetch
			if st.run.source.DateIndex && len(st.part.conds) > 0 && onFacts(st.part.conds) {
				fetch = st.fetchByFacts
			}
			if err := fetch(ctx); err != nil {
				return nil, err
			}
			continue
		}
		e := st.held[0]
		st.held[0] = nil
		st.held = st.held[1:]
		var err error
		if st.head, err = st.run.match(e); err != nil {
			return nil, err
		}
	}
	return st.head, nil
}

func (st *stream) take() { st.head = nil }

// fetch reads the next rows.
func (st *stream) fetch(ctx context.Context) error {
	q := query.Query{Table: st.table, Limit: int64(st.batch)}
	conds := []query.Expr{compare("_index", query.Lt, decimal(st.run.bound))}
	if st.last != nil {
		conds = append(conds, after(st.column, st.last, st.desc))
	}
	if st.lastID != 0 && st.column == "" { // the same again, for stores that look for rows by id
		op := query.Gt
		if st.desc {
			op = query.Lt
		}
		conds = append(conds, compare("id", op, decimal(st.lastID)))
	}
	q.Where = st.part.where(conds...)
	if st.column != "" {
		q.Order = append(q.Order, query.Order{Path: query.Path{Column: st.column}, Desc: st.desc})
	}
	q.Order = append(q.Order, query.Order{Path: query.Path{Column: "id"}, Desc: st.desc})
	size, n := 0, 0
	for e, err := range st.run.source.Store.Records(ctx, &q) {
		if err != nil {
			return err
		}
		st.held = append(st.held, e)
		n++
		if size += len(e.Doc); size > maxHeld {
			break
		}
	}
	st.done = n < st.batch && size <= maxHeld
	st.batch = min(4*st.batch, lastBatch)
	if n > 0 {
		last := st.held[len(st.held)-1]
		k := key{index: last.Index}
		if st.column != "" {
			k = st.run.order.keyOf(last, nil)
		}
		st.last, st.lastID = &k, last.ID
	}
	st.fetches++
	return nil
}
