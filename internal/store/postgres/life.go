package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"vigil"
	"vigil/internal/ledger"
	"vigil/internal/store"
)

// The tables are looked at for statistics as often, and no more of the time than one
// part in so many: while they grow, or when no more is coming. They get new ones when
// they have grown by half, or then by a tenth: where the planner does not know of the
// newest rows, it takes a range of times to find none of them.
const (
	analyzeEvery = 3 * time.Second
	shareBusy    = 20
	shareQuiet   = 4
	growthBusy   = 0.5
	growthQuiet  = 0.1
)

// Err implements [store.Store].
func (s *Store) Err() error {
	if err := s.failed(); err != nil {
		return err
	}
	if s.rollback != nil {
		return s.rollback
	}
	if s.closed.Load() {
		return store.ErrClosed()
	}
	if p := s.down.Load(); p != nil {
		return *p
	}
	return nil
}

// setDown notes that the database cannot be written to, or can again.
func (s *Store) setDown(cause error) {
	if cause == nil {
		if s.down.Swap(nil) != nil {
			s.log.Info("the database takes events again")
		}
		return
	}
	err := writeError(cause)
	if s.down.Swap(&err) == nil && s.ctx.Err() == nil {
		s.log.Error("the database takes no events", "err", cause)
	}
}

func (s *Store) failed() error {
	if p := s.failure.Load(); p != nil {
		return *p
	}
	return nil
}

// fail ends the taking of events for good, and returns what is said about it.
func (s *Store) fail(cause error) error {
	var err error = &vigil.Error{
		Kind: vigil.Unavailable, RetryAfter: 10 * time.Second, Err: cause,
		Message: "the store has stopped taking events",
		Hint:    "The operator must look at the server's log, and run vigil verify.",
	}
	if s.failure.CompareAndSwap(nil, &err) {
		s.log.Error("the store stops taking events", "err", cause)
		if s.opts.OnFatal != nil {
			go s.opts.OnFatal(cause)
		}
	}
	return s.failed()
}

// Close implements [store.Store]. What waits for a commit gets it.
func (s *Store) Close() error {
	s.closing.Do(func() {
		s.closed.Store(true)
		s.queue.close(store.ErrClosed())
		s.running.Wait()
		s.cancel()
		s.behind.Wait()
		s.disconnect()
		s.closeErr = s.release()
	})
	return s.closeErr
}

// Epoch returns the log's epoch.
func (s *Store) Epoch() int { return s.epoch }

// Guard returns the rollback guard that the store was checked against, for the
// publisher of checkpoints; nil where none is configured.
func (s *Store) Guard() *ledger.Guard { return s.guard }

// LastIDs returns the last stable id of each table.
func (s *Store) LastIDs() map[string]int64 {
	ids := map[string]int64{}
	s.mu.RLock()
	defer s.mu.RUnlock()
	for n, t := range s.Catalog.Tables() {
		ids[t.Name] = s.last[n]
	}
	return ids
}

// listen has the sequencer look when another front end has committed.
func (s *Store) listen() {
	for s.ctx.Err() == nil {
		err := s.listenOnce()
		if s.ctx.Err() != nil {
			return
		}
		s.log.Debug("listening for other front ends broke off", "err", err)
		select {
		case <-time.After(time.Second):
		case <-s.ctx.Done():
		}
	}
}

func (s *Store) listenOnce() error {
	cc, err := parseURL(s.opts.URL)
	if err != nil {
		return err
	}
	cc.RuntimeParams["role"] = readerRole
	conn, err := pgx.ConnectConfig(s.ctx, cc)
	if err != nil {
		return err
	}
	defer func() { _ = closing(conn, nil) }()
	if _, err := conn.Exec(s.ctx, "listen vigil"); err != nil {
		return err
	}
	s.look() // there may have been something before
	for {
		n, err := conn.WaitForNotification(s.ctx)
		if err != nil {
			return err
		}
		if n.PID != s.writerPID.Load() && n.PID != s.sparePID.Load() {
			s.look()
		}
	}
}

// look wakes the sequencer to see what others did.
func (s *Store) look() {
	select {
	case s.grown <- struct{}{}:
	default:
	}
}

// keepHouse makes partitions ahead, and forgets keys that have expired.
func (s *Store) keepHouse(ctx context.Context, now time.Time) error {
	conn := s.seq.conn
	if conn == nil {
		return errors.New("there is no connection")
	}
	var unmade int
	if err := conn.QueryRow(ctx, "select vigil.make_partitions($1)", now).Scan(&unmade); err != nil {
		return err
	}
	s.metrics.unmade.Set(float64(unmade))
	rows, err := conn.Query(ctx, "select vigil.in_default()")
	if err != nil {
		return err
	}
	stray, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	s.metrics.stray.Set(float64(len(stray)))
	if len(stray) > 0 || unmade > 0 {
		s.log.Warn("events are outside of the monthly partitions, or partitions could not be made", "tables", stray, "missing", unmade)
	}
	_, err = conn.Exec(ctx, "delete from vigil.keys where at <= $1", now.Add(-store.KeyLife))
	return err
}

// analyze has the database look at its tables again when they have grown much.
// What it finds in a table that was empty a minute ago, it finds without indexes.
func (s *Store) analyze() {
	tick := time.NewTicker(analyzeEvery)
	defer tick.Stop()
	var ended time.Time
	var took time.Duration
	for known, last := int64(0), s.tree.Size(); ; {
		select {
		case <-tick.C:
		case <-s.ctx.Done():
			return
		}
		size, growth, share := s.tree.Size(), growthBusy, time.Duration(shareBusy)
		if size == last {
			growth, share = growthQuiet, shareQuiet
		}
		last = size
		if size < known+int64(growth*float64(known))+5000 || s.down.Load() != nil || time.Since(ended) < share*took {
			continue
		}
		start := time.Now()
		conn, err := connectWriter(s.ctx, s.writer)
		if err == nil {
			_, err = conn.Exec(s.ctx, "select vigil.analyze($1)", growth)
			_ = closing(conn, nil)
		}
		took, ended = time.Since(start), time.Now()
		if known = size; err != nil {
			s.log.Debug("the tables were not analyzed", "err", err)
		}
	}
}

func timeOf(micros int64) time.Time { return time.UnixMicro(micros).UTC() }
