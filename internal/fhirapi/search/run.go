package search

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"slices"

	"vigil"
	"vigil/internal/format/fhir"
	"vigil/internal/query"
)

// Page is a part of an answer.
type Page struct {
	Entries []Entry
	// Total is how many events match, where HasTotal; an estimate is never less.
	Total    int64
	HasTotal bool
	// Self, First, Next and Prev are the queries of this and other pages; empty
	// where there is none.
	Self, First, Next, Prev string
	// Skipped is how many events could not be converted and were left out.
	Skipped int64
}

// run is one answer in the making.
type run struct {
	search  *Search
	source  *Source
	order   *order
	tables  []string
	bound   int64
	skipped int64
	looked  int64
}

// Run answers the search. Its memory is that of a page and of what is read for it,
// whatever the number of matches; its time is bounded by ctx and by the source's
// MaxLooks. The errors that are the search's fault are *[Error]; others are the
// store's.
func (s *Search) Run(ctx context.Context, src Source) (*Page, error) {
	r := &run{search: s, source: &src, order: s.order(&src), tables: tables(&src)}
	p := &Page{Self: s.Self(), First: s.link(position{})}
	var err error
	if r.bound = s.page.bound; !s.page.set {
		if r.bound, err = src.Store.Wait(ctx, -1); err != nil {
			return nil, err
		}
	}
	if s.Count > 0 && s.Summary != SummaryCount {
		if err := r.page(ctx, p); err != nil {
			return nil, err
		}
	}
	if err := r.total(ctx, p); err != nil {
		return nil, err
	}
	p.Skipped = r.skipped
	return p, nil
}

// tables returns those that are searched for this source.
func tables(src *Source) []string {
	all := Tables(src.Store)
	if src.Tables == nil {
		return all
	}
	return slices.DeleteFunc(all, func(t string) bool { return !slices.Contains(src.Tables, t) })
}

// match returns the entry of an event, nil if it is not what is searched for.
func (r *run) match(e *vigil.Event) (*Entry, error) {
	if r.looked++; r.source.MaxLooks > 0 && r.looked > r.source.MaxLooks {
		return nil, &Error{
			Status: http.StatusUnprocessableEntity, Code: codeTooCostly,
			Message: fmt.Sprintf("the search would have to look at more than %d events: narrow it, such as by date or patient, or sort it by date", r.source.MaxLooks),
		}
	}
	n, err := r.source.Convert(e, r.search.Version)
	if err != nil {
		r.skipped++
		return nil, nil
	}
	if !r.search.Match(n) {
		return nil, nil
	}
	return &Entry{Event: e, Node: n, key: r.order.keyOf(e, n)}, nil
}

// page fills in the entries, and the links beside them.
func (r *run) page(ctx context.Context, p *Page) error {
	at := r.search.page
	from, err := r.from(ctx)
	if err != nil {
		return err
	}
	need := r.search.Count + 1
	var entries []Entry
	uids, some := r.search.uids()
	switch {
	case some:
		entries, err = r.named(ctx, uids, from, need)
	case r.order.by == byNone:
		entries, err = r.best(ctx, from, need)
	default:
		if entries, err = r.merged(ctx, from, need); errors.Is(err, errFar) {
			entries, err = r.best(ctx, from, need)
		}
	}
	if err != nil {
		return err
	}
	entries, more, err := r.cut(ctx, entries, need)
	if err != nil {
		return err
	}
	if at.before {
		slices.Reverse(entries)
	}
	p.Entries = entries
	if len(entries) == 0 {
		return nil
	}
	before, beyond := at.set && !at.before || at.before && more, more || at.before
	if beyond {
		p.Next = r.search.link(position{set: true, bound: r.bound, index: entries[len(entries)-1].Event.Index})
	}
	if before {
		p.Prev = r.search.link(position{set: true, before: true, bound: r.bound, index: entries[0].Event.Index})
	}
	return nil
}

