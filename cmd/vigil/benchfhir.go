package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"vigil/internal/bench"
)

// fhir measures the FHIR face: creates beside plain POSTs of the same server,
// Bundles, and searches where the store has an index.
func (r *benchRun) fhir(ctx context.Context) (err error) {
	if !r.Postgres {
		v, err := r.start(ctx, "fhir", nil)
		if err != nil {
			return err
		}
		defer v.Kill()
		if r.Events > 0 {
			fmt.Fprintln(r.std.Err, "searches are measured with --postgres only: the embedded store has no index yet")
		}
		return r.creates(ctx, v)
	}
	db, err := bench.StartDatabase()
	if err != nil {
		return fmt.Errorf("start PostgreSQL: %w", err)
	}
	defer func() { err = errors.Join(err, db.Stop()) }()
	// A database each: what the first writes would be found by the second.
	if err := r.over(ctx, db, "creates", r.creates); err != nil || r.Events == 0 {
		return err
	}
	return r.over(ctx, db, "searches", func(ctx context.Context, v *bench.Vigil) error { return r.searches(ctx, db, v) })
}

// over runs a measurement with a server over an empty database.
func (r *benchRun) over(ctx context.Context, db *bench.Database, name string, measure func(context.Context, *bench.Vigil) error) error {
	store, err := db.Create(ctx, name)
	if err != nil {
		return err
	}
	v, err := r.startOver(ctx, name, store)
	if err != nil {
		return err
	}
	defer v.Kill()
	return measure(ctx, v)
}

func (r *benchRun) creates(ctx context.Context, v *bench.Vigil) error {
	t := bench.Target{Addr: v.Addr, Token: r.token}
	if err := r.compare(ctx, "events/s", bench.CreatePoints(), bench.Creators(t)...); err != nil {
		return err
	}
	return r.compare(ctx, "events/s", bench.BundlePoints(), bench.Bundlers(t)...)
}

func (r *benchRun) searches(ctx context.Context, db *bench.Database, v *bench.Vigil) error {
	t := bench.Target{Addr: v.Addr, Token: r.token}
	start := time.Now()
	if err := bench.LoadMixed(ctx, t, r.Events); err != nil {
		return err
	}
	fmt.Fprintf(r.std.Out, "%d events, half AuditEvents and half logserver's documents, loaded in %s\n\n", r.Events, time.Since(start).Round(time.Second))
	if err := db.Analyze(ctx, v.Store); err != nil {
		return err
	}
	found, err := bench.AskFHIR(ctx, t, bench.Searches(r.Events))
	if err != nil {
		return err
	}
	if err := bench.WriteFound(r.std.Out, found); err != nil || !r.Queries {
		return err
	}
	for _, f := range found {
		fmt.Fprintf(r.std.Out, "\n%s: %s", f.Search.Name, f.Slowest())
	}
	fmt.Fprintln(r.std.Out)
	return nil
}
