package gateway

import (
	"bytes"
	"errors"

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
	// MaxKept bounds what of a body becomes part of the exchange, where a policy
	// asks for that; 0 is 64 KiB.
	MaxKept int
	// Pseudonyms are those of the gateway's [Config]. Without them, what a policy
	// wants replaced by a pseudonym is redacted.
	Pseudonyms *Pseudonyms
}

// A Reader makes events of the records that a [Gateway] hands to its spool. It
// parses bodies, and it remembers which searches are being paged through, so a
// spool has one Reader and gives it the records in their order. It is safe for
// concurrent use.
type Reader struct {
	events     func(*vigil.Exchange) ([]*vigil.Event, error)
	maxDecoded int
	maxKept    int
	pseudonyms *Pseudonyms
	pages      pages
}

// NewReader returns a Reader.
func NewReader(c ReaderConfig) *Reader {
	r := &Reader{events: c.Events, maxDecoded: c.MaxDecoded, maxKept: c.MaxKept, pseudonyms: c.Pseudonyms}
	if r.events == nil {
		r.events = func(x *vigil.Exchange) ([]*vigil.Event, error) {
			e, err := ExchangeEvent(x)
			return []*vigil.Event{e}, err
		}
	}
	if r.maxDecoded == 0 {
		r.maxDecoded = 16 << 20
	}
	if r.maxKept == 0 {
		r.maxKept = 64 << 10
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
	if len(c.doing) > 0 {
		return []*vigil.Event{{Table: vigil.TableSystem, Format: vigil.FormatSystem, Doc: bytes.Clone(c.doing), Sender: sender(nil)}}, nil
	}
	return r.events(r.interpret(c))
}

// ExchangeEvent is the event that x is kept as. Its document is JSON that every
// store takes, whatever the caller or the server had in their strings.
func ExchangeEvent(x *vigil.Exchange) (*vigil.Event, error) {
	if y := x.Start.Year(); y < 0 || y > 9999 {
		return nil, errors.New("write exchange: its time is out of range")
	}
	return &vigil.Event{Table: vigil.TableExchanges, Format: vigil.FormatExchange, Doc: encodeExchange(x), Sender: sender(x.Peer)}, nil
}

// sender says that the gateway saw it itself.
func sender(peer []string) *vigil.Sender {
	s := &vigil.Sender{Listener: "gateway", Authenticated: true}
	if len(peer) > 0 {
		s.Peer = peer[len(peer)-1]
	}
	return s
}
