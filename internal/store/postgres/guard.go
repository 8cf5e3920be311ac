package postgres

import (
	"context"
	"errors"
	"io/fs"
	"time"

	"vigil"
	"vigil/internal/ledger"
)

// checkGuard compares the store with what was signed for it. What does not
// agree, or cannot be compared because the guard is not there, may be read only.
func (s *Store) checkGuard(ctx context.Context, recovering bool) error {
	if s.opts.Guard == "" {
		return nil
	}
	var err error
	if s.guard, err = ledger.OpenGuard(s.opts.Guard); err != nil {
		return err
	}
	state, err := s.guard.Load(s.StoreID())
	missing := errors.Is(err, fs.ErrNotExist)
	if missing && s.opts.Unsigned {
		return nil
	}
	if missing {
		if first, ferr := s.firstGuard(ctx); first || ferr != nil {
			return ferr
		}
	}
	hint := "The operator must put the rollback guard back, or copy it from another server of the database, or run vigil recover."
	if err == nil {
		err = state.Check(s.tree, s.epoch, s.LastIDs())
		hint = "The operator must put the newest database back, or run vigil recover."
	}
	if err == nil {
		return s.noteGuard(ctx)
	}
	s.guarded = state
	s.rollback = &vigil.Error{
		Kind: vigil.Unavailable, Message: "the store is open for reading only", Err: err, Hint: hint, RetryAfter: 30 * time.Second,
	}
	if !recovering {
		s.queue.close(s.rollback)
		s.log.Error("the store is open for reading only", "err", err)
	}
	return nil
}

// firstGuard has the guard know of a store that never had one, and reports
// whether it is such a store: its log has not been signed.
func (s *Store) firstGuard(ctx context.Context) (bool, error) {
	var guarded bool
	if err := s.seq.conn.QueryRow(ctx, "select guarded from vigil.tree").Scan(&guarded); err != nil || guarded {
		return false, err
	}
	size, root := s.tree.Published()
	err := s.guard.Save(ledger.GuardState{
		StoreID: s.StoreID(), Epoch: s.epoch, Size: size, Root: root, LastIDs: s.LastIDs(), Saved: s.cfg.Now().UTC(),
	})
	if err != nil {
		return false, err
	}
	return true, s.noteGuard(ctx) // after the guard: a crash between leaves one that is found
}

// noteGuard has the database know that a guard is kept. One that cannot be
// written to now learns it at the next start.
func (s *Store) noteGuard(ctx context.Context) error {
	_, err := s.seq.conn.Exec(ctx, "update vigil.tree set guarded = true where not guarded")
	if state(err) == readOnly {
		return nil
	}
	return err
}
