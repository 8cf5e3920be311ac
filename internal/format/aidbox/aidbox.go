// Package aidbox knows the lines of Aidbox's log. For now it tells them from
// other documents; the facts that they hold are data of package vigil.
package aidbox

import "vigil/internal/jsonb"

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
