package spool

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"vigil"
	"vigil/internal/journal"
)

// Config is what a spool is opened with.
type Config struct {
	Dir string // made if it is not there; one process has it
	// Writer takes the events in the end.
	Writer vigil.Writer
	// Events makes events of a record, which it does not keep; records are given
	// to it in their order. Nil refuses records: then only Write is for use. A
	// record that it fails for goes to the table quarantine.
	Events func(record []byte) ([]*vigil.Event, error)

	// MaxBytes bounds what waits on disk; 0 is 4 GiB. Records that ended are
	// taken above it, so that it is exceeded by at most what has begun.
	MaxBytes int64
	// MaxMemory bounds what waits in memory too; 0 is 64 MiB.
	MaxMemory int64
	// BatchEvents and BatchBytes bound a batch; 0 is 1000 and 4 MiB. One record
	// is never split.
	BatchEvents, BatchBytes int
	// ByTable gives the Writer events of one table at a time, each table under a
	// key of its own: for a Writer that takes all or none of one table only.
	ByTable bool
	// ByKey says that the Writer takes a batch whole or not at all, and knows one
	// by its key alone, whatever is in it. Then only the key is written before a
	// batch is sent: after a crash its events are made of the records again. It
	// means nothing with ByTable.
	ByKey bool
	// MinPause and MaxPause bound the time between two attempts to send, which
	// doubles; 0 is 100 ms and 30 s.
	MinPause, MaxPause time.Duration
	// Patience is how long attempts must have failed until Err says so; 0 is 5 s.
	Patience time.Duration

	// Purge is how long what was taken may still be in a file; 0 is 10 minutes.
	Purge time.Duration

	Now     func() time.Time // nil is time.Now
	Log     *slog.Logger     // nil discards
	Metrics prometheus.Registerer
}

// Spool is an open spool. It is safe for concurrent use.
type Spool struct {
	c       Config
	session string // begins the keys of this opening's batches
	lock    *os.File
	wake    chan struct{} // has one element when there may be something to send
	dirty   chan struct{} // has one element when there may be something to sync
	urgent  chan struct{} // has one element when somebody waits for a sync
	enough  chan struct{} // has one element when a batch may be full
	waiting atomic.Int64  // who wait for a sync
	stop    context.CancelFunc
	ctx     context.Context
	done    sync.WaitGroup

	rolling sync.Mutex // held while the current volume is changed for another

	pen    sync.Mutex // held while something is written to the current volume; before mu
	buf    []byte     // the pen's
	number uint64     // of the last frame; the pen's

	mu      sync.Mutex
	next    *group // waits for the pen; nil: none
	cur     *volume
	old     []*volume // in order; drained before what is in memory
	nextVol uint64
	written uint64 // number of the last frame
	last    uint64 // of the last record that ended
	acked   uint64 // records up to this number are taken
	begun   map[uint64]*began
	hot     []record // what waits, in order, while all of it is in memory
	hotSize int64
	bytes   int64         // that wait on disk
	room    chan struct{} // closed and made anew when bytes fall
	stable  uint64        // frames up to this number are synced
	synced  chan struct{} // closed and made anew when stable grows
	err     error         // why nothing more is taken
	noSpace bool          // the disk was full when something was to be written
	plan    *frame        // found at the start: a batch that may have been sent; sendLoop's

	purged  time.Time        // when it was last tried to begin another volume
	rolled  uint64           // written, when the current volume was begun
	refused map[string]error // found at the start: parts of that batch that were refused, by key; sendLoop's

	collectors []prometheus.Collector

	failing time.Time // since when sending fails; zero while it does not
	sendErr error
	told    time.Time // when it was last logged; zero while it does not fail
	stats   Status
}

// began is a record that has not ended.
type began struct {
	record []byte
	at     journal.Position
	size   int64
}

// record waits in memory.
type record struct {
	number uint64
	kind   byte
	body   []byte
	at     journal.Position
	size   int64 // on disk
}

// volume is one journal.
type volume struct {
	n    uint64
	dir  string
	j    *journal.Journal // nil: closed
	cold bool             // some of its records are on disk only
	// spent says that nothing in it waits: all of it was taken, or written again.
	spent bool
}

