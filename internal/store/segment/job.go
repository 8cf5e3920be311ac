package segment

import (
	"context"
	"errors"
	"fmt"
	"time"

	"vigil"
	"vigil/internal/journal"
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

// serve does a job for whoever waits for it, and reports that the sealer is to end.
func (s *Store) serve(j *job) bool {
	j.done <- s.work(j)
	return s.failed() != nil
}

// cut is the wish that the active head is frozen as it is, where a new file of
// the journal begins.
type cut struct {
	done chan struct{}    // closed when the rest is set
	at   journal.Position // where the new file begins
	err  error            // why there is none
}

func (c *cut) made() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

// sealAll seals everything that is stable when it is called, and releases its
// part of the journal, which goes on in a new file. What others write meanwhile
// it leaves alone but for what must be sealed first, so it ends while they go on.
// It is the sealer's.
func (s *Store) sealAll() error {
	c := &cut{done: make(chan struct{})}
	s.cutAsked.Store(c)
	defer s.cutAsked.Store(nil)
	for !c.made() {
		s.queue.nudge() // there may be room for one more frozen head now
		if err := s.sealNext(); err != nil {
			return err
		}
	}
	if c.err != nil {
		return c.err
	}
	for s.manifest.position().Before(c.at) {
		if err := s.sealNext(); err != nil {
			return err
		}
	}
	return s.journal.Release(c.at)
}

// sealNext seals the oldest frozen head, or waits for one for a while.
func (s *Store) sealNext() error {
	if sealed, err := s.sealOldest(); sealed || err != nil {
		return err
	}
	select {
	case <-s.toSeal:
	case <-time.After(sealRetry):
	case <-s.stop:
		return store.ErrClosed()
	}
	return s.failed()
}
