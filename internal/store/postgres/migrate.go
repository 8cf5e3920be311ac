package postgres

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"vigil/internal/store"
)

// migrations are run in the order of their names. A released one is never
// changed: what was run is compared by hash.
//
//go:embed migrations/*.sql
var migrations embed.FS

// minVersion is the oldest server that is taken: row triggers on partitioned
// tables and gen_random_uuid came with 13.
const minVersion = 130000

// migrationLock is the key of the advisory lock that migrations hold.
const migrationLock = 0x7669_6769_6c00 // "vigil"

// Grants says who may use the database beside its owner.
type Grants struct {
	// User is the login that servers use; empty is the owner itself.
	User string
	// Readers are roles that may read event tables with SQL. Those that the
	// database does not have are passed over.
	Readers []string
}

// Migrate makes the database at the owner's URL what this version needs: it
// runs the migrations that have not been run, makes the tables of c that are
// not there, and grants. It may be run at any time, by several at once. It
// changes nothing that Vigil did not make: see [TakeOver] for that.
func Migrate(ctx context.Context, ownerURL string, c store.Config, g Grants) error {
	err := migrate(ctx, ownerURL, configDefaults(c), g)
	if err != nil {
		return fmt.Errorf("migrate database: %w", err)
	}
	return nil
}

func migrate(ctx context.Context, ownerURL string, c store.Config, g Grants) error {
	return asOwner(ctx, ownerURL, func(conn *pgx.Conn) error {
		if err := checkForeign(ctx, conn); err != nil {
			return err
		}
		return prepare(ctx, conn, c, g)
	})
}

// asOwner connects, and does what no two may do at a time.
func asOwner(ctx context.Context, ownerURL string, do func(conn *pgx.Conn) error) (err error) {
	cc, err := parseURL(ownerURL)
	if err != nil {
		return err
	}
	conn, err := pgx.ConnectConfig(ctx, cc)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closing(conn, nil)) }()
	if err := checkServer(ctx, conn); err != nil {
		return err
	}
	if _, err := conn.Exec(ctx, "select pg_advisory_lock($1)", migrationLock); err != nil {
		return err
	}
	if err = do(conn); state(err) == noRights {
		err = fmt.Errorf("%w: %s is not the owner of the database: give the owner's address, postgres://OWNER@…, and the login of the servers by --user", err, cc.User)
	}
	return err
}

// prepare makes what this version and configuration need and the database does
// not have.
func prepare(ctx context.Context, conn *pgx.Conn, c store.Config, g Grants) error {
	cat, err := store.NewCatalog(c)
	if err != nil {
		return err
	}
	if err := runMigrations(ctx, conn); err != nil {
		return err
	}
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		for _, t := range cat.Tables() {
			if _, err := tx.Exec(ctx, "select vigil.make_table($1)", t.Name); err != nil {
				return fmt.Errorf("make table %s: %w", t.Name, err)
			}
		}
		if _, err := tx.Exec(ctx, "select vigil.make_partitions($1)", c.Now()); err != nil {
			return fmt.Errorf("make partitions: %w", err)
		}
		if err := makeViews(ctx, tx, cat); err != nil {
			return err
		}
		return grant(ctx, tx, cat, g)
	})
}

// checkServer refuses servers that are too old, and databases that have no room
// for every character, with what can be done.
func checkServer(ctx context.Context, conn *pgx.Conn) error {
	var n int
	var version, encoding string
	if err := conn.QueryRow(ctx, "select current_setting('server_version_num')::int, split_part(current_setting('server_version'), ' ', 1), current_setting('server_encoding')").Scan(&n, &version, &encoding); err != nil {
		return err
	}
	if encoding != "UTF8" {
		return fmt.Errorf("the database has encoding %s, a store needs UTF8: make one with createdb --encoding UTF8 --template template0", encoding)
	}
	if n < minVersion {
		return fmt.Errorf("the server is PostgreSQL %s, a store needs %d or later: take a dump of it, or read it with vigil import postgres://…", version, minVersion/10000)
	}
	return nil
}

// checkForeign refuses a database whose api.events is not ours.
func checkForeign(ctx context.Context, conn *pgx.Conn) error {
	var foreign bool
	err := conn.QueryRow(ctx, "select to_regclass('api.events') is not null and to_regclass('vigil.tables') is null").Scan(&foreign)
	if err == nil && foreign {
		err = ErrForeign
	}
	return err
}

// applied is a migration that has been run.
type applied struct{ name, hash string }

func runMigrations(ctx context.Context, conn *pgx.Conn) error {
	_, err := conn.Exec(ctx, `create schema if not exists vigil;
		create table if not exists vigil.migrations (
			version integer primary key, name text not null, hash text not null, at timestamptz not null default now())`,
		pgx.QueryExecModeSimpleProtocol)
	if err != nil {
		return err
	}
	all, err := embedded()
	if err != nil {
		return err
	}
	done, err := appliedMigrations(ctx, conn)
	if err != nil {
		return err
	}
	if err := compareMigrations(all, done); err != nil {
		return err
	}
	for i := len(done); i < len(all); i++ {
		m := all[i]
		err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, m.script, pgx.QueryExecModeSimpleProtocol); err != nil {
				return err
			}
			_, err := tx.Exec(ctx, "insert into vigil.migrations (version, name, hash) values ($1, $2, $3)", i+1, m.name, m.hash)
			return err
		})
		if err != nil {
			return fmt.Errorf("run %s: %w", m.name, err)
		}
	}
	return nil
}

