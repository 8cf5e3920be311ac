package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"vigil/internal/store/postgres"
	"vigil/internal/store/segment"
)

type recoverCmd struct {
	settings
	Reason string `required:"" help:"Why: it is recorded in the log, for whoever reads it in ten years."`
}

// Run lets a store that was put back to an older state, whose rollback guard is
// missing, or whose journal is damaged, take events again, in a new epoch of its log.
func (c *recoverCmd) Run(ctx context.Context, std *stdio) error {
	cfg, err := c.load(std, nil)
	if err != nil {
		return err
	}
	if cfg.Store == "memory:" {
		return usagef("a store in memory has nothing to be recovered")
	}
	if c.Reason == "" {
		return usagef("--reason is empty")
	}
	log := slog.New(slog.NewTextHandler(std.Err, &slog.HandlerOptions{Level: slog.LevelWarn}))
	var epoch int
	if cfg.IsPostgres() {
		epoch, err = postgres.Recover(ctx, databaseOptions(cfg), storeConfig(cfg, log, nil), c.Reason)
		err = readiness(err)
	} else {
		epoch, err = segment.Recover(storeOptions(cfg), storeConfig(cfg, log, nil), c.Reason)
	}
	if errors.Is(err, segment.ErrLocked) {
		return fmt.Errorf("%w: stop the server first", err)
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(std.Out, `The log of %s goes on in epoch %d. The reason and the last checkpoint before are
its first event, in the table system. Start vigil serve again; checkpoints have a
new origin now, so tell whoever keeps them.
`, storeName(cfg), epoch)
	return err
}
