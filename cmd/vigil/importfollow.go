package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"vigil/internal/config"
	"vigil/internal/jsonb"
	"vigil/internal/transfer"
	"vigil/internal/web"
)

// follow imports a file of lines, or standard input, while it is written, until
// ctx ends.
func (c *importCmd) follow(ctx context.Context, std *stdio, target *destination) error {
	if len(c.Files) != 1 {
		return usagef("--follow is for one file, and there are %d", len(c.Files))
	}
	name := c.Files[0]
	if isDatabase(name) || c.Format != "auto" && c.Format != "ndjson" {
		return usagef("--follow is for a file of lines, each a JSON text, not for %s", config.Redact(name))
	}
	if target.face == nil {
		if err := target.open(ctx, true); err != nil {
			return err
		}
	}
	beside := name
	if name == "-" {
		beside = filepath.Join(std.Dir, "stdin")
	}
	out := &refusals{path: beside + ".refused", grow: true}
	if c.Refused != "" {
		out.path = c.Refused
	}
	limits := web.DefaultLimits()
	taken := 0
	fo := &transfer.Follow{
		Target: target, Path: name, Cursor: beside + ".follow",
		Limits: jsonb.Limits{Depth: limits.Depth, Keys: limits.Keys},
		Refused: func(b *transfer.BadRecord) error {
			if err := out.add(b); err != nil {
				return err
			}
			return out.sync()
		},
		Tell:  func(err error) { fmt.Fprintln(std.Err, "vigil:", err) },
		Taken: func(n int) { taken += n },
	}
	if c.Cursor != "" {
		fo.Cursor = c.Cursor
	}
	run := fo.Run
	if name == "-" {
		run = func(ctx context.Context) error { return fo.Pipe(ctx, std.In) }
	}
	err := errors.Join(run(ctx), out.close())
	fmt.Fprintf(std.Out, "%s: %d taken\n", filepath.Base(name), taken)
	return err
}
