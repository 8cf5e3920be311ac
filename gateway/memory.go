package gateway

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"vigil"
)

var errClosed = errors.New("the gateway is closed")

// memory is the Spool of a gateway that has none: a queue that a goroutine
// empties into a Writer. Its records end with the process.
type memory struct {
	w      vigil.Writer
	reader *Reader
	max    int64
	log    *slog.Logger

	mu     sync.Mutex
	queue  [][]byte
	bytes  int64         // of the queue and of the batch that is being written
	room   chan struct{} // closed and made anew when bytes fall
	more   chan struct{} // has one element when the queue may have something
	err    error         // of the last attempt to write
	closed bool

	stop context.CancelFunc
	done chan struct{}
}

func newMemory(w vigil.Writer, r *Reader, limit int64, log *slog.Logger) *memory {
	ctx, stop := context.WithCancel(context.Background())
	m := &memory{
		w: w, reader: r, max: limit, log: log, stop: stop,
		room: make(chan struct{}), more: make(chan struct{}, 1), done: make(chan struct{}),
	}
	go m.run(ctx)
	return m
}

// Begin waits for room; what has not ended is not kept.
func (m *memory) Begin(ctx context.Context, _ []byte) (uint64, error) {
	return 1, m.wait(ctx, 0)
}

// End puts a record into the queue.
func (m *memory) End(ctx context.Context, _ uint64, record []byte) (uint64, error) {
	if err := m.wait(ctx, int64(len(record))); err != nil {
		return 0, err
	}
	m.mu.Lock()
	m.queue = append(m.queue, record)
	m.mu.Unlock()
	select {
	case m.more <- struct{}{}:
	default:
	}
	return 1, nil
}

// wait takes n bytes of room.
func (m *memory) wait(ctx context.Context, n int64) error {
	for {
		m.mu.Lock()
		if m.closed {
			m.mu.Unlock()
			return errClosed
		}
		if m.bytes < m.max {
			m.bytes += n
			m.mu.Unlock()
			return nil
		}
		room := m.room
		m.mu.Unlock()
		select {
		case <-room:
		case <-ctx.Done():
			return errors.New("no room for records: the destination does not take events fast enough")
		}
	}
}

// Sync cannot be: memory is not stable.
func (m *memory) Sync(context.Context, uint64) error { return errNoSpool }

// Err returns why the last batch was not taken.
func (m *memory) Err() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.err
}

func (m *memory) run(ctx context.Context) {
	defer close(m.done)
	for {
		m.mu.Lock()
		records := m.queue
		if len(records) > 512 {
			records = records[:512]
		}
		m.queue = m.queue[len(records):]
		closed := m.closed
		m.mu.Unlock()
		if len(records) == 0 {
			if closed {
				return
			}
			select {
			case <-m.more:
			case <-ctx.Done():
				return
			}
			continue
		}
		if !m.write(ctx, records) {
			return
		}
	}
}

// write makes events of records and tries until the Writer has them. It is
// false when ctx ended before.
func (m *memory) write(ctx context.Context, records [][]byte) bool {
	var events []*vigil.Event
	var size int64
	for _, rec := range records {
		size += int64(len(rec))
		made, err := m.reader.Events(rec)
		if err != nil {
			m.log.Error("a record became no event; it goes to quarantine", "err", err)
			made = []*vigil.Event{vigil.Quarantined("record", rec, err, sender(nil))}
		}
		events = append(events, made...)
	}
	if !m.give(ctx, events) {
		return false
	}
	m.mu.Lock()
	m.bytes -= size
	close(m.room)
	m.room = make(chan struct{})
	m.mu.Unlock()
	return true
}

// give tries until the Writer has the events. What it refuses for good is halved
// until one event is left, and that goes to quarantine.
func (m *memory) give(ctx context.Context, events []*vigil.Event) bool {
	for pause := 50 * time.Millisecond; len(events) > 0; pause = min(2*pause, 10*time.Second) {
		err := m.w.Write(ctx, events)
		m.mu.Lock()
		m.err = err
		m.mu.Unlock()
		switch {
		case err == nil:
			return true
		case vigil.ForGood(err) && len(events) > 1:
			half := len(events) / 2
			return m.give(ctx, events[:half]) && m.give(ctx, events[half:])
		case vigil.ForGood(err) && events[0].Table != vigil.TableQuarantine:
			m.log.Error("an event is refused for good; it goes to quarantine", "table", events[0].Table, "err", err)
			events = []*vigil.Event{vigil.Quarantined(events[0].Table, events[0].Doc, err, sender(nil))}
			continue
		}
		m.log.Warn("events are not taken; they are kept and tried again", "events", len(events), "err", err)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return false
		}
	}
	return true
}

func (m *memory) close(ctx context.Context) error {
	m.mu.Lock()
	if !m.closed {
		m.closed = true
		close(m.room)
		m.room = make(chan struct{})
	}
	m.mu.Unlock()
	select {
	case m.more <- struct{}{}:
	default:
	}
	select {
	case <-m.done:
		m.stop()
		return nil
	case <-ctx.Done():
		m.stop()
		<-m.done
		return errors.Join(errors.New("events were not taken before the gateway was closed"), ctx.Err())
	}
}
