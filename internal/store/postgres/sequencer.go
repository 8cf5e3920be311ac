package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"vigil"
	"vigil/internal/ledger"
	"vigil/internal/store"
)

const (
	tileWidth    = 256 // hashes in a full tile
	writeTimeout = 2 * time.Minute
	turnTimeout  = 20 * time.Second // to connect and get the row's lock
	maxKnown     = 10_000           // senders that are remembered to be stored
	hotFor       = time.Second      // how long it is likely that the connection is as it was
	tellEvery    = 20 * time.Millisecond
	tellSQL      = "select pg_notify('vigil', '')"
)

// turnSQL locks the log's row for who knows what is in it, and fails with lostTurn,
// a division by zero, for others, who have to read first what was written since. A
// function that fails took a twelfth of what eight events do.
const (
	turnSQL = `select 1 / (select count(*) from (select from vigil.tree
		where size = $1 and root = $2 and epoch = $3 and mapping is not distinct from $4::bigint for update) t)`
	lostTurn = "22012"
)

// errLostTurn says that another front end wrote since the last turn.
var errLostTurn = errors.New("another front end has written")

// sequencer is what belongs to the goroutine that writes. Next is what the log
// here has; others may be ahead.
type sequencer struct {
	store.Sequence
	gathering
	conn     *pgx.Conn // nil: to be connected
	spare    *pgx.Conn // for the next stage; nil: to be connected
	next     *stage    // nil: none
	beside   []*table  // for the next stage; nil: to be made
	others   time.Time // when another front end was last seen to have written
	unstaged time.Time // when there was no connection for a stage
	stored   int       // epoch that the database is in: the last one until a new one's first commit
	rows     []int64   // of each table, with those of the group that is being written
	mapping  int64     // that all facts are by, where uniform
	uniform  bool
	hashes   []byte // leaf hashes of the group
	leaf     []byte
	known    map[[16]byte]bool // senders that are stored
	fresh    map[[16]byte]bool // those of the group that are not
	begun    []int64           // rows before the group
	purged   time.Time
	used     time.Time // when the connection last did what was asked, zero if it is not to be relied on
	told     time.Time // when other front ends were last told of a commit
	telling  bool      // the group tells them
	owed     bool      // they are yet to be told
	full     bool      // the last commit found no space, or a server of the cluster was away
	fullAt   time.Time
}

// knownMapping is what vigil.tree has for the mapping, as far as is known here.
func (q *sequencer) knownMapping() any {
	if !q.uniform {
		return nil
	}
	return q.mapping
}

// Write implements [vigil.Writer].
func (s *Store) Write(ctx context.Context, events []*vigil.Event) error {
	_, err := s.Append(ctx, &store.Batch{Events: events})
	return err
}

// Append implements [store.Store].
func (s *Store) Append(ctx context.Context, b *store.Batch) (store.Receipt, error) {
	return s.put(ctx, b, nil)
}

// put appends a batch in a commit that also takes rows away.
func (s *Store) put(ctx context.Context, b *store.Batch, takes []removal) (store.Receipt, error) {
	p, err := store.Prepare(s.Catalog, b)
	if err != nil {
		return store.Receipt{}, err
	}
	r := &request{p: p, takes: takes, done: make(chan struct{})}
	if r.rows, err = s.encode(p); err != nil {
		return store.Receipt{}, err
	}
	defer r.rows.end()
	if err := ctx.Err(); err != nil {
		return store.Receipt{}, err
	}
	if err := s.queue.put(r); err != nil {
		return store.Receipt{}, err
	}
	receipt, err := r.wait(ctx)
	if err == nil && !receipt.Replayed {
		p.Fill()
	}
	return receipt, err
}

// sequence serves the queue until it is closed and empty.
func (s *Store) sequence() {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	defer s.leave()
	for {
		var group []*request
		closed, st := false, s.staged()
		if st != nil {
			group = st.group
		} else {
			s.gather()
			group, closed = s.queue.next(groupBytes)
		}
		if len(group) > 0 {
			s.metrics.queue.Set(float64(s.queue.len()))
			start, before := time.Now(), s.seq.Next
			s.commit(group, st)
			s.seq.learn(len(group), int(s.seq.Next-before), s.queue.len(), time.Since(start))
			continue
		}
		if closed {
			s.tell()
			return
		}
		var owed <-chan time.Time
		if s.seq.owed {
			owed = time.After(tellEvery)
		}
		select {
		case <-owed:
			s.tell()
		case <-s.queue.wake:
		case <-s.grown:
			s.follow()
		case <-tick.C:
			s.tend()
		}
	}
}

// outcome is what became of one request of a group.
type outcome struct {
	receipt store.Receipt
	err     error
}

