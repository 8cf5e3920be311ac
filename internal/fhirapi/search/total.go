package search

import (
	"context"

	"vigil/internal/query"
)

// total fills in how many events match, as far as that was asked for or is known.
func (r *run) total(ctx context.Context, p *Page) error {
	s := r.search
	counts := s.Count == 0 || s.Summary == SummaryCount
	switch {
	case s.Total == TotalNone && !counts:
		return nil
	case !counts && !s.page.set && p.Next == "":
		p.Total, p.HasTotal = int64(len(p.Entries)), true
		return nil
	case s.Total == TotalDefault && !counts && len(s.conditions) > 0:
		return nil
	}
	p.HasTotal = true
	if uids, some := s.uids(); some {
		entries, err := r.named(ctx, uids, nil, len(uids)+1)
		p.Total = int64(len(entries))
		return err
	}
	for _, t := range r.tables {
		for _, part := range s.split(t) {
			n, err := r.count(ctx, t, part)
			if err != nil {
				return err
			}
			p.Total += n
		}
	}
	return nil
}

// count returns how many events of a part match, or may where an estimate will do.
func (r *run) count(ctx context.Context, table string, p part) (n int64, err error) {
	if p.exact || r.search.Total == TotalEstimate {
		if len(p.conds) == 0 { // the store knows, though it may know newer ones too
			return r.source.Store.Count(ctx, &query.Query{Table: table, Limit: -1})
		}
		return r.source.Store.Count(ctx, &query.Query{Table: table, Where: p.where(compare("_index", query.Lt, decimal(r.bound))), Limit: -1})
	}
	err = r.each(ctx, table, p, func(*Entry) { n++ })
	return n, err
}
