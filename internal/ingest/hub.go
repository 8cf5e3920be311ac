package ingest

import (
	"context"
	"slices"
	"sync"
	"time"

	"vigil"
	"vigil/internal/jsonb"
)

// The bounds of a chunk. One longer line is left out with a note: a stream is
// for looking at, and the store has it whole.
const (
	chunkBytes = 256 << 10
	maxLine    = 1 << 20
)

// rest is how long the hub waits after it has read: what comes meanwhile is read
// together, and readers are woken once for all of it.
const rest = 20 * time.Millisecond

// chunk is the lines of some events that follow each other. It is never changed
// once readers can see it.
type chunk struct {
	first   int64 // number of its first event, counted from the hub's start
	spans   []span
	tables  []int // that it has events of
	derived bool  // it has derived events
	bytes   []byte
}

// span is one event: where its lines end, and its table's number.
type span struct {
	end     int
	table   int
	derived bool // the gateway made it of an exchange, which is there too
}

// hub reads the store's log once for all readers of the stream, from when the
// first one comes until the last one has gone. What it read last is kept, up to a
// number of bytes, for readers to take at their own pace; it waits for none of
// them.
type hub struct {
	api    *API
	tables map[string]int // their numbers from 1 on; 0 is no table that anybody may read
	mu     sync.Mutex
	users  int
	stop   context.CancelFunc
	chunks []*chunk
	held   int
	next   int64         // number of the next event
	more   chan struct{} // closed when there is more
	err    error         // why the reading ended
}

// newHub returns a hub that reads nothing yet.
func newHub(a *API) *hub {
	h := &hub{api: a, tables: map[string]int{}, more: make(chan struct{})}
	for i, name := range a.Tables {
		h.tables[name] = i + 1
	}
	return h
}

// attach adds a reader and returns where it begins: at what comes next.
func (h *hub) attach() int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.users++; h.users == 1 {
		ctx, stop := context.WithCancel(context.Background())
		h.stop, h.err, h.chunks, h.held = stop, nil, nil, 0
		size := h.api.Size()
		go h.run(ctx, size)
	}
	return h.next
}

// detach takes a reader away.
func (h *hub) detach() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.users--; h.users == 0 {
		h.stop()
		h.chunks, h.held = nil, 0
	}
}

// run reads the log from that size on.
func (h *hub) run(ctx context.Context, size int64) {
	for {
		_, err := h.api.Store.Wait(ctx, size)
		if err == nil {
			size, err = h.read(ctx, size)
		}
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			h.end(ctx, err)
			return
		}
		select {
		case <-time.After(rest):
		case <-ctx.Done():
			return
		}
	}
}

// read makes chunks of what is in the log from that place on, and returns its end.
func (h *hub) read(ctx context.Context, from int64) (int64, error) {
	var c *chunk
	for e, err := range h.api.Store.Entries(ctx, from) {
		if err != nil {
			return from, err
		}
		if e.Erased { // removed before anybody was shown it
			from++
			continue
		}
		if c == nil {
			c = &chunk{bytes: make([]byte, 0, 32<<10)}
		}
		h.add(c, e)
		from++
		if len(c.bytes) >= chunkBytes {
			h.publish(ctx, c)
			c = nil
		}
	}
	if c != nil {
		h.publish(ctx, c)
	}
	return from, nil
}

// add appends the lines of an event.
func (h *hub) add(c *chunk, e *vigil.Event) {
	start := len(c.bytes)
	if len(e.Doc) <= maxLine {
		c.bytes = h.api.Lines(c.bytes, e)
	}
	if n := len(c.bytes) - start; n > maxLine || len(e.Doc) > maxLine {
		c.bytes = append(c.bytes[:start], `{"ev":"log","lvl":"warn","msg":"a line is too long for the stream","ctx":`...)
		c.bytes = append(jsonb.AppendLineString(c.bytes, e.UID.String()), '}', '\n')
	}
	table := h.tables[e.Table]
	derived := e.Table == vigil.TableAuditEvents && e.Sender != nil && e.Sender.Listener == "gateway"
	c.spans = append(c.spans, span{len(c.bytes), table, derived})
	c.derived = c.derived || derived
	if !slices.Contains(c.tables, table) {
		c.tables = append(c.tables, table)
	}
}

// publish shows a chunk to readers and forgets the oldest ones.
func (h *hub) publish(ctx context.Context, c *chunk) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if ctx.Err() != nil {
		return
	}
	c.first = h.next
	h.next += int64(len(c.spans))
	h.chunks = append(h.chunks, c)
	h.held += cap(c.bytes)
	for h.held > h.api.Held && len(h.chunks) > 1 {
		h.held -= cap(h.chunks[0].bytes)
		h.chunks[0] = nil
		h.chunks = h.chunks[1:]
	}
	close(h.more)
	h.more = make(chan struct{})
}

// end tells readers that there will be nothing more.
func (h *hub) end(ctx context.Context, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if ctx.Err() != nil {
		return
	}
	h.err = err
	close(h.more)
	h.more = make(chan struct{})
}

// after returns the chunk with event number at or a later one, and how many
// events from at on are gone. Where there is none yet it returns what is closed
// when there is.
func (h *hub) after(at int64) (c *chunk, missed int64, more <-chan struct{}, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.err != nil {
		return nil, 0, nil, h.err
	}
	lo, hi := 0, len(h.chunks)
	for lo < hi {
		mid := (lo + hi) / 2
		if m := h.chunks[mid]; m.first+int64(len(m.spans)) <= at {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	if lo == len(h.chunks) {
		return nil, 0, h.more, nil
	}
	c = h.chunks[lo]
	return c, max(0, c.first-at), nil, nil
}