// commit stores a group, which may have been staged, and answers its requests.
func (s *Store) commit(group []*request, st *stage) {
	end := time.Now().Add(s.opts.Resolve)
	var lates []*lostError
	for ; ; st = nil {
		outcomes, err := s.attempt(group, st, lates)
		if err == nil {
			for i, r := range group {
				r.answer(outcomes[i].receipt, outcomes[i].err)
			}
			return
		}
		var lost *lostError
		if errors.As(err, &lost) {
			stored, rerr := s.resolve(lost, end)
			switch {
			case rerr != nil:
				s.answerAll(group, unknownFate(errors.Join(lost.cause, rerr)))
				return
			case stored:
				for i, r := range group {
					r.answer(lost.outcomes[i].receipt, lost.outcomes[i].err)
				}
				return
			case time.Now().Before(end):
				lates = append(lates, lost)
				continue // nothing of it happened yet: once more
			}
			err = lost.cause
		}
		if (badData(err) || errors.Is(err, errNotMade)) && len(group) > 1 {
			for i := range group { // the others are not to suffer for one
				s.commit(group[i:i+1], nil)
			}
			return
		}
		s.metrics.failed.Inc()
		s.log.Warn("a commit was refused", "err", err)
		if s.seq.full = state(err) == diskFull || s.citus && class(err) == connectionLost; s.seq.full {
			s.seq.fullAt = time.Now()
			s.setDown(err)
		}
		s.answerAll(group, writeError(err))
		return
	}
}

func (s *Store) answerAll(group []*request, err error) {
	for _, r := range group {
		r.answer(store.Receipt{}, err)
	}
}

// lostError says that the connection broke when it was no longer known whether
// the group would be stored. The group's leaves are still in the log here.
type lostError struct {
	cause    error
	before   int64
	hashes   []byte // of the leaves, once they are not in the log here any more
	outcomes []outcome
}

func (e *lostError) Error() string { return fmt.Sprintf("lose the database in a commit: %v", e.cause) }

// attempt tries to store a group once, lates being those attempts before it that
// were not stored when they were asked after. With any error but a [*lostError]
// nothing of this one has happened, here or in the database.
func (s *Store) attempt(group []*request, st *stage, lates []*lostError) ([]outcome, error) {
	if err := s.failed(); err != nil {
		if st != nil {
			s.keep(st)
		}
		return nil, err
	}
	ctx, cancel := context.WithTimeout(s.ctx, writeTimeout)
	defer cancel()
	if st != nil {
		if outcomes, err := s.writeStaged(ctx, st); !errors.Is(err, errLostTurn) {
			return outcomes, err
		}
	}
	if s.mayGoAhead(group) {
		if outcomes, err := s.write(ctx, group, true); !errors.Is(err, errLostTurn) {
			return outcomes, err
		}
	}
	if err := s.turn(); err != nil {
		return nil, err
	}
	late, err := s.stored(ctx, lates)
	if err == nil && late == nil {
		err = s.findKeys(ctx, group)
	}
	switch {
	case err != nil:
		s.disconnect()
		return nil, err
	case late != nil:
		s.endTurn(ctx)
		return late.outcomes, nil
	}
	return s.write(ctx, group, false)
}

// mayGoAhead reports whether a group is worth being sent with the question for
// the turn, in one trip: nothing has to be read before, it is not that large, and
// the connection was good a moment ago.
func (s *Store) mayGoAhead(group []*request) bool {
	n := 0
	for _, r := range group {
		if n += len(r.p.Items); r.p.Batch.Key != nil || len(r.takes) > 0 || n >= copyRows {
			return false
		}
	}
	s.seq.Keys = store.Keys{}
	return s.seq.conn != nil && s.down.Load() == nil && time.Since(s.seq.used) < hotFor
}

// write gives the group its places, and stores it.
func (s *Store) write(ctx context.Context, group []*request, ahead bool) ([]outcome, error) {
	q := &s.seq
	before, now := q.Next, s.cfg.Now()
	q.Begin()
	q.begun = append(q.begun[:0], q.rows...)
	outcomes := make([]outcome, len(group))
	var write []*request
	for i, r := range group {
		o := &outcomes[i]
		if o.receipt, o.err = q.Assign(r.p, now); o.err == nil && !o.receipt.Replayed {
			write = append(write, r)
		}
	}
	if len(write) == 0 {
		if !ahead {
			s.endTurn(ctx)
		}
		return outcomes, nil
	}
	start := time.Now()
	if suits(write) {
		s.beginStage(nil)
	}
	err := s.save(ctx, write, before, ahead)
	return s.concluded(ctx, err, before, outcomes, start, ahead)
}

