package sink

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"vigil"
)

// Log is what a [Follower] follows: a store.
type Log interface {
	// Entries streams every event from the given place in the log on.
	Entries(ctx context.Context, from int64) iter.Seq2[*vigil.Event, error]
	// Wait returns when the log has more than size entries, with its size.
	Wait(ctx context.Context, size int64) (int64, error)
}

// Syncer is a Writer that can bring what it took to stable storage. A [Follower]
// calls Sync before it saves its cursor.
type Syncer interface{ Sync() error }

// FollowerConfig is what a [Follower] needs. Name, Log, Cursor and Writer must be set.
type FollowerConfig struct {
	Name   string // of the sink, in logs and metrics
	Log    Log
	Cursor string // file that remembers how far it came; its directory is there
	Writer vigil.Writer

	Tables []string // whose events are given; empty is all
	// Keep says whether an event is given; nil gives all. An event that it fails
	// for is given: a filter that cannot be evaluated hides nothing.
	Keep func(*vigil.Event) (bool, error)
	// FromNow begins a new sink at the log's end instead of its beginning.
	FromNow bool

	BatchEvents int           // events of one Write; 0 is 1000
	BatchBytes  int           // bytes of their documents, unless one is larger; 0 is 4 MiB
	Linger      time.Duration // how long a batch that is not full waits for more; 0 is not at all
	MinPause    time.Duration // between two attempts, doubled each time; 0 is 200 ms
	MaxPause    time.Duration // 0 is 1 min
	SaveEvery   time.Duration // how long the cursor may lag behind the Writer; 0 is 250 ms
	Patience    time.Duration // how long attempts must have failed until Tell is told; 0 is 1 min

	// Tell is told what operators must know: that the destination takes nothing,
	// that it takes events again, that the log is another one. It is called from
	// Run and must not block for long. Nil is nobody.
	Tell    func(Notice)
	Now     func() time.Time // nil is time.Now
	Logger  *slog.Logger     // nil discards
	Metrics prometheus.Registerer
}

// Notice is something about a sink that belongs into the table system.
type Notice struct {
	Sink    string
	Failed  bool // else it is good news
	Message string
	Count   int64 // events that it is about; 0 where it is about none
}

// Follower gives a log's events to a Writer. It is made by [NewFollower].
type Follower struct {
	c       FollowerConfig
	at      cursor // behind what the Writer took
	found   bool   // there was a cursor
	saved   cursor
	dirty   time.Time // since when saved is behind at; zero while it is not
	metrics metrics

	mu      sync.Mutex
	next    int64         // place that everything before is done
	moved   chan struct{} // closed and made anew when next grows
	failing time.Time     // since when the Writer takes nothing; zero while it does
	told    bool          // Tell knows of it
	err     error         // of the last attempt
}

// NewFollower reads the cursor. Nothing is given before [Follower.Run].
func NewFollower(c FollowerConfig) (*Follower, error) {
	c.BatchEvents = or(c.BatchEvents, 1000)
	c.BatchBytes = or(c.BatchBytes, 4<<20)
	c.MinPause = or(c.MinPause, 200*time.Millisecond)
	c.MaxPause = max(or(c.MaxPause, time.Minute), c.MinPause)
	c.SaveEvery = or(c.SaveEvery, 250*time.Millisecond)
	c.Patience = or(c.Patience, time.Minute)
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Tell == nil {
		c.Tell = func(Notice) {}
	}
	f := &Follower{c: c, moved: make(chan struct{})}
	var err error
	if f.at, f.found, err = loadCursor(c.Cursor); err != nil {
		return nil, fmt.Errorf("open sink %s: %w", c.Name, err)
	}
	f.saved = f.at
	if f.metrics, err = newMetrics(c.Metrics, c.Name); err != nil {
		return nil, fmt.Errorf("open sink %s: %w", c.Name, err)
	}
	return f, nil
}

func or[T int | int64 | time.Duration](v, other T) T {
	if v <= 0 {
		return other
	}
	return v
}

// Err says since when and why the Writer takes nothing; nil while it does.
func (f *Follower) Err() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.failing.IsZero() {
		return nil
	}
	return fmt.Errorf("sink %s takes nothing since %s: %w", f.c.Name, f.failing.UTC().Format(time.RFC3339), f.err)
}

