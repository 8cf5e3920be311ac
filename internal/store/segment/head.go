package segment

import (
	"encoding/binary"
	"sort"
	"time"

	"vigil"
	"vigil/internal/journal"
	"vigil/internal/ledger"
	"vigil/internal/store"
	"vigil/internal/store/segfile"
)

// head holds recent events: the frames of the journal as they were written, and
// where in them each event stands. It has no pointer per event, so that the
// garbage collector passes it by.
//
// The sequencer adds to it under the store's lock; a reader takes a view under
// the lock and reads on without it, since what a view covers does not change.
type head struct {
	first  int64 // place in the log of the first event
	chunks [][]byte
	frames []frameAt
	events []eventAt
	tables [][]int32 // places in events, for each table
	bytes  int64
	keys   []store.Seen

	// Set when the head is frozen.
	end headEnd
}

// headEnd is the state of the store after the last event of a head.
type headEnd struct {
	size    int64
	root    ledger.Hash
	state   []byte // of the log
	last    []int64
	epoch   int
	journal journal.Position // every frame of the head comes before it
}

type frameAt struct {
	received int64
	epoch    int
}

type eventAt struct {
	id    int64
	off   uint32 // in its chunk
	frame uint32
	chunk uint16
	table uint16
}

const eventAtBytes = 24 + 4

func newHead(first int64, tables int) *head {
	return &head{first: first, tables: make([][]int32, tables)}
}

// size is the place in the log after the last event.
func (h *head) size() int64 { return h.first + int64(len(h.events)) }

// staged is a commit on its way into a head.
type staged struct {
	head   frameHead
	chunk  []byte
	bytes  int // of the frame
	events []eventAt
	keys   []store.Seen
}

// add makes a commit part of the head. Its events say at which offset of the
// chunk they stand; the caller holds the store's lock.
func (h *head) add(s *staged) {
	if n := len(h.chunks); n == 0 || &h.chunks[n-1][0] != &s.chunk[0] {
		h.chunks = append(h.chunks, s.chunk)
	}
	chunk, frame := uint16(len(h.chunks)-1), uint32(len(h.frames))
	h.frames = append(h.frames, frameAt{received: s.head.received, epoch: s.head.epoch})
	for _, e := range s.events {
		e.chunk, e.frame = chunk, frame
		h.tables[e.table] = append(h.tables[e.table], int32(len(h.events)))
		h.events = append(h.events, e)
	}
	h.keys = append(h.keys, s.keys...)
	h.bytes += int64(s.bytes + len(s.events)*eventAtBytes)
}

// headView is what one reader sees of a head.
type headView struct {
	first  int64
	chunks [][]byte
	frames []frameAt
	events []eventAt
	rows   []int32 // of one table; nil in a view of all
}

// view returns the rows of one table, or of all with a negative number. The
// caller holds the store's lock.
func (h *head) view(table int) headView {
	v := headView{first: h.first, chunks: h.chunks, frames: h.frames, events: h.events}
	if table >= 0 {
		v.rows = h.tables[table]
	}
	return v
}

// between returns the rows of the view's table with ids from..to.
func (v *headView) between(from, to int64) []int32 {
	id := func(i int) int64 { return v.events[v.rows[i]].id }
	a := sort.Search(len(v.rows), func(i int) bool { return id(i) >= from })
	b := a + sort.Search(len(v.rows)-a, func(i int) bool { return id(a+i) > to })
	return v.rows[a:b]
}

// record reads the event at a place of the head.
func (v *headView) record(i int, formats *interner) (segfile.Record, error) {
	at := v.events[i]
	var e event
	if _, err := parseEvent(v.chunks[at.chunk], int(at.off), &e); err != nil {
		return segfile.Record{}, err
	}
	f := v.frames[at.frame]
	return segfile.Record{
		ID: e.id, Index: v.first + int64(i), UID: e.uid, Salt: e.salt, Received: f.received,
		SourceID: e.sourceID, Epoch: f.epoch, Format: formats.text(e.format), Sender: e.sender, Doc: e.doc,
	}, nil
}

// findUID returns the place of the event with this UID, -1 if there is none. A
// UID begins with the millisecond of receipt, so few frames are looked into.
func (v *headView) findUID(uid vigil.UID) int {
	ms := uidMillis(uid)
	var e event
	for i, at := range v.events {
		if time.UnixMicro(v.frames[at.frame].received).UnixMilli() != ms {
			continue
		}
		if _, err := parseEvent(v.chunks[at.chunk], int(at.off), &e); err == nil && e.uid == uid {
			return i
		}
	}
	return -1
}

// uidMillis returns the time that a UID begins with, in milliseconds since 1970.
func uidMillis(uid vigil.UID) int64 { return int64(binary.BigEndian.Uint64(uid[:8]) >> 16) }

// interner gives equal texts the same string. The formats are few.
type interner struct{ m map[string]string }

func (t *interner) text(b []byte) string {
	if s, ok := t.m[string(b)]; ok {
		return s
	}
	if t.m == nil || len(t.m) > 1024 {
		t.m = map[string]string{}
	}
	s := string(b)
	t.m[s] = s
	return s
}
