package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"strings"

	"vigil/internal/config"
	"vigil/internal/store/postgres"
)

type migrateCmd struct {
	settings
	User string `help:"Login that servers use; that of --store is the default where postgres.owner is another." placeholder:"LOGIN"`
}

// Help says what is changed and with which rights.
func (*migrateCmd) Help() string {
	return `The address needs a login that may create schemas and roles: the owner of the
database. Servers need less: give their login by --user, and they may act as
vigil_writer (insert) and vigil_reader (select), and do nothing else. It may be run
at any time, beside servers, and again after it was broken off.`
}

// Run makes the database what this version needs.
func (c *migrateCmd) Run(ctx context.Context, std *stdio) error {
	cfg, err := c.load(std, nil)
	if err != nil {
		return err
	}
	if !cfg.IsPostgres() {
		return usagef("store %q: only a database is migrated: give --store postgres://OWNER:PASSWORD@HOST/DATABASE", storeName(cfg))
	}
	log := slog.New(slog.NewTextHandler(std.Err, &slog.HandlerOptions{Level: slog.LevelWarn}))
	user, err := migrateDatabase(ctx, cfg, c.User, log)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(std.Out, `%s is ready for this version.
servers: %s may act as vigil_writer (insert) and vigil_reader (select)
psql:    %s may read the tables, as far as these roles exist
`, config.Redact(ownerURL(cfg)), user, firstOf(strings.Join(cfg.Postgres.Readers, ", "), "nobody else"))
	return err
}

// ownerURL returns the address that migrations are run with.
func ownerURL(cfg *config.Config) string { return firstOf(cfg.Postgres.Owner, cfg.Store) }

// migrateDatabase makes the database ready, and returns the login that servers use.
func migrateDatabase(ctx context.Context, cfg *config.Config, user string, log *slog.Logger) (string, error) {
	if user == "" && cfg.Postgres.Owner != "" {
		user = loginOf(cfg.Store)
	}
	g := postgres.Grants{User: user, Readers: cfg.Postgres.Readers}
	err := postgres.Migrate(ctx, ownerURL(cfg), storeConfig(cfg, log, nil), g)
	return firstOf(user, loginOf(ownerURL(cfg)), "the owner"), err
}

// loginOf returns the user of a database's address, empty where it names none.
func loginOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	if u.User.Username() != "" {
		return u.User.Username()
	}
	return u.Query().Get("user")
}
