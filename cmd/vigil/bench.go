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
	Postgres bool          `help:"Measure Vigil over PostgreSQL instead, on the server that PostgREST has, too."`
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
	if c.Postgres {
		return c.database(ctx, std, binary, filepath.Join(dir, "state"), token)
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

// database compares Vigil over PostgreSQL with PostgREST, on one server.
func (c *benchCmd) database(ctx context.Context, std *stdio, binary, dir, token string) (err error) {
	peer, err := bench.StartPeer(ctx, token)
	if err != nil {
		return fmt.Errorf("start PostgREST and PostgreSQL: %w (make tools installs PostgREST)", err)
	}
	defer func() { err = errors.Join(err, peer.Stop()) }()
	v, err := bench.NewVigil(binary, dir)
	if err != nil {
		return err
	}
	if v.Store, err = peer.Database(ctx, "vigil"); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if _, err := v.Start(ctx); err != nil {
		return err
	}
	defer v.Kill()
	ours := bench.Target{Addr: v.Addr, Token: token}
	rows, err := bench.Compare(ctx, ours, peer.Target, bench.WritePoints(), c.Rounds, c.Duration)
	if err != nil {
		return err
	}
	if err := bench.WriteTable(std.Out, rows); err != nil {
		return err
	}
	if c.Events == 0 {
		return nil
	}
	fmt.Fprintln(std.Out)
	return c.questions(ctx, std, v, peer, ours)
}

// questions asks both servers about the same events.
func (c *benchCmd) questions(ctx context.Context, std *stdio, v *bench.Vigil, peer *bench.Peer, ours bench.Target) error {
	for _, t := range []bench.Target{ours, peer.Target} {
		start := time.Now()
		if err := bench.LoadQuestioned(ctx, t, c.Events); err != nil {
			return err
		}
		fmt.Fprintf(std.Err, "%d events loaded in %s\n", c.Events, time.Since(start).Round(time.Second))
	}
	if err := peer.Analyze(ctx); err != nil {
		return err
	}
	const times = 9
	answers, err := bench.Ask(ctx, ours, bench.Questions(), times)
	if err != nil {
		return fmt.Errorf("vigil: %w", err)
	}
	bare, err := bench.Ask(ctx, peer.Target, bench.Questions(), times)
	if err != nil {
		return fmt.Errorf("postgrest: %w", err)
	}
	if err := peer.Index(ctx); err != nil {
		return fmt.Errorf("make indexes: %w", err)
	}
	indexed, err := bench.Ask(ctx, peer.Target, bench.Questions(), times)
	if err != nil {
		return fmt.Errorf("postgrest: %w", err)
	}
	if err := bench.WriteAnswers(std.Out, answers, bare, indexed); err != nil {
		return err
	}
	whole, grown, err := v.MeasureAnswer(ctx, ours.Token, 200_000)
	if err != nil {
		return err
	}
	fmt.Fprintf(std.Out, "\n200,000 rows in one answer: %s, %d MB more in Vigil\n", whole.Round(time.Millisecond), grown>>20)
	return nil
}