// Status says how a spool is doing.
type Status struct {
	Waiting   int64     // bytes on disk that are not taken yet
	Records   int       // that wait; only [Inspect] counts them
	Begun     int       // records that have not ended
	Volumes   int       // journals on disk
	Batches   int64     // taken by the Writer since the start
	Events    int64     // in them
	Retries   int64     // attempts to send that failed
	Refused   int64     // events that went to quarantine
	FailingAt time.Time // since when the Writer takes nothing; zero while it does
	Err       error     // of the last attempt
}

var (
	errClosed   = errors.New("the spool is closed")
	errRoom     = errors.New("the spool is full: its destination does not take events fast enough, or not at all")
	errNoEvents = errors.New("the spool takes events only, not records")
)

// Open opens the spool in c.Dir, takes up what it finds there, and starts
// sending.
func Open(c Config) (*Spool, error) {
	c.defaults()
	if c.Writer == nil {
		return nil, errors.New("open spool: it needs a Writer")
	}
	s := &Spool{
		c: c, wake: make(chan struct{}, 1), dirty: make(chan struct{}, 1),
		urgent: make(chan struct{}, 1), enough: make(chan struct{}, 1),
		begun: map[uint64]*began{}, refused: map[string]error{}, room: make(chan struct{}), synced: make(chan struct{}),
	}
	var id [8]byte
	rand.Read(id[:]) // never fails
	s.session = hex.EncodeToString(id[:])
	if err := s.open(); err != nil {
		s.closeFiles()
		return nil, fmt.Errorf("open spool: %w", err)
	}
	if err := s.register(); err != nil {
		s.closeFiles()
		return nil, fmt.Errorf("open spool: %w", err)
	}
	s.ctx, s.stop = context.WithCancel(context.Background())
	s.done.Go(func() { s.syncLoop(s.ctx) })
	s.done.Go(func() { s.sendLoop(s.ctx) })
	return s, nil
}

func (c *Config) defaults() {
	c.MaxBytes = or(c.MaxBytes, 4<<30)
	c.MaxMemory = or(c.MaxMemory, 64<<20)
	c.BatchEvents = or(c.BatchEvents, 1000)
	c.BatchBytes = or(c.BatchBytes, 4<<20)
	c.MinPause = or(c.MinPause, 100*time.Millisecond)
	c.MaxPause = or(c.MaxPause, 30*time.Second)
	c.Patience = or(c.Patience, 5*time.Second)
	c.Purge = or(c.Purge, 10*time.Minute)
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
}

func or[T int | int64 | time.Duration](v, other T) T {
	if v == 0 {
		return other
	}
	return v
}

// Err says why the Writer does not take events, once that has lasted, or why
// the spool itself takes nothing more.
func (s *Spool) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	if !s.failing.IsZero() && s.c.Now().Sub(s.failing) >= s.c.Patience {
		return fmt.Errorf("the destination of the spool takes nothing since %s: %w", s.failing.UTC().Format(time.RFC3339), s.sendErr)
	}
	return nil
}

// Full says why nothing more can be taken now: the spool is closed or broken, its
// bound is reached, or the disk is full. Nil while records are taken.
func (s *Spool) Full() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.err != nil:
		return s.err
	case s.bytes >= s.c.MaxBytes, s.noSpace:
		return errRoom
	}
	return nil
}

// Status returns how the spool is doing.
func (s *Spool) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.stats
	st.Records = 0 // of the start only
	st.Waiting, st.Begun, st.Volumes = s.bytes, len(s.begun), 1+len(s.old)
	st.FailingAt, st.Err = s.failing, s.sendErr
	return st
}

// Flush returns when everything that was taken before the call is with the
// Writer, or ctx ends. Records that have only begun are not waited for.
func (s *Spool) Flush(ctx context.Context) error {
	s.mu.Lock()
	want := s.last
	s.mu.Unlock()
	for {
		s.mu.Lock()
		done := s.acked >= want
		room, err := s.room, s.err
		s.mu.Unlock()
		switch {
		case done:
			return nil
		case err != nil:
			return err
		}
		select {
		case <-room:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Close stops sending, syncs what was written and lets go of the files. What is
// waiting is sent after the next Open.
func (s *Spool) Close() error {
	s.mu.Lock()
	if s.err == nil {
		s.err = errClosed
	}
	s.announceRoom()
	s.announceStable(s.stable)
	s.mu.Unlock()
	s.stop()
	s.done.Wait()
	s.unregister()
	return s.closeFiles()
}

// announceRoom wakes all who wait for something to change. The caller holds mu.
func (s *Spool) announceRoom() {
	close(s.room)
	s.room = make(chan struct{})
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
