package segment

import (
	"time"

	"vigil"
	"vigil/internal/ledger"
	"vigil/internal/store"
)

// Err implements [store.Store].
func (s *Store) Err() error {
	if err := s.failed(); err != nil {
		return err
	}
	if s.rollback != nil {
		return s.rollback
	}
	if p := s.full.Load(); p != nil {
		return *p
	}
	select {
	case <-s.stop:
		return store.ErrClosed()
	default:
		return nil
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
		Hint:    "What was acknowledged is safe; the operator must restart the server and look at its log.",
	}
	if s.failure.CompareAndSwap(nil, &err) {
		s.log.Error("the store stops taking events: restart it; vigil check says if files are damaged", "err", cause)
		s.queue.fail(err)
		s.tellSealed()
		if s.opts.OnFatal != nil {
			go s.opts.OnFatal(cause)
		}
	}
	return s.failed()
}

// Close implements [store.Store]. What waits for a commit gets it. Heads stay in
// the journal; the next opening reads them back.
func (s *Store) Close() error {
	s.closing.Do(func() {
		s.queue.close(store.ErrClosed())
		s.running.Wait()
		close(s.stop)
		s.sealing.Wait()
		s.closeErr = s.release()
	})
	return s.closeErr
}

// StoreID returns the store's id, 32 hexadecimal digits, as the guard knows it.
func (s *Store) StoreID() string { return s.id }

// Epoch returns the log's epoch.
func (s *Store) Epoch() int { return s.epoch }

// Guard returns the rollback guard that the store was checked against, for the
// publisher of checkpoints.
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
