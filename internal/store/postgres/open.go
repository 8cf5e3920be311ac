package postgres

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"vigil/internal/ledger"
	"vigil/internal/query"
	"vigil/internal/store"
)

// Store is the store in a PostgreSQL database. It is made by [Open].
type Store struct {
	*store.Reader
	opts    Options
	cfg     store.Config
	log     *slog.Logger
	mapping int64
	metrics *metrics

	pool   *pgxpool.Pool
	writer *pgx.ConnConfig
	tables []*table // by number
	citus  bool     // the tables are distributed
	tree   *ledger.Log
	tiles  *tiles
	growth store.Growth
	queue  *queue
	guard  *ledger.Guard // nil for none
	id     [16]byte
	epoch  int

	seq       sequencer // the sequencer's
	writerPID atomic.Uint32
	sparePID  atomic.Uint32 // of the connection that wrote before
	grown     chan struct{} // one token when another front end may have committed

	mu    sync.RWMutex
	last  []int64     // last stable id of each table
	facts atomic.Bool // all facts are by our mapping

	failure  atomic.Pointer[error] // why nothing more is taken, for good
	down     atomic.Pointer[error] // why nothing is taken at the moment
	rollback error                 // why the store is read-only since it was opened
	guarded  ledger.GuardState     // what the guard knew then
	closed   atomic.Bool

	ctx      context.Context // ends when the store is closed
	cancel   context.CancelFunc
	running  sync.WaitGroup
	behind   sync.WaitGroup // the listener
	closing  sync.Once
	closeErr error
}

var _ store.Store = (*Store)(nil)

// Open opens the store in the database at o.URL, which [Migrate] has made ready.
// The error wraps [ErrNotMigrated], [ErrForeign] or [ErrLogin] where it is not. A store that
// is older than what was signed for it is opened for reading only, and Err says so.
func Open(ctx context.Context, o Options, c store.Config) (*Store, error) {
	s, err := open(ctx, o, c, false)
	if err != nil {
		return nil, fmt.Errorf("open store in PostgreSQL: %w", err)
	}
	s.start()
	return s, nil
}

// start begins to take events.
func (s *Store) start() {
	if s.rollback == nil {
		s.running.Go(s.sequence)
		s.behind.Go(s.analyze)
	}
	s.behind.Go(s.listen)
}