// from returns the place behind which the page begins, nil for the first one.
func (r *run) from(ctx context.Context) (*key, error) {
	at := r.search.page
	if !at.set {
		return nil, nil
	}
	if r.order.by == byIndex {
		return &key{index: at.index}, nil
	}
	for _, t := range r.tables {
		q := query.Query{Table: t, Where: equals("_index", decimal(at.index)), Limit: 1}
		for e, err := range r.source.Store.Records(ctx, &q) {
			if err != nil {
				return nil, err
			}
			return r.keyAt(e)
		}
	}
	return nil, r.gone()
}

// keyAt returns the place of an event that a page begins behind.
func (r *run) keyAt(e *vigil.Event) (*key, error) {
	var n *fhir.Node
	if r.order.by == byNone {
		var err error
		if n, err = r.source.Convert(e, r.search.Version); err != nil {
			return nil, r.gone()
		}
	}
	k := r.order.keyOf(e, n)
	return &k, nil
}

// gone is the error of a page whose beginning is lost.
func (r *run) gone() error {
	return &Error{
		Status: http.StatusGone, Code: codeDeleted, Parameter: pageParameter,
		Message: "the event that this page begins behind is not there any more: search again",
	}
}

// compare orders keys as the page is read: a page before a place is read
// backwards.
func (r *run) compare(a, b *key) int {
	c := r.order.compare(a, b)
	if r.search.page.before {
		return -c
	}
	return c
}

// errFar says that an order is not worth following any longer.
var errFar = errors.New("the matches are too far apart")

// maxFetches is how many times a store without an index is asked to sort a part
// by a time. Each is a walk over all of it; after that one walk that looks at
// every match is cheaper.
const maxFetches = 4

// merged reads the parts of all tables side by side. It ends with errFar where
// the store has no index for the order and matches are rare.
func (r *run) merged(ctx context.Context, from *key, need int) ([]Entry, error) {
	desc := r.order.descends() != r.search.page.before
	var streams []*stream
	for _, t := range r.tables {
		for _, p := range r.order.parts(t) {
			streams = append(streams, &stream{
				run: r, table: t, part: p, column: r.order.column(&p), desc: desc, batch: min(need, lastBatch), last: from,
			})
		}
	}
	var out []Entry
	for size := 0; len(out) < need && (size <= maxPage || len(out) < 2); { // the last one tells that there are more
		var first *stream
		var best *Entry
		for _, st := range streams {
			e, err := st.next(ctx)
			if err != nil {
				return nil, err
			}
			if st.column != "" && st.fetches > maxFetches && !r.source.DateIndex {
				return nil, errFar
			}
			if e != nil && (best == nil || r.compare(&e.key, &best.key) < 0) {
				first, best = st, e
			}
		}
		if best == nil {
			break
		}
		first.take()
		out = append(out, *best)
		size += len(best.Event.Doc)
	}
	return out, nil
}

// each calls f with every match.
func (r *run) each(ctx context.Context, table string, p part, f func(*Entry)) error {
	st := &stream{run: r, table: table, part: p, desc: true, batch: lastBatch}
	for {
		e, err := st.next(ctx)
		if e == nil || err != nil {
			return err
		}
		st.take()
		f(e)
	}
}

// All streams every event that the search finds, table by table, newest first in
// each. It does not look at page, order and count.
func (s *Search) All(ctx context.Context, src Source) iter.Seq2[*Entry, error] {
	return func(yield func(*Entry, error) bool) {
		r := &run{search: s, source: &src, order: &order{search: s, source: &src}, tables: tables(&src)}
		var err error
		if r.bound, err = src.Store.Wait(ctx, -1); err != nil {
			yield(nil, err)
			return
		}
		for _, t := range r.tables {
			for _, p := range s.parts(t) {
				st := &stream{run: r, table: t, part: p, desc: true, batch: lastBatch}
				for {
					e, err := st.next(ctx)
					if e == nil && err == nil {
						break
					}
					if !yield(e, err) || err != nil {
						return
					}
					st.take()
				}
			}
		}
	}
}
