package segment

import (
	"context"
	"errors"
	"fmt"
	"time"

	"vigil"
	"vigil/internal/store"
)

// job is something that the sealer does between seals, since it alone changes
// the manifest.
type job struct {
	what string
	run  func() error
	done chan error
}

// do has the sealer do something. A cancelled ctx is honoured until it begins.
func (s *Store) do(ctx context.Context, what string, run func() error) error {
	if err := s.failed(); err != nil {
		return err
	}
	if s.rollback != nil {
		return s.rollback
	}
	j := &job{what: what, run: run, done: make(chan error, 1)}
	select {
	case s.jobs <- j:
		return <-j.done
	case <-ctx.Done():
		return ctx.Err()
	case <-s.sealerEnd:
		if err := s.failed(); err != nil {
			return err
		}
		return store.ErrClosed()
	}
}

// work does a job. What it could not read or was asked wrongly is its own
// affair, a full disk passes, and anything else is the end of the store's taking events.
func (s *Store) work(j *job) error {
	err := j.run()
	_, refused := errors.AsType[*vigil.Error](err)
	_, damaged := errors.AsType[*DamageError](err)
	switch {
	case err == nil, refused, damaged, errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case noSpace(err):
		return &vigil.Error{
			Kind: vigil.Full, Message: "the disk is full: " + j.what + " was not done", RetryAfter: 10 * time.Second, Err: err,
		}
	}
	return s.fail(fmt.Errorf("%s: %w", j.what, err))
}

// sealAll seals everything that is stable now, and releases its part of the
// journal, which goes on in a new file. It is the sealer's.
func (s *Store) sealAll() error {
	s.lastCut.Store(nil)
	for {
		if err := s.sealFrozen(); err != nil {
			return err
		}
		c := s.lastCut.Load()
		switch {
		case c == nil:
			s.queue.nudge()
		case c.err != nil:
			return c.err
		case !s.manifest.position().Before(c.at):
			return s.journal.Release(c.at)
		}
		select {
		case <-s.toSeal:
		case <-time.After(sealRetry): // the head could not be frozen, or not sealed
		case <-s.stop:
			return store.ErrClosed()
		}
		if err := s.failed(); err != nil {
			return err
		}
	}
}

// sealFrozen seals the heads that are frozen.
func (s *Store) sealFrozen() error {
	for h := s.oldestFrozen(); h != nil; h = s.oldestFrozen() {
		err := s.sealHead(h)
		s.setSealError(err)
		if err != nil {
			return err
		}
		s.tellSealed()
	}
	return nil
}
