package aidbox

import (
	"strings"
	"time"

	"vigil"
	"vigil/internal/jsonb"
)

// app appends the line of a document of another vocabulary: an event log, with
// the document as its message, as $loggy would have it.
func (o *Options) app(dst []byte, e *vigil.Event, isObject bool) []byte {
	var f vigil.Facts
	if o.Mapping != nil && isObject {
		f = o.Mapping.Facts(e.Format, e.Doc)
	}
	at := f.Occurred
	if at.IsZero() {
		at = e.Received
	}
	dst = o.begin(dst, "log", at, nil)
	dst = level(dst, f.Values[vigil.FactSeverity])
	dst = ctx(dst, e)
	dst = text(dst, "type", string(e.Format))
	dst = facts(dst, &f)
	if isObject || jsonb.Check(e.Doc, jsonb.Limits{}) == nil {
		dst = value(dst, "message", e.Doc)
	} else {
		dst = jsonb.AppendLineString(key(dst, "message"), e.Doc)
	}
	return append(dst, '}', '\n')
}

// ctx appends the event's own id, as what ties its lines together.
func ctx(dst []byte, e *vigil.Event) []byte {
	if e.UID == (vigil.UID{}) {
		return append(key(dst, "ctx"), "null"...)
	}
	return text(dst, "ctx", e.UID.String())
}

// level appends lvl; info has none.
func level(dst []byte, severity []string) []byte {
	if len(severity) == 0 {
		return dst
	}
	switch severity[0] {
	case "critical":
		return text(dst, "lvl", "panic")
	case "error":
		return text(dst, "lvl", "error")
	case "warning":
		return text(dst, "lvl", "warn")
	case "debug":
		return text(dst, "lvl", "debug")
	}
	return dst
}

// named has the attribute for each fact that lines of applications have.
var named = []struct {
	fact vigil.Fact
	name string
}{
	{vigil.FactAction, "op"},
	{vigil.FactAgent, "w_uid"},
	{vigil.FactClient, "w_cid"},
	{vigil.FactIP, "w_addr"},
	{vigil.FactCorrelation, "w_corr_id"},
	{vigil.FactSource, "bname"},
}

// facts appends what a document says of itself under Aidbox's names.
func facts(dst []byte, f *vigil.Facts) []byte {
	for _, n := range named {
		switch v := f.Values[n.fact]; {
		case len(v) == 0:
		case n.fact == vigil.FactIP:
			dst = text(dst, n.name, strings.Join(v, ", "))
		default:
			dst = text(dst, n.name, v[0])
		}
	}
	if p := f.Values[vigil.FactPatient]; len(p) > 0 {
		if kind, id, ok := strings.Cut(p[0], "/"); ok {
			dst = text(text(dst, "rtp", kind), "rid", id)
		}
	}
	return dst
}

// system appends the line of one of Vigil's own doings. A read of the store is
// db/q: what was asked is its query. Anything else is a log.
func (o *Options) system(dst []byte, e *vigil.Event) []byte {
	var d doing
	d.read(e.Doc)
	ev := "log"
	if string(d.action) == `"read"` && present(d.query) {
		ev = "db/q"
	}
	at, err := time.Parse(time.RFC3339Nano, string(plain(d.occurred)))
	if err != nil {
		at = e.Received
	}
	dst = o.begin(dst, ev, at, nil)
	dst = level(dst, []string{string(plain(d.severity))})
	dst = ctx(dst, e)
	if ev == "db/q" {
		dst = value(dst, "sql", d.query)
	} else {
		dst = optional(dst, "op", d.action)
	}
	dst = optional(dst, "msg", d.message)
	dst = optional(dst, "w_uid", d.who)
	dst = optional(dst, "w_ip", d.ip)
	if len(d.outcome) > 0 && jsonb.Kind(plain(d.outcome)) == '0' {
		dst = value(dst, "w_st", plain(d.outcome))
	}
	return append(dst, '}', '\n')
}

// doing is what lines show of one of Vigil's own doings.
type doing struct {
	severity, action, occurred, outcome, message, who, ip, query []byte
}

func (d *doing) read(doc []byte) {
	for name, val := range jsonb.Members(doc) {
		switch name {
		case "severity":
			d.severity = val
		case "action":
			d.action = val
		case "occurred":
			d.occurred = val
		case "outcome":
			d.outcome = val
		case "message":
			d.message = val
		case "agent":
			d.who, _ = jsonb.Get(val, "who")
			d.ip, _ = jsonb.Get(val, "ip_address")
		case "entity":
			d.query, _ = jsonb.Get(val, "query")
		}
	}
}
