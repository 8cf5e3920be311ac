package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"vigil/internal/auth"
	"vigil/internal/config"
	"vigil/internal/ledger"
	"vigil/internal/server"
	"vigil/internal/store"
	"vigil/internal/store/postgres/relation"
	"vigil/internal/store/segment"
	"vigil/internal/telemetry"
	"vigil/internal/web"
)

type serveCmd struct {
	settings
	Listen string `help:"Address of the API." placeholder:"HOST:PORT"`
	Admin  string `help:"Address of /live, /ready and /metrics; off for none." placeholder:"HOST:PORT"`

	BaseURL    string `name:"base-url" help:"URL of the server as clients see it." placeholder:"URL"`
	Migrate    bool   `help:"First make the database ready for this version, as vigil migrate does."`
	SigningKey string `name:"signing-key" help:"File with the key that signs checkpoints; made where there is none." placeholder:"FILE"`
}

// Help says what else there is.
func (*serveCmd) Help() string {
	return "Every other setting of docs/config.md is a flag as well, such as --tls-cert FILE. vigil config prints them all."
}

// Run serves until ctx ends.
func (c *serveCmd) Run(ctx context.Context, std *stdio) error {
	more := map[string]string{
		"listen": c.Listen, "admin": c.Admin, "base-url": c.BaseURL, "signing-key": c.SigningKey,
	}
	if c.Migrate {
		more["postgres.migrate"] = "true"
	}
	cfg, err := c.load(std, more)
	if err != nil {
		return err
	}
	tel := telemetry.New(telemetry.Config{Out: std.Err, Level: cfg.Log.Level, Format: cfg.Log.Format, Version: version()})
	for _, w := range cfg.Warnings {
		tel.Log.Warn(w)
	}
	s := &serving{cfg: cfg, given: c.settings, log: tel.Log, tel: tel, std: std, fatal: make(chan error, 1)}
	s.reload = func() (*config.Config, error) { return c.load(std, more) }
	return s.openAndRun(ctx)
}

// openAndRun serves until ctx ends.
func (s *serving) openAndRun(ctx context.Context) error {
	if err := s.open(ctx); err != nil {
		return err
	}
	err := s.run(ctx)
	s.closeRelations()
	err = errors.Join(err, s.store.Close())
	if err == nil {
		s.log.Info("stopped; everything that was acknowledged is stored")
	}
	return err
}

// serving is a server with its parts.
type serving struct {
	cfg   *config.Config
	given settings // the flags that cfg is from, the command's own apart
	log   *slog.Logger
	tel   *telemetry.Telemetry
	std   *stdio
	fatal chan error // why the store gave up
	// reload reads the configuration again.
	reload func() (*config.Config, error)

	secretAt  string // where the secret lies, for people
	auth      *auth.Authenticator
	store     store.Store
	signer    *ledger.Signer
	publisher *ledger.Publisher // nil where the store takes nothing
	recorder  *server.Recorder
	certs     *web.Certificates
	local     net.Listener // the unix socket; nil for a store in memory
	listener  net.Listener
	admin     net.Listener // nil for none
	gateways  *gateways
	peers     *peers
	relations *relation.DB // nil for none
	sinks     *sinks
}

// open makes the parts, in the order of what needs what.
func (s *serving) open(ctx context.Context) (err error) {
	s.limitMemory()
	if s.peers, err = loadPeers(s.cfg, s.std, s.log); err != nil {
		return err
	}
	if err := s.peers.metrics(s.tel.Registry); err != nil {
		return err
	}
	// Addresses come first: one that is taken must leave no new store behind.
	if err := s.listen(); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			s.unlisten()
		}
	}()
	if s.secretAt, err = ensureSecret(s.cfg); err != nil {
		return err
	}
	if s.auth, err = authenticator(s.cfg, s.log); err != nil {
		return usageError{err}
	}
	if s.cfg.TLS.Cert != "" {
		if s.certs, err = web.LoadCertificates(web.CertificateFiles{
			Cert: s.cfg.TLS.Cert, Key: s.cfg.TLS.Key, ClientCA: s.cfg.TLS.ClientCA, Log: s.log,
		}); err != nil {
			return err
		}
	}
	if s.cfg.IsPostgres() && s.cfg.Postgres.Migrate {
		if err := s.migrate(ctx); err != nil {
			return err
		}
	}
	s.store, err = openStore(ctx, s.cfg, storeConfig(s.cfg, s.log, s.tel.Registry),
		func(err error) { s.fatal <- err }, func(refused int64) { s.recorder.Gap(refused) })
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.store.Close())
		}
	}()
	s.recorder = server.NewRecorder(server.RecorderConfig{
		Store: s.store, Observer: s.store.Log().Origin(), Version: version(), Now: time.Now, Log: s.log,
	})
	if err := s.openLog(); err != nil {
		return err
	}
	if err := s.gateways.open(intoStore(s.store), s.auth); err != nil {
		return err
	}
	if err := s.openRelations(ctx); err != nil {
		return err
	}
	if err := s.openSinks(); err != nil {
		return err
	}
	s.listenLocal()
	return nil
}

