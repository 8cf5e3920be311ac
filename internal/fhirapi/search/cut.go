package search

import (
	"context"

	"vigil"
)

// maxPage is how many bytes the documents of a page may have: a page of large
// ones ends before it has as many as were asked for. The trees and the answer
// that are made of them take some ten times that.
const maxPage = 8 << 20

// maxKept is how large a document may be that is kept while others are looked at
// that may come before it; larger ones are read again for the page.
const maxKept = 8 << 10

// cut ends a page where it has as many entries as were asked for, which is one
// less than need, or where it is large enough. It tells whether there are more.
func (r *run) cut(ctx context.Context, entries []Entry, need int) (page []Entry, more bool, err error) {
	size := 0
	for i := range entries {
		e := &entries[i]
		if i == need-1 {
			return page, true, nil
		}
		if e.Node == nil {
			if err := r.reload(ctx, e); vigil.KindOf(err) == vigil.NotFound && err != nil {
				continue // removed since it was looked at
			} else if err != nil {
				return nil, false, err
			}
		}
		if size += len(e.Event.Doc); size > maxPage && len(page) > 0 {
			return page, true, nil
		}
		page = append(page, *e)
	}
	return page, false, nil
}

// reload reads an entry's event again.
func (r *run) reload(ctx context.Context, e *Entry) error {
	event, err := r.source.Store.ByUID(ctx, e.Event.UID)
	if err != nil {
		return err
	}
	n, err := r.source.Convert(event, r.search.Version)
	if err != nil {
		return err
	}
	e.Event, e.Node = event, n
	return nil
}
