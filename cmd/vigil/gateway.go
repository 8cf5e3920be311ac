package main

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"vigil"
	"vigil/internal/config"
	"vigil/internal/forward"
	"vigil/internal/spool"
	"vigil/internal/store"
	"vigil/internal/telemetry"
	"vigil/internal/web"
)

type gatewayCmd struct {
	settings
	Upstream []string `help:"URL of the FHIR server, such as http://fhir:8080/fhir; several are told apart by their paths." placeholder:"URL"`
	Listen   string   `help:"Address that clients use." placeholder:"HOST:PORT"`
	Forward  string   `help:"URL of another Vigil that takes the events, instead of a store." placeholder:"URL"`
	API      string   `name:"api" help:"Address of the store's own API, which is never on --listen." placeholder:"HOST:PORT"`
	Admin    string   `help:"Address of /live, /ready and /metrics; off for none." placeholder:"HOST:PORT"`

	TokenFile      string        `name:"token-file" help:"File with the token for --forward; VIGIL_TOKEN else." placeholder:"FILE"`
	ForwardCA      string        `name:"forward-ca" help:"PEM file of the authorities that --forward is believed by." placeholder:"FILE"`
	ForwardTimeout time.Duration `name:"forward-timeout" default:"1m" help:"How long to wait for an answer of --forward."`
	Spool          string        `help:"Directory of what is not yet stored." placeholder:"DIR"`
	Cert           string        `help:"PEM file of the gateway's certificate." placeholder:"FILE"`
	Key            string        `help:"PEM file of its key." placeholder:"FILE"`
	ClientCA       string        `name:"client-ca" help:"PEM file of the authorities of client certificates." placeholder:"FILE"`
	UpstreamCA     string        `name:"upstream-ca" help:"PEM file of the authorities that the FHIR server is believed by." placeholder:"FILE"`
	UpstreamCert   string        `name:"upstream-cert" help:"PEM file of the certificate that is shown to the FHIR server." placeholder:"FILE"`
	UpstreamKey    string        `name:"upstream-key" help:"PEM file of its key." placeholder:"FILE"`
	Level          string        `help:"What is recorded: metadata (default), request, request-response." placeholder:"LEVEL"`
	H2C            bool          `name:"h2c" help:"Take HTTP/2 without TLS, too."`
}

// Help says what else there is.
func (*gatewayCmd) Help() string {
	return "Policies and all else are under gateways in vigil.yaml (docs/gateway.md); flags override the one that is there. Without --store and --forward events are kept in ./vigil-data."
}

// Run serves until ctx ends.
func (c *gatewayCmd) Run(ctx context.Context, std *stdio) error {
	if c.Forward != "" && (c.Store != "" || c.API != "") {
		return usagef("give --forward, or --store with --api, but not both: events go to one place")
	}
	more := map[string]string{"admin": c.Admin}
	if c.API != "" {
		more["listen"] = c.API
	}
	load := func() (*config.Config, error) {
		cfg, err := c.load(std, more)
		if err != nil {
			return nil, err
		}
		if err := c.override(cfg); err != nil {
			return nil, usageError{err}
		}
		return cfg, nil
	}
	cfg, err := load()
	if err != nil {
		return err
	}
	tel := telemetry.New(telemetry.Config{Out: std.Err, Level: cfg.Log.Level, Format: cfg.Log.Format, Version: version()})
	for _, w := range cfg.Warnings {
		tel.Log.Warn(w)
	}
	if c.Forward == "" {
		s := &serving{cfg: cfg, given: c.settings, log: tel.Log, tel: tel, std: std, fatal: make(chan error, 1), reload: load}
		return s.openAndRun(ctx)
	}
	return c.forward(ctx, cfg, load, tel, std)
}

// override puts the flags over the gateway that is configured.
func (c *gatewayCmd) override(cfg *config.Config) error {
	if len(cfg.Gateways) > 1 && (c.Upstream != nil || c.Listen != "") {
		return errors.New("several gateways are configured: leave --upstream and --listen to the configuration, too")
	}
	if len(cfg.Gateways) > 1 {
		return nil
	}
	var g config.Gateway
	if len(cfg.Gateways) == 1 {
		g = cfg.Gateways[0]
	}
	if c.Upstream != nil {
		g.Upstreams = nil
		for _, u := range c.Upstream {
			g.Upstreams = append(g.Upstreams, config.Upstream{URL: u})
		}
	}
	for i := range g.Upstreams {
		t := &g.Upstreams[i].TLS
		t.CA, t.Cert, t.Key = firstOf(c.UpstreamCA, t.CA), firstOf(c.UpstreamCert, t.Cert), firstOf(c.UpstreamKey, t.Key)
	}
	g.Listen, g.Spool, g.Level = firstOf(c.Listen, g.Listen, ":8090"), firstOf(c.Spool, g.Spool), firstOf(c.Level, g.Level)
	g.TLS.Cert, g.TLS.Key, g.TLS.ClientCA = firstOf(c.Cert, g.TLS.Cert), firstOf(c.Key, g.TLS.Key), firstOf(c.ClientCA, g.TLS.ClientCA)
	g.H2C = g.H2C || c.H2C
	g = g.Normal()
	if err := g.Check(); err != nil {
		return err
	}
	cfg.Gateways = []config.Gateway{g}
	return nil
}

