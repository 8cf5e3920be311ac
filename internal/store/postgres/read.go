package postgres

import (
	"context"
	"iter"
	"math"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"vigil"
	"vigil/internal/ledger"
	"vigil/internal/query"
	"vigil/internal/store"
)

// Schemas implements [store.Store].
func (s *Store) Schemas() []*query.Schema { return s.Catalog.Schemas() }

// Log implements [store.Store].
func (s *Store) Log() *ledger.Log { return s.tree }

// Wait implements [store.Store].
func (s *Store) Wait(ctx context.Context, size int64) (int64, error) {
	return s.growth.Wait(ctx, size)
}

// stream yields the rows of a statement as they come. The slices are good until
// the next row. When it is left early the statement is cancelled at the server.
func (s *Store) stream(ctx context.Context, st query.Statement, formats []int16) iter.Seq2[[][]byte, error] {
	return func(yield func([][]byte, error) bool) {
		inner, cancel := context.WithCancel(ctx)
		defer cancel()
		defer context.AfterFunc(s.ctx, cancel)()
		// Statements are prepared, as planning over partitions takes longer than an
		// answer by an index.
		args := make([]any, 0, len(st.Args)+2)
		args = append(args, pgx.QueryExecModeCacheStatement, pgx.QueryResultFormats(formats))
		for _, a := range st.Args {
			args = append(args, a)
		}
		n := 0
		var late atomic.Bool
		timer := s.timer(func() { late.Store(true); cancel() })
		defer timer.Stop()
		for try := 0; ; try++ {
			conn, err := s.pool.Acquire(inner)
			if err != nil {
				if late.Load() {
					err = tooLong(err)
				}
				yield(nil, readError(ctx, err))
				return
			}
			pc := conn.Conn().PgConn()
			rr, err := conn.Query(inner, st.Text, args...)
			for err == nil && rr.Next() {
				n++
				timer.Stop()
				gone := ctx.Err() // rows may be here that came before
				if gone == nil && yield(rr.RawValues(), nil) {
					timer.Reset(s.readTimeout())
					continue
				}
				cancel()
				rr.Close()
				_ = closing(conn.Conn(), nil) // a late cancellation must not hit the next statement
				conn.Release()
				if gone != nil {
					yield(nil, gone)
				}
				return
			}
			if err == nil {
				rr.Close()
				err = rr.Err()
			}
			if inner.Err() != nil {
				_ = closing(conn.Conn(), nil)
			}
			conn.Release()
			// That a connection broke while it lay idle is no answer.
			if err != nil && try == 0 && n == 0 && inner.Err() == nil && pc.IsClosed() {
				continue
			}
			if err != nil && late.Load() {
				err = tooLong(err)
			}
			if err != nil {
				yield(nil, readError(ctx, err))
			}
			return
		}
	}
}

// timer calls f when a statement has found no row for too long.
func (s *Store) timer(f func()) *time.Timer { return time.AfterFunc(s.readTimeout(), f) }

func (s *Store) readTimeout() time.Duration {
	if s.opts.ReadTimeout <= 0 {
		return math.MaxInt64
	}
	return s.opts.ReadTimeout
}

// translate compiles q for the database. It returns nil where the rows are
// computed here: views, and facts that another mapping made.
func (s *Store) translate(q *query.Query) (*query.SQL, *store.Table, error) {
	t, view, err := s.Catalog.Lookup(q.Table)
	if err != nil || view != nil {
		return nil, nil, err
	}
	sql, err := query.CompileSQL(q, t.Schema, s.sqlTable(t), s.cfg.Now())
	if err != nil {
		return nil, nil, err
	}
	if !s.facts.Load() {
		for i := store.ColOccurred; i < len(t.Schema.Columns); i++ {
			if sql.Uses(i) {
				return nil, nil, nil
			}
		}
	}
	return sql, t, nil
}

