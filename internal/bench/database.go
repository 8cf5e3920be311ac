package bench

import (
	"context"

	"vigil/internal/pgtest"
)

// Database is a PostgreSQL with default settings, fsync included, but for a GiB
// of shared buffers: the default of 128 MB is not what a server has.
type Database struct{ cluster *pgtest.Cluster }

// StartDatabase starts it. It needs PostgreSQL's programs.
func StartDatabase() (*Database, error) {
	cluster, err := pgtest.Start("", pgtest.Options{Fsync: true, Settings: map[string]string{"shared_buffers": "1GB"}})
	return &Database{cluster: cluster}, err
}

// Create makes an empty database and returns its address.
func (d *Database) Create(ctx context.Context, name string) (uri string, err error) {
	return d.cluster.URI(name), d.cluster.CreateDatabase(ctx, name)
}

// Analyze gives the planner its statistics of the database at uri.
func (d *Database) Analyze(ctx context.Context, uri string) error {
	return pgtest.Exec(ctx, uri, "vacuum analyze")
}

// Stop stops PostgreSQL and removes its files.
func (d *Database) Stop() error { return d.cluster.Stop() }
