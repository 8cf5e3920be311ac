package config

import (
	"errors"
	"net/url"
	"strings"
)

// Postgres is what is said of a store in PostgreSQL beside its address.
type Postgres struct {
	// Owner is the address with the owner's login, for migrations; empty is Store.
	Owner       string
	Migrate     bool     // before serving
	Connections int      // for reading; 0 is the store's choice
	Readers     []string // database roles that may read with SQL
	KeepRaw     bool     // received bytes are kept where the leaf does not need them
	// StateDir has what must lie outside of the database: secret, signing key
	// and rollback guard.
	StateDir string
}

func postgresSettings() []setting {
	return []setting{
		{
			section: "PostgreSQL", name: "postgres.owner", secret: true,
			doc:  "Address of the database with its owner's login, for `vigil migrate` and `migrate`. Empty is that of `store`.",
			kind: text(func(c *Config) *string { return &c.Postgres.Owner }),
		},
		{
			name: "postgres.migrate", def: "false",
			doc:  "Whether `vigil serve` makes and upgrades the schema, and takes over the table of a logserver, before it serves: `serve --migrate`.",
			kind: boolean(func(c *Config) *bool { return &c.Postgres.Migrate }),
		},
		{
			name: "postgres.connections", def: "16",
			doc:  "Connections for reading. Up to three more write and listen.",
			kind: integer(func(c *Config) *int { return &c.Postgres.Connections }),
		},
		{
			name: "postgres.readers", def: "web_anon,event_logger",
			doc:  "Database roles that may read the event tables with SQL. Those that the database does not have are passed over.",
			kind: texts(func(c *Config) *[]string { return &c.Postgres.Readers }),
		},
		{
			name: "keep-raw", def: "false",
			doc:  "Whether the bytes of logserver documents are kept as they came, beside the row. Without it the row is the document: `GET /raw` gives its text as PostgreSQL prints it, which is what the log commits to.",
			kind: boolean(func(c *Config) *bool { return &c.Postgres.KeepRaw }),
		},
		{
			name: "state-dir",
			doc:  "Directory of what a store in PostgreSQL has outside of it: the secret, the signing key and the rollback guard. Empty is `STATE_DIRECTORY`, as systemd sets it, else `./vigil-data`. A second server on the same database gets a copy of it.",
			kind: text(func(c *Config) *string { return &c.Postgres.StateDir }),
		},
	}
}

// IsPostgres reports whether the store is in PostgreSQL.
func (c *Config) IsPostgres() bool { return isPostgres(c.Store) }

func isPostgres(store string) bool {
	scheme, _, _ := strings.Cut(store, ":")
	return scheme == "postgres" || scheme == "postgresql"
}

// checkPostgres reports an address that cannot be one. It repeats nothing of it:
// where it cannot be read, nobody knows which part is the password.
func checkPostgres(address string) error {
	u, err := url.Parse(address)
	if err != nil || u.Opaque != "" || !strings.Contains(address, "://") {
		return errors.New("want postgres://USER:PASSWORD@HOST:PORT/DATABASE, with % escapes for what is special in the password")
	}
	return nil
}

// Redact hides the password in the address of a store, wherever it stands.
func Redact(address string) string { return redact(address) }

// stateDir is where the state lies when nothing is said: the first directory
// that systemd made for the service, else vigil-data in the working directory.
func stateDir(systemd string) string {
	if first, _, _ := strings.Cut(systemd, ":"); first != "" {
		return first
	}
	return "./vigil-data"
}
