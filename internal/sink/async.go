package sink

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"vigil"
)

// AsyncConfig is what an [Async] needs. Writer must be set.
type AsyncConfig struct {
	Name   string
	Writer vigil.Writer
	// BufferSize is how many events wait at most; 0 is Serilog's 10,000.
	BufferSize int
	// DropWhenFull drops events that find the buffer full instead of waiting, as
	// Serilog does by default. They are counted, and Gap is told.
	DropWhenFull bool
	// Gap is told, at most once a second, how many events were dropped since it
	// was told the last time. Nil is nobody.
	Gap func(dropped int64)

	MaxPause time.Duration // between two attempts to write; 0 is 30 s
	Logger   *slog.Logger  // nil discards
}

// Async is a Writer that returns before its events are written: they wait in
// memory, and are gone if the process dies. It is what Serilog's Async wrapper
// is; a [Follower] needs none to keep a slow destination away from requests.
// It is safe for concurrent use.
type Async struct {
	c       AsyncConfig
	queue   chan *vigil.Event
	dropped atomic.Int64 // since the start
	told    int64        // of dropped, in run alone
	stop    context.CancelFunc
	done    chan struct{}

	mu     sync.RWMutex // held for reading while something is put into the queue
	closed bool
}

var _ vigil.Writer = (*Async)(nil)

// asyncBatch is how many events one Write gives at most.
const asyncBatch = 1000

// NewAsync returns an Async whose goroutine runs until Close.
func NewAsync(c AsyncConfig) *Async {
	c.BufferSize = or(c.BufferSize, 10000)
	c.MaxPause = or(c.MaxPause, 30*time.Second)
	if c.Gap == nil {
		c.Gap = func(int64) {}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	ctx, stop := context.WithCancel(context.Background())
	a := &Async{c: c, queue: make(chan *vigil.Event, c.BufferSize), stop: stop, done: make(chan struct{})}
	go a.run(ctx)
	return a
}

// Write implements [vigil.Writer]. It fails when ctx ends before there is room,
// with a [Partial] where some events are taken.
func (a *Async) Write(ctx context.Context, events []*vigil.Event) error {
	a.mu.RLock()
	defer a.mu.RUnlock()
	if a.closed {
		return errors.New("the buffer is closed")
	}
	for i, e := range events {
		select {
		case a.queue <- e:
			continue
		default:
		}
		if a.c.DropWhenFull {
			a.dropped.Add(1)
			continue
		}
		select {
		case a.queue <- e:
		case <-ctx.Done():
			return &Partial{Done: i, Err: ctx.Err()}
		}
	}
	return nil
}

// Dropped returns how many events found no room since the start.
func (a *Async) Dropped() int64 { return a.dropped.Load() }

// Close takes nothing more and returns when everything is written, or with an
// error when ctx ends before.
func (a *Async) Close(ctx context.Context) error {
	a.mu.Lock()
	if !a.closed {
		a.closed = true
		close(a.queue)
	}
	a.mu.Unlock()
	defer a.stop()
	select {
	case <-a.done:
		return nil
	case <-ctx.Done():
		return errors.New("events in the buffer are not written: " + ctx.Err().Error())
	}
}

func (a *Async) run(ctx context.Context) {
	defer close(a.done)
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	defer a.tell()
	for {
		select {
		case e, ok := <-a.queue:
			if !ok {
				return
			}
			a.give(ctx, a.group(e))
		case <-tick.C:
			a.tell()
		case <-ctx.Done():
			return
		}
	}
}

// group takes what else waits.
func (a *Async) group(first *vigil.Event) []*vigil.Event {
	group := []*vigil.Event{first}
	for len(group) < asyncBatch {
		select {
		case e, ok := <-a.queue:
			if !ok {
				return group
			}
			group = append(group, e)
		default:
			return group
		}
	}
	return group
}

// give writes events, for as long as it takes.
func (a *Async) give(ctx context.Context, events []*vigil.Event) {
	for pause := 50 * time.Millisecond; len(events) > 0; pause = min(2*pause, a.c.MaxPause) {
		err := a.c.Writer.Write(ctx, events)
		if err == nil {
			return
		}
		if p, ok := partial(err); ok {
			events = events[min(p.Done, len(events)):]
		}
		a.c.Logger.Warn("the sink behind a buffer takes no events; they wait", "sink", a.c.Name, "err", err)
		a.tell()
		if sleep(ctx, pause) != nil {
			return
		}
	}
}

// tell reports what was dropped since the last time.
func (a *Async) tell() {
	if n := a.dropped.Load(); n > a.told {
		a.c.Gap(n - a.told)
		a.told = n
	}
}