// open does everything but to start. With recovering it takes a store that
// [Open] would open for reading only.
func open(ctx context.Context, o Options, c store.Config, recovering bool) (*Store, error) {
	cat, err := store.NewCatalog(c)
	if err != nil {
		return nil, err
	}
	o, c = o.withDefaults(), configDefaults(c)
	s := &Store{
		opts: o, cfg: c, log: c.Log, queue: newQueue(o.QueueBytes, o.QueueLen), grown: make(chan struct{}, 1),
	}
	if c.Mapping != nil {
		s.mapping = int64(c.Mapping.Number())
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.Reader = &store.Reader{
		Catalog: cat, Now: c.Now,
		Source: func(t *store.Table) query.Source { return source{s, t} },
	}
	if err := s.load(ctx, recovering); err != nil {
		s.disconnect()
		return nil, errors.Join(err, s.release())
	}
	return s, nil
}

// load connects and reads where the log is.
func (s *Store) load(ctx context.Context, recovering bool) (err error) {
	if s.writer, err = writerConfig(s.opts.URL); err != nil {
		return err
	}
	if err := s.checkReady(ctx); err != nil {
		return err
	}
	if s.pool, err = openPool(ctx, s.opts); err != nil {
		return err
	}
	if err := s.connect(ctx); err != nil {
		return err
	}
	if err := s.findTables(ctx); err != nil {
		return err
	}
	if err := s.loadLog(ctx); err != nil {
		return err
	}
	if s.metrics, err = newMetrics(s.cfg.Metrics, s.Catalog.Tables()); err != nil {
		return fmt.Errorf("register metrics: %w", err)
	}
	if err := s.keepHouse(ctx, s.cfg.Now()); state(err) == readOnly {
		s.setDown(err) // what is there can be read, and it may be writable later
	} else if err != nil {
		return err
	}
	s.seq.purged = s.cfg.Now()
	return s.checkGuard(ctx, recovering)
}

// checkReady makes sure that the database is what this version needs. The roles
// that the store acts as may not be there yet, so it asks as the login.
func (s *Store) checkReady(ctx context.Context) (err error) {
	cc, err := parseURL(s.opts.URL)
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
	var ours, events, writer bool
	const sql = `select to_regclass('vigil.migrations') is not null, to_regclass('api.events') is not null,
		exists (select from pg_roles where rolname = 'vigil_writer' and pg_has_role(oid, 'member'))`
	err = conn.QueryRow(ctx, sql).Scan(&ours, &events, &writer)
	switch {
	case state(err) == noRights:
		return fmt.Errorf("%w: %s: %w", ErrLogin, cc.User, err)
	case err != nil:
		return err
	case !ours && events:
		return fmt.Errorf("%w: vigil migrate takes it over", ErrForeign)
	case !ours:
		return fmt.Errorf("%w: it is empty", ErrNotMigrated)
	case !writer:
		return fmt.Errorf("%w: %s may not act as %s", ErrLogin, cc.User, writerRole)
	}
	return nil
}

// findTables compares the database with the configuration.
func (s *Store) findTables(ctx context.Context) error {
	conn := s.seq.conn
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
	if len(done) < len(all) {
		return fmt.Errorf("%w: %s has not been run", ErrNotMigrated, all[len(done)].name)
	}
	if unfinished, err := isUnfinished(ctx, conn); err != nil {
		return err
	} else if unfinished && !s.opts.takingOver {
		return fmt.Errorf("%w: not all rows of %s.events have been moved", ErrNotMigrated, oldSchema)
	}
	if err := conn.QueryRow(ctx, "select vigil.on_citus()").Scan(&s.citus); err != nil {
		return err
	}
	rows, err := conn.Query(ctx, "select name, vigil.facts_of(t) from vigil.tables t order by number")
	if err != nil {
		return err
	}
	facts := map[string]string{}
	var name, fact string
	_, err = pgx.ForEachRow(rows, []any{&name, &fact}, func() error {
		facts[name] = fact
		s.Catalog.Retain(name)
		return nil
	})
	if err != nil {
		return err
	}
	var missing []string
	for _, t := range s.Catalog.Tables() {
		if facts[t.Name] == "" {
			missing = append(missing, t.Name)
		}
		s.tables = append(s.tables, newTable(t.Name, facts[t.Name]))
	}
	if len(missing) > 0 {
		return fmt.Errorf("%w: it does not have %s", ErrNotMigrated, strings.Join(missing, ", "))
	}
	return nil
}

// loadLog puts the log where the database says it is.
func (s *Store) loadLog(ctx context.Context) error {
	q := &s.seq
	n := len(s.tables)
	q.Last, q.rows, s.last = make([]int64, n), make([]int64, n), make([]int64, n)
	q.known, q.fresh = map[[16]byte]bool{}, map[[16]byte]bool{}
	if err := q.conn.QueryRow(ctx, "select store_id from vigil.tree").Scan(&s.id); err != nil {
		return err
	}
	b := &pgx.Batch{}
	b.Queue("begin isolation level repeatable read read only")
	b.Queue(treeSQL)
	row, err := readTree(q.conn.SendBatch(ctx, b))
	if err != nil {
		return err
	}
	defer s.endTurn(ctx)
	s.epoch, q.Epoch, q.stored = row.epoch, row.epoch, row.epoch
	s.tiles = &tiles{pool: s.pool}
	s.tree = ledger.NewLog(store.Origin(s.cfg, s.id, row.epoch), s.tiles)
	q.Next = row.size &^ (tileWidth - 1)
	if q.Next > 0 {
		if err := s.tree.Restore(q.Next); err != nil {
			return fmt.Errorf("the tiles of the log cannot be read: %w", err)
		}
	}
	if row.size > q.Next {
		return s.catchUp(ctx, row)
	}
	if err := s.takeTables(row); err != nil {
		return err
	}
	if _, root := s.tree.Head(); string(root[:]) != string(row.root) {
		return fmt.Errorf("the tiles in the database do not give the root of its log at %d", row.size)
	}
	s.show()
	return nil
}

// StoreID returns the store's id, 32 hexadecimal digits, as the guard knows it.
func (s *Store) StoreID() string { return hex.EncodeToString(s.id[:]) }

// release lets go of everything that open took.
func (s *Store) release() error {
	s.cancel()
	if s.pool != nil {
		s.pool.Close()
	}
	if s.metrics != nil && s.cfg.Metrics != nil {
		s.metrics.unregister(s.cfg.Metrics)
	}
	return nil
}
