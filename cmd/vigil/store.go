package main

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"vigil"
	"vigil/internal/config"
	"vigil/internal/format"
	"vigil/internal/format/logserver"
	"vigil/internal/query"
	"vigil/internal/store"
	"vigil/internal/store/segment"
)

// storeConfig returns what every store is opened with.
func storeConfig(cfg *config.Config, log *slog.Logger, reg prometheus.Registerer) store.Config {
	c := store.Config{
		Views: []store.View{eventsView(cfg)}, Mapping: format.New(cfg.Zone),
		Origin: cfg.Origin, Log: log, Metrics: reg,
	}
	for _, t := range cfg.Tables {
		c.Tables = append(c.Tables, t.Name)
	}
	return c
}

// storeOptions returns what the embedded store is opened with.
func storeOptions(cfg *config.Config) segment.Options {
	return segment.Options{Dir: storeDir(cfg), Guard: cfg.Guard, HeadBytes: cfg.HeadSize}
}

// openStore opens the configured store. Where another process has the
// directory, the error wraps segment.ErrLocked.
func openStore(o segment.Options, cfg *config.Config, c store.Config) (store.Store, error) {
	switch {
	case cfg.Store == "memory:":
		return store.NewMemory(c)
	case strings.HasPrefix(cfg.Store, "dir:"):
		s, err := segment.Open(o, c)
		if errors.Is(err, segment.ErrLocked) {
			return nil, fmt.Errorf("%w; stop it first, or ask it: vigil query, tail and export reach it by themselves", err)
		}
		if err != nil {
			return nil, err // and not a nil *segment.Store in an interface
		}
		return s, nil
	}
	return nil, usagef("store %q: want dir:PATH or memory:", cfg.Store)
}

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
	return store.View{Schema: schema, Base: vigil.TableEvents, Value: func(e *vigil.Event, i int) query.Value {
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
	}}
}