type migration struct {
	applied
	script string
}

// embedded returns the migrations of this version, in order.
func embedded() ([]migration, error) {
	names, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return nil, err
	}
	var out []migration
	for _, name := range names {
		b, err := migrations.ReadFile(name)
		if err != nil {
			return nil, err
		}
		sum := sha256.Sum256(b)
		out = append(out, migration{applied{name[len("migrations/"):], hex.EncodeToString(sum[:])}, string(b)})
	}
	return out, nil
}

func appliedMigrations(ctx context.Context, q querier) ([]applied, error) {
	rows, err := q.Query(ctx, "select name, hash from vigil.migrations order by version")
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(r pgx.CollectableRow) (a applied, err error) {
		return a, r.Scan(&a.name, &a.hash)
	})
}

// compareMigrations fails where the database has run something else than this
// version would have, or more.
func compareMigrations(all []migration, done []applied) error {
	for i, d := range done {
		if i >= len(all) {
			return fmt.Errorf("the database has been migrated by a later version (%s): use that one", d.name)
		}
		if d != all[i].applied {
			return fmt.Errorf("the database has run another %s than this version's: use the version that made it", d.name)
		}
	}
	return nil
}

// querier is a connection, a pool or a transaction.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// grant lets the server's login act as the writer and the reader, and roles read.
func grant(ctx context.Context, tx pgx.Tx, cat *store.Catalog, g Grants) error {
	user := g.User
	if user == "" {
		if err := tx.QueryRow(ctx, "select session_user").Scan(&user); err != nil {
			return err
		}
	}
	var ours int
	if err := tx.QueryRow(ctx, "select count(*) from pg_roles where rolname in ('vigil_writer', 'vigil_reader')").Scan(&ours); err != nil {
		return err
	}
	if ours < 2 {
		return errors.New("the database is Vigil's, but the server has no roles vigil_writer and vigil_reader: it was restored without them; bring the roles first (pg_dumpall --roles-only on the old server), then restore and migrate again")
	}
	var member bool
	err := tx.QueryRow(ctx, "select pg_has_role($1, 'vigil_writer', 'member') and pg_has_role($1, 'vigil_reader', 'member')", user).Scan(&member)
	if pe, ok := errors.AsType[*pgconn.PgError](err); ok && pe.Code == "42704" {
		return fmt.Errorf("grant to %s: there is no such role: make it (create role %s login password '…'), then migrate again", user, pgx.Identifier{user}.Sanitize())
	}
	if err != nil {
		return fmt.Errorf("grant to %s: %w", user, err)
	}
	if !member {
		if _, err := tx.Exec(ctx, "grant vigil_writer, vigil_reader to "+pgx.Identifier{user}.Sanitize()); err != nil {
			return fmt.Errorf("grant to %s: %w", user, err)
		}
	}
	for _, role := range g.Readers {
		var exists bool
		if err := tx.QueryRow(ctx, "select exists (select from pg_roles where rolname = $1)", role).Scan(&exists); err != nil {
			return err
		}
		if !exists {
			continue
		}
		name := pgx.Identifier{role}.Sanitize()
		script := "grant usage on schema api to " + name + ";"
		for _, t := range cat.Tables() {
			script += "grant select on " + pgx.Identifier{"api", t.Name}.Sanitize() + " to " + name + ";"
		}
		for _, v := range cat.Views() {
			if v.SQL != nil {
				script += "grant select on " + pgx.Identifier{"api", v.Schema.Table}.Sanitize() + " to " + name + ";"
			}
		}
		if _, err := tx.Exec(ctx, script, pgx.QueryExecModeSimpleProtocol); err != nil {
			return fmt.Errorf("grant reading to %s: %w", role, err)
		}
	}
	return nil
}

// parseURL reads a connection string. Sessions get what answers depend on.
func parseURL(url string) (*pgx.ConnConfig, error) {
	cc, err := pgx.ParseConfig(url)
	if err != nil { // which may repeat a password that stands where nobody expects it
		return nil, errors.New("the address of the database cannot be read: want postgres://USER:PASSWORD@HOST:PORT/DATABASE, with % escapes for what is special in the password")
	}
	if cc.ConnectTimeout == 0 {
		cc.ConnectTimeout = 5 * time.Second
	}
	p := cc.RuntimeParams
	p["timezone"], p["datestyle"], p["client_encoding"], p["search_path"] = "UTC", "ISO, YMD", "UTF8", "pg_catalog"
	p["standard_conforming_strings"], p["extra_float_digits"], p["bytea_output"] = "on", "1", "hex"
	if p["application_name"] == "" {
		p["application_name"] = "vigil"
	}
	return cc, nil
}
