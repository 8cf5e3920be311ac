package spool

import (
	"context"
	"fmt"
	"time"

	"vigil"
	"vigil/internal/journal"
)

// fullPause is how long is waited for space on a full disk.
const fullPause = 200 * time.Millisecond

// Begin takes the first half of a record and returns its number. Where there is
// no room it waits until ctx is done; with a ctx that is done already it does
// not wait. The record belongs to the spool.
func (s *Spool) Begin(ctx context.Context, rec []byte) (uint64, error) {
	if s.c.Events == nil {
		return 0, errNoEvents
	}
	return s.append(ctx, &entry{kind: kindBegin, body: rec}, true)
}

// End takes the whole of the record that began under that number, 0 for none.
// It is taken however much is waiting, if it began; on a full disk it waits
// until ctx is done. The record belongs to the spool.
func (s *Spool) End(ctx context.Context, begun uint64, rec []byte) (uint64, error) {
	if s.c.Events == nil {
		return 0, errNoEvents
	}
	return s.append(ctx, &entry{kind: kindEnd, begun: begun, body: rec}, begun == 0)
}

var _ vigil.Writer = (*Spool)(nil)

// Write implements [vigil.Writer]: nil says that the events survive the end of
// the process, and after a Sync the loss of power.
func (s *Spool) Write(ctx context.Context, events []*vigil.Event) error {
	if len(events) == 0 {
		return nil
	}
	body, err := appendEvents(nil, events)
	if err != nil {
		return err
	}
	_, err = s.append(ctx, &entry{kind: kindEvents, body: body}, true)
	return err
}

// taken notes that e is written. The caller holds mu.
func (s *Spool) taken(e *entry, at journal.Position, size int64) {
	s.bytes += size
	if e.kind == kindBegin {
		s.begun[e.number] = &began{record: e.body, at: at, size: size}
		return
	}
	if b := s.begun[e.begun]; b != nil {
		s.bytes -= b.size
		delete(s.begun, e.begun)
	}
	s.queue(record{e.number, e.kind, e.body, at, size})
}

// queue puts a record where sendLoop finds it. The caller holds mu.
func (s *Spool) queue(r record) {
	s.last = r.number
	if s.cur.cold || s.hotSize+int64(len(r.body)) > s.c.MaxMemory && len(s.hot) > 0 {
		s.cur.cold = true // it is on disk
	} else {
		s.hot = append(s.hot, r)
		s.hotSize += int64(len(r.body))
	}
	if signal(s.wake); len(s.hot) == s.c.BatchEvents || s.cur.cold {
		signal(s.enough)
	}
}

// append has e written, together with what else is to be written now. Frames that
// are not bounded are taken however much is waiting.
func (s *Spool) append(ctx context.Context, e *entry, bounded bool) (uint64, error) {
	for {
		s.mu.Lock()
		if s.err != nil {
			defer s.mu.Unlock()
			return 0, s.err
		}
		if bounded && s.bytes >= s.c.MaxBytes {
			room := s.room
			s.mu.Unlock()
			select {
			case <-room:
				continue
			case <-ctx.Done():
				return 0, errRoom
			}
		}
		g, first := s.join(e)
		others := len(s.begun) > 1
		s.mu.Unlock()
		if first {
			s.write(g, others)
		} else {
			<-g.done
		}
		if g.err == nil {
			signal(s.dirty)
			return e.number, nil
		}
		if !journal.IsFull(g.err) {
			return 0, g.err
		}
		signal(s.wake)
		select {
		case <-time.After(fullPause):
		case <-ctx.Done():
			return 0, fmt.Errorf("write spool: %w", g.err)
		}
	}
}

// fail makes err the answer to everything. The caller holds mu.
func (s *Spool) fail(err error) {
	if s.err == nil {
		s.err = err
		s.c.Log.Error("the spool takes nothing more until it is opened again", "err", err)
		s.announceRoom()
		s.announceStable(s.stable)
	}
}

// announceStable says that frames up to number are synced. The caller holds mu.
func (s *Spool) announceStable(number uint64) {
	s.stable = max(s.stable, number)
	close(s.synced)
	s.synced = make(chan struct{})
}

// Sync returns when the frame of that number, and all before it, are on stable
// storage.
func (s *Spool) Sync(ctx context.Context, number uint64) error {
	s.waiting.Add(1)
	defer s.waiting.Add(-1)
	for {
		s.mu.Lock()
		stable, synced, err := s.stable >= number, s.synced, s.err
		s.mu.Unlock()
		switch {
		case stable:
			return nil
		case err != nil:
			return err
		}
		signal(s.urgent)
		select {
		case <-synced:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Between two syncs that nobody waits for lie nine times the time that the last
// one took, so that syncs have a tenth of the disk, but within these bounds. On a
// disk that is quick they would otherwise take more of the processor than they
// save.
const (
	syncSoonest = 5 * time.Millisecond
	syncLatest  = 25 * time.Millisecond
)

// syncLoop syncs as long as there is something to sync. While somebody waits,
// the next one starts when the last one ends.
func (s *Spool) syncLoop(ctx context.Context) {
	var took time.Duration
	for {
		select {
		case <-s.dirty:
		case <-s.urgent:
		case <-ctx.Done():
			return
		}
		if s.waiting.Load() == 0 {
			wait(ctx, min(max(9*took, syncSoonest), syncLatest), s.urgent)
		}
		began := time.Now()
		s.syncOnce()
		took = time.Since(began)
	}
}

// wait returns after d, or sooner when early has an element or ctx ends.
func wait(ctx context.Context, d time.Duration, early <-chan struct{}) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-early:
	case <-ctx.Done():
	}
}

func (s *Spool) syncOnce() {
	s.rolling.Lock()
	defer s.rolling.Unlock()
	s.mu.Lock()
	number, j := s.written, s.cur.j
	done := s.stable >= number || s.err != nil
	s.mu.Unlock()
	if done {
		return
	}
	err := j.Sync()
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.fail(fmt.Errorf("sync spool: %w", err))
		return
	}
	s.announceStable(number)
}
