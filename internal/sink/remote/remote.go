package remote

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"vigil"
	"vigil/internal/jsonb"
	"vigil/internal/sink"
)

// refusedInRow is after how many refused bodies of one line, with none taken
// between them, the server is taken to be wrong instead of the lines.
const refusedInRow = 100

// Sink sends lines to one server, or to one node of a cluster at a time. It is
// safe for concurrent use; one batch is sent at a time.
type Sink struct {
	c      Config
	p      protocol
	header http.Header
	client *http.Client
	nodes  []*node

	mu      sync.Mutex
	*node   // the one in use
	at      int
	text    []byte // lines of the batch
	ids     []byte // their ids
	items   []item
	body    *body
	refused int // bodies of one line in a row
}

var _ vigil.Writer = (*Sink)(nil)

// protocol is what one kind of server wants. Items are joined by sep between
// open and close.
type protocol struct {
	path             string   // where the URL has none
	others           []string // addresses of the same cluster
	query            string
	contentType      string
	header           map[string]string
	lines, bytes     int // of a request
	open, sep, close string
	// item appends one line as the server wants it; nil appends the line.
	item func(dst []byte, it *item) []byte
	// skip says that the server does not want the line; nil is none.
	skip func(it *item) bool
	// judge reads the answer; nil is [byStatus].
	judge func(ctx context.Context, s *Sink, a *answer, items []item) outcome
}

// item is one line of a batch. Its slices are the batch's.
type item struct {
	e      *vigil.Event
	event  int    // place of e in the batch
	line   []byte // without the newline
	object bool   // the line is a JSON object, else it is text
	id     []byte // the same whenever it is sent again; empty: none
	at     time.Time
	// spans in the batch's buffers, until these have stopped growing
	from, to, idFrom, idTo int
}

func newSink(c Config, p protocol) (*Sink, error) {
	if err := c.complete(p.lines, p.bytes); err != nil {
		return nil, fmt.Errorf("open sink %s: %w", c.Name, err)
	}
	nodes, err := c.nodes(&p)
	if err != nil {
		return nil, fmt.Errorf("open sink %s: %w", c.Name, err)
	}
	s := &Sink{c: c, p: p, nodes: nodes, node: nodes[0]}
	if s.client, err = c.client(); err != nil {
		return nil, fmt.Errorf("open sink %s: %w", c.Name, err)
	}
	if s.header, err = c.headers(p.contentType); err != nil {
		return nil, fmt.Errorf("open sink %s: %w", c.Name, err)
	}
	for name, v := range p.header {
		if s.header.Get(name) == "" {
			s.header.Set(name, v)
		}
	}
	return s, nil
}

func joinQuery(a, b string) string {
	if a == "" {
		return b
	}
	return a + "&" + b
}

// Write implements [vigil.Writer]. Where part of the batch was taken the error
// is a [sink.Partial].
func (s *Sink) Write(ctx context.Context, events []*vigil.Event) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines(ctx, events)
	for done := 0; done < len(s.items); {
		n, err := s.send(ctx, s.items[done:s.chunk(done)])
		done += n
		if err == nil {
			continue
		}
		if first := s.items[done].event; first > 0 {
			return &sink.Partial{Done: first, Err: err}
		}
		return err
	}
	return nil
}

