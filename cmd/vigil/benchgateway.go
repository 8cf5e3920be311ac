package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"

	"vigil/gateway"
	"vigil/internal/bench"
	"vigil/internal/freeport"
)

// play is a peer of the gateway's measurement: a process of its own.
func (c *benchCmd) play(ctx context.Context) error {
	switch c.Play {
	case "upstream":
		return bench.ServeUpstream(ctx, c.Listen)
	case "proxy":
		return bench.ServeProxy(ctx, c.Listen, c.To, gateway.NewTransport())
	}
	return usagef("there is no peer %q: want upstream or proxy", c.Play)
}

// gatewayRun is one measurement of the gateway.
type gatewayRun struct {
	*benchRun
	upstream bench.Front
	stop     []func() error
}

// gateway measures the gateway with full audit beside nginx and a plain reverse
// proxy, all before the same upstream.
func (r *benchRun) gateway(ctx context.Context) (err error) {
	g := gatewayRun{benchRun: r}
	defer func() {
		for _, stop := range g.stop {
			err = errors.Join(err, stop())
		}
	}()
	if g.upstream, err = g.peer(ctx, "direct", "upstream"); err != nil {
		return err
	}
	plain, err := g.peer(ctx, "plain proxy", "proxy")
	if err != nil {
		return err
	}
	spool, err := g.front(ctx, "gateway", "spool")
	if err != nil {
		return err
	}
	strict, err := g.front(ctx, "gateway, strict", "strict")
	if err != nil {
		return err
	}
	peers := []bench.Front{plain}
	switch nginx, err := bench.StartNginx(ctx, filepath.Join(r.dir, "nginx"), g.upstream.Addr); {
	case errors.Is(err, exec.ErrNotFound):
		fmt.Fprintln(r.std.Err, "nginx is not installed and left out: make tools installs it")
	case err != nil:
		return fmt.Errorf("start nginx: %w", err)
	default:
		g.stop = append(g.stop, nginx.Stop)
		peers = append(peers, bench.Front{Name: "nginx", Addr: nginx.Addr, CPU: nginx.CPU})
	}
	return g.measure(ctx, spool, strict, peers)
}

// measure prints the tables.
func (g *gatewayRun) measure(ctx context.Context, spool, strict bench.Front, peers []bench.Front) error {
	fronts := append(append([]bench.Front{g.upstream}, peers...), spool)
	all, err := bench.CompareOpen(ctx, fronts, g.token, g.Rounds, g.Duration)
	if err != nil {
		return err
	}
	if err := bench.WriteLatencies(g.std.Out, all, "plain proxy", "nginx"); err != nil {
		return err
	}
	fmt.Fprintln(g.std.Out)
	reads, uploads := []bench.Contender{spool.Reader(g.token)}, []bench.Contender{spool.Uploader(g.token)}
	for _, p := range peers {
		reads, uploads = append(reads, p.Reader(g.token)), append(uploads, p.Uploader(g.token))
	}
	rows, err := g.compareRows(ctx, "reads/s", bench.ReadPoints(), reads...)
	if err != nil {
		return err
	}
	if err := bench.WriteCosts(g.std.Out, "reads/s", names(reads), rows); err != nil {
		return err
	}
	fmt.Fprintln(g.std.Out)
	if err := g.compare(ctx, "uploads/s", bench.UploadPoints(), uploads...); err != nil {
		return err
	}
	if err := g.compare(ctx, "reads/s", bench.ReadPoints()[1:], strict.Reader(g.token), spool.Reader(g.token)); err != nil {
		return err
	}
	return g.compare(ctx, "creates/s", bench.CreatePoints()[2:], strict.Creator(g.token), spool.Creator(g.token))
}

// peer starts this binary as another server.
func (g *gatewayRun) peer(ctx context.Context, name, play string) (bench.Front, error) {
	addr, err := freeport.Addr()
	if err != nil {
		return bench.Front{}, err
	}
	p, err := bench.StartProcess(ctx, addr, g.binary, "bench", "--play", play, "--listen", addr, "--to", "http://"+g.upstream.Addr)
	if err != nil {
		return bench.Front{}, err
	}
	g.stop = append(g.stop, p.Stop)
	return bench.Front{Name: name, Addr: addr, CPU: p.CPU}, nil
}

// front starts a gateway over a store of its own.
func (g *gatewayRun) front(ctx context.Context, name, durability string) (bench.Front, error) {
	f := bench.Front{Name: name}
	var err error
	if f.Addr, err = freeport.Addr(); err != nil {
		return f, err
	}
	v, err := g.start(ctx, durability, func(v *bench.Vigil) {
		v.Args = []string{"gateway", "--api", v.Addr}
		v.Env = []string{fmt.Sprintf(`VIGIL_GATEWAYS=[{name: gateway, listen: %q, upstream: "http://%s/fhir", policies: [{durability: %s}]}]`,
			f.Addr, g.upstream.Addr, durability)}
	})
	if err != nil {
		return f, err
	}
	g.stop = append(g.stop, v.Stop)
	f.Settle, f.CPU = v.Drained, v.CPU
	return f, nil
}
