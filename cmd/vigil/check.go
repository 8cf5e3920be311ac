package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"vigil/internal/store/segment"
)

type checkCmd struct {
	settings
}

// Run verifies every checksum of a store, and the log against its events.
func (c *checkCmd) Run(ctx context.Context, std *stdio) error {
	cfg, err := c.load(std, nil)
	if err != nil {
		return err
	}
	dir := storeDir(cfg)
	if dir == "" {
		return usagef("store %q: only a dir: store has files to check", cfg.Store)
	}
	p := newProgress(std.Err, 0)
	log := slog.New(slog.NewTextHandler(std.Err, &slog.HandlerOptions{Level: slog.LevelWarn}))
	problems, err := segment.Check(ctx, storeOptions(cfg), storeConfig(cfg, log, nil), func(at segment.Progress) {
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
	for _, problem := range problems {
		note := ""
		if problem.Harmless {
			note = " (harmless: the next start puts it right)"
		} else {
			damage++
		}
		fmt.Fprintf(std.Out, "%s%s\n", problem, note)
	}
	if damage > 0 {
		return fmt.Errorf("%d files of %s are damaged: keep a copy of the directory as it is, then restore them from a backup; docs/operation.md has the steps", damage, dir)
	}
	_, err = fmt.Fprintf(std.Out, "%s: every checksum and every leaf of the log is right\n", dir)
	return err
}
