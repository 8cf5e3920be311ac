package segment

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"vigil"
	"vigil/internal/ledger"
	"vigil/internal/store"
)

// A frame of the journal is one commit. Numbers are little-endian; docs/format.md
// has the table of its bytes.
const (
	frameVersion = 1
	frameHeader  = 1 + 3 + 4 + 8 + 8 + 4 + 4 + 32
	frameKey     = 16 + 32 + 8 + 4
)

var errFrame = errors.New("a frame of the journal does not have the form of a commit")

// frameHead is what a frame says of all its events.
type frameHead struct {
	epoch    int
	first    int64 // place in the log of the first event
	received int64 // microseconds
	count    int   // events
	keys     int
	root     ledger.Hash // of the log after the last event
}

func (h *frameHead) append(b []byte) []byte {
	b = append(b, frameVersion, 0, 0, 0)
	b = binary.LittleEndian.AppendUint32(b, uint32(h.epoch))
	b = binary.LittleEndian.AppendUint64(b, uint64(h.first))
	b = binary.LittleEndian.AppendUint64(b, uint64(h.received))
	b = binary.LittleEndian.AppendUint32(b, uint32(h.count))
	b = binary.LittleEndian.AppendUint32(b, uint32(h.keys))
	return append(b, h.root[:]...)
}

// setRoot puts the root in a frame that was begun before the root was known.
func setRoot(frame []byte, root ledger.Hash) { copy(frame[frameHeader-len(root):], root[:]) }

func parseFrameHead(b []byte) (frameHead, error) {
	if len(b) < frameHeader {
		return frameHead{}, errFrame
	}
	if b[0] != frameVersion {
		return frameHead{}, fmt.Errorf("a frame of the journal has version %d, this program knows %d: use the program that wrote it", b[0], frameVersion)
	}
	h := frameHead{
		epoch:    int(binary.LittleEndian.Uint32(b[4:])),
		first:    int64(binary.LittleEndian.Uint64(b[8:])),
		received: int64(binary.LittleEndian.Uint64(b[16:])),
		count:    int(binary.LittleEndian.Uint32(b[24:])),
		keys:     int(binary.LittleEndian.Uint32(b[28:])),
		root:     ledger.Hash(b[32:frameHeader]),
	}
	if h.epoch < 1 || h.first < 0 || h.keys > (len(b)-frameHeader)/frameKey || h.count > len(b) {
		return frameHead{}, errFrame
	}
	return h, nil
}

// end is where the log ends after the frame.
func (h *frameHead) end() int64 { return h.first + int64(h.count) }

func appendKey(b []byte, s store.Seen) []byte {
	b = append(b, s.ID[:]...)
	b = append(b, s.Body[:]...)
	b = binary.LittleEndian.AppendUint64(b, uint64(s.First))
	return binary.LittleEndian.AppendUint32(b, uint32(s.Count))
}

// parseKeys reads the keys of a frame, and returns where its events begin.
func (h *frameHead) parseKeys(b []byte) ([]store.Seen, int) {
	var keys []store.Seen
	at := frameHeader
	for range h.keys {
		keys = append(keys, store.Seen{
			ID: store.KeyID(b[at:]), Body: [32]byte(b[at+16:]),
			First: int64(binary.LittleEndian.Uint64(b[at+48:])),
			Count: int64(binary.LittleEndian.Uint32(b[at+56:])),
			At:    h.received,
		})
		at += frameKey
	}
	return keys, at
}

// encoder appends events to a frame. A sender that is the same as that of the
// event before is written as the distance back to where it stands.
type encoder struct {
	sender []byte
	at     int // offset of the last sender written, from the start of the buffer
}

// event appends item i of p to b. It returns the offset at which the event begins.
func (c *encoder) event(b []byte, p *store.Prepared, i int) ([]byte, int) {
	it, e := &p.Items[i], p.Batch.Events[i]
	start := len(b)
	b = binary.AppendUvarint(b, uint64(it.ID))
	b = binary.AppendVarint(b, it.SourceID)
	b = append(b, it.UID[:]...)
	b = append(b, it.Salt[:]...)
	b = append(append(b, byte(len(it.Table.Name))), it.Table.Name...)
	b = append(append(b, byte(len(e.Format))), e.Format...)
	if c.at > 0 && bytes.Equal(c.sender, it.Sender) {
		b = binary.AppendUvarint(b, uint64(start-c.at))
	} else {
		b = append(b, 0)
		c.sender, c.at = it.Sender, len(b)
		b = binary.AppendUvarint(b, uint64(len(it.Sender)))
		b = append(b, it.Sender...)
	}
	b = binary.AppendUvarint(b, uint64(len(e.Doc)))
	return append(b, e.Doc...), start
}

// event is one event of a frame. Its slices are part of the buffer.
type event struct {
	id, sourceID  int64
	uid           vigil.UID
	salt          [16]byte
	table, format []byte
	sender, doc   []byte
}

// parseEvent reads the event at offset at of b, and returns where it ends.
func parseEvent(b []byte, at int, e *event) (int, error) {
	r := reader{b: b, at: at}
	e.id = int64(r.uvarint())
	e.sourceID = r.varint()
	copy(e.uid[:], r.bytes(16))
	copy(e.salt[:], r.bytes(16))
	e.table = r.bytes(uint64(r.byte()))
	e.format = r.bytes(uint64(r.byte()))
	if back := r.uvarint(); back == 0 {
		e.sender = r.bytes(r.uvarint())
	} else if back > uint64(at) {
		r.bad = true
	} else {
		s := reader{b: b, at: at - int(back)}
		e.sender = s.bytes(s.uvarint())
		r.bad = r.bad || s.bad
	}
	e.doc = r.bytes(r.uvarint())
	if r.bad || e.id <= 0 {
		return 0, errFrame
	}
	return r.at, nil
}

// reader reads from b and remembers that it ran out.
type reader struct {
	b   []byte
	at  int
	bad bool
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b[r.at:])
	if n <= 0 {
		r.bad = true
		return 0
	}
	r.at += n
	return v
}

func (r *reader) varint() int64 {
	v, n := binary.Varint(r.b[r.at:])
	if n <= 0 {
		r.bad = true
		return 0
	}
	r.at += n
	return v
}

func (r *reader) byte() byte {
	if r.at >= len(r.b) {
		r.bad = true
		return 0
	}
	r.at++
	return r.b[r.at-1]
}

func (r *reader) bytes(n uint64) []byte {
	if n > uint64(len(r.b)-r.at) {
		r.bad = true
		return nil
	}
	s := r.b[r.at : r.at+int(n) : r.at+int(n)]
	r.at += int(n)
	return s
}

// frameBound is the most that a frame of these batches takes.
func frameBound(group []*request) int {
	n := frameHeader
	for _, r := range group {
		n += r.p.Bytes + len(r.p.Items)*maxEventHeader
		if r.p.Batch.Key != nil {
			n += frameKey
		}
	}
	return n
}

// maxEventHeader is what an event takes beside its document and sender.
const maxEventHeader = 10 + 10 + 16 + 16 + 1 + 63 + 1 + 64 + 10 + 10 + 10
