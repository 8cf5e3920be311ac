package search

import (
	"time"

	"vigil"
	"vigil/internal/format/fhir"
	"vigil/internal/query"
)

// by says which order of a store's rows an answer follows.
type by uint8

const (
	byIndex    by = iota // the log's
	byReceived           // when they were taken
	byOccurred           // when they happened
	byNone               // no column has it: every match is looked at
)

// order is that of an answer.
type order struct {
	by          by
	desc        []bool // of each of a key's values
	oldestFirst bool   // among equals
	search      *Search
	source      *Source
}

// order returns the order of the answer to s.
func (s *Search) order(src *Source) *order {
	o := &order{search: s, source: src}
	dated := false
	for _, c := range s.conditions {
		dated = dated || c.name == "date" && c.modifier == ""
	}
	switch {
	case len(s.Sort) == 0 && dated && src.DateIndex && src.Mapping != nil:
		o.by, o.desc = byOccurred, []bool{true}
	case len(s.Sort) == 0:
		o.by = byIndex
	case len(s.Sort) == 1 && s.Sort[0].Name == "_lastUpdated":
		o.by, o.desc, o.oldestFirst = byReceived, []bool{s.Sort[0].Desc}, !s.Sort[0].Desc
	case len(s.Sort) == 1 && s.Sort[0].Name == "date" && src.Mapping != nil:
		o.by, o.desc, o.oldestFirst = byOccurred, []bool{s.Sort[0].Desc}, !s.Sort[0].Desc
	default:
		o.by = byNone
		for _, k := range s.Sort {
			o.desc = append(o.desc, k.Desc)
		}
	}
	return o
}

// keyOf returns the place of an event; n is its conversion, which only byNone
// looks at.
func (o *order) keyOf(e *vigil.Event, n *fhir.Node) key {
	k := key{index: e.Index}
	switch o.by {
	case byReceived:
		k.values = []sortValue{{when: e.Received}}
	case byOccurred:
		when := o.source.Mapping.Facts(e.Format, e.Doc).Occurred
		if when.IsZero() {
			when = e.Received
		}
		k.values = []sortValue{{when: when.UTC().Truncate(time.Microsecond)}}
	case byNone:
		k.values = o.search.sortValues(n)
	}
	return k
}

// column returns the column that the rows of a part are in the order of; empty
// is the id, which in one table is the log's order.
func (o *order) column(p *part) string {
	switch {
	case o.by == byReceived, o.by == byOccurred && p.untimed:
		return "_received"
	case o.by == byOccurred:
		return "_occurred"
	}
	return ""
}

// descends reports whether the rows of every part are read downwards.
func (o *order) descends() bool {
	if o.by == byReceived || o.by == byOccurred {
		return o.desc[0]
	}
	return true
}

// parts returns those of a table: where the order is by the time that documents
// say, the ones that say none are always apart.
func (o *order) parts(table string) []part {
	parts := o.search.parts(table)
	if o.by != byOccurred || len(parts) == 2 {
		return parts
	}
	timed, untimed := parts[0], parts[0]
	timed.conds = append(timed.conds[:len(timed.conds):len(timed.conds)], is("_occurred", "not_null"))
	untimed.conds = append(untimed.conds[:len(untimed.conds):len(untimed.conds)], is("_occurred", "null"))
	untimed.untimed = true
	return []part{timed, untimed}
}

// after returns the condition of the rows that follow a key, upwards or downwards.
func after(column string, k *key, desc bool) query.Expr {
	return beyond("_index", k.index, column, k, desc)
}

// beyond returns the condition of the rows that follow a key, where what has the
// same time in the column follows by the number in another one.
func beyond(name string, number int64, column string, k *key, desc bool) query.Expr {
	op, orEqual := query.Gt, query.Gte
	if desc {
		op, orEqual = query.Lt, query.Lte
	}
	further := compare(name, op, decimal(number))
	if column == "" {
		return further
	}
	at := stamp(k.values[0].when)
	// The first comparison is in the second, but one that an index serves.
	return query.And{compare(column, orEqual, at), query.Or{compare(column, op, at), query.And{equals(column, at), further}}}
}
