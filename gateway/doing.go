package gateway

import (
	"fmt"
	"time"
)

// doing is something that the gateway itself did: an event of the table system.
type doing struct {
	severity, action, outcome, message string
	at                                 time.Time
	who                                string    // name of the gateway
	counted                            string    // what count is the number of
	count                              int64     // 0: nothing was counted
	since                              time.Time // of a count
	details                            []map[string]any
}

// document writes d in logserver's recommended schema.
func (d doing) document() ([]byte, error) {
	details := d.details
	if d.count > 0 {
		details = append(details, map[string]any{d.counted: d.count},
			map[string]any{"since": d.since.UTC().Format(time.RFC3339Nano)},
			map[string]any{"until": d.at.UTC().Format(time.RFC3339Nano)})
	}
	b, err := document(map[string]any{
		"severity": d.severity,
		"version":  "1",
		"action":   d.action,
		"occurred": d.at.UTC().Format(time.RFC3339Nano),
		"agent":    map[string]any{"type": "system", "who": "gateway"},
		"source":   map[string]any{"observer": d.who, "type": "vigil"},
		"entity":   map[string]any{"detail": details},
		"outcome":  d.outcome,
		"message":  d.message,
	})
	if err != nil {
		return nil, fmt.Errorf("write %s: %w", d.action, err)
	}
	return b, nil
}

func gapMessage(n int64) string {
	return fmt.Sprintf("%d requests passed the gateway without a record, because it could not be written", n)
}

// tell hands over a doing. Where there is no room it is kept and tried again
// with the next exchange that ends; it is never left out.
func (g *Gateway) tell(d doing) {
	d.who = g.c.Name
	doc, err := d.document()
	if err != nil { // strings can always be written
		g.c.Log.Error("a doing of the gateway cannot be written", "action", d.action, "err", err)
		return
	}
	g.untold.mu.Lock()
	g.untold.docs = append(g.untold.docs, doc)
	g.untold.any.Store(true)
	g.untold.mu.Unlock()
	g.tellRest()
}

// tellRest hands over what could not be handed over so far.
func (g *Gateway) tellRest() {
	if !g.untold.any.Load() {
		return
	}
	g.untold.mu.Lock()
	defer g.untold.mu.Unlock()
	for len(g.untold.docs) > 0 {
		c := capture{start: g.c.Now(), doing: g.untold.docs[0]}
		if _, err := g.spool.End(doneContext(), 0, c.append(nil)); err != nil {
			return
		}
		g.untold.docs = g.untold.docs[1:]
	}
	g.untold.any.Store(false)
}

// exclude counts a request that a policy leaves out. Counts are told a minute
// after the first of them, or when the gateway closes.
func (g *Gateway) exclude(by *policy) {
	e := &g.excluded
	e.total.Add(1)
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.counts == nil {
		e.counts, e.since = map[*policy]int64{}, g.c.Now()
		e.timer = time.AfterFunc(g.c.ExcludedEvery, g.tellExcluded)
	}
	e.counts[by]++
}

// tellExcluded makes an event of the counts.
func (g *Gateway) tellExcluded() {
	e := &g.excluded
	e.mu.Lock()
	counts, since := e.counts, e.since
	e.counts = nil
	if e.timer != nil {
		e.timer.Stop()
	}
	e.mu.Unlock()
	if counts == nil {
		return
	}
	d := doing{severity: "info", action: "exclude", outcome: "0", at: g.c.Now(), counted: "excluded", since: since}
	for pol, n := range counts {
		d.count += n
		rule := "the level where no policy says one"
		if pol != nil {
			rule = pol.label()
		}
		d.details = append(d.details, map[string]any{"policy": rule, "requests": n})
	}
	d.message = fmt.Sprintf("%d requests passed the gateway without a record, as its policies say", d.count)
	g.tell(d)
}

// label tells one policy from another, for people.
func (p *policy) label() string {
	s := "every method"
	if len(p.Methods) > 0 {
		s = fmt.Sprint(p.Methods)
	}
	if p.Route != "" {
		s += " " + p.Route
	}
	return s
}
