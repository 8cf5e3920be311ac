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
	Events   int           `default:"1000000" help:"Events of the volume measurement or of the searches; 0 leaves them out."`
	Dir      string        `help:"Where the stores are made; a disk like the one in question. Default: the temporary directory." type:"path"`
	FHIR     bool          `name:"fhir" help:"Measure creates, Bundles and, with --postgres, searches at the FHIR face."`
	Gateway  bool          `help:"Measure the gateway beside nginx and a plain reverse proxy."`
	Postgres bool          `help:"Measure Vigil over PostgreSQL instead, on the server that PostgREST has, too."`
	NoPeer   bool          `help:"Leave PostgREST and PostgreSQL out, and with them the ratios."`
	Queries  bool          `help:"Print the slowest query of each kind of search, too."`

	Play   string `hidden:"" help:"Be a peer of --gateway instead: upstream or proxy."`
	Listen string `hidden:""`
	To     string `hidden:""`
}

// benchRun is one run of the command.
type benchRun struct {
	*benchCmd
	std    *stdio
	binary string
	dir    string // removed at the end
	token  string // may do anything
}

// Run measures this binary, as processes of its own, beside its peers.
func (c *benchCmd) Run(ctx context.Context, std *stdio) (err error) {
	if c.Play != "" {
		return c.play(ctx)
	}
	if c.FHIR && c.Gateway || c.Gateway && c.Postgres {
		return usagef("give --gateway, or --fhir with or without --postgres: one measurement is one run")
	}
	r := benchRun{benchCmd: c, std: std}
	if r.binary, err = os.Executable(); err != nil {
		return err
	}
	if r.dir, err = os.MkdirTemp(c.Dir, "vigil-bench-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(r.dir)) }()
	fmt.Fprintf(std.Out, "%s, %d processors, %s\n\n", version(), runtime.NumCPU(), time.Now().UTC().Format(time.DateOnly))
	if r.token, err = auth.Mint(bench.Secret, "admin", time.Time{}, nil); err != nil {
		return err
	}
	switch {
	case c.FHIR:
		return r.fhir(ctx)
	case c.Gateway:
		return r.gateway(ctx)
	}
	// PostgREST has this role, and ours would be another one's work.
	if r.token, err = auth.Mint(bench.Secret, "event_logger", time.Time{}, nil); err != nil {
		return err
	}
	if c.Postgres {
		return r.database(ctx)
	}
	if !c.NoPeer {
		if err := r.writes(ctx); err != nil {
			return err
		}
	}
	if c.Events == 0 {
		return nil
	}
	return r.volume(ctx)
}

// start starts a server of this binary over a directory.
func (r *benchRun) start(ctx context.Context, name string, set func(*bench.Vigil)) (*bench.Vigil, error) {
	v, err := bench.NewVigil(r.binary, filepath.Join(r.dir, name))
	if err != nil {
		return nil, err
	}
	if set != nil {
		set(v)
	}
	_, err = v.Start(ctx)
	return v, err
}

// startOver starts a server of this binary over a database.
func (r *benchRun) startOver(ctx context.Context, name, store string) (*bench.Vigil, error) {
	if err := os.MkdirAll(filepath.Join(r.dir, name), 0o700); err != nil {
		return nil, err
	}
	return r.start(ctx, name, func(v *bench.Vigil) { v.Store = store })
}

// volume measures what many events cost.
func (r *benchRun) volume(ctx context.Context) error {
	v, err := r.start(ctx, "volume", nil)
	if err != nil {
		return err
	}
	defer v.Kill()
	out, err := bench.MeasureVolume(ctx, v, r.token, r.Events)
	if err != nil {
		return err
	}
	out.Write(r.std.Out)
	return nil
}

// compare measures the points and prints their table.
func (r *benchRun) compare(ctx context.Context, unit string, points []bench.Point, contenders ...bench.Contender) error {
	_, err := r.compareRows(ctx, unit, points, contenders...)
	return err
}

// compareRows is compare, and returns what was measured.
func (r *benchRun) compareRows(ctx context.Context, unit string, points []bench.Point, contenders ...bench.Contender) ([]bench.Row, error) {
	rows, err := bench.Compare(ctx, contenders, points, r.Rounds, r.Duration)
	if err != nil {
		return nil, err
	}
	if err := bench.WriteTable(r.std.Out, unit, names(contenders), rows); err != nil {
		return nil, err
	}
	fmt.Fprintln(r.std.Out)
	return rows, nil
}

func names(contenders []bench.Contender) []string {
	var out []string
	for _, c := range contenders {
		out = append(out, c.Name)
	}
	return out
}

// writes compares single and bulk POSTs with PostgREST's.
func (r *benchRun) writes(ctx context.Context) (err error) {
	v, err := r.start(ctx, "writes", nil)
	if err != nil {
		return err
	}
	defer v.Kill()
	peer, err := bench.StartPeer(ctx, r.token)
	if err != nil {
		return fmt.Errorf("start PostgREST and PostgreSQL: %w (make tools installs PostgREST; --no-peer leaves both out)", err)
	}
	defer func() { err = errors.Join(err, peer.Stop()) }()
	return r.besidePostgREST(ctx, v, peer)
}

func (r *benchRun) besidePostgREST(ctx context.Context, v *bench.Vigil, peer *bench.Peer) error {
	return r.compare(ctx, "events/s", bench.WritePoints(),
		bench.Writer("Vigil", bench.Target{Addr: v.Addr, Token: r.token}), bench.Writer("PostgREST", peer.Target))
}

// database compares Vigil over PostgreSQL with PostgREST, on one server.
func (r *benchRun) database(ctx context.Context) (err error) {
	peer, err := bench.StartPeer(ctx, r.token)
	if err != nil {
		return fmt.Errorf("start PostgREST and PostgreSQL: %w (make tools installs PostgREST)", err)
	}
	defer func() { err = errors.Join(err, peer.Stop()) }()
	store, err := peer.Database(ctx, "vigil")
	if err != nil {
		return err
	}
	v, err := r.startOver(ctx, "state", store)
	if err != nil {
		return err
	}
	defer v.Kill()
	if err := r.besidePostgREST(ctx, v, peer); err != nil || r.Events == 0 {
		return err
	}
	return r.questions(ctx, v, peer)
}

// questions asks both servers about the same events.
func (r *benchRun) questions(ctx context.Context, v *bench.Vigil, peer *bench.Peer) error {
	ours := bench.Target{Addr: v.Addr, Token: r.token}
	for _, t := range []bench.Target{ours, peer.Target} {
		start := time.Now()
		if err := bench.LoadQuestioned(ctx, t, r.Events); err != nil {
			return err
		}
		fmt.Fprintf(r.std.Err, "%d events loaded in %s\n", r.Events, time.Since(start).Round(time.Second))
	}
	if err := peer.Analyze(ctx, v.Store); err != nil {
		return err
	}
	const times = 9
	bare, err := bench.Ask(ctx, peer.Target, bench.Questions(), times)
	if err != nil {
		return fmt.Errorf("postgrest: %w", err)
	}
	if err := peer.Index(ctx); err != nil {
		return fmt.Errorf("make indexes: %w", err)
	}
	both, err := bench.AskInTurn(ctx, []bench.Target{ours, peer.Target}, bench.Questions(), max(r.Rounds, 1), times)
	if err != nil {
		return err
	}
	if err := bench.WriteAnswers(r.std.Out, both[0], bare, both[1]); err != nil {
		return err
	}
	whole, grown, err := v.MeasureAnswer(ctx, ours.Token, 200_000)
	if err != nil {
		return err
	}
	fmt.Fprintf(r.std.Out, "\n200,000 rows in one answer: %s, %d MB more in Vigil\n", whole.Round(time.Millisecond), grown>>20)
	return nil
}