// Rows implements [store.Store].
func (s *Store) Rows(ctx context.Context, q *query.Query) (*store.Rows, error) {
	sql, _, err := s.translate(q)
	if err != nil {
		return nil, err
	}
	if sql == nil {
		return s.Reader.Rows(ctx, q)
	}
	st, types, err := sql.Rows()
	if err != nil {
		return nil, err
	}
	formats := make([]int16, len(types))
	for i, t := range types {
		formats[i] = format(t)
	}
	return &store.Rows{Columns: sql.Columns(), Seq: func(yield func([]query.Value, error) bool) {
		row, cells := make([]query.Value, len(types)), make([]query.Value, len(sql.Columns()))
		for b, err := range s.stream(ctx, st, formats) {
			for i := 0; err == nil && i < len(types); i++ {
				row[i], err = decode(types[i], b[i])
			}
			if err == nil {
				err = sql.Cells(row, cells)
			}
			if err != nil {
				yield(nil, err)
				return
			}
			if !yield(cells, nil) {
				return
			}
		}
	}}, nil
}

// Records implements [store.Store].
func (s *Store) Records(ctx context.Context, q *query.Query) iter.Seq2[*vigil.Event, error] {
	return func(yield func(*vigil.Event, error) bool) {
		whole := *q
		whole.Select = nil
		sql, t, err := s.translate(&whole)
		if err != nil {
			yield(nil, err)
			return
		}
		if sql == nil {
			s.Reader.Records(ctx, q)(yield)
			return
		}
		st, err := sql.Records(recordColumns, store.ColEvent, store.ColSender)
		if err != nil {
			yield(nil, err)
			return
		}
		events(s.rows(ctx, t.Name, st))(yield)
	}
}

// rows yields the events that a statement for recordColumns finds.
func (s *Store) rows(ctx context.Context, table string, st query.Statement) iter.Seq2[*store.Row, error] {
	return func(yield func(*store.Row, error) bool) {
		for b, err := range s.stream(ctx, st, recordFormats) {
			var r *store.Row
			if err == nil {
				r, err = s.record(table, b)
			}
			if !yield(r, err) || err != nil {
				return
			}
		}
	}
}

func events(rows iter.Seq2[*store.Row, error]) iter.Seq2[*vigil.Event, error] {
	return func(yield func(*vigil.Event, error) bool) {
		for r, err := range rows {
			var e *vigil.Event
			if err == nil {
				e, err = r.Event()
			}
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
}

// Count implements [store.Store]. The rows of a whole table are counted as they
// are added, by whichever front end.
func (s *Store) Count(ctx context.Context, q *query.Query) (int64, error) {
	if q.Where == nil {
		t, _, err := s.Catalog.Lookup(q.Table)
		if err != nil {
			return 0, err
		}
		return s.number(ctx, s.ofTable(t, "rows"))
	}
	sql, _, err := s.translate(&query.Query{Table: q.Table, Where: q.Where, Limit: -1})
	if err != nil {
		return 0, err
	}
	if sql == nil {
		return s.Reader.Count(ctx, q)
	}
	st, err := sql.Count()
	if err != nil {
		return 0, err
	}
	return s.number(ctx, st)
}

// ofTable returns the statement for what vigil.tree knows of a table, see tableState.
func (s *Store) ofTable(t *store.Table, what string) query.Statement {
	return query.Statement{
		Text: "select coalesce((tables->$1::text->>$2::text)::bigint, 0) from vigil.tree", Args: []string{t.Name, what},
	}
}

// number returns the one integer that a statement answers with.
func (s *Store) number(ctx context.Context, st query.Statement) (int64, error) {
	var v query.Value
	for b, err := range s.stream(ctx, st, []int16{1}) {
		if err != nil {
			return 0, err
		}
		if v, err = decode(query.Int8, b[0]); err != nil {
			return 0, err
		}
	}
	return v.I, nil
}
