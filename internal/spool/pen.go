package spool

import (
	"encoding/binary"
	"fmt"
	"runtime"

	"vigil/internal/journal"
)

// entry is a frame that is to be written.
type entry struct {
	kind  byte
	begun uint64 // of an end
	body  []byte

	number uint64 // when it is written
}

// head appends what comes before the body.
func (e *entry) head(b []byte) []byte {
	b = appendHead(b, e.kind, e.number)
	if e.kind == kindEnd {
		b = binary.LittleEndian.AppendUint64(b, e.begun)
	}
	return b
}

// group is what is written to the journal at once: whatever comes while the pen
// is in use, so that the more there is to do the less each of it costs. Nothing
// waits for a group to grow.
type group struct {
	entries []*entry
	bytes   int
	one     [1]*entry     // the room of the first entry
	done    chan struct{} // closed when it is written; nil: nobody but who began it waits
	err     error         // why nothing of it is written; set before done is closed
}

// groupBytes bounds the bodies of a group that has more than one.
const groupBytes = 256 << 10

// join puts e into the group that is to be written next. Who begins one writes
// it, by write. The caller holds mu.
func (s *Spool) join(e *entry) (g *group, first bool) {
	g = s.next
	if first = g == nil || g.bytes+len(e.body) > groupBytes; first {
		g = &group{}
		g.entries = g.one[:0]
		s.next = g
	} else if g.done == nil {
		g.done = make(chan struct{})
	}
	g.entries = append(g.entries, e)
	g.bytes += len(e.body)
	return g, first
}

// write waits for the pen and writes g, which takes nothing more from then on.
// Where several requests are under way, those that can run come first: they may
// have something for the group.
func (s *Spool) write(g *group, others bool) {
	if others {
		runtime.Gosched()
	}
	s.pen.Lock()
	defer s.pen.Unlock()
	s.mu.Lock()
	if s.next == g {
		s.next = nil
	}
	g.err = s.err
	s.mu.Unlock()
	if g.err == nil {
		var at journal.Position
		var size int64
		at, size, g.err = s.put(g.entries...)
		s.mu.Lock()
		if g.err == nil {
			for _, e := range g.entries {
				s.taken(e, at, size/int64(len(g.entries)))
			}
		}
		s.noSpace = s.noSpace || journal.IsFull(g.err)
		s.mu.Unlock()
	}
	if g.done != nil {
		close(g.done)
	}
}

// put writes one frame, or several as one, under the next numbers, and returns
// where that is and what it takes on the disk. The caller holds the pen, and not
// mu. An error that is no full disk ends the spool.
func (s *Spool) put(entries ...*entry) (journal.Position, int64, error) {
	number := s.number
	for _, e := range entries {
		number++
		e.number = number
	}
	frame := s.buf[:0]
	if len(entries) > 1 {
		frame = appendHead(frame, kindSeveral, number)
	}
	for _, e := range entries {
		if len(entries) > 1 {
			n := frameHead + len(e.body)
			if e.kind == kindEnd {
				n += 8
			}
			frame = binary.AppendUvarint(frame, uint64(n))
		}
		frame = append(e.head(frame), e.body...)
	}
	if s.buf = frame; cap(frame) > 1<<20 {
		s.buf = nil // one large record must not hold its memory for ever
	}
	at, err := s.cur.j.Write(frame)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		if !journal.IsFull(err) {
			s.fail(fmt.Errorf("write spool: %w", err))
		}
		return at, 0, err
	}
	s.number, s.written = number, number
	return at, diskSize(len(frame)), nil
}

// diskSize is about what a frame takes in a journal.
func diskSize(n int) int64 { return (int64(n) + 72 + 4095) &^ 4095 }