// lines makes the items of a batch.
func (s *Sink) lines(ctx context.Context, events []*vigil.Event) {
	s.text, s.ids, s.items = s.text[:0], s.ids[:0], s.items[:0]
	key, before := "", sink.Taken(ctx)
	for i, e := range events {
		from := len(s.text)
		s.text = s.c.Line(s.text, e)
		for n, line := range sink.Lines(s.text[from:]) {
			it := item{e: e, event: i, from: from, to: from + len(line), idFrom: len(s.ids)}
			from = it.to + 1
			if len(line) == 0 {
				continue
			}
			if e.UID == (vigil.UID{}) && key == "" {
				key = s.c.Key(ctx)
			}
			s.ids = appendID(s.ids, e, key, before+i, n)
			it.idTo = len(s.ids)
			s.items = append(s.items, it)
		}
	}
	kept := s.items[:0]
	for _, it := range s.items {
		it.line, it.id = s.text[it.from:it.to], s.ids[it.idFrom:it.idTo]
		it.object = it.line[0] == '{' && jsonb.Check(it.line, jsonb.Limits{}) == nil
		it.at = s.c.time(&it)
		if s.p.skip == nil || !s.p.skip(&it) {
			kept = append(kept, it)
		}
	}
	s.items = kept
}

// appendID appends the id of the n-th line of the i-th event: the UID, with the
// line's number where that is not the first; before there is a UID, the batch's
// key with both.
func appendID(dst []byte, e *vigil.Event, key string, i, n int) []byte {
	switch {
	case e.UID != (vigil.UID{}):
		dst = e.UID.Append(dst)
	case key != "":
		dst = fmt.Appendf(dst, "%s-%d", key, i)
	default:
		return dst
	}
	if n > 0 {
		dst = fmt.Appendf(dst, "-%d", n)
	}
	return dst
}

// chunk returns the end of the request that begins with the item at from. Lines
// of one event stay together.
func (s *Sink) chunk(from int) int {
	size := 0
	end := from
	for end < len(s.items) {
		size += len(s.items[end].line)
		if end > from && s.items[end].event != s.items[end-1].event && (end-from >= s.c.BatchLines || size > s.c.BatchBytes) {
			break
		}
		end++
	}
	return end
}

// send sends items in one request, or in several where the server refuses
// some. It returns how many of the first ones are done.
func (s *Sink) send(ctx context.Context, items []item) (int, error) {
	a, err := s.post(ctx, items)
	if err != nil {
		return 0, err
	}
	judge := s.p.judge
	if judge == nil {
		judge = byStatus
	}
	out := judge(ctx, s, a, items)
	if out.err != nil {
		s.turn()
	}
	switch {
	case out.err != nil && len(out.items) == 0:
		return out.done, out.err
	case out.refused == "":
		s.refused = 0
		if err := s.setAside(ctx, items, out.items, out.count); err != nil {
			return 0, err
		}
		if out.err != nil {
			return out.done, out.err
		}
		return len(items), nil
	case len(items) == 1:
		return s.refuse(ctx, items, out)
	}
	half := len(items) / 2
	n, err := s.send(ctx, items[:half])
	if err != nil {
		return n, err
	}
	n, err = s.send(ctx, items[half:])
	return half + n, err
}

// refuse sets the one item aside, unless it is the server that is wrong.
func (s *Sink) refuse(ctx context.Context, items []item, out outcome) (int, error) {
	if out.sure {
		s.refused = 0
	} else if s.refused++; s.refused > refusedInRow {
		return 0, waitFor(0, "the server refused %d lines one after the other (%s): the address or the format is wrong", s.refused-1, out.refused)
	}
	if err := s.setAside(ctx, items, []refusal{{0, out.refused}}, 0); err != nil {
		return 0, err
	}
	return 1, nil
}

// setAside keeps the refused ones of items.
func (s *Sink) setAside(ctx context.Context, items []item, refused []refusal, count int) error {
	if len(refused) == 0 {
		return nil
	}
	list := make([]sink.Refused, len(refused))
	for i, r := range refused {
		it := &items[r.item]
		list[i] = sink.Refused{Sink: s.c.Name, Event: it.e, Line: bytes.Clone(it.line), Reason: r.reason, Count: count}
	}
	if err := s.c.SetAside(ctx, list); err != nil {
		return fmt.Errorf("set refused lines aside: %w", err)
	}
	return nil
}

// Close lets go of idle connections.
func (s *Sink) Close() error {
	s.client.CloseIdleConnections()
	return nil
}
