package main

import (
	"strings"

	"vigil"
	"vigil/internal/config"
	"vigil/internal/format/logserver"
	"vigil/internal/query"
	"vigil/internal/store"
)

// eventsView is logserver's view of the table events.
func eventsView(cfg *config.Config) store.View {
	names := logserver.ViewColumns()
	types := []query.Type{query.Int8, query.Text, query.Timestamptz, query.Text, query.Text}
	schema := query.Schema{
		Table: "events_view", Key: names[0], ReadOnly: true,
		Comment: "What logserver's view says of each event: version, time, user and type",
	}
	for i, name := range names {
		schema.Columns = append(schema.Columns, query.Column{Name: name, Type: types[i]})
	}
	return store.View{
		Schema: schema, Base: vigil.TableEvents, SQL: eventsViewSQL(cfg.Zone.String()),
		Value: func(e *vigil.Event, i int) query.Value {
			if i == 0 {
				return query.Value{Type: query.Int8, Valid: true, I: e.ID}
			}
			row := logserver.ViewRow(e.Doc, cfg.Zone)
			text := func(s *string) query.Value {
				if s == nil {
					return query.Value{Type: query.Text}
				}
				return query.Value{Type: query.Text, Valid: true, B: []byte(*s)}
			}
			switch i {
			case 1:
				return text(&row.SchemaVersion)
			case 2:
				return query.Value{Type: query.Timestamptz, Valid: !row.OccurredAt.IsZero(), I: row.OccurredAt.UnixMicro()}
			case 3:
				return text(row.UserID)
			}
			return text(row.EventType)
		},
	}
}

// eventsViewSQL returns what makes the view in a database: the same as
// [logserver.ViewRow], in SQL.
func eventsViewSQL(zone string) func(base string) string {
	return func(base string) string {
		return strings.NewReplacer("BASE", base, "ZONE", strings.ReplaceAll(zone, "'", "''")).Replace(`
			select id,
				case when event->'source_system' = '"LTT"' then 'ltt'
					else coalesce(vigil.version_of(event->'schema_version'), vigil.version_of(event->'version'), 'legacy') end as schema_version,
				nullif(coalesce(vigil.time_of(event->'event_time', 'ZONE'), vigil.time_of(event->'occurred', 'ZONE'), vigil.time_of(event->'created_at', 'ZONE'),
					vigil.time_of(event->'asctime', 'ZONE'), vigil.time_of(event->'timestamp', 'ZONE'), vigil.time_of(event->'time', 'ZONE')),
					'0001-01-01 00:00:00+00') as occurred_at,
				coalesce(event->'subject'->>0, event->>'subject', event->>'user_id', event->>'userId', event->'authDetails'->>'userId') as user_id,
				coalesce(event->>'action', event->>'event_type', event->>'type', event->>'operationType', event->>'message', event->'tags'->>0) as event_type
			from BASE`)
	}
}
