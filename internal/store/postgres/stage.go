package postgres

import (
	"context"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"vigil/internal/store"
)

const (
	stageAlone = time.Second      // for how long nobody else may have written
	stageRetry = 10 * time.Second // until it is tried again where a connection was not to be had
	// stageSQL begins the transaction of a stage. It waits for the group before it, which
	// may in turn wait behind somebody who changes a table and waits for the stage: the
	// server ends that, which costs no more than doing the stage's work again.
	stageSQL = "begin; set local idle_in_transaction_session_timeout = '5s'"
)

// stage is a group whose rows are copied on a connection of its own while those
// before it are committed, so that two processors of the database's server work.
// Nothing of it counts, or can be seen, before its own commit: that has its turn
// after the others, takes the lock of the log's row, and fails unless the log is
// just what the rows were numbered for. Then the group is written as if nothing
// had been copied.
type stage struct {
	tables []*table
	after  *stage // whose places come before; nil: seq has where the log is

	stop   chan struct{} // closed: nothing that comes now is taken
	placed chan struct{} // closed when the group has its places, or there is none
	done   chan struct{} // closed when the goroutine has ended

	// Set by the goroutine: before placed,
	group    []*request
	write    []*request // those that are stored
	from     store.Sequence
	seq      store.Sequence // after the group
	outcomes []outcome
	began    time.Time
	// and before done.
	conn *pgx.Conn // in the transaction; nil if there is none
	err  error     // why the group is to be written in another way
}

// beginStage has the next group staged as soon as it comes: behind the one that is
// being written, or behind another stage.
func (s *Store) beginStage(after *stage) {
	q := &s.seq
	if q.next != nil || s.citus || time.Since(q.others) < stageAlone || time.Since(q.unstaged) < stageRetry {
		return
	}
	st := &stage{
		after: after, conn: q.spare, tables: q.beside,
		stop: make(chan struct{}), placed: make(chan struct{}), done: make(chan struct{}),
	}
	q.spare, q.beside = nil, nil
	if st.tables == nil {
		for _, t := range s.tables {
			st.tables = append(st.tables, newTable(t.events.name[1], t.facts.name[1]))
		}
	}
	if after == nil {
		st.from = placesOf(&q.Sequence)
	}
	q.next = st
	go s.runStage(st)
}

// placesOf copies where a sequence is, without the keys that it knows.
func placesOf(q *store.Sequence) store.Sequence {
	return store.Sequence{Epoch: q.Epoch, Next: q.Next, Last: slices.Clone(q.Last)}
}

// suits reports whether a group is worth being staged, and may be: nothing has to
// be known of the database before it gets its places.
func suits(group []*request) bool {
	n := 0
	for _, r := range group {
		if r.p.Batch.Key != nil || len(r.takes) > 0 {
			return false
		}
		n += len(r.p.Items)
	}
	return n >= copyRows
}

func (s *Store) runStage(st *stage) {
	defer close(st.done)
	if st.take(s.queue) {
		st.place(s.cfg.Now())
	}
	close(st.placed)
	if len(st.write) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(s.ctx, writeTimeout)
	defer cancel()
	st.err = s.copyStage(ctx, st)
	if st.err != nil && st.conn != nil {
		_ = closing(st.conn, nil)
		st.conn = nil
	}
}

// take waits for a group that suits, and reports whether there is one.
func (st *stage) take(q *queue) bool {
	if st.after != nil {
		<-st.after.placed
		st.from, st.after = st.after.seq, nil
	}
	for {
		if st.group = q.nextIf(groupBytes, suits); len(st.group) > 0 {
			return true
		}
		select {
		case <-q.wake:
		case <-st.stop:
			return false
		}
	}
}

// place gives the group its places, if those before it are stored.
func (st *stage) place(now time.Time) {
	st.began, st.seq = time.Now(), placesOf(&st.from)
	st.outcomes = make([]outcome, len(st.group))
	for i, r := range st.group {
		o := &st.outcomes[i]
		if o.receipt, o.err = st.seq.Assign(r.p, now); o.err == nil {
			st.write = append(st.write, r)
		}
	}
}

