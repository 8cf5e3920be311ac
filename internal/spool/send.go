package spool

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"runtime"
	"time"

	"vigil"
	"vigil/internal/journal"
)

type keyKey struct{}

// Key returns the key of the batch that a Writer is being given: the same for
// the same events, and never the same for others. A Writer that remembers keys
// takes a batch once, however often it comes.
func Key(ctx context.Context) (string, bool) {
	key, ok := ctx.Value(keyKey{}).(string)
	return key, ok
}

// batch is what goes to the Writer at once.
type batch struct {
	events []*vigil.Event
	bytes  int
	upTo   uint64 // number of the last record
	size   int64  // of its records on disk

	key     string
	planned bool // its events are on disk, or cannot be
}

func (b *batch) add(number uint64, size int64, events []*vigil.Event) {
	b.events = append(b.events, events...)
	for _, e := range events {
		b.bytes += len(e.Doc)
	}
	b.upTo, b.size = number, b.size+size
}

func (s *Spool) full(b *batch) bool {
	return len(b.events) >= s.c.BatchEvents || b.bytes >= s.c.BatchBytes
}

// sendEvery is the least time between two batches that are not full: a batch
// costs a sync here and a commit where it goes, whatever its size.
const sendEvery = 50 * time.Millisecond

// sendLoop sends what waits: what was being sent when the last process ended,
// the old volumes, what is in memory, and so on.
func (s *Spool) sendLoop(ctx context.Context) {
	if s.plan != nil && s.plan.kind == kindPlan && !s.resend(ctx) {
		return
	}
	var began time.Time
	for ctx.Err() == nil {
		s.mu.Lock()
		full := len(s.hot)
		var v *volume
		if len(s.old) > 0 {
			v = s.old[0]
		}
		idle := full == 0
		// A full disk too needs another volume: all in this one is sent, but its
		// last file is not given back while it is being written.
		roll := s.cur.cold || s.noSpace
		due := s.purgeIn()
		s.mu.Unlock()
		var err error
		switch {
		case v != nil:
			err = s.drain(ctx, v)
		case !idle:
			if d := sendEvery - time.Since(began); d > 0 && full < s.c.BatchEvents {
				wait(ctx, d, s.enough)
			}
			began = time.Now()
			err = s.sendHot(ctx)
		case roll || due <= 0:
			err = s.roll()
		default:
			wait(ctx, due, s.wake)
		}
		if err != nil && ctx.Err() == nil {
			s.c.Log.Error("the spool cannot be read or written; it is tried again", "err", err)
			pause(ctx, time.Second)
		}
	}
}

// purgeIn returns how long what was taken may stay in the current volume. The
// caller holds mu.
func (s *Spool) purgeIn() time.Duration {
	if s.written == s.rolled {
		return math.MaxInt64 // nothing is in it
	}
	return s.c.Purge - s.c.Now().Sub(s.purged)
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// resend sends the batch that may have been sent before.
func (s *Spool) resend(ctx context.Context) bool {
	events, err := parseEvents(s.plan.body)
	if err != nil { // its journal vouches for every byte
		s.mu.Lock()
		defer s.mu.Unlock()
		s.fail(fmt.Errorf("read batch of spool: %w", err))
		return false
	}
	b := batch{events: events, upTo: s.plan.upTo, key: s.plan.key, planned: true}
	if s.send(ctx, &b) != nil {
		return false
	}
	s.plan = nil
	return true
}

// sendHot sends the next batch of what is in memory.
func (s *Spool) sendHot(ctx context.Context) error {
	s.mu.Lock()
	waiting := s.hot
	s.mu.Unlock()
	var b batch
	n := 0
	for ; n < len(waiting) && !s.full(&b); n++ {
		r := &waiting[n]
		b.add(r.number, r.size, s.events(r.kind, r.body))
	}
	if err := s.deliver(ctx, &b); err != nil {
		return err
	}
	s.mu.Lock()
	for i := range s.hot[:n] {
		s.hotSize -= int64(len(s.hot[i].body))
		s.hot[i].body = nil
	}
	if s.hot = s.hot[n:]; len(s.hot) == 0 {
		s.hot = nil
	}
	s.mu.Unlock()
	return s.release()
}

// drain sends what an old volume holds and removes it. It reads as it sends, so
// that memory holds one batch.
func (s *Spool) drain(ctx context.Context, v *volume) error {
	var b batch
	deliver := func() error {
		full := b
		b = batch{}
		if s.plan != nil { // what may have been sent under this key
			full.key, full.upTo = s.plan.key, s.plan.upTo
		}
		err := s.deliver(ctx, &full)
		if err == nil {
			s.plan = nil
		}
		return err
	}
	err := s.read(v, func(f frame, size int64) error {
		if f.kind != kindEnd && f.kind != kindEvents || f.number <= s.ackedUpTo() {
			return ctx.Err()
		}
		if s.plan != nil && f.number > s.plan.upTo {
			if b.upTo > 0 {
				if err := deliver(); err != nil {
					return err
				}
			}
			s.plan = nil // all of its records are gone, so it was taken
		}
		b.add(f.number, size, s.events(f.kind, f.body))
		if s.plan == nil && !s.full(&b) || s.plan != nil && f.number < s.plan.upTo {
			return nil
		}
		return deliver()
	})
	if err == nil && b.upTo > 0 {
		err = deliver()
	}
	if err != nil {
		return err
	}
	s.pen.Lock() // else who waits for space takes all of it before it is reserved
	defer s.pen.Unlock()
	if err := s.remove(v); err != nil {
		return err
	}
	s.reserve()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.old = s.old[1:]
	return nil
}

func (s *Spool) ackedUpTo() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.acked
}