// concluded says what became of a group by the error of its commit.
func (s *Store) concluded(ctx context.Context, err error, before int64, outcomes []outcome, start time.Time, ahead bool) ([]outcome, error) {
	switch {
	case err == nil:
		s.settle(before, time.Since(start))
		return outcomes, nil
	case refused(err), errors.Is(err, errNotMade):
		s.takeBack(before)
		s.endTurn(ctx)
		if ahead && state(err) == lostTurn {
			err = errLostTurn
		}
		return nil, err
	case ahead && pgconn.SafeToRetry(err): // nothing was sent
		s.takeBack(before)
		s.disconnect()
		return nil, errLostTurn
	}
	s.disconnect()
	return nil, &lostError{cause: err, before: before, outcomes: outcomes}
}

// takeBack undoes here what [Store.build] did for a group that was not stored.
func (s *Store) takeBack(before int64) {
	s.seq.Rollback()
	copy(s.seq.rows, s.seq.begun)
	if err := s.tree.Truncate(before); err != nil {
		s.fail(fmt.Errorf("take back a commit: %w", err))
	}
}

// settle shows a group that is stored: facts first, then the log's size, so that
// whoever sees it grow finds the rows.
func (s *Store) settle(before int64, took time.Duration) {
	q := &s.seq
	q.uniform, q.mapping, q.stored = s.mappingAfter(before) != nil, s.mapping, q.Epoch
	q.used, q.owed = time.Now(), !q.telling
	if q.full {
		q.full = false
		s.setDown(nil)
	}
	if q.telling {
		q.told = q.used
	}
	if len(q.known)+len(q.fresh) > maxKnown {
		clear(q.known)
	}
	for id := range q.fresh {
		q.known[id] = true
	}
	s.facts.Store(q.uniform)
	s.metrics.commit(s, q.Next-before, took)
	s.show()
}

// show tells readers what the log has now.
func (s *Store) show() {
	q := &s.seq
	s.mu.Lock()
	copy(s.last, q.Last)
	s.mu.Unlock()
	s.tree.Publish(q.Next)
	s.growth.Set(q.Next)
}

// findKeys reads what is known of the group's idempotency keys.
func (s *Store) findKeys(ctx context.Context, group []*request) error {
	s.seq.Keys = store.Keys{}
	var ids [][16]byte
	for _, r := range group {
		if r.p.Batch.Key != nil {
			ids = append(ids, r.p.Batch.Key.ID())
		}
	}
	if len(ids) == 0 {
		return nil
	}
	rows, err := s.seq.conn.Query(ctx, "select id, body, first, count, at from vigil.keys where id = any($1)", ids)
	if err != nil {
		return err
	}
	for rows.Next() {
		var id [16]byte
		var body []byte
		var k store.Seen
		var at time.Time
		if err := rows.Scan(&id, &body, &k.First, &k.Count, &at); err != nil {
			rows.Close()
			return err
		}
		if len(body) == len(k.Body) {
			k.ID, k.Body, k.At = id, [32]byte(body), at.UnixMicro()
			s.seq.Keys.Add(k)
		}
	}
	return rows.Err()
}

// resolve waits for the database and finds out whether a group was stored whose
// commit broke off. Where it was not, or nobody can say in time, the group is
// taken back here.
func (s *Store) resolve(lost *lostError, end time.Time) (stored bool, err error) {
	s.log.Warn("the database was lost during a commit: asking what became of it", "err", lost.cause)
	for wait := 20 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		row, err := s.lock()
		if err == nil {
			if stored, err = s.holds(s.ctx, row.size, lost.before, s.seq.hashes); err == nil {
				s.endTurn(s.ctx)
				if stored {
					s.settle(lost.before, 0)
				} else {
					lost.hashes = bytes.Clone(s.seq.hashes)
					s.takeBack(lost.before)
				}
				return stored, nil
			}
			s.disconnect()
		}
		if refused(err) || time.Now().Add(wait).After(end) || s.failed() != nil {
			s.takeBack(lost.before)
			return false, err
		}
		select {
		case <-time.After(wait):
		case <-s.ctx.Done():
		}
	}
}

// holds reports whether a log of that size in the database has leaves with these
// hashes from before on.
func (s *Store) holds(ctx context.Context, size, before int64, hashes []byte) (bool, error) {
	end := before + int64(len(hashes)/ledger.HashSize)
	if end > size {
		return false, nil
	}
	got, err := readHashes(ctx, s.seq.conn, before, end)
	return bytes.Equal(got, hashes), err
}

// stored returns the attempt that the log has by now, nil if it has none. A server
// may read what was sent on a connection after that broke, and after the database
// was asked: whoever writes next takes the place of an attempt, or finds it here.
func (s *Store) stored(ctx context.Context, lates []*lostError) (*lostError, error) {
	for _, l := range lates {
		there, err := s.holds(ctx, s.seq.Next, l.before, l.hashes)
		if err != nil {
			return nil, fmt.Errorf("find what a broken connection stored: %w", err)
		}
		if there {
			return l, nil
		}
	}
	return nil, nil
}