// The collector's percentage where events are in PostgreSQL: what lives is little
// then, so that collecting it often took a third of the processor time of a POST; by
// itself only until the process has so many bytes.
const (
	databaseGC     = 400
	databaseMemory = 512 << 20
)

// limitMemory tells the Go runtime how much to keep. Most of what lives beside an
// embedded store is blocks that come and go with queries and seals, so collecting at
// half instead of once again of what lives costs little and halves what is held.
func (s *serving) limitMemory() {
	percent, limit := 50, int64(0)
	switch {
	case len(s.cfg.Gateways) > 0:
		percent = gatewayStoreGC
	case s.cfg.IsPostgres():
		percent, limit = databaseGC, databaseMemory
	}
	s.std.limitMemory(s.cfg.MemoryLimit, percent, limit)
}

// listen opens the listeners of the API and of health and metrics.
func (s *serving) listen() (err error) {
	if s.listener, err = web.Listen(s.cfg.Listen); err != nil {
		return fmt.Errorf("%w: give another address by --listen", err)
	}
	if s.cfg.Admin != "" {
		if s.admin, err = web.Listen(s.cfg.Admin); err != nil {
			return errors.Join(fmt.Errorf("%w: give another address of health and metrics by --admin, or off", err), s.listener.Close())
		}
	}
	s.gateways, err = listenGateways(gatewaysConfig{
		List: s.cfg.Gateways, Proxies: s.cfg, Peers: s.peers, Dir: spoolDir(s.cfg), Reload: s.reload, Log: s.log, Metrics: s.tel.Registry,
	})
	if err != nil {
		err = errors.Join(err, s.listener.Close())
		if s.admin != nil {
			err = errors.Join(err, s.admin.Close())
		}
	}
	return err
}

// unlisten closes the listeners of a server that does not come to serve.
func (s *serving) unlisten() {
	_ = s.gateways.unlisten()
	_ = s.listener.Close()
	if s.admin != nil {
		_ = s.admin.Close()
	}
}

// listenLocal opens the socket in the directory of the store.
func (s *serving) listenLocal() {
	var err error
	if dir := storeDir(s.cfg); dir != "" {
		if s.local, err = web.Listen("unix:" + segment.SocketPath(dir)); err != nil {
			s.log.Warn("commands cannot reach this server through its socket; give them --url", "err", err)
			s.local = nil
		}
	}
}

// run serves until ctx ends or the store gives up. Servers stop first, then the
// recorder writes what they left, then the sinks take it, then the last checkpoint
// is signed.
func (s *serving) run(ctx context.Context) error {
	h, err := s.handler()
	if err != nil {
		return err
	}
	s.gateways.withLogs(ctx, h)
	behind, stopBehind := context.WithCancel(context.WithoutCancel(ctx))
	defer stopBehind()
	recorded, published := make(chan error, 1), make(chan error, 1)
	go func() { recorded <- s.recorder.Run(behind) }()
	s.sinks.start(ctx)
	signing, stopSigning := context.WithCancel(context.WithoutCancel(ctx))
	defer stopSigning()
	go func() {
		if s.publisher == nil {
			published <- nil
			return
		}
		published <- s.publisher.Run(signing)
	}()

	started := "vigil started"
	if s.publisher != nil {
		started += "; checkpoints are signed by " + s.signer.Verifier()
	}
	s.recorder.Record(server.Doing{Action: "execute", Message: started})
	stopExclusions := s.tellExclusions(behind)
	s.welcome()
	err = s.serve(ctx, h)
	stopExclusions()
	s.recorder.Record(server.Doing{Action: "execute", Message: "vigil stopped"})
	stopBehind()
	err = errors.Join(err, <-recorded)
	err = errors.Join(err, s.sinks.finish())
	stopSigning()
	return errors.Join(err, <-published)
}

// serve answers on the listeners until ctx ends or the store gives up.
func (s *serving) serve(ctx context.Context, h http.Handler) error {
	g, ctx := errgroup.WithContext(ctx)
	api := func(certs *web.Certificates) *web.Server {
		return web.NewServer(web.ServerConfig{Handler: h, Limits: s.limits(), TLS: certs, Grace: s.cfg.ShutdownTime, Log: s.log})
	}
	g.Go(func() error { return api(s.certs).Serve(ctx, s.listener) })
	if s.local != nil {
		g.Go(func() error { return api(nil).Serve(ctx, s.local) })
	}
	g.Go(func() error { return s.gateways.serve(ctx) })
	g.Go(func() error { return s.writeSizes(ctx) })
	if s.admin != nil {
		checks := []telemetry.Check{{Name: "store", Check: s.store.Err}}
		if seg, ok := s.store.(*segment.Store); ok {
			checks = append(checks, telemetry.Check{Name: "files", Check: seg.Damage})
		}
		admin := s.tel.Handler(append(checks, s.gateways.checks()...)...)
		g.Go(func() error {
			return web.NewServer(web.ServerConfig{Handler: admin, Grace: time.Second, Log: s.log}).Serve(ctx, s.admin)
		})
	}
	g.Go(func() error {
		select {
		case err := <-s.fatal:
			return fmt.Errorf("the store stopped taking events: %w", err)
		case <-ctx.Done():
			return nil
		}
	})
	return g.Wait()
}