// events makes the events of a record. One that cannot be read goes to
// quarantine: it is never left out.
func (s *Spool) events(kind byte, body []byte) []*vigil.Event {
	s.yield()
	var events []*vigil.Event
	var err error
	if kind == kindEvents {
		if events, err = parseEvents(body); err == nil {
			for _, e := range events {
				e.Doc = append([]byte(nil), e.Doc...) // body is the journal's, or reused
			}
		}
	} else if s.c.Events != nil {
		events, err = s.c.Events(body)
	} else {
		err = errNoEvents
	}
	if err != nil {
		s.c.Log.Error("a record of the spool became no event; it goes to quarantine", "err", err)
		return []*vigil.Event{quarantined("record", body, err)}
	}
	return events
}

// yield lets requests go first, as long as little waits: making events takes more
// of the processor than taking records, and can wait.
func (s *Spool) yield() {
	s.mu.Lock()
	little := s.bytes < s.c.MaxBytes/8
	s.mu.Unlock()
	if little {
		runtime.Gosched()
	}
}

// deliver writes what will be known of the batch after a crash to the journal,
// unless it has a key and so was written before, and sends it.
func (s *Spool) deliver(ctx context.Context, b *batch) error {
	if b.key != "" {
		return s.send(ctx, b)
	}
	b.key = fmt.Sprintf("%s-%x", s.session, b.upTo)
	var err error
	if s.c.ByKey && !s.c.ByTable {
		body := binary.LittleEndian.AppendUint64(nil, s.ackedUpTo())
		body = binary.LittleEndian.AppendUint64(body, b.upTo)
		err = s.note(ctx, &entry{kind: kindKey, body: appendField(body, b.key)})
	} else {
		err = s.writePlan(ctx, b)
	}
	if err != nil {
		return err
	}
	return s.send(ctx, b)
}

// writePlan writes the batch as it is.
func (s *Spool) writePlan(ctx context.Context, b *batch) error {
	plan := binary.LittleEndian.AppendUint64(make([]byte, 0, 64+b.bytes+b.bytes/8), b.upTo)
	plan, err := appendEvents(appendField(plan, b.key), b.events)
	if err != nil {
		return err
	}
	b.planned = true
	return s.note(ctx, &entry{kind: kindPlan, body: plan})
}

// note writes and syncs a frame about a batch. On a full disk it does without.
func (s *Spool) note(ctx context.Context, e *entry) error {
	err := s.putAlone(e)
	switch {
	case err == nil:
		signal(s.dirty)
		return s.Sync(ctx, e.number)
	case !journal.IsFull(err):
		return err
	}
	s.c.Log.Warn("the disk is full: a batch is sent without its key on disk")
	return nil
}

// putAlone writes e as a frame of its own.
func (s *Spool) putAlone(e *entry) error {
	s.pen.Lock()
	defer s.pen.Unlock()
	s.mu.Lock()
	err := s.err
	s.mu.Unlock()
	if err != nil {
		return err
	}
	_, _, err = s.put(e)
	return err
}

// send gives b to the Writer until it takes it, or ctx ends.
func (s *Spool) send(ctx context.Context, b *batch) error {
	for _, part := range s.parts(b.events, b.key) {
		if err := s.sendEvents(ctx, b, part.events, part.key); err != nil {
			return err
		}
	}
	f := appendHead(make([]byte, 0, frameHead), kindAck, b.upTo)
	s.pen.Lock()
	defer s.pen.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.acked = max(s.acked, b.upTo)
	s.bytes = max(s.bytes-b.size, 0)
	s.stats.Batches++
	s.stats.Events += int64(len(b.events))
	// If it cannot be written, the batch is sent again after a crash, with its key.
	if s.err == nil {
		if _, err := s.cur.j.Write(f); err != nil && !journal.IsFull(err) {
			s.fail(fmt.Errorf("write spool: %w", err))
		}
	}
	s.announceRoom()
	return nil
}

// part is what the Writer takes or refuses as a whole.
type part struct {
	key    string
	events []*vigil.Event
}

// parts splits a batch by tables, where that is asked for. They come in the same
// order with the same keys whenever the batch is sent again.
func (s *Spool) parts(events []*vigil.Event, key string) []part {
	if !s.c.ByTable {
		return []part{{key, events}}
	}
	var parts []part
	at := map[string]int{}
	for _, e := range events {
		i, ok := at[e.Table]
		if !ok {
			i = len(parts)
			at[e.Table] = i
			parts = append(parts, part{key: fmt.Sprintf("%s.%d", key, i)})
		}
		parts[i].events = append(parts[i].events, e)
	}
	return parts
}

// release lets the journal use the files again that hold nothing but what is
// taken. Records that began long ago are written again, so that one slow request
// does not keep everything after it.
func (s *Spool) release() error {
	s.pen.Lock() // else what is just being written is before the end and not in memory
	defer s.pen.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	end := s.cur.j.End()
	err := s.carry(func(b *began) bool { return b.at.Generation != end.Generation })
	if err != nil {
		if journal.IsFull(err) {
			return nil
		}
		s.fail(fmt.Errorf("write spool: %w", err))
		return err
	}
	to := end
	if len(s.hot) > 0 {
		to = s.hot[0].at
	}
	for _, b := range s.begun {
		if b.at.Before(to) {
			to = b.at
		}
	}
	if s.cur.cold && len(s.hot) == 0 {
		return nil // what is on disk only comes next
	}
	if err := s.cur.j.Release(to); err != nil {
		s.fail(fmt.Errorf("release spool: %w", err))
		return err
	}
	return nil
}
