package main

import (
	"context"
	"fmt"
	"time"

	"vigil"
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
document said. A running server does it itself, asked through its socket; what its
journal still held is overwritten before the command ends. Copies in backups and
exports, and in a database's log of writes, stay until those are removed.`
}

// Run erases events.
func (c *eraseCmd) Run(ctx context.Context, std *stdio) error {
	var uids []vigil.UID
	for _, text := range c.UIDs {
		uid, err := vigil.ParseUID(text)
		if err != nil {
			return usagef("%q is no _uid: vigil query 'events?select=id,_uid&…' shows them", text)
		}
		uids = append(uids, uid)
	}
	return c.remove(ctx, std, "erase", &upkeepRequest{UIDs: uids, Reason: c.Reason})
}

type pruneCmd struct {
	settings
	Reason string `required:"" help:"Why: it is recorded in the log."`
	Table  string `arg:"" help:"Table whose oldest events go."`
	Before string `required:"" help:"Events received before this go: a date, a time with its zone, or an age such as 2190d." placeholder:"TIME"`
}

// Run prunes a table.
func (c *pruneCmd) Run(ctx context.Context, std *stdio) error {
	before, err := parseBefore(c.Before, time.Now())
	if err != nil {
		return err
	}
	return c.remove(ctx, std, "prune", &upkeepRequest{Table: c.Table, Before: before, Reason: c.Reason})
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

// remove removes, and tells how many events it were.
func (s *settings) remove(ctx context.Context, std *stdio, what string, in *upkeepRequest) error {
	cfg, err := s.load(std, nil)
	if err != nil {
		return err
	}
	out, err := s.maintain(ctx, std, cfg, what, in)
	if err != nil {
		return err
	}
	record := "; the table system has the record"
	if out.Removed == 0 {
		record = ""
	}
	_, err = fmt.Fprintf(std.Out, "%s removed%s\n", number(out.Removed, "event was", "events were"), record)
	return err
}
