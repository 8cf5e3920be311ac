package gateway

import (
	"encoding/json"
	"fmt"
	"time"

	"vigil"
)

// ReaderConfig is what a [Reader] is made with. The zero value is useful.
type ReaderConfig struct {
	// Events makes the events of an exchange. Nil makes one: the exchange itself,
	// in the table exchanges, as JSON. Whoever wants more calls [ExchangeEvent]
	// and adds to it.
	Events func(*vigil.Exchange) ([]*vigil.Event, error)
	// MaxDecoded bounds the bytes of a body after its coding was undone; 0 is 16 MiB.
	MaxDecoded int
}

// A Reader makes events of the records that a [Gateway] hands to its spool. It
// parses bodies, and it remembers which searches are being paged through, so a
// spool has one Reader and gives it the records in their order. It is safe for
// concurrent use.
type Reader struct {
	events     func(*vigil.Exchange) ([]*vigil.Event, error)
	maxDecoded int
	pages      pages
}

// NewReader returns a Reader.
func NewReader(c ReaderConfig) *Reader {
	r := &Reader{events: c.Events, maxDecoded: c.MaxDecoded}
	if r.events == nil {
		r.events = func(x *vigil.Exchange) ([]*vigil.Event, error) {
			e, err := ExchangeEvent(x)
			return []*vigil.Event{e}, err
		}
	}
	if r.maxDecoded == 0 {
		r.maxDecoded = 16 << 20
	}
	return r
}

// Events makes the events of one record. A record of an exchange that never
// ended, because the process did, says so in Error. The record is not kept.
func (r *Reader) Events(record []byte) ([]*vigil.Event, error) {
	c, err := decodeRecord(record)
	if err != nil {
		return nil, err
	}
	if c.gapLost > 0 {
		e, err := gapEvent(c)
		return []*vigil.Event{e}, err
	}
	return r.events(r.interpret(c))
}

// ExchangeEvent is the event that x is kept as. Its document is JSON that every
// store takes, whatever the caller or the server had in their strings.
func ExchangeEvent(x *vigil.Exchange) (*vigil.Event, error) {
	doc, err := document(x)
	if err != nil {
		return nil, fmt.Errorf("write exchange: %w", err)
	}
	return &vigil.Event{Table: vigil.TableExchanges, Format: vigil.FormatExchange, Doc: doc, Sender: sender(x.Peer)}, nil
}

// sender says that the gateway saw it itself.
func sender(peer []string) *vigil.Sender {
	s := &vigil.Sender{Listener: "gateway", Authenticated: true}
	if len(peer) > 0 {
		s.Peer = peer[len(peer)-1]
	}
	return s
}

// gapEvent says how many exchanges passed without a record.
func gapEvent(c *capture) (*vigil.Event, error) {
	doc, err := json.Marshal(map[string]any{
		"severity": "error",
		"version":  "1",
		"action":   "gap",
		"occurred": c.gapUntil.UTC().Format(time.RFC3339Nano),
		"agent":    map[string]any{"type": "system", "who": "gateway"},
		"source":   map[string]any{"observer": c.host, "type": "vigil"},
		"entity": map[string]any{"detail": []map[string]any{
			{"lost": c.gapLost},
			{"since": c.start.UTC().Format(time.RFC3339Nano)},
			{"until": c.gapUntil.UTC().Format(time.RFC3339Nano)},
		}},
		"outcome": "8",
		"message": fmt.Sprintf("%d requests passed the gateway without a record, because it could not be written", c.gapLost),
	})
	if err != nil {
		return nil, fmt.Errorf("write gap: %w", err)
	}
	return &vigil.Event{Table: vigil.TableSystem, Format: vigil.FormatSystem, Doc: doc, Sender: sender(nil)}, nil
}
