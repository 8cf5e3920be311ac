package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"vigil"
	"vigil/gateway"
	"vigil/internal/auth"
	"vigil/internal/config"
	"vigil/internal/format/fhir/balp"
	"vigil/internal/spool"
	"vigil/internal/telemetry"
	"vigil/internal/web"
)

// gatewaysConfig is what the gateways of a process are made of.
type gatewaysConfig struct {
	List    []config.Gateway
	Proxies *config.Config // whose trusted proxies and limits hold
	Writer  vigil.Writer   // takes what the spools hold
	ByTable bool           // one table at a time; else Writer is intoStore, which goes by keys alone
	Auth    *auth.Authenticator
	Peers   *peers
	Dir     string                         // of the spools that name none
	Reload  func() (*config.Config, error) // reads the configuration again
	Log     *slog.Logger
	Metrics prometheus.Registerer
}

// gateways are the gateways of a process, each with its spool.
type gateways struct {
	c       gatewaysConfig
	list    []*frontGateway
	hangups chan os.Signal
}

// frontGateway is one gateway: a listener, what records, and its spool.
type frontGateway struct {
	config.Gateway
	log        *slog.Logger
	listener   net.Listener
	server     *http.Server
	gateway    *gateway.Gateway
	pseudonyms *gateway.Pseudonyms
	spool      *spool.Spool
	dir        string // of the spool
	upstreams  []upstream
	grace      time.Duration
}

// listenGateways takes the addresses, before anything is made on disk.
func listenGateways(c gatewaysConfig) (*gateways, error) {
	g := &gateways{c: c}
	for _, one := range c.List {
		err := one.Complete()
		if err == nil {
			err = checkGateway(one, c.Peers)
		}
		if err != nil {
			return nil, usageError{errors.Join(err, g.unlisten())}
		}
		l, err := web.Listen(one.Listen)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("gateway %s: %w", one.Name, err), g.unlisten())
		}
		f := &frontGateway{Gateway: one, listener: l, log: c.Log.With("gateway", one.Name), grace: c.Proxies.ShutdownTime}
		for _, doubt := range doubtGateway(one) {
			f.log.Warn(doubt)
		}
		g.list = append(g.list, f)
	}
	return g, nil
}

// unlisten closes the listeners of gateways that do not come to serve.
func (g *gateways) unlisten() error {
	var err error
	for _, f := range g.list {
		err = errors.Join(err, f.listener.Close())
	}
	return err
}

// open opens the spools. With an error everything is closed again.
func (g *gateways) open(w vigil.Writer, a *auth.Authenticator) error {
	g.c.Writer, g.c.Auth = w, a
	for i, f := range g.list {
		if err := f.open(&g.c); err != nil {
			for _, before := range g.list[:i] {
				err = errors.Join(err, before.spool.Close())
			}
			return fmt.Errorf("gateway %s: %w", f.Name, err)
		}
	}
	if len(g.list) > 0 {
		g.catchHangups()
	}
	return nil
}

func (f *frontGateway) open(c *gatewaysConfig) (err error) {
	if f.pseudonyms, err = readPseudonyms("pseudonym-key", f.PseudonymKey); err != nil {
		return err
	}
	audit := c.Peers.auditEvents(balp.Config{Observer: f.Name, Site: f.Site, PerPatient: f.PerPatient})
	reader := gateway.NewReader(gateway.ReaderConfig{
		Events: exchangeAndAudit(audit), MaxKept: int(f.MaxKept), Pseudonyms: f.pseudonyms,
	})
	f.dir = f.spoolDir(c.Dir)
	f.spool, err = spool.Open(spool.Config{
		Dir: f.dir, Writer: c.Writer, ByTable: c.ByTable, ByKey: !c.ByTable, Events: reader.Events, MaxBytes: int64(f.SpoolSize),
		Log: f.log, Metrics: prometheus.WrapRegistererWith(prometheus.Labels{"gateway": f.Name}, c.Metrics),
	})
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.spool.Close())
		}
	}()
	if err := f.record(c); err != nil {
		return err
	}
	return f.serve(c)
}

