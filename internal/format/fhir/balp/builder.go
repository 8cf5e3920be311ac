package balp

import (
	"errors"
	"fmt"
	"sync"

	"vigil"
	"vigil/internal/format/fhir"
)

// Config says how AuditEvents are made. The zero value is useful.
type Config struct {
	// Observer names who saw the exchanges, for source.observer. Empty: the name
	// of the gateway that the exchange has.
	Observer string
	// ObserverSystem, an absolute URI, makes an identifier of the observer's name.
	ObserverSystem string
	// Site is where the observer is, for source.site; empty: not said. In the
	// shape of Firely Server it is "Firely Server" where nothing is said.
	Site string
	// PerPatient makes an event for each patient of an exchange, as BALP asks of
	// searches; the resources of the answer are then in an event without patients,
	// but for the patients themselves, so that no patient's event tells of others.
	// Otherwise one event has all patients, and claims no profile of patients where
	// they are several. Bundles, and Firely's shape, have all patients in one.
	PerPatient bool
	// MaxPatients bounds the patients of one event, and the events that PerPatient
	// makes of one exchange or entry; default 1000. Further patients are together
	// in further events.
	MaxPatients int
	// MaxReturned bounds the resources of the answer that an event lists; default
	// 1000, negative none. How many more there are is in the event.
	MaxReturned int
	// R5 writes events of FHIR R5: those of R4 as package fhir converts them, so
	// that nothing is lost on the way back. Profiles of BALP, which are of R4, are
	// then claimed in an extension. It takes several times as long.
	R5 bool
	// Firely shapes events as Firely Server does, which claim FHIR's AuditEvent
	// and, in R4 and with a verified token, BALP's OAUTHaccessTokenUse.Minimal.
	Firely bool
	// Excluded says of which entries of a bundle no events are made; nil: of all
	// they are. It is asked once for each entry, and keeps neither argument. The
	// event of the bundle itself stays as it is.
	Excluded func(whole, entry *vigil.Exchange) bool
}

// A Builder makes AuditEvents. It is safe for concurrent use.
type Builder struct {
	conf    Config
	source  string // JSON of source, "" where it depends on the exchange
	buffers sync.Pool
}

// New returns a Builder.
func New(c Config) *Builder {
	if c.MaxPatients <= 0 {
		c.MaxPatients = 1000
	}
	if c.MaxReturned == 0 {
		c.MaxReturned = 1000
	}
	b := &Builder{conf: c}
	b.buffers.New = func() any { return new([]byte) }
	if !blank(c.Observer) && !c.Firely {
		w := &writer{Builder: b}
		w.appendSource(c.Observer)
		b.source = string(w.b)
	}
	return b
}

var errNoExchange = errors.New("there is no exchange to make AuditEvents of")

// Events returns the AuditEvents of an exchange, for the table audit_events: that
// of the exchange first, then those of its entries in their order. Their
// documents have no id, which the store's UID is for. x is not kept; the events
// are the caller's.
func (b *Builder) Events(x *vigil.Exchange) ([]*vigil.Event, error) {
	if x == nil {
		return nil, errNoExchange
	}
	buf := b.buffers.Get().(*[]byte)
	w := &writer{Builder: b, b: (*buf)[:0], whole: x, sender: sender(x.Peer)}
	w.events = make([]*vigil.Event, 0, 1+len(x.Entries))
	w.exchange(x, -1)
	for i := range x.Entries {
		if b.conf.Excluded == nil || !b.conf.Excluded(x, &x.Entries[i]) {
			w.exchange(&x.Entries[i], i)
		}
	}
	*buf = w.b[:0]
	if w.err != nil {
		return nil, w.err
	}
	if cap(w.b) <= 1<<20 {
		b.buffers.Put(buf)
	}
	return w.events, nil
}

// sender says that the gateway saw it itself.
func sender(peer []string) *vigil.Sender {
	s := &vigil.Sender{Listener: "gateway", Authenticated: true}
	if len(peer) > 0 {
		s.Peer = clean(peer[len(peer)-1])
	}
	return s
}

// writer makes the events of one exchange.
type writer struct {
	*Builder
	b      []byte // the document that is being written
	whole  *vigil.Exchange
	sender *vigil.Sender
	events []*vigil.Event
	err    error
}

// An account is what one event tells.
type account struct {
	*vigil.Exchange     // the exchange, or the entry of it
	entry           int // -1: the exchange
	kind            *kind
	outcome         string // FHIR's code
	action          byte
	profile         string   // of BALP; empty: none
	patients        []string // of this event
	listed          int      // how many of Returned this event lists
	listedIn        string   // the event that lists them, where it is another
}

// exchange adds the events of x, which is entry number at of the whole.
func (w *writer) exchange(x *vigil.Exchange, at int) {
	a := account{Exchange: x, entry: at, listed: min(len(x.Returned), max(w.conf.MaxReturned, 0))}
	a.judge(w.whole)
	if !w.conf.PerPatient || len(x.Patients) < 2 || len(x.Entries) > 0 || w.conf.Firely {
		w.together(a, x.Patients)
		return
	}
	if len(x.Returned) > 0 {
		w.add(a)
		a.listedIn = "the event of this request that has no patient"
	}
	alone := x.Patients[:min(len(x.Patients), w.conf.MaxPatients)]
	for i := range alone {
		a.patients = alone[i : i+1 : i+1]
		w.add(a)
	}
	if rest := x.Patients[len(alone):]; len(rest) > 0 {
		a.listed = 0
		w.together(a, rest)
	}
}

// together adds an event of all patients, or several where they are many. The
// first has the resources of the answer.
func (w *writer) together(a account, patients []string) {
	for {
		a.patients = patients[:min(len(patients), w.conf.MaxPatients)]
		w.add(a)
		if patients = patients[len(a.patients):]; len(patients) == 0 {
			return
		}
		a.listed = 0
		if len(a.Returned) > 0 && a.listedIn == "" {
			a.listedIn = "the first event of this request"
		}
	}
}

// add writes the event of a.
func (w *writer) add(a account) {
	a.claim()
	w.b = w.b[:0]
	if w.conf.Firely {
		w.firely(&a)
	} else {
		w.event(&a)
	}
	e := &vigil.Event{Table: vigil.TableAuditEvents, Format: vigil.FormatFHIRR4, Sender: w.sender}
	if w.conf.R5 {
		e.Format = vigil.FormatFHIRR5
		var err error
		if e.Doc, err = w.toR5(); err != nil {
			w.err = err
			return
		}
	} else {
		e.Doc = append(make([]byte, 0, len(w.b)), w.b...)
	}
	w.events = append(w.events, e)
}

// toR5 converts the document.
func (w *writer) toR5() ([]byte, error) {
	n, err := fhir.ParseJSON(w.b, fhir.Limits{})
	if err == nil {
		n, err = fhir.Convert(n, fhir.R4, fhir.R5)
	}
	if err != nil {
		return nil, fmt.Errorf("write AuditEvent of R5: %w", err)
	}
	if w.conf.Firely {
		firelyR5(n)
	}
	return fhir.AppendJSON(nil, n), nil
}

// statusText is a status as a person reads it.
func statusText(status int, text string) string {
	if text == "" {
		return fmt.Sprintf("%d", status)
	}
	return fmt.Sprintf("%d %s", status, text)
}
