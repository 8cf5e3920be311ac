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

// Help says what the command changes.
func (c *checkCmd) Help() string {
	return `Every checksum is verified, then every leaf of the log is made anew from its
event and compared with the tiles and the rollback guard. A damaged store is
only read. One whose files are right has its journal replayed, as a start does:
commits that a crash may have left in memory only are written to a new file of
the journal, and nothing is lost or added. Nothing else is changed; what a crash
left behind is named here and removed by the next start.`
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
		return fmt.Errorf("%s damaged or missing: keep a copy of the directory as it is, then restore them from a backup; docs/operation.md has the steps", number(damage, "file of "+dir+" is", "files of "+dir+" are"))
	}
	_, err = fmt.Fprintf(std.Out, "%s: every checksum and every leaf of the log is right\n", dir)
	return err
}