// spoolDir returns where the gateway's spool is.
func (f *frontGateway) spoolDir(dir string) string {
	if f.Spool != "" {
		return f.Spool
	}
	return filepath.Join(dir, f.Name)
}

// record makes what records. The policies that were in force last are in a file
// in the spool's directory, so that a change between two runs is told as one.
func (f *frontGateway) record(c *gatewaysConfig) error {
	gc := gateway.Config{
		Spool: f.spool, Name: f.Name, MaxBody: int(f.MaxBody), TrustedProxies: f.Proxies(c.Proxies.TrustedProxies),
		UserHeader: f.UserHeader, PurposeHeader: f.PurposeHeader, AuditHeaders: c.Peers.auditHeaders(f.AuditHeaders),
		Pseudonyms: f.pseudonyms, IgnoreBodyHeader: f.IgnoreBodyHeader, Log: f.log,
	}
	err := setPolicies(&gc, f.Gateway, c.Peers)
	if err != nil {
		return usageError{err}
	}
	if gc.Verifier, err = f.verifier(c); err != nil {
		return usageError{err}
	}
	if b, err := os.ReadFile(filepath.Join(f.dir, policiesFile)); err == nil {
		gc.PoliciesBefore = string(b)
	}
	if f.gateway, err = gateway.New(gc); err != nil {
		return usageError{err}
	}
	if err := f.notePolicies(); err != nil {
		return err
	}
	return gatewayMetrics(f.gateway, f.Name, c.Metrics)
}

// verifier returns who tells genuine tokens of callers from others; nil: nobody.
func (f *frontGateway) verifier(c *gatewaysConfig) (gateway.TokenVerifier, error) {
	if len(f.Issuers) > 0 {
		ac := auth.Config{Log: f.log}
		for _, i := range f.Issuers {
			ac.Issuers = append(ac.Issuers, auth.Issuer{URL: i.Issuer, Keys: i.JWKS, Audience: i.Audience})
		}
		return auth.New(ac)
	}
	if f.VerifyTokens && c.Auth != nil {
		return c.Auth, nil
	}
	return nil, nil
}

// setPolicies puts what g says of levels and policies into gc.
func setPolicies(gc *gateway.Config, g config.Gateway, p *peers) (err error) {
	gc.Level = gateway.Metadata
	if p.payloads() {
		gc.Level = gateway.RequestResponse
	}
	if g.Level != "" {
		if gc.Level, err = gateway.ParseLevel(g.Level); err != nil {
			return err
		}
	}
	gc.Policies, err = policiesOf(g.Policies)
	return err
}

// policiesOf reads the words of the configuration.
func policiesOf(list []config.GatewayPolicy) ([]gateway.Policy, error) {
	var policies []gateway.Policy
	for i, p := range list {
		one := gateway.Policy{Methods: p.Methods, Route: p.Route, Redact: p.Redact, Pseudonymize: p.Pseudonymize}
		var err error
		if one.Level, err = gateway.ParseLevel(p.Level); err != nil {
			return nil, fmt.Errorf("policy %d: %w", i+1, err)
		}
		if p.Durability != "" {
			m, err := gateway.ParseMode(p.Durability)
			if err != nil {
				return nil, fmt.Errorf("policy %d: %w", i+1, err)
			}
			one.Mode = &m
		}
		policies = append(policies, one)
	}
	return policies, nil
}

// exchangeAndAudit makes the events of an exchange: itself, and its AuditEvents.
// Where those cannot be made the exchange is kept all the same, with a note.
func exchangeAndAudit(audit func(*vigil.Exchange) ([]*vigil.Event, error)) func(*vigil.Exchange) ([]*vigil.Event, error) {
	return func(x *vigil.Exchange) ([]*vigil.Event, error) {
		events, err := audit(x)
		if err != nil {
			x.Notes = append(x.Notes, "no AuditEvent could be made of the exchange")
			events = nil
		}
		e, err := gateway.ExchangeEvent(x)
		if err != nil {
			return nil, err
		}
		for _, a := range events {
			if a.Sender == nil {
				a.Sender = e.Sender
			}
		}
		return append([]*vigil.Event{e}, events...), nil
	}
}

