package relation

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
	"github.com/jackc/pgx/v5/pgxpool"
)

// ownSchema is the schema that Vigil makes its own tables in.
const ownSchema = "api"

// hidden are schemas that are never exposed.
var hidden = []string{"vigil", "pg_catalog", "information_schema", "pg_toast"}

// Config says which tables of which database.
type Config struct {
	// URL is a connection string. Its user must be a member of the roles that
	// requests have.
	URL     string
	Schemas []string // those whose tables are reached; nil is api
	Path    []string // schemas that are searched for types and functions beside; nil is public
	Own     []string // tables and views of the schema api that are Vigil's own, which are left out
	Conns   int      // most connections; 0 is 10
	// Wait is how long a request waits for one of them; 0 is 10 s.
	Wait time.Duration
	// Every is how often the catalogue is read again unasked; 0 is a minute.
	Every time.Duration
	Log   *slog.Logger // nil discards
}

// DB is the tables. It is made by [Open] and safe for concurrent use.
type DB struct {
	cfg     Config
	pool    *pgxpool.Pool
	catalog atomic.Pointer[catalog]
	again   chan struct{} // one token when the catalogue should be read again

	cancel context.CancelFunc
	behind sync.WaitGroup
}

// Open connects and reads the catalogue.
func Open(ctx context.Context, c Config) (*DB, error) {
	d, err := open(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("open tables in PostgreSQL: %w", err)
	}
	return d, nil
}

func open(ctx context.Context, c Config) (*DB, error) {
	if c.Schemas == nil {
		c.Schemas = []string{ownSchema}
	}
	if c.Path == nil {
		c.Path = []string{"public"}
	}
	for _, s := range c.Schemas {
		if slices.Contains(hidden, s) {
			return nil, fmt.Errorf("schema %s: it is not to be exposed, name another", s)
		}
	}
	if c.Conns <= 0 {
		c.Conns = 10
	}
	if c.Wait <= 0 {
		c.Wait = 10 * time.Second
	}
	if c.Every <= 0 {
		c.Every = time.Minute
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	d := &DB{cfg: c, again: make(chan struct{}, 1)}
	var err error
	if d.pool, err = d.openPool(ctx); err != nil {
		return nil, err
	}
	if err := d.read(ctx); err != nil {
		d.pool.Close()
		return nil, err
	}
	behind, cancel := context.WithCancel(context.Background())
	d.cancel = cancel
	d.behind.Go(func() { d.keep(behind) })
	d.behind.Go(func() { d.listen(behind) })
	return d, nil
}

// openPool makes the connections. Their settings are the database's, since time
// zone and styles are what clients of PostgREST see.
func (d *DB) openPool(ctx context.Context) (*pgxpool.Pool, error) {
	pc, err := pgxpool.ParseConfig(d.cfg.URL)
	if err != nil {
		return nil, err
	}
	prepare(pc.ConnConfig)
	// A statement that nobody waits for is cancelled at the server, and the
	// connection goes on.
	pc.ConnConfig.BuildContextWatcherHandler = func(c *pgconn.PgConn) ctxwatch.Handler {
		return &pgconn.CancelRequestContextWatcherHandler{Conn: c, DeadlineDelay: 2 * time.Second}
	}
	pc.MaxConns, pc.MinConns, pc.MinIdleConns = int32(min(d.cfg.Conns, 1<<15)), 0, 0
	return pgxpool.NewWithConfig(ctx, pc)
}

func prepare(cc *pgx.ConnConfig) {
	if cc.ConnectTimeout == 0 {
		cc.ConnectTimeout = 5 * time.Second
	}
	p := cc.RuntimeParams
	p["client_encoding"], p["standard_conforming_strings"] = "UTF8", "on"
	p["idle_in_transaction_session_timeout"] = "5min"
	if p["application_name"] == "" {
		p["application_name"] = "vigil"
	}
}

// Close lets go of the connections, after what runs.
func (d *DB) Close() {
	d.cancel()
	d.behind.Wait()
	d.pool.Close()
}

// Schemas returns the schemas that are exposed, the default one first.
func (d *DB) Schemas() []string { return d.cfg.Schemas }

// Table returns the named table, nil if there is none.
func (d *DB) Table(schema, name string) *Table { return d.catalog.Load().tables[schema][name] }

// Names returns the names of all tables of a schema, sorted.
func (d *DB) Names(schema string) []string {
	return slices.Sorted(maps.Keys(d.catalog.Load().tables[schema]))
}

// Reload has the catalogue read again soon. It does not wait for that.
func (d *DB) Reload() {
	select {
	case d.again <- struct{}{}:
	default:
	}
}

// pause is the least time from one reading of the catalogue to the next: errors
// that anybody can cause ask for it.
const pause = time.Second

// keep reads the catalogue when it is asked to, and now and then.
func (d *DB) keep(ctx context.Context) {
	tick := time.NewTicker(d.cfg.Every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-d.again:
		}
		if err := d.read(ctx); err != nil && ctx.Err() == nil {
			d.cfg.Log.Warn("the catalogue of the database could not be read; the one before stays in use", "err", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

// read reads the catalogue.
func (d *DB) read(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	conn, err := d.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	cat, err := readCatalog(ctx, conn.Conn(), &d.cfg)
	if err != nil {
		return fmt.Errorf("read catalogue: %w", err)
	}
	d.catalog.Store(cat)
	return nil
}

// listen has the catalogue read again when somebody says so: NOTIFY pgrst, with
// 'reload schema' or nothing, as for PostgREST, or NOTIFY vigil, 'reload schema'.
func (d *DB) listen(ctx context.Context) {
	for ctx.Err() == nil {
		err := d.listenOnce(ctx)
		if ctx.Err() != nil {
			return
		}
		d.cfg.Log.Debug("listening for changes of the schema broke off", "err", err)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
	}
}

func (d *DB) listenOnce(ctx context.Context) (err error) {
	cc, err := pgx.ParseConfig(d.cfg.URL)
	if err != nil {
		return err
	}
	prepare(cc)
	conn, err := pgx.ConnectConfig(ctx, cc)
	if err != nil {
		return err
	}
	defer func() {
		bye, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		err = errors.Join(err, conn.Close(bye))
	}()
	if _, err := conn.Exec(ctx, "listen pgrst; listen vigil", pgx.QueryExecModeSimpleProtocol); err != nil {
		return err
	}
	d.Reload() // somebody may have said so before
	for {
		n, err := conn.WaitForNotification(ctx)
		if err != nil {
			return err
		}
		if n.Payload == "reload schema" || n.Payload == "" && n.Channel == "pgrst" {
			d.Reload()
		}
	}
}
