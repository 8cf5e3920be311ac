package postgres

import (
	"strconv"

	"vigil"
	"vigil/internal/query"
	"vigil/internal/store"
)

// sqlTable says where the columns of an event table are: t is the table itself,
// f its facts, s the senders.
func (s *Store) sqlTable(t *store.Table) query.SQLTable {
	in := s.tables[t.Number]
	events, facts := in.events.name.Sanitize(), in.facts.name.Sanitize()
	return query.SQLTable{
		Columns: sqlColumns,
		ID:      "t.id",
		From: func(used []bool) string {
			ofEvents, ofFacts := false, false
			for i, u := range used {
				ofFacts = ofFacts || u && i >= store.ColOccurred
				ofEvents = ofEvents || u && i < store.ColOccurred && i != store.ColID && i != store.ColReceived
			}
			from := events + " t"
			switch {
			case ofFacts && !ofEvents: // each event has its row there
				from = facts + " f cross join lateral (select f.id, f._received) t"
			case ofFacts:
				from += " join " + facts + " f on f.id = t.id and f._received = t._received"
			}
			if used[store.ColSender] {
				from += " left join vigil.senders s on s.id = t._sender"
			}
			return from
		},
		Short:  hasIndex,
		Sorted: func(p query.Path) bool { return isMember(p, "asctime") },
		Key: func(column int, value string) (expr, typ, arg string, ok bool) {
			f := vigil.Fact(column - store.ColFacts)
			if column < store.ColFacts || !isKeyed(f) {
				return "", "", "", false
			}
			return "f._keys @> array[%s]", "bigint", strconv.FormatInt(keyOf(f, value), 10), true
		},
	}
}

// sqlColumns are the columns of store.EventSchema.
var sqlColumns = func() []string {
	var out []string
	for i, c := range store.EventSchema("").Columns {
		switch {
		case i == store.ColSender:
			out = append(out, "s.body::jsonb")
		case i >= store.ColOccurred:
			out = append(out, "f."+c.Name)
		default:
			out = append(out, "t."+c.Name)
		}
	}
	return out
}()

// hasIndex reports whether the migrations made an index over the texts at a path.
func hasIndex(p query.Path) bool {
	return isMember(p, "subject") || isMember(p, "patient") || isMember(p, "source", "type")
}

// isMember reports whether a path is that of the text of a member of the document.
func isMember(p query.Path, keys ...string) bool {
	if p.Column != "event" || len(p.Steps) != len(keys) {
		return false
	}
	for i, s := range p.Steps {
		if s.IsIndex || s.Key != keys[i] || s.Text != (i == len(keys)-1) {
			return false
		}
	}
	return true
}
