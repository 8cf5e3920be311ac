package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"vigil/internal/config"
	"vigil/internal/store/postgres"
	"vigil/internal/store/segment"
)

type checkCmd struct {
	settings
}

// Help says what the command changes.
func (c *checkCmd) Help() string {
	return `Every checksum is verified, then every leaf of the log is made anew from its
event and compared with the tiles and the rollback guard. A damaged store is
only read. One whose files are right has its journal replayed, as a start does:
commits that a crash may have left in memory only are written to a new file of
the journal, and nothing is lost or added. Nothing else is changed; what a crash
left behind is named here and removed by the next start.

Of a database the triggers that refuse changes are looked at, the number of rows,
and every leaf of the log; servers may go on meanwhile.`
}

// Run verifies every checksum of a store, and the log against its events.
func (c *checkCmd) Run(ctx context.Context, std *stdio) error {
	cfg, err := c.load(std, nil)
	if err != nil {
		return err
	}
	if cfg.IsPostgres() {
		return checkDatabase(ctx, std, cfg)
	}
	dir := storeDir(cfg)
	if dir == "" {
		return usagef("a store in memory has nothing to check")
	}
	p := newProgress(std.Err, 0)
	log := slog.New(slog.NewTextHandler(std.Err, &slog.HandlerOptions{Level: slog.LevelWarn}))
	report, err := segment.Check(ctx, storeOptions(cfg), storeConfig(cfg, log, nil), func(at segment.Progress) {
		p.total = at.Total
		p.step(at.Done)
	})
	p.done()
	switch {
	case errors.Is(err, segment.ErrLocked):
		return fmt.Errorf("%w: stop the server first, or ask it with vigil verify", err)
	case err != nil:
		return err
	}
	damage := 0
	for _, problem := range report.Problems {
		note := ""
		if problem.Harmless {
			note = " (harmless: the next start puts it right)"
		} else {
			damage++
		}
		fmt.Fprintf(std.Out, "%s%s\n", problem, note)
	}
	if damage > 0 {
		return fmt.Errorf("%s damaged or missing: keep a copy of the directory as it is, then restore them from a backup; docs/operation.md has the steps", number(damage, "file of "+dir+" is", "files of "+dir+" are"))
	}
	fmt.Fprintf(std.Out, "%s: every checksum and every leaf of the log is right\n", dir)
	if n := report.Removed; n > 0 {
		fmt.Fprintf(std.Out, "the documents of %s were removed; the table system has why\n", number(n, "entry", "entries"))
	}
	return nil
}

// checkDatabase looks whether a database protects and holds what is in it.
func checkDatabase(ctx context.Context, std *stdio, cfg *config.Config) error {
	p := newProgress(std.Err, 0)
	problems, err := postgres.Check(ctx, databaseOptions(cfg), storeConfig(cfg, slog.New(slog.DiscardHandler), nil), func(done, total int64) {
		p.total = total
		p.step(done)
	})
	p.done()
	if err != nil {
		return readiness(err)
	}
	for _, problem := range problems {
		fmt.Fprintln(std.Out, problem)
	}
	if len(problems) > 0 {
		return fmt.Errorf("%s is not as it should be: keep a copy of it as it is; docs/operation.md has the steps", storeName(cfg))
	}
	_, err = fmt.Fprintf(std.Out, "%s: every leaf of the log is right, and changes are refused\n", storeName(cfg))
	return err
}
