package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"time"

	"vigil/internal/config"
	"vigil/internal/store/postgres"
)

type migrateCmd struct {
	settings
	User string `help:"Login that servers use; that of --store is the default where postgres.owner is another." placeholder:"LOGIN"`

	Facts bool `help:"Also make the facts anew that another version or time zone made: until then questions about them read the documents."`
}

// Help says what is changed and with which rights.
func (*migrateCmd) Help() string {
	return `The address needs a login that may create schemas and roles: the owner of the
database. Servers need less: give their login by --user, and they may act as
vigil_writer (insert) and vigil_reader (select), and do nothing else. It may be run
at any time, beside servers, and again after it was broken off.

The table api.events of a logserver is taken over: its rows become events with the
same ids, and the table itself is kept beside, in the schema logserver_old. Stop the
logserver first.`
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
	p := newProgress(std.Err, 0)
	user, taken, err := migrateDatabase(ctx, cfg, c.User, log, func(done, total int64) {
		p.total = total
		p.step(done)
	})
	p.done()
	if err != nil {
		return err
	}
	if c.Facts {
		n, err := postgres.Reindex(ctx, ownerURL(cfg), storeConfig(cfg, log, nil))
		if err != nil {
			return err
		}
		fmt.Fprintf(std.Out, "facts:   of %s made anew\n", number(n, "event", "events"))
	}
	if taken != nil {
		fmt.Fprintf(std.Out, "taken over: %s of logserver's api.events, SHA-256 %s\n            the table is kept as logserver_old.events\n", number(taken.Rows, "row", "rows"), taken.Hash)
		views := slices.DeleteFunc(slices.Clone(taken.Moved), func(v string) bool { return v == "events_view" }) // that one is made here, too
		if len(views) > 0 {
			fmt.Fprintf(std.Out, "            views that read it went with it, make them again where they are needed: %s\n", strings.Join(views, ", "))
		}
	}
	_, err = fmt.Fprintf(std.Out, `%s is ready for this version.
servers: %s may act as vigil_writer (insert) and vigil_reader (select)
psql:    %s may read the tables, as far as these roles exist
`, config.Redact(ownerURL(cfg)), user, firstOf(strings.Join(cfg.Postgres.Readers, ", "), "nobody else"))
	return err
}

// ownerURL returns the address that migrations are run with.
func ownerURL(cfg *config.Config) string { return firstOf(cfg.Postgres.Owner, cfg.Store) }

// migrateDatabase makes the database ready, and takes over a logserver's table.
// It returns the login that servers use, and what was taken over.
func migrateDatabase(ctx context.Context, cfg *config.Config, user string, log *slog.Logger, progress func(done, total int64)) (string, *postgres.Takeover, error) {
	if user == "" && cfg.Postgres.Owner != "" {
		user = loginOf(cfg.Store)
	}
	g := postgres.Grants{User: user, Readers: cfg.Postgres.Readers}
	t, err := postgres.TakeOver(ctx, ownerURL(cfg), databaseOptions(cfg), storeConfig(cfg, log, nil), g, progress)
	return firstOf(user, loginOf(ownerURL(cfg)), "the owner"), t, err
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

// migrate makes the database ready before it is served.
func (s *serving) migrate(ctx context.Context) error {
	next := time.Now()
	_, taken, err := migrateDatabase(ctx, s.cfg, "", s.log, func(done, total int64) {
		if now := time.Now(); now.After(next) || done == total {
			s.log.Info("the table of a logserver is being taken over", "rows", done, "of", total)
			next = now.Add(5 * time.Second)
		}
	})
	if err == nil && taken != nil {
		s.log.Warn("the table of a logserver was taken over, and is kept as logserver_old.events", "rows", taken.Rows, "sha256", taken.Hash, "views", taken.Moved)
	}
	return err
}
