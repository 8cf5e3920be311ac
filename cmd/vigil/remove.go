package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"vigil"
	"vigil/internal/store"
	"vigil/internal/store/postgres"
)

type eraseCmd struct {
	settings
	Reason string   `required:"" help:"Why: it is recorded in the log; name no patient."`
	UIDs   []string `arg:"" name:"uid" help:"The _uid of each event."`
}

// Help says what stays.
func (*eraseCmd) Help() string {
	return `The document, its sender and its salt are removed; the leaf of the log stays, so
that every proof and checkpoint holds, and nobody can find out from it what the
document said. Copies in backups and in the database's log of writes go with these.`
}

// Run erases events of a database.
func (c *eraseCmd) Run(ctx context.Context, std *stdio) error {
	var uids []vigil.UID
	for _, text := range c.UIDs {
		uid, err := vigil.ParseUID(text)
		if err != nil {
			return usagef("%q is no _uid: vigil query 'events?select=id,_uid&…' shows them", text)
		}
		uids = append(uids, uid)
	}
	return c.remove(ctx, std, func(s store.Remover) (int64, error) {
		return s.Erase(ctx, uids, store.Removal{Reason: c.Reason, Sender: sender()})
	})
}

type pruneCmd struct {
	settings
	Reason string `required:"" help:"Why: it is recorded in the log."`
	Table  string `arg:"" help:"Table whose oldest events go."`
	Before string `required:"" help:"Events received before this go: a date, a time with its zone, or an age such as 2190d." placeholder:"TIME"`
}

// Run prunes a table of a database.
func (c *pruneCmd) Run(ctx context.Context, std *stdio) error {
	before, err := parseBefore(c.Before, time.Now())
	if err != nil {
		return err
	}
	return c.remove(ctx, std, func(s store.Remover) (int64, error) {
		return s.Prune(ctx, c.Table, before, store.Removal{Reason: c.Reason, Sender: sender()})
	})
}

// parseBefore reads the end of what is pruned.
func parseBefore(text string, now time.Time) (time.Time, error) {
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	var days int
	if n, err := fmt.Sscanf(text, "%dd", &days); n == 1 && err == nil && days > 0 && fmt.Sprintf("%dd", days) == text {
		return now.AddDate(0, 0, -days), nil
	}
	return time.Time{}, usagef("--before %q: want 2020-01-31, 2020-01-31T00:00:00Z or an age in days such as 2190d", text)
}

// remove opens the store, removes and tells how many events it were.
func (s *settings) remove(ctx context.Context, std *stdio, do func(store.Remover) (int64, error)) (err error) {
	cfg, err := s.load(std, nil)
	if err != nil {
		return err
	}
	if !cfg.IsPostgres() {
		return usagef("%s: events can be removed from a store in PostgreSQL", storeName(cfg))
	}
	opened, err := postgres.Open(ctx, databaseOptions(cfg), storeConfig(cfg, slog.New(slog.DiscardHandler), nil))
	if err != nil {
		return readiness(err)
	}
	defer func() { err = errors.Join(err, opened.Close()) }()
	n, err := do(opened)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(std.Out, "%s removed; the table system has the record\n", number(n, "event was", "events were"))
	return err
}
