// Package aidbox is the log of Aidbox: lines of one JSON object each, as a view
// of exchanges and of every other event, and the forms in which Aidbox prints
// them (plain JSON, Google's JSON, text for people).
//
// It reads nothing from the network and stores nothing: vigil/internal/ingest
// takes lines in and streams them out. The facts that lines hold are data of
// package vigil; [Attributes] and [Events] describe the vocabulary.
//
// # One event, several lines
//
// An exchange is w/req, then a line for each resource that it created, changed
// or deleted and one for what became of the caller's credentials, then w/resp
// with ctx_end. All of them have the exchange's id as ctx.
package aidbox

import (
	"time"

	"vigil"
	"vigil/internal/jsonb"
)

// IsLine reports whether a document is a line of Aidbox's log: an object with a
// name (ev) and a time (ts) or a request (ctx). Aidbox writes the lines of one
// request without ev where it has been told to sum them up; those have op, ts
// and ctx.
func IsLine(doc []byte) bool {
	var ev, ts, ctx, op bool
	for key, val := range jsonb.Members(doc) {
		text := jsonb.Kind(val) == '"'
		switch key {
		case "ev":
			ev = text
		case "ts":
			ts = text
		case "ctx":
			ctx = text
		case "op":
			op = text
		}
	}
	return ev && (ts || ctx) || op && ts && ctx
}

// Time is the layout of ts, in UTC.
const Time = "2006-01-02T15:04:05.000Z"

// DefaultTokenRoutes are the ends of paths at which servers give out tokens.
var defaultTokenRoutes = []string{
	"/auth/token", "/auth/login", "/oauth2/token", "/oauth/token", "/connect/token", "/openid-connect/token",
}

// Options says what lines have beyond what the event tells.
type Options struct {
	Tenant string // tn; empty leaves it out
	W      string // w; empty is the exchange's gateway, else vigil
	// TokenRoutes are ends of paths: an answer to a POST there is a login or a
	// failed one. Nil is the usual ones.
	TokenRoutes []string
	// UnixTime adds timeUnix, in milliseconds.
	UnixTime bool
	// Mapping reads who did what from documents of other vocabularies, so that
	// their lines can be filtered like the rest; nil leaves that out.
	Mapping vigil.Mapping
}

// Lines returns the line format: every event as one or more lines. Lines that
// came from Aidbox or by $loggy pass as they are, in one line each. It is safe
// for concurrent use.
func Lines(o Options) func(dst []byte, e *vigil.Event) []byte {
	if o.TokenRoutes == nil {
		o.TokenRoutes = defaultTokenRoutes
	}
	return func(dst []byte, e *vigil.Event) []byte {
		isObject := jsonb.Kind(e.Doc) == '{'
		switch {
		case e.Format == vigil.FormatExchange && isObject:
			return o.exchange(dst, e.Doc)
		case e.Format == vigil.FormatAidbox && isObject:
			return append(jsonb.AppendLine(dst, e.Doc), '\n')
		case e.Format == vigil.FormatSystem && isObject:
			return o.system(dst, e)
		}
		return o.app(dst, e, isObject)
	}
}

// begin appends the beginning of a line: its name and what every line has.
func (o *Options) begin(dst []byte, ev string, at time.Time, w []byte) []byte {
	dst = append(dst, `{"ev":`...)
	dst = jsonb.AppendLineString(dst, ev)
	dst = append(dst, `,"ts":"`...)
	at = at.UTC()
	dst = append(at.AppendFormat(dst, Time), '"')
	if o.UnixTime {
		dst = number(dst, "timeUnix", at.UnixMilli())
	}
	if o.Tenant != "" {
		dst = text(dst, "tn", o.Tenant)
	}
	switch {
	case o.W != "":
		dst = text(dst, "w", o.W)
	case present(w):
		dst = value(dst, "w", w)
	default:
		dst = text(dst, "w", "vigil")
	}
	return dst
}
