package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"vigil/internal/ledger"
)

// treeRow is the row of vigil.tree.
type treeRow struct {
	epoch   int
	size    int64
	root    []byte
	mapping *int64
	tables  []byte // JSON, see tableState
}

const (
	treeSQL = "select epoch, size, root, mapping, tables::text from vigil.tree"
	lockSQL = treeSQL + " for update"
)

func (r *treeRow) scan(row pgx.Row) error {
	return row.Scan(&r.epoch, &r.size, &r.root, &r.mapping, &r.tables)
}

// connect makes sure that there is a connection.
func (s *Store) connect(ctx context.Context) error {
	if s.seq.conn != nil && !s.seq.conn.IsClosed() {
		return nil
	}
	conn, err := connectWriter(ctx, s.writer)
	if err != nil {
		s.setDown(err)
		return err
	}
	s.seq.conn = conn
	s.writerPID.Store(conn.PgConn().PID())
	return nil
}

// disconnect closes the connection. What it had begun is undone by the server.
func (s *Store) disconnect() {
	if c := s.seq.conn; c != nil {
		_ = closing(c, nil)
		s.seq.conn, s.seq.used = nil, time.Time{}
	}
}

// lock begins a transaction and takes the turn to write.
func (s *Store) lock() (*treeRow, error) {
	ctx, cancel := context.WithTimeout(s.ctx, turnTimeout)
	defer cancel()
	if err := s.connect(ctx); err != nil {
		return nil, err
	}
	b := &pgx.Batch{}
	b.Queue("begin")
	b.Queue(lockSQL)
	row, err := readTree(s.seq.conn.SendBatch(ctx, b))
	if err != nil {
		s.disconnect()
		return nil, err
	}
	if !s.seq.full { // which the group will tell
		s.setDown(nil)
	}
	return row, nil
}

// readTree reads the answers to a begin and a question for the tree's row.
func readTree(br pgx.BatchResults) (*treeRow, error) {
	var row treeRow
	_, err := br.Exec()
	if err == nil {
		err = row.scan(br.QueryRow())
	}
	if cerr := br.Close(); err == nil {
		err = cerr
	}
	return &row, err
}

// turn takes the turn to write, with everything read that others wrote. A
// connection that broke since the last group is made anew once.
func (s *Store) turn() error {
	stale := s.seq.conn != nil
	row, err := s.lock()
	if err != nil && stale && !refused(err) {
		row, err = s.lock()
	}
	if err != nil {
		s.setDown(err)
		return err
	}
	if err := s.catchUp(s.ctx, row); err != nil {
		s.disconnect()
		return err
	}
	return nil
}

// endTurn ends a transaction that wrote nothing.
func (s *Store) endTurn(ctx context.Context) {
	if s.seq.conn == nil {
		return
	}
	if _, err := s.seq.conn.Exec(ctx, "rollback"); err != nil {
		s.disconnect()
	}
}

// catchUp reads into the log here what others added, up to a row of vigil.tree
// that is seen in the transaction of the connection.
func (s *Store) catchUp(ctx context.Context, row *treeRow) error {
	q := &s.seq
	switch {
	case row.size < q.Next:
		return s.fail(fmt.Errorf("the log in the database has %d entries, and had %d: an older state of it was put back", row.size, q.Next))
	case row.epoch != q.stored:
		return s.fail(fmt.Errorf("the log in the database is in epoch %d, this server is in %d: it has been recovered, restart", row.epoch, q.stored))
	case row.size == q.Next:
		if _, root := s.tree.Head(); string(root[:]) != string(row.root) {
			return s.fail(fmt.Errorf("the log in the database has another root at %d than here", row.size))
		}
		s.takeMapping(row)
		return nil
	}
	if err := s.extend(ctx, row); err != nil {
		return err
	}
	q.others = time.Now()
	if err := s.takeTables(row); err != nil {
		return err
	}
	s.show()
	return nil
}

// extend appends the leaf hashes up to the row's size.
func (s *Store) extend(ctx context.Context, row *treeRow) error {
	q := &s.seq
	hashes, err := readHashes(ctx, q.conn, q.Next, row.size)
	if err != nil {
		return err
	}
	for at := 0; at < len(hashes); at += ledger.HashSize {
		s.tree.Append(ledger.Hash(hashes[at:]))
	}
	if _, root := s.tree.Head(); string(root[:]) != string(row.root) {
		_ = s.tree.Truncate(q.Next) // the log is not used any more
		return s.fail(fmt.Errorf("the leaf hashes in the database do not give the root of its log at %d", row.size))
	}
	s.tiles.written = nil
	_ = s.tree.Flush() // WriteTile does not fail; the tiles are in the database
	s.tiles.written = nil
	return nil
}

// takeTables takes over what a row of vigil.tree says of the tables.
func (s *Store) takeTables(row *treeRow) error {
	q := &s.seq
	states := map[string]tableState{}
	if err := json.Unmarshal(row.tables, &states); err != nil {
		return fmt.Errorf("read the tables' state: %w", err)
	}
	for i, t := range s.Catalog.Tables() {
		st := states[t.Name]
		q.Last[i], q.rows[i] = max(q.Last[i], st.Last), st.Rows
	}
	q.Next = row.size
	s.takeMapping(row)
	return nil
}

