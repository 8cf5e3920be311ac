package spool

import (
	"context"
	"encoding/binary"
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
	return s.append(ctx, kindBegin, 0, rec, func(number uint64, at journal.Position, size int64) {
		s.begun[number] = &began{record: rec, at: at, size: size}
	}, true)
}

// End takes the whole of the record that began under that number, 0 for none.
// It is taken however much is waiting, if it began; on a full disk it waits
// until ctx is done. The record belongs to the spool.
func (s *Spool) End(ctx context.Context, begun uint64, rec []byte) (uint64, error) {
	if s.c.Events == nil {
		return 0, errNoEvents
	}
	return s.append(ctx, kindEnd, begun, rec, func(number uint64, at journal.Position, size int64) {
		if b := s.begun[begun]; b != nil {
			s.bytes -= b.size
			delete(s.begun, begun)
		}
		s.queue(record{number, kindEnd, rec, at, size})
	}, begun == 0)
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
	_, err = s.append(ctx, kindEvents, 0, body, func(number uint64, at journal.Position, size int64) {
		s.queue(record{number, kindEvents, body, at, size})
	}, true)
	return err
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

// append writes a frame and calls taken while it holds mu. Frames that are not
// bounded are taken however much is waiting.
func (s *Spool) append(ctx context.Context, kind byte, begun uint64, body []byte, taken func(uint64, journal.Position, int64), bounded bool) (uint64, error) {
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
		number, at, size, err := s.put(kind, begun, body)
		if err == nil {
			s.bytes += size
			taken(number, at, size)
			s.mu.Unlock()
			signal(s.dirty)
			return number, nil
		}
		s.noSpace = journal.IsFull(err)
		s.mu.Unlock()
		if !journal.IsFull(err) {
			return 0, err
		}
		signal(s.wake)
		select {
		case <-time.After(fullPause):
		case <-ctx.Done():
			return 0, fmt.Errorf("write spool: %w", err)
		}
	}
}

// put writes one frame under the next number; begun is for ends only. The caller
// holds mu. An error that is no full disk ends the spool.
func (s *Spool) put(kind byte, begun uint64, body []byte) (uint64, journal.Position, int64, error) {
	frame := appendHead(s.buf[:0], kind, s.number+1)
	if kind == kindEnd {
		frame = binary.LittleEndian.AppendUint64(frame, begun)
	}
	frame = append(frame, body...)
	if s.buf = frame; cap(frame) > 1<<20 {
		s.buf = nil // one large record must not hold its memory for ever
	}
	at, err := s.cur.j.Write(frame)
	if err != nil {
		if !journal.IsFull(err) {
			s.fail(fmt.Errorf("write spool: %w", err))
		}
		return 0, at, 0, err
	}
	s.number++
	return s.number, at, diskSize(len(frame)), nil
}

// diskSize is about what a frame takes in a journal.
func diskSize(n int) int64 { return (int64(n) + 72 + 4095) &^ 4095 }

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
	number, j := s.number, s.cur.j
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
