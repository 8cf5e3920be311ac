package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"vigil/internal/auth"
	"vigil/internal/bench"
)

type benchCmd struct {
	Rounds   int           `default:"3" help:"Rounds of each point; medians are printed."`
	Duration time.Duration `default:"5s" help:"Length of one round."`
	Events   int           `default:"1000000" help:"Events of the volume measurement; 0 leaves it out."`
	Dir      string        `help:"Where the stores are made; a disk like the one in question. Default: the temporary directory." type:"path"`
	NoPeer   bool          `help:"Leave PostgREST and PostgreSQL out, and with them the ratios."`
}

// Run measures this binary, as processes of its own, beside PostgREST.
func (c *benchCmd) Run(ctx context.Context, std *stdio) (err error) {
	binary, err := os.Executable()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp(c.Dir, "vigil-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	fmt.Fprintf(std.Out, "%s, %d processors, %s\n\n", version(), runtime.NumCPU(), time.Now().UTC().Format(time.DateOnly))
	token, err := auth.Mint(bench.Secret, "event_logger", time.Time{}, nil)
	if err != nil {
		return err
	}
	if !c.NoPeer {
		if err := c.writes(ctx, std, binary, filepath.Join(dir, "writes"), token); err != nil {
			return err
		}
	}
	if c.Events == 0 {
		return nil
	}
	v, err := bench.NewVigil(binary, filepath.Join(dir, "volume"))
	if err != nil {
		return err
	}
	if _, err := v.Start(ctx); err != nil {
		return err
	}
	defer v.Kill()
	out, err := bench.MeasureVolume(ctx, v, token, c.Events)
	if err != nil {
		return err
	}
	out.Write(std.Out)
	return nil
}

// writes compares single and bulk POSTs with PostgREST's.
func (c *benchCmd) writes(ctx context.Context, std *stdio, binary, dir, token string) (err error) {
	v, err := bench.NewVigil(binary, dir)
	if err != nil {
		return err
	}
	if _, err := v.Start(ctx); err != nil {
		return err
	}
	defer v.Kill()
	peer, err := bench.StartPeer(ctx, token)
	if err != nil {
		return fmt.Errorf("start PostgREST and PostgreSQL: %w (make tools installs PostgREST; --no-peer leaves both out)", err)
	}
	defer func() { err = errors.Join(err, peer.Stop()) }()
	rows, err := bench.Compare(ctx, bench.Target{Addr: v.Addr, Token: token}, peer.Target, bench.WritePoints(), c.Rounds, c.Duration)
	if err != nil {
		return err
	}
	if err := bench.WriteTable(std.Out, rows); err != nil {
		return err
	}
	fmt.Fprintln(std.Out)
	return nil
}