// Run gives events until ctx ends, and then saves how far it came. It returns an
// error only where it cannot go on: the log cannot be read, or the cursor not
// be written.
func (f *Follower) Run(ctx context.Context) error {
	if err := f.begin(ctx); err != nil {
		return f.end(ctx, err)
	}
	f.announce()
	for {
		if err := f.round(ctx); err != nil {
			return f.end(ctx, err)
		}
	}
}

// end saves the cursor a last time. That ctx ended is no failure.
func (f *Follower) end(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		err = nil
	}
	if err = errors.Join(err, f.save()); err != nil {
		return fmt.Errorf("sink %s: %w", f.c.Name, err)
	}
	return nil
}

// round waits for entries and gives what there is of them.
func (f *Follower) round(ctx context.Context) error {
	size, err := f.wait(ctx, f.at.Next)
	if err != nil {
		return err
	}
	f.metrics.size.Set(float64(size))
	if missing := f.at.Next + int64(f.c.BatchEvents) - size; f.c.Linger > 0 && missing > 0 {
		f.linger(ctx)
	}
	b := batch{next: f.at.Next}
	for e, err := range f.c.Log.Entries(ctx, f.at.Next) {
		if err != nil {
			return fmt.Errorf("read the log: %w", err)
		}
		if b.full(f.c, len(e.Doc)) {
			if err := f.give(ctx, &b); err != nil {
				return err
			}
		}
		b.add(e, f.wants(e))
	}
	return f.give(ctx, &b)
}

// wait is Log.Wait that saves the cursor when it is time to.
func (f *Follower) wait(ctx context.Context, size int64) (int64, error) {
	if !f.dirty.IsZero() {
		until, stop := context.WithTimeout(ctx, max(f.c.SaveEvery-f.c.Now().Sub(f.dirty), 0))
		n, err := f.c.Log.Wait(until, size)
		stop()
		if err == nil || ctx.Err() != nil {
			return n, err
		}
		if until.Err() == nil {
			return 0, fmt.Errorf("wait for the log: %w", err)
		}
		if err := f.save(); err != nil {
			return 0, err
		}
	}
	n, err := f.c.Log.Wait(ctx, size)
	if err != nil {
		return 0, fmt.Errorf("wait for the log: %w", err)
	}
	return n, nil
}

// linger lets a batch become fuller.
func (f *Follower) linger(ctx context.Context) {
	until, stop := context.WithTimeout(ctx, f.c.Linger)
	defer stop()
	// The error is that the time is over, or what the next Wait says too.
	_, _ = f.c.Log.Wait(until, f.at.Next+int64(f.c.BatchEvents)-1)
}

// wants reports whether an event is given. Of one whose document was removed
// before the sink came to it, nothing is.
func (f *Follower) wants(e *vigil.Event) bool {
	if e.Erased {
		return false
	}
	if len(f.c.Tables) > 0 && !slices.Contains(f.c.Tables, e.Table) {
		return false
	}
	if f.c.Keep == nil {
		return true
	}
	keep, err := f.c.Keep(e)
	return keep || err != nil
}

// batch is what one Write gives.
type batch struct {
	events []*vigil.Event
	bytes  int
	next   int64 // place behind the last event that was looked at
}

func (b *batch) full(c FollowerConfig, more int) bool {
	return len(b.events) >= c.BatchEvents || len(b.events) > 0 && b.bytes+more > c.BatchBytes
}

func (b *batch) add(e *vigil.Event, wanted bool) {
	b.next = e.Index + 1
	if wanted {
		b.events = append(b.events, e)
		b.bytes += len(e.Doc)
	}
}

