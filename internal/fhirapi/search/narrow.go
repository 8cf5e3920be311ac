package search

import (
	"slices"

	"vigil"
	"vigil/internal/format/fhir"
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

func (p *part) and(more ...query.Expr) part {
	out := *p
	out.conds = slices.Concat(p.conds, more)
	return out
}

func (p *part) where(more ...query.Expr) query.Expr {
	all := p.and(more...).conds
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
		if c.name == "date" && c.modifier == "" {
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
	timed, untimed := base.and(), base.and(is("_occurred", "null"))
	untimed.untimed = true
	for _, c := range dates {
		x, exact := within("_occurred", c.dates)
		y, _ := within("_received", c.dates)
		timed.conds, untimed.conds = append(timed.conds, x), append(untimed.conds, y)
		timed.exact, untimed.exact = timed.exact && exact, untimed.exact && exact
	}
	return []part{timed, untimed}
}

// split returns the parts for counting: the rows that came as AuditEvents of the
// search's version are apart from the others where that makes their selection
// exact. It is so for valid ones, which are shown as they came; of others, which
// no FHIR face takes, the conversion may say something else than the document.
func (s *Search) split(table string) []part {
	parts := s.parts(table)
	own, exact := s.ofOwn()
	if table != vigil.TableAuditEvents || !exact || len(own) == 0 {
		return parts
	}
	format := string(vigil.FormatFHIRR4)
	if s.Version == fhir.R5 {
		format = string(vigil.FormatFHIRR5)
	}
	var out []part
	for _, p := range parts {
		ours := p.and(append(own, equals("_format", format))...)
		ours.exact = true
		out = append(out, ours, p.and(compare("_format", query.Neq, format)))
	}
	return out
}

// ofOwn returns the conditions of the search, but for those of time, over the
// documents that are AuditEvents of its version, and whether they say all of it.
func (s *Search) ofOwn() ([]query.Expr, bool) {
	var out []query.Expr
	for _, c := range s.conditions {
		if timed := c.name == "date" || c.name == "_lastUpdated"; timed && c.modifier == "" {
			if _, exact := within("_received", c.dates); !exact {
				return nil, false
			}
			continue
		}
		x := ownDocument(c, s.Version)
		if x == nil {
			return nil, false
		}
		out = append(out, x)
	}
	return out, true
}

// narrow returns a condition that every row of a table holds whose AuditEvent
// holds c; nil is none. Exact says that no other row holds it.
func (s *Search) narrow(table string, c *condition) (x query.Expr, exact bool) {
	if c.modifier == "" && c.name == "_lastUpdated" {
		return within("_received", c.dates)
	}
	narrow := narrowing[c.name]
	if narrow == nil || c.modifier != "" && c.modifier != "exact" && c.modifier != "identifier" {
		return nil, false
	}
	var some query.Or
	for i := range max(len(c.tokens), len(c.wanted), len(c.texts)) {
		one := narrow(c, i, table)
		if one == nil {
			return nil, false
		}
		some = append(some, one)
	}
	return flat(some), false
}

// flat takes the alternatives of alternatives out of them, and merges those of
// one column that are equalities.
func flat(some query.Or) query.Expr {
	var out query.Or
	equal := map[string]int{} // place of a column's test
	var add func(query.Or)
	add = func(xs query.Or) {
		for _, x := range xs {
			if inner, ok := x.(query.Or); ok {
				add(inner)
				continue
			}
			t, ok := x.(query.Test)
			if !ok || t.Op != query.Eq || len(t.Path.Steps) > 0 {
				out = append(out, x)
				continue
			}
			at, ok := equal[t.Path.Column]
			if !ok || listColumn(t.Path.Column) {
				if !slices.ContainsFunc(out, func(y query.Expr) bool { return query.EqualExpr(x, y) }) {
					equal[t.Path.Column] = len(out)
					out = append(out, x)
				}
				continue
			}
			in := out[at].(query.Test)
			if in.Op == query.Eq {
				in = query.Test{Path: in.Path, Op: query.In, List: []string{in.Value}}
			}
			if !slices.Contains(in.List, t.Value) {
				in.List = append(in.List, t.Value)
			}
			out[at] = in
		}
	}
	add(some)
	if len(out) == 1 {
		return out[0]
	}
	return out
}

// listColumn reports whether a column has several values. Equality with one of
// them is what indexes serve, not membership in a list.
func listColumn(name string) bool {
	switch name {
	case "_agent", "_agent_name", "_ip", "_patient", "_entity", "_purpose":
		return true
	}
	return false
}

func compare(column string, op query.Op, value string) query.Expr {
	return query.Test{Path: query.Path{Column: column}, Op: op, Value: value}
}

func equals(column, value string) query.Expr { return compare(column, query.Eq, value) }

func is(column, word string) query.Expr { return compare(column, query.Is, word) }

// holds returns the condition that the document contains a JSON value.
func holds(json string) query.Expr { return compare("event", query.Cs, json) }