// readPseudonyms reads the key of pseudonyms that a setting names; no path, no
// pseudonyms. A key that cannot be used is a wrong setting.
func readPseudonyms(setting, path string) (*gateway.Pseudonyms, error) {
	if path == "" {
		return nil, nil
	}
	key, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, usagef("%s: %w; openssl rand -base64 32 makes a new key", setting, err)
	}
	if err != nil {
		return nil, usagef("%s: %w; the user that vigil runs as must be able to read the file", setting, err)
	}
	p, err := gateway.NewPseudonyms([]byte(strings.TrimSpace(string(key))))
	if err != nil {
		return nil, usagef("%s: %s: %w, such as openssl rand -base64 32 makes", setting, path, err)
	}
	return p, nil
}

// serve serves all gateways until ctx ends.
func (g *gateways) serve(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, f := range g.list {
		group.Go(func() error { return f.run(ctx) })
	}
	if len(g.list) > 0 {
		group.Go(func() error {
			g.followHangups(ctx)
			return nil
		})
	}
	return group.Wait()
}

// flushTime bounds how long a gateway that stops waits for its destination.
const flushTime = 5 * time.Second

// run serves until ctx ends. Then it stops in the order of what needs what:
// requests, records, spool. What the destination has not taken by then is on
// disk and is sent after the next start.
func (f *frontGateway) run(ctx context.Context) error {
	served := make(chan error, 1)
	go func() {
		if f.server.TLSConfig != nil {
			served <- f.server.ServeTLS(f.listener, "", "")
			return
		}
		served <- f.server.Serve(f.listener)
	}()
	f.log.Info("gateway serves", "listen", f.listener.Addr().String(), "upstream", f.upstreams[0].url.Redacted())
	var err error
	select {
	case <-ctx.Done():
	case err = <-served:
		err = fmt.Errorf("gateway %s: serve on %s: %w", f.Name, f.listener.Addr(), err)
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), f.grace)
	defer cancel()
	if serr := f.server.Shutdown(stop); serr != nil {
		err = errors.Join(err, fmt.Errorf("gateway %s: requests were cut off: %w", f.Name, errors.Join(serr, f.server.Close())))
	}
	stop, cancel = context.WithTimeout(context.WithoutCancel(ctx), flushTime)
	defer cancel()
	if cerr := f.gateway.Close(stop); cerr != nil {
		f.log.Warn("some requests had not ended; they are recorded as cut off at the next start", "err", cerr)
	}
	if ferr := f.spool.Flush(stop); ferr != nil {
		f.log.Warn("some events wait in the spool; they are sent after the next start", "waiting_bytes", f.spool.Status().Waiting)
	}
	return errors.Join(err, f.spool.Close())
}

// checks are for /ready: the spools take records, the upstreams can be reached.
func (g *gateways) checks() []telemetry.Check {
	var checks []telemetry.Check
	for _, f := range g.list {
		checks = append(checks, telemetry.Check{Name: "spool of gateway " + f.Name, Check: f.spool.Full})
		for _, u := range f.upstreams {
			checks = append(checks, telemetry.Check{Name: "upstream " + u.url.Host, Check: u.reachable})
		}
	}
	return checks
}

// gatewayMetrics offers what a gateway counts.
func gatewayMetrics(g *gateway.Gateway, name string, reg prometheus.Registerer) error {
	labels := prometheus.Labels{"gateway": name}
	for _, c := range []prometheus.Collector{
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "vigil_gateway_refused_total", Help: "Requests that were refused because they could not be recorded.", ConstLabels: labels,
		}, func() float64 { return float64(g.Stats().Refused) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "vigil_gateway_excluded_total", Help: "Requests that policies left out; their count is recorded.", ConstLabels: labels,
		}, func() float64 { return float64(g.Stats().Excluded) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "vigil_gateway_lost_requests", Help: "Requests without a record that no event tells of yet.", ConstLabels: labels,
		}, func() float64 { return float64(g.Stats().Lost) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "vigil_gateway_copied_bytes", Help: "Copies of bodies in memory.", ConstLabels: labels,
		}, func() float64 { return float64(g.Stats().Copied) }),
	} {
		if err := reg.Register(c); err != nil {
			return fmt.Errorf("register metrics: %w", err)
		}
	}
	return nil
}