// takeMapping takes over by which mapping the facts are: they are looked at only
// where all are by ours.
func (s *Store) takeMapping(row *treeRow) {
	q := &s.seq
	if q.uniform = row.mapping != nil; q.uniform {
		q.mapping = *row.mapping
	}
	s.facts.Store(row.size == 0 || q.uniform && q.mapping == s.mapping)
}

// readHashes returns the leaf hashes of a range of the log: those of full tiles
// from the tiles, the others from the leaves.
func readHashes(ctx context.Context, conn *pgx.Conn, from, to int64) ([]byte, error) {
	out := make([]byte, 0, (to-from)*ledger.HashSize)
	add := func(first int64, hashes []byte) error {
		at := from + int64(len(out)/ledger.HashSize)
		end := min(first+int64(len(hashes)/ledger.HashSize), to)
		if first > at || end < at {
			return fmt.Errorf("read the log: the leaf hashes from %d on are missing", at)
		}
		out = append(out, hashes[(at-first)*ledger.HashSize:(end-first)*ledger.HashSize]...)
		return nil
	}
	whole := to &^ (tileWidth - 1)
	for _, part := range []struct {
		sql      string
		from, to int64
		each     int64
	}{
		{"select n, hashes from vigil.tiles where level = 0 and n >= $1 and n < $2 order by n", from / tileWidth, whole / tileWidth, tileWidth},
		{"select first, hashes from vigil.leaves where first >= $1 and first < $2 order by first", whole, to, 1},
	} {
		if part.from >= part.to {
			continue
		}
		rows, err := conn.Query(ctx, part.sql, part.from, part.to)
		if err != nil {
			return nil, err
		}
		for rows.Next() {
			var n int64
			var hashes []byte
			if err = rows.Scan(&n, &hashes); err == nil && n*part.each+int64(len(hashes)/ledger.HashSize) > from {
				err = add(n*part.each, hashes)
			}
			if err != nil {
				rows.Close()
				return nil, err
			}
		}
		if err := rows.Err(); err != nil {
			return nil, err
		}
	}
	if int64(len(out)) != (to-from)*ledger.HashSize {
		return nil, fmt.Errorf("read the log: leaf hashes before %d are missing", to)
	}
	return out, nil
}

// follow reads what others committed, without taking a turn.
func (s *Store) follow() {
	if s.failed() != nil {
		return
	}
	ctx, cancel := context.WithTimeout(s.ctx, turnTimeout)
	defer cancel()
	err := s.connect(ctx)
	if err == nil {
		b := &pgx.Batch{}
		b.Queue("begin isolation level repeatable read read only") // tiles and leaves as of one commit
		b.Queue(treeSQL)
		var row *treeRow
		if row, err = readTree(s.seq.conn.SendBatch(ctx, b)); err == nil {
			err = s.catchUp(ctx, row)
		}
	}
	if err == nil && s.down.Load() != nil {
		err = s.writable(ctx)
	}
	if err != nil {
		s.disconnect()
		s.setDown(err)
		return
	}
	s.endTurn(ctx)
	if !s.seq.full || time.Since(s.seq.fullAt) > fullFor {
		s.seq.full = false
		s.setDown(nil)
	}
}

// fullFor is how long a database is taken to be full whose disk was.
const fullFor = 10 * time.Second

// tell tells other front ends of commits that did not: none hears of more than
// one in a while, since each costs every listener a moment.
func (s *Store) tell() {
	q := &s.seq
	if !q.owed {
		return
	}
	q.owed = false
	ctx, cancel := context.WithTimeout(s.ctx, turnTimeout)
	defer cancel()
	err := s.connect(ctx)
	if err == nil {
		_, err = q.conn.Exec(ctx, tellSQL)
	}
	if err != nil { // the next commit tells
		s.disconnect()
		return
	}
	q.told = time.Now()
}

// writable fails where the database takes no changes. A session keeps what it
// began with, so it is closed then.
func (s *Store) writable(ctx context.Context) error {
	var not bool
	const sql = "select pg_is_in_recovery() or current_setting('default_transaction_read_only')::bool"
	if err := s.seq.conn.QueryRow(ctx, sql).Scan(&not); err != nil || !not {
		return err
	}
	return &pgconn.PgError{Severity: "ERROR", Code: readOnly, Message: "the database is read-only"}
}

// tend does what is to be done now and then.
func (s *Store) tend() {
	if s.down.Load() != nil {
		s.follow()
	}
	now := s.cfg.Now()
	if s.failed() != nil || s.down.Load() != nil || now.Sub(s.seq.purged).Abs() < time.Hour {
		return
	}
	s.seq.purged = now
	ctx, cancel := context.WithTimeout(s.ctx, turnTimeout)
	defer cancel()
	if err := s.keepHouse(ctx, now); err != nil {
		s.log.Error("the hourly work on the database was not done", "err", err)
		s.disconnect()
	}
}
