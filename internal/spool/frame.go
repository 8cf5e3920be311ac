package spool

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"

	"vigil"
)

// The kinds of frames.
const (
	kindBegin   = 'b'
	kindEnd     = 'e'
	kindEvents  = 'w'
	kindPlan    = 'p'
	kindKey     = 'k'
	kindAck     = 'a'
	kindRefused = 'r'
	// kindSeveral is a frame made of the others, each after its length. Its number
	// is that of its last one.
	kindSeveral = 's'
)

const frameHead = 9

// frame is one frame of a journal, read.
type frame struct {
	kind   byte
	number uint64
	begun  uint64 // of an end
	upTo   uint64 // of a plan
	after  uint64 // of a key: what was taken before its batch
	key    string // of a plan, or of what was refused
	body   []byte // record or events; part of what was read
}

var errFrame = errors.New("a frame of the spool has no meaning: it was written by a later version, or by something else")

func appendHead(b []byte, kind byte, number uint64) []byte {
	return binary.LittleEndian.AppendUint64(append(b, kind), number)
}

func parseFrame(b []byte) (frame, error) {
	if len(b) < frameHead {
		return frame{}, errFrame
	}
	f := frame{kind: b[0], number: binary.LittleEndian.Uint64(b[1:]), body: b[frameHead:]}
	switch f.kind {
	case kindBegin, kindEvents, kindAck:
	case kindEnd:
		if len(f.body) < 8 {
			return frame{}, errFrame
		}
		f.begun = binary.LittleEndian.Uint64(f.body)
		f.body = f.body[8:]
	case kindPlan, kindKey:
		if f.kind == kindKey {
			if len(f.body) < 8 {
				return frame{}, errFrame
			}
			f.after = binary.LittleEndian.Uint64(f.body)
			f.body = f.body[8:]
		}
		if len(f.body) < 8 {
			return frame{}, errFrame
		}
		f.upTo = binary.LittleEndian.Uint64(f.body)
		key, rest, ok := cutField(f.body[8:])
		if !ok {
			return frame{}, errFrame
		}
		f.key, f.body = string(key), rest
	case kindRefused:
		key, rest, ok := cutField(f.body)
		if !ok || len(rest) == 0 {
			return frame{}, errFrame
		}
		f.key, f.body = string(key), rest
	default:
		return frame{}, errFrame
	}
	return f, nil
}

// eachFrame gives the frame in b, or those that were written as one, to yield,
// with what each takes on the disk.
func eachFrame(b []byte, yield func(f frame, size int64) error) error {
	if len(b) < frameHead || b[0] != kindSeveral {
		f, err := parseFrame(b)
		if err != nil {
			return err
		}
		return yield(f, diskSize(len(b)))
	}
	size := diskSize(len(b))
	var frames []frame
	for rest := b[frameHead:]; len(rest) > 0; {
		var one []byte
		var ok bool
		if one, rest, ok = cutField(rest); !ok {
			return errFrame
		}
		f, err := parseFrame(one)
		if err != nil {
			return err
		}
		frames = append(frames, f)
	}
	for _, f := range frames {
		if err := yield(f, size/int64(len(frames))); err != nil {
			return err
		}
	}
	return nil
}

func appendField[T string | []byte](b []byte, v T) []byte {
	return append(binary.AppendUvarint(b, uint64(len(v))), v...)
}

func cutField(b []byte) (v, rest []byte, ok bool) {
	n, size := binary.Uvarint(b)
	if size <= 0 || n > uint64(len(b)-size) {
		return nil, nil, false
	}
	return b[size:][:n], b[size+int(n):], true
}

// appendEvents appends what a Writer needs of events: table, format, sender,
// wanted id, document.
func appendEvents(b []byte, events []*vigil.Event) ([]byte, error) {
	var last vigil.Sender // most events have the same one as the event before
	var sender []byte
	for _, e := range events {
		b = appendField(b, e.Table)
		b = appendField(b, string(e.Format))
		switch {
		case e.Sender == nil:
			sender, last = nil, vigil.Sender{}
		case sender == nil || *e.Sender != last:
			var err error
			if sender, err = json.Marshal(e.Sender); err != nil {
				return nil, fmt.Errorf("write sender: %w", err)
			}
			last = *e.Sender
		}
		b = appendField(b, sender)
		b = binary.AppendVarint(b, e.WantID)
		b = appendField(b, e.Doc)
	}
	return b, nil
}

// parseEvents reads them. The documents are part of b.
func parseEvents(b []byte) ([]*vigil.Event, error) {
	var events []*vigil.Event
	for len(b) > 0 {
		var f [3][]byte
		for i := range f {
			var ok bool
			if f[i], b, ok = cutField(b); !ok {
				return nil, errFrame
			}
		}
		e := &vigil.Event{Table: string(f[0]), Format: vigil.Format(f[1])}
		if len(f[2]) > 0 {
			e.Sender = &vigil.Sender{}
			if err := json.Unmarshal(f[2], e.Sender); err != nil {
				return nil, errFrame
			}
		}
		want, size := binary.Varint(b)
		if size <= 0 {
			return nil, errFrame
		}
		var ok bool
		e.WantID = want
		if e.Doc, b, ok = cutField(b[size:]); !ok {
			return nil, errFrame
		}
		events = append(events, e)
	}
	return events, nil
}
