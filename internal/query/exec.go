package query

import (
	"context"
	"iter"
)

// Run answers the query from the rows of src. The slice that it yields is
// reused for the next row, the values in it are not. The first error ends it.
//
// Memory stays bounded by nothing but the batch in hand where the order is that
// of ids. A sort keeps the sort keys of the rows up to limit and offset, of all
// rows without a limit, and a grouping one row for each group: beyond 256 MiB of
// these either ends with an [*Error] of code 53200.
//
// When ctx ends, so does the answer, with its error: it is looked at for each
// row, and within the tests that can take long for one, see [Program.MatchContext].
func (p *Program) Run(ctx context.Context, src Source) iter.Seq2[[]Value, error] {
	if p.groups {
		return p.aggregate(ctx, src)
	}
	return func(yield func([]Value, error) bool) {
		cells := make([]Value, len(p.items))
		for row, err := range p.Records(ctx, src) {
			for i := 0; err == nil && i < len(cells); i++ {
				cells[i], err = p.items[i].value(row)
			}
			if err != nil {
				yield(nil, err)
				return
			}
			if !yield(cells, nil) {
				return
			}
		}
	}
}

// Records streams the rows that [Program.Run] would project, in the same order
// and page. Aggregates are not looked at.
func (p *Program) Records(ctx context.Context, src Source) iter.Seq2[Row, error] {
	switch {
	case p.limit == 0:
		return func(func(Row, error) bool) {}
	case len(p.order) > 0:
		return p.sorted(ctx, src)
	}
	return func(yield func(Row, error) bool) {
		skip, left := p.offset, p.limit
		for row, err := range p.scan(ctx, src) {
			if err != nil {
				yield(nil, err)
				return
			}
			if skip > 0 {
				skip--
				continue
			}
			if !yield(row, nil) {
				return
			}
			if left--; left == 0 {
				return
			}
		}
	}
}

// Count returns how many rows the query's where selects, whatever its page.
func (p *Program) Count(ctx context.Context, src Source) (int64, error) {
	var n int64
	for _, err := range p.scan(ctx, src) {
		if err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

// scan streams the rows that where selects, by id.
func (p *Program) scan(ctx context.Context, src Source) iter.Seq2[Row, error] {
	r := p.Range()
	if r.From > r.To {
		return func(func(Row, error) bool) {}
	}
	return src.Scan(ctx, r, func(row Row) (bool, error) { return p.MatchContext(ctx, row) })
}
