package logserver

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"

	"vigil"
	"vigil/internal/jsonb"
)

// Decoder reads events from JSON values that follow each other, in lines
// (NDJSON) or not, and from the elements of arrays among them.
//
// Each event gets the bytes of its value, checked as PostgreSQL checks jsonb.
// Memory is bounded by the largest single event, not by the message.
type Decoder struct {
	Table  string       // of the events; empty is events
	Limits jsonb.Limits // of one event; the zero value has none
}

var _ vigil.Decoder = Decoder{}

// Events implements [vigil.Decoder]. Errors say how many events came before.
func (d Decoder) Events(r io.Reader) iter.Seq2[*vigil.Event, error] {
	return func(yield func(*vigil.Event, error) bool) {
		n := 0
		for raw, err := range values(json.NewDecoder(r)) {
			if err == nil {
				err = jsonb.Check(raw, d.Limits)
			}
			if err != nil {
				yield(nil, fmt.Errorf("read event %d: %w", n+1, err))
				return
			}
			n++
			if !yield(d.event(raw), nil) {
				return
			}
		}
	}
}

func (d Decoder) event(raw []byte) *vigil.Event {
	e := &vigil.Event{Table: d.Table, Format: vigil.FormatLogserver, Doc: raw}
	if e.Table == "" {
		e.Table = vigil.TableEvents
	}
	return e
}

// values yields the values at the top level and those of arrays there.
func values(dec *json.Decoder) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		inArray := false
		for {
			switch done, more, err := next(dec, &inArray); {
			case err != nil:
				yield(nil, err)
				return
			case done:
				return
			case !more:
				continue
			}
			var raw json.RawMessage
			if err := dec.Decode(&raw); err != nil {
				yield(nil, err)
				return
			}
			if !yield(bytes.TrimSpace(raw), nil) {
				return
			}
		}
	}
}

// next steps to the next value. It goes into an array, and out of it again.
func next(dec *json.Decoder, inArray *bool) (done, more bool, err error) {
	if *inArray {
		if dec.More() {
			return false, true, nil
		}
		_, err = dec.Token() // the closing bracket
		*inArray = false
		return false, false, unexpected(err)
	}
	c, err := peek(dec)
	switch {
	case errors.Is(err, io.EOF):
		return true, false, nil
	case err != nil:
		return false, false, err
	case c != '[':
		return false, true, nil
	}
	_, err = dec.Token()
	*inArray = true
	return false, false, err
}

func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// peek returns the first byte of the next value at the top level.
func peek(dec *json.Decoder) (byte, error) {
	if !dec.More() { // fills the buffer up to the next byte that is no space
		_, err := dec.Token() // tells why there is none
		return 0, err
	}
	var b [1]byte
	_, err := dec.Buffered().Read(b[:])
	return b[0], err
}
