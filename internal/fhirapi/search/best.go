package search

import (
	"container/heap"
	"context"
	"slices"

	"vigil"
)

// best looks at every match and keeps those that come first behind a place.
func (r *run) best(ctx context.Context, from *key, need int) ([]Entry, error) {
	h := &worst{run: r}
	for _, t := range r.tables {
		for _, p := range r.search.parts(t) {
			if err := r.each(ctx, t, p, func(e *Entry) { h.offer(e, from, need) }); err != nil {
				return nil, err
			}
		}
	}
	return h.sorted(), nil
}

// named looks at the events with these names.
func (r *run) named(ctx context.Context, uids []vigil.UID, from *key, need int) ([]Entry, error) {
	h := &worst{run: r}
	for _, uid := range uids {
		e, err := r.source.Store.ByUID(ctx, uid)
		if vigil.KindOf(err) == vigil.NotFound && err != nil {
			continue
		}
		if err != nil {
			return nil, err
		}
		if e.Index >= r.bound || !slices.Contains(r.tables, e.Table) {
			continue
		}
		entry, err := r.match(e)
		if err != nil {
			return nil, err
		}
		if entry != nil {
			h.offer(entry, from, need)
		}
	}
	return h.sorted(), nil
}

// uids returns the names that a search is for, if it is for some.
func (s *Search) uids() ([]vigil.UID, bool) {
	for _, c := range s.conditions {
		if c.name != "_id" || c.modifier != "" {
			continue
		}
		var out []vigil.UID
		for _, t := range c.tokens {
			if uid, err := vigil.ParseUID(t.code); err == nil && !slices.Contains(out, uid) {
				out = append(out, uid)
			}
		}
		return out, true
	}
	return nil, false
}

// worst is a heap of entries whose last one, as the page is read, is on top.
type worst struct {
	run     *run
	entries []Entry
}

func (h *worst) Len() int           { return len(h.entries) }
func (h *worst) Less(i, j int) bool { return h.run.compare(&h.entries[i].key, &h.entries[j].key) > 0 }
func (h *worst) Swap(i, j int)      { h.entries[i], h.entries[j] = h.entries[j], h.entries[i] }
func (h *worst) Push(x any)         { h.entries = append(h.entries, x.(Entry)) }

func (h *worst) Pop() any {
	e := h.entries[len(h.entries)-1]
	h.entries = h.entries[:len(h.entries)-1]
	return e
}

// offer keeps an entry if it is behind a place and among the first ones.
func (h *worst) offer(e *Entry, from *key, need int) {
	if from != nil && h.run.compare(&e.key, from) <= 0 {
		return
	}
	if len(h.entries) == need {
		if h.run.compare(&e.key, &h.entries[0].key) >= 0 {
			return
		}
		heap.Pop(h)
	}
	kept := *e
	if len(e.Event.Doc) > maxKept {
		kept.Event, kept.Node = &vigil.Event{Table: e.Event.Table, ID: e.Event.ID, UID: e.Event.UID, Index: e.Event.Index}, nil
	}
	heap.Push(h, kept)
}

func (h *worst) sorted() []Entry {
	slices.SortFunc(h.entries, func(a, b Entry) int { return h.run.compare(&a.key, &b.key) })
	return h.entries
}
