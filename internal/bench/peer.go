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
	const database = "bench"
	if err := p.cluster.CreateDatabase(ctx, database); err != nil {
		return err
	}
	if err := pgtest.CreateLogserver(ctx, p.cluster.URI(database)); err != nil {
		return err
	}
	var err error
	p.server, err = pgtest.StartPostgREST(p.cluster.URI(database), map[string]string{
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