// The collector's percentage where there is a gateway: what lives is little, so
// that collecting it often would cost more than it saves; but beside a store less,
// and by itself only until the process has so many bytes.
const (
	gatewayGC      = 400
	gatewayStoreGC = 100
	gatewayMemory  = 256 << 20
)

// forward serves gateways whose events go to another Vigil.
func (c *gatewayCmd) forward(ctx context.Context, cfg *config.Config, reload func() (*config.Config, error), tel *telemetry.Telemetry, std *stdio) (err error) {
	std.limitMemory(cfg.MemoryLimit, gatewayGC, gatewayMemory)
	w, err := c.forwarder(std)
	if err != nil {
		return err
	}
	a, err := authenticator(cfg, tel.Log)
	if err != nil {
		return usageError{err}
	}
	p, err := loadPeers(cfg, std, tel.Log)
	if err != nil {
		return err
	}
	if err := p.metrics(tel.Registry); err != nil {
		return err
	}
	w, closeSinks, err := withSinks(cfg, std, p, tel, w)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeSinks()) }()
	g, err := listenGateways(gatewaysConfig{
		List: cfg.Gateways, Proxies: cfg, Peers: p, ByTable: true, Dir: "vigil-spool", Reload: reload, Log: tel.Log, Metrics: tel.Registry,
	})
	if err != nil {
		return err
	}
	var admin net.Listener
	if cfg.Admin != "" {
		if admin, err = web.Listen(cfg.Admin); err != nil {
			return errors.Join(fmt.Errorf("%w: give another address of health and metrics by --admin, or off", err), g.unlisten())
		}
		defer admin.Close()
	}
	if err := g.open(w, a); err != nil {
		return errors.Join(err, g.unlisten())
	}
	stopExclusions, err := forwardExclusions(ctx, p, cfg.Gateways[0].Name, "vigil-spool", w, tel.Registry)
	if err != nil {
		return errors.Join(err, g.unlisten())
	}
	defer func() { err = errors.Join(err, stopExclusions()) }()
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return g.serve(ctx) })
	if admin != nil {
		h := tel.Handler(g.checks()...)
		group.Go(func() error {
			return web.NewServer(web.ServerConfig{Handler: h, Grace: time.Second, Log: tel.Log}).Serve(ctx, admin)
		})
	}
	return group.Wait()
}

// forwarder returns the way to the other Vigil.
func (c *gatewayCmd) forwarder(std *stdio) (vigil.Writer, error) {
	fc := forward.Config{URL: c.Forward, Key: spool.Key}
	token, given := std.env("VIGIL_TOKEN")
	switch {
	case c.TokenFile != "":
		fc.Token = forward.TokenFile(c.TokenFile)
		if _, err := fc.Token(); err != nil {
			return nil, usageError{err}
		}
	case given: // an empty one for a Vigil whose anonymous role may add
		fc.Token = func() (string, error) { return token, nil }
	default:
		return nil, usagef("there is no token for the Vigil of --forward: make one there by vigil token --role gateway, and give it in VIGIL_TOKEN or by --token-file (VIGIL_TOKEN= where that Vigil takes events from anybody)")
	}
	fc.Client = forward.NewClient(nil)
	if c.ForwardCA != "" {
		roots, err := readAuthorities(c.ForwardCA)
		if err != nil {
			return nil, usageError{err}
		}
		fc.Client = forward.NewClient(&http.Transport{
			TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: true,
			TLSHandshakeTimeout: 10 * time.Second, IdleConnTimeout: 90 * time.Second,
		})
	}
	if c.ForwardTimeout > 0 {
		fc.Client.Timeout = c.ForwardTimeout
	}
	w, err := forward.New(fc)
	if err != nil {
		return nil, usageError{err}
	}
	return w, nil
}

// intoStore writes what a spool holds into a store: nothing comes twice. The key
// stands for the batch, which the spool has on disk as it is.
func intoStore(s store.Store) vigil.Writer {
	return vigil.WriterFunc(func(ctx context.Context, events []*vigil.Event) error {
		b := &store.Batch{Events: events}
		if key, ok := spool.Key(ctx); ok {
			b.Key = &store.Key{Scope: "spool", Key: key, Body: sha256.Sum256([]byte(key))}
		}
		_, err := s.Append(ctx, b)
		return err
	})
}
