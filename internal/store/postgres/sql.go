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
				from += " left join " + facts + " f on f.id = t.id and f._received = t._received"
			}
			if used[store.ColSender] {
				from += " left join vigil.senders s on s.id = t._sender"
			}
			return from
		},
		Short: hasIndex,
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
	if p.Column != "event" || len(p.Steps) == 0 || len(p.Steps) > 2 {
		return false
	}
	for i, s := range p.Steps {
		if s.IsIndex || s.Text != (i == len(p.Steps)-1) {
			return false
		}
	}
	if len(p.Steps) == 2 {
		return p.Steps[0].Key == "source" && p.Steps[1].Key == "type"
	}
	return p.Steps[0].Key == "subject" || p.Steps[0].Key == "patient"
}
