package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"

	"vigil/internal/config"
	"vigil/internal/format"
	"vigil/internal/ledger"
	"vigil/internal/store"
	"vigil/internal/store/postgres"
	"vigil/internal/store/segment"
)

// storeConfig returns what every store is opened with.
func storeConfig(cfg *config.Config, log *slog.Logger, reg prometheus.Registerer) store.Config {
	c := store.Config{
		Views: append([]store.View{eventsView(cfg)}, oracleViews(cfg)...), Mapping: format.New(cfg.Zone),
		Origin: cfg.Origin, Log: log, Metrics: reg,
	}
	for _, t := range cfg.Tables {
		c.Tables = append(c.Tables, t.Name)
	}
	return c
}

// storeOptions returns what the embedded store is opened with.
func storeOptions(cfg *config.Config) segment.Options {
	return segment.Options{Dir: storeDir(cfg), Guard: guardDir(cfg), HeadBytes: cfg.HeadSize}
}

// databaseOptions returns what the store in PostgreSQL is opened with.
func databaseOptions(cfg *config.Config) postgres.Options {
	return postgres.Options{
		URL: cfg.Store, Guard: guardDir(cfg), Readers: cfg.Postgres.Connections, ReadTimeout: cfg.Limits.QueryTime, KeepRaw: cfg.Postgres.KeepRaw,
	}
}

// lastingStore is a store that outlives the process. Whoever signs or verifies its
// log needs to know more of it than store.Store says.
type lastingStore interface {
	store.Store
	StoreID() string
	Epoch() int
	Guard() *ledger.Guard
	LastIDs() map[string]int64
}

// openStore opens the configured store to be served. Fatal is told when it
// gives up, resumed how many batches were refused while its disk was full.
func openStore(ctx context.Context, cfg *config.Config, c store.Config, fatal func(error), resumed func(refused int64)) (store.Store, error) {
	switch {
	case cfg.Store == "memory:":
		return store.NewMemory(c)
	case cfg.IsPostgres():
		o := databaseOptions(cfg)
		o.OnFatal = fatal
		s, err := postgres.Open(ctx, o, c)
		if err != nil {
			return nil, readiness(err)
		}
		return s, nil
	}
	o := storeOptions(cfg)
	o.OnFatal, o.OnResume = fatal, resumed
	s, err := segment.Open(o, c)
	if errors.Is(err, segment.ErrLocked) {
		return nil, fmt.Errorf("%w; stop it first, or ask it: vigil query, tail and export reach it by themselves", err)
	}
	if err != nil {
		return nil, err // and not a nil *segment.Store in an interface
	}
	return s, nil
}

// openHere opens the configured store for a command that signs nothing. Where a
// server has the directory, the error wraps segment.ErrLocked.
func openHere(ctx context.Context, cfg *config.Config) (lastingStore, error) {
	c := storeConfig(cfg, slog.New(slog.DiscardHandler), nil)
	if cfg.IsPostgres() {
		o := databaseOptions(cfg)
		o.Unsigned = true
		s, err := postgres.Open(ctx, o, c)
		if err != nil {
			return nil, readiness(err)
		}
		return s, nil
	}
	s, err := segment.Open(storeOptions(cfg), c)
	if err != nil {
		return nil, err
	}
	return s, nil
}

// readiness says what to do about a database that is not as a store needs it.
func readiness(err error) error {
	switch {
	case errors.Is(err, postgres.ErrForeign):
		return fmt.Errorf("%w: vigil migrate, or serve --migrate, moves its rows over, ids kept, and keeps the old table beside", err)
	case errors.Is(err, postgres.ErrLogin):
		return fmt.Errorf("%w: give the login that the servers have, or let this one in by vigil migrate --store postgres://OWNER@… --user LOGIN", err)
	case errors.Is(err, postgres.ErrNotMigrated):
		return fmt.Errorf("%w: vigil migrate --store postgres://OWNER@…, or serve --migrate where the login is the owner's", err)
	}
	return err
}