// copyStage copies the rows.
func (s *Store) copyStage(ctx context.Context, st *stage) (err error) {
	if st.conn == nil || st.conn.IsClosed() {
		if st.conn, err = connectWriter(ctx, s.writer); err != nil {
			return err
		}
	}
	if err := st.conn.PgConn().Exec(ctx, stageSQL).Close(); err != nil {
		return err
	}
	return s.copyGroup(ctx, st.conn.PgConn(), st.write, st.tables)
}

// staged returns the stage that was begun, if it has a group. While the rest of its
// rows is copied, the stage after it begins on the other connection.
func (s *Store) staged() *stage {
	q := &s.seq
	st := q.next
	if st == nil {
		return nil
	}
	q.next = nil
	close(st.stop)
	<-st.placed
	if len(st.group) > 0 {
		if q.spare == nil {
			q.spare, q.conn = q.conn, nil
		}
		s.beginStage(st)
	}
	<-st.done
	if len(st.group) == 0 {
		s.keep(st)
		return nil
	}
	return st
}

// keep takes back what a stage had that is not gone on with.
func (s *Store) keep(st *stage) {
	q := &s.seq
	for _, t := range st.tables {
		t.reset()
	}
	if q.beside == nil {
		q.beside = st.tables
	}
	switch {
	case st.conn == nil:
	case len(st.group) > 0: // with a transaction that is not wanted
		_ = closing(st.conn, nil)
	case q.conn == nil:
		q.conn = st.conn
	case q.spare == nil:
		q.spare = st.conn
	default:
		_ = closing(st.conn, nil)
	}
	st.conn = nil
	if q.conn == nil {
		q.conn, q.spare = q.spare, nil
	}
}

// adopt makes a stage's connection and rows those of the group that is written,
// or reports that they do not fit.
func (s *Store) adopt(st *stage) bool {
	q := &s.seq
	if st.err != nil && !refused(st.err) { // a connection lost, or none to be had
		q.unstaged = time.Now()
	}
	from := &st.from
	if len(st.write) == 0 || st.conn == nil || s.down.Load() != nil ||
		from.Epoch != q.Epoch || from.Next != q.Next || !slices.Equal(from.Last, q.Last) {
		s.keep(st)
		return false
	}
	if q.conn != nil {
		if q.spare != nil {
			_ = closing(q.spare, nil)
		}
		q.spare = q.conn
		s.sparePID.Store(q.spare.PgConn().PID())
	}
	q.conn, st.conn = st.conn, nil
	s.writerPID.Store(q.conn.PgConn().PID())
	return true
}

// writeStaged commits a group that was copied ahead. It fails with [errLostTurn]
// where it has to be written in another way.
func (s *Store) writeStaged(ctx context.Context, st *stage) ([]outcome, error) {
	if !s.adopt(st) {
		return nil, errLostTurn
	}
	q := &s.seq
	before := q.Next
	q.Keys = store.Keys{}
	q.Begin()
	q.begun = append(q.begun[:0], q.rows...)
	q.Next = st.seq.Next
	copy(q.Last, st.seq.Last)
	err := s.saveStaged(ctx, st, before)
	s.keep(st)
	outcomes, err := s.concluded(ctx, err, before, st.outcomes, st.began, true)
	if refused(err) { // for a reason that may not be there when it is done again
		err = errLostTurn
	}
	return outcomes, err
}

// saveStaged takes the turn, and commits.
func (s *Store) saveStaged(ctx context.Context, st *stage, before int64) error {
	q, b := &s.seq, &pgx.Batch{}
	s.queueTurn(b, before)
	if err := s.queueSenders(b, st.write); err != nil {
		return err
	}
	for _, t := range st.tables {
		t.flush(b)
	}
	s.queueTree(b, before)
	return q.conn.SendBatch(ctx, b).Close()
}

// leave ends what a stage holds, when the store is closed.
func (s *Store) leave() {
	q := &s.seq
	if q.spare != nil {
		_ = closing(q.spare, nil)
		q.spare = nil
	}
	s.disconnect()
}
