package search

import (
	"slices"
	"strings"
	"time"

	"vigil"
	"vigil/internal/query"
)

// TableQuery selects rows of one table.
type TableQuery struct {
	// Query has no order and no limit.
	Query query.Query
	// Exact says that every row that it selects matches; else [Search.Match] has
	// to be asked of the conversion of each.
	Exact bool
}

// Queries returns what selects the rows of a table that can match: no row is
// selected by two of them, and no row that matches by none.
func (s *Search) Queries(table string) []TableQuery {
	var out []TableQuery
	for _, p := range s.parts(table) {
		out = append(out, TableQuery{Query: query.Query{Table: table, Where: p.where(), Limit: -1}, Exact: p.exact})
	}
	return out
}

// part is a set of rows that no other part of the same table has rows of.
type part struct {
	conds query.And
	exact bool
	// untimed rows are those of documents that do not say when it happened, so
	// that the time of their arrival counts.
	untimed bool
}

func (p *part) where(more ...query.Expr) query.Expr {
	all := append(slices.Clone(p.conds), more...)
	switch len(all) {
	case 0:
		return nil
	case 1:
		return all[0]
	}
	return all
}

// parts returns the rows of a table that can match, with those whose document has
// no time apart from the others where a condition is about the date.
func (s *Search) parts(table string) []part {
	base := part{exact: true}
	var dates []*condition
	for _, c := range s.conditions {
		if c.name == "date" && c.modifier == "" && len(c.dates) > 0 {
			dates = append(dates, c)
			continue
		}
		x, exact := s.narrow(table, c)
		if x != nil {
			base.conds = append(base.conds, x)
		}
		base.exact = base.exact && exact
	}
	if dates == nil {
		return []part{base}
	}
	timed, untimed := base, base
	timed.conds, untimed.conds = slices.Clone(base.conds), append(slices.Clone(base.conds), is("_occurred", "null"))
	untimed.untimed = true
	for _, c := range dates {
		for p, column := range map[*part]string{&timed: "_occurred", &untimed: "_received"} {
			x, exact := within(column, c.dates)
			p.conds = append(p.conds, x)
			p.exact = p.exact && exact
		}
	}
	return []part{timed, untimed}
}

// split returns the parts with the rows that were sent as an AuditEvent of this
// version apart from others, where that makes their selection exact.
func (s *Search) split(table string) []part {
	var out []part
	for _, p := range s.parts(table) {
		if table != vigil.TableAuditEvents || !p.exact || len(p.conds) == 0 {
			if table != vigil.TableAuditEvents && len(s.conditions) > 0 {
				p.exact = p.exact && s.columnsOnly()
			}
			out = append(out, p)
			continue
		}
		if s.columnsOnly() {
			out = append(out, p)
			continue
		}
		own, other := p, p
		own.conds = append(slices.Clone(p.conds), equals("_format", string(formatOf(s))))
		other.conds = append(slices.Clone(p.conds), compare("_format", query.Neq, string(formatOf(s))))
		other.exact = false
		out = append(out, own, other)
	}
	return out
}

// columnsOnly reports whether every condition is about what the store itself says
// of an event, whatever is in it.
func (s *Search) columnsOnly() bool {
	return !slices.ContainsFunc(s.conditions, func(c *condition) bool {
		return c.modifier != "" || c.name != "_lastUpdated" && c.name != "date"
	})
}

func formatOf(s *Search) vigil.Format {
	if s.Version == 1 {
		return vigil.FormatFHIRR5
	}
	return vigil.FormatFHIRR4
}

// narrow returns a condition that every row of a table holds whose AuditEvent
// holds c; nil is none. Exact says that no other row holds it.
func (s *Search) narrow(table string, c *condition) (x query.Expr, exact bool) {
	switch {
	case c.modifier != "":
		return nil, false
	case c.name == "_lastUpdated":
		return within("_received", c.dates)
	case c.name == "patient":
		return narrowPatient(c)
	}
	return nil, false
}

// narrowPatient uses the fact that has every patient.
func narrowPatient(c *condition) (query.Expr, bool) {
	var any query.Or
	exact := true
	for _, w := range c.wanted {
		if w.id == "" {
			return nil, false // not Type/id: no fact of a patient
		}
		if w.kind != "" && w.kind != "Patient" {
			continue // matches nothing
		}
		any = append(any, equals("_patient", "Patient/"+w.id))
		exact = exact && w.base == "" && w.version == ""
	}
	return any, exact
}

// within compares a column of times with dates, of which one must hold. Exact
// says that it decides: that the column's microseconds are fine enough.
func within(column string, dates []dates) (query.Expr, bool) {
	var some query.Or
	exact := true
	for _, d := range dates {
		low, high := d.low.Truncate(time.Microsecond), d.high.Add(time.Microsecond-1).Truncate(time.Microsecond)
		exact = exact && low.Equal(d.low) && high.Equal(d.high)
		from := compare(column, query.Gte, stamp(low))
		until := compare(column, query.Lt, stamp(high))
		switch d.prefix {
		case "ne":
			// A bound in the middle of a microsecond leaves that one to both sides.
			some = append(some, compare(column, query.Lt, stamp(d.low.Add(time.Microsecond-1).Truncate(time.Microsecond))),
				compare(column, query.Gte, stamp(d.high.Truncate(time.Microsecond))))
		case "gt", "sa":
			some = append(some, compare(column, query.Gte, stamp(d.high.Truncate(time.Microsecond))))
		case "lt", "eb":
			some = append(some, compare(column, query.Lt, stamp(d.low.Add(time.Microsecond-1).Truncate(time.Microsecond))))
		case "ge":
			some = append(some, from)
		case "le":
			some = append(some, until)
		default:
			some = append(some, query.And{from, until})
		}
	}
	if len(some) == 1 {
		return some[0], exact
	}
	return some, exact
}

// stamp spells a time for a query.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000Z") }

func compare(column string, op query.Op, value string) query.Expr {
	return query.Test{Path: query.Path{Column: column}, Op: op, Value: value}
}

func equals(column, value string) query.Expr { return compare(column, query.Eq, value) }

func is(column, word string) query.Expr { return compare(column, query.Is, word) }

// anyOf returns the condition that a column has one of the values.
func anyOf(column string, values []string) query.Expr {
	values = slices.Compact(slices.Sorted(slices.Values(values)))
	if len(values) == 1 {
		return equals(column, values[0])
	}
	var some query.Or
	for _, v := range values {
		some = append(some, equals(column, v))
	}
	return some
}

// maxFact is the longest value that is a fact, in bytes.
const maxFact = 4096

// factOf returns what the fact is of a reference that was written like this, as
// the mapping has it: Type/id, without server and version, and other text as it is.
func factOf(ref string) string {
	l := parseLink(ref)
	if l.kind != "" {
		return l.kind + "/" + l.id
	}
	if i := strings.LastIndexByte(ref, '/'); i > 0 && isID(ref[i+1:]) && strings.HasSuffix("/"+ref[:i], "/patients") {
		return "Patient" + ref[i:]
	}
	return ref
}
