package search

import (
	"time"

	"vigil/internal/query"
)

// within compares a column of times with dates, of which one must hold. Exact
// says that it decides: that the column's microseconds are fine enough.
func within(column string, dates []dates) (x query.Expr, exact bool) {
	var some query.Or
	exact = true
	for _, d := range dates {
		// What is within a microsecond of a bound that lies in one counts on both sides.
		low, lowUp := stamp(d.low), stamp(d.low.Add(time.Microsecond-1))
		high, highUp := stamp(d.high), stamp(d.high.Add(time.Microsecond-1))
		exact = exact && low == lowUp && high == highUp
		before := func(t string) query.Expr { return compare(column, query.Lt, t) }
		from := func(t string) query.Expr { return compare(column, query.Gte, t) }
		switch d.prefix {
		case "ne":
			some = append(some, before(lowUp), from(high))
		case "gt", "sa":
			some = append(some, from(high))
		case "lt", "eb":
			some = append(some, before(lowUp))
		case "ge":
			some = append(some, from(low))
		case "le":
			some = append(some, before(highUp))
		default:
			some = append(some, query.And{from(low), before(highUp)})
		}
	}
	if len(some) == 1 {
		return some[0], exact
	}
	return some, exact
}

// stamp spells a time for a query, without what is less than a microsecond.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000Z") }