// give hands the batch to the Writer, for as long as it takes, and empties it.
func (f *Follower) give(ctx context.Context, b *batch) error {
	for pause := f.c.MinPause; len(b.events) > 0; pause = min(2*pause, f.c.MaxPause) {
		err := f.c.Writer.Write(ctx, b.events)
		if err == nil {
			f.took(b.events)
			b.events = b.events[:0]
			break
		}
		if p, ok := partial(err); ok {
			done := min(p.Done, len(b.events))
			f.took(b.events[:done])
			b.events = b.events[done:]
			pause = f.c.MinPause
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		f.failed(err, len(b.events))
		if err := f.saveInTime(); err != nil {
			return err
		}
		if err := sleep(ctx, f.pauseFor(pause, err)); err != nil {
			return err
		}
	}
	b.bytes = 0
	if f.at.Next != b.next {
		f.at.Next = b.next
		f.unsaved()
	}
	f.announce()
	return f.saveInTime()
}

// announce tells who waits how far it has come.
func (f *Follower) announce() {
	f.metrics.next.Set(float64(f.at.Next))
	f.mu.Lock()
	defer f.mu.Unlock()
	f.next = f.at.Next
	close(f.moved)
	f.moved = make(chan struct{})
}

// Reach returns when everything before the given place in the log is with the
// Writer, or with an error when ctx ends.
func (f *Follower) Reach(ctx context.Context, place int64) error {
	for {
		f.mu.Lock()
		next, moved := f.next, f.moved
		f.mu.Unlock()
		if next >= place {
			return nil
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// took moves the cursor behind events.
func (f *Follower) took(events []*vigil.Event) {
	if len(events) == 0 {
		return
	}
	last := events[len(events)-1]
	f.at = cursor{Next: last.Index + 1, UID: last.UID.String(), Last: last.Index}
	f.unsaved()
	f.metrics.events.Add(float64(len(events)))
	f.metrics.received.Set(float64(last.Received.UnixMilli()) / 1e3)
	f.mu.Lock()
	told, since := f.told, f.failing
	f.failing, f.told, f.err = time.Time{}, false, nil
	f.mu.Unlock()
	f.metrics.failing.Set(0)
	if told {
		away := f.c.Now().Sub(since).Round(time.Second)
		f.c.Logger.Info("the sink takes events again", "sink", f.c.Name, "away", away)
		f.c.Tell(Notice{Sink: f.c.Name, Message: fmt.Sprintf("sink %s takes events again after %s; nothing was lost", f.c.Name, away)})
	}
}

// failed notes an attempt that failed.
func (f *Follower) failed(err error, waiting int) {
	f.metrics.failures.Inc()
	f.metrics.failing.Set(1)
	now := f.c.Now()
	f.mu.Lock()
	first := f.failing.IsZero()
	if first {
		f.failing = now
	}
	f.err = err
	tell := !f.told && now.Sub(f.failing) >= f.c.Patience
	f.told = f.told || tell
	f.mu.Unlock()
	if first || tell {
		f.c.Logger.Warn("the sink takes no events; they are kept and tried again", "sink", f.c.Name, "waiting_at_least", waiting, "err", err)
	}
	if tell {
		f.c.Tell(Notice{Sink: f.c.Name, Failed: true, Count: int64(waiting), Message: fmt.Sprintf("sink %s takes no events: %v; they wait in the log", f.c.Name, err)})
	}
}

// pauseFor is how long to wait after err: what the destination asked for, else
// pause, a little more or less so that sinks do not come all at once.
func (f *Follower) pauseFor(pause time.Duration, err error) time.Duration {
	if e, ok := errors.AsType[*vigil.Error](err); ok && e.RetryAfter > 0 {
		return min(e.RetryAfter, max(f.c.MaxPause, 10*time.Minute))
	}
	return pause*3/4 + time.Duration(rand.Int64N(int64(pause)/2+1))
}

func (f *Follower) unsaved() {
	if f.dirty.IsZero() {
		f.dirty = f.c.Now()
	}
}

// saveInTime saves the cursor where that was put off for long enough.
func (f *Follower) saveInTime() error {
	if f.dirty.IsZero() || f.c.Now().Sub(f.dirty) < f.c.SaveEvery {
		return nil
	}
	return f.save()
}

func (f *Follower) save() error {
	f.dirty = time.Time{}
	if f.at == f.saved {
		return nil
	}
	if s, ok := f.c.Writer.(Syncer); ok {
		if err := s.Sync(); err != nil {
			return fmt.Errorf("sync: %w", err)
		}
	}
	if err := f.at.save(f.c.Cursor); err != nil {
		return err
	}
	f.saved = f.at
	return nil
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
