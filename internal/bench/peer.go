package bench

import (
	"context"
	"errors"
	"strings"

	"vigil/internal/pgtest"
)

// Peer is PostgREST 12.0.2 over a PostgreSQL with default settings, fsync
// included, and logserver's schema.
type Peer struct {
	Target
	cluster *pgtest.Cluster
	server  *pgtest.Server
	uri     string // of PostgREST's database
}

// Database makes an empty database on the same server, and returns its address.
func (p *Peer) Database(ctx context.Context, name string) (uri string, err error) {
	return p.cluster.URI(name), p.cluster.CreateDatabase(ctx, name)
}

// Index makes the indexes that somebody who knows the questions would make by hand.
func (p *Peer) Index(ctx context.Context) error {
	return pgtest.Exec(ctx, p.uri, `
		create index on api.events ((event->>'patient'));
		create index on api.events ((event->>'subject'));
		create index on api.events ((event->>'asctime'));
		create index on api.events ((event->'source'->>'type'));
		create index on api.events using gin ((event->'tags') jsonb_path_ops);
		create index on api.events using gin (event jsonb_path_ops);
		analyze api.events;`)
}

// Analyze gives the planner its statistics, of PostgREST's events and of all tables
// of another database.
func (p *Peer) Analyze(ctx context.Context, other string) error {
	return errors.Join(pgtest.Exec(ctx, p.uri, "vacuum analyze api.events"), pgtest.Exec(ctx, other, "vacuum analyze"))
}

// StartPeer starts both. It needs PostgreSQL's programs and PostgREST's, which
// scripts/tools.sh installs.
func StartPeer(ctx context.Context, token string) (*Peer, error) {
	cluster, err := pgtest.Start("", pgtest.Options{Fsync: true})
	if err != nil {
		return nil, err
	}
	p := &Peer{cluster: cluster}
	if err := p.start(ctx, token); err != nil {
		return nil, errors.Join(err, p.Stop())
	}
	return p, nil
}

func (p *Peer) start(ctx context.Context, token string) error {
	uri, err := p.Database(ctx, "bench")
	if err != nil {
		return err
	}
	p.uri = uri
	if err := pgtest.CreateLogserver(ctx, uri); err != nil {
		return err
	}
	p.server, err = pgtest.StartPostgREST(uri, map[string]string{
		"PGRST_JWT_SECRET": Secret, "PGRST_DB_ANON_ROLE": "web_anon",
	})
	if err != nil {
		return err
	}
	p.Target = Target{Addr: strings.TrimPrefix(p.server.URL, "http://"), Token: token}
	return nil
}

// Stop stops both.
func (p *Peer) Stop() error {
	var errs []error
	if p.server != nil {
		errs = append(errs, p.server.Stop())
	}
	return errors.Join(append(errs, p.cluster.Stop())...)
}
