package sink

import (
	"bytes"
	"iter"
	"strconv"

	"vigil"
	"vigil/internal/jsonb"
	"vigil/internal/store"
)

// Document is the [Line] of the bare document. What is not JSON becomes a JSON
// string.
func Document(dst []byte, e *vigil.Event) []byte {
	return append(appendDocument(dst, e), '\n')
}

// Envelope is the [Line] of the document with what Vigil knows of it:
//
//	{"table":"events","id":1,"uid":"…","received":"…Z","format":"logserver","sender":{…},"event":{…}}
//
// What is not known yet, because no store has the event, is left out.
func Envelope(dst []byte, e *vigil.Event) []byte {
	dst = append(dst, `{"table":`...)
	dst = jsonb.AppendString(dst, e.Table)
	if e.ID != 0 {
		dst = append(dst, `,"id":`...)
		dst = strconv.AppendInt(dst, e.ID, 10)
	}
	if e.UID != (vigil.UID{}) {
		dst = append(dst, `,"uid":"`...)
		dst = append(e.UID.Append(dst), '"')
	}
	if !e.Received.IsZero() {
		dst = append(dst, `,"received":"`...)
		dst = append(e.Received.UTC().AppendFormat(dst, "2006-01-02T15:04:05.000000Z07:00"), '"')
	}
	dst = append(dst, `,"format":`...)
	dst = jsonb.AppendString(dst, string(e.Format))
	if e.Sender != nil {
		dst = append(dst, `,"sender":`...)
		dst = jsonb.AppendLine(dst, store.AppendSender(nil, e.Sender))
	}
	dst = append(dst, `,"event":`...)
	return append(appendDocument(dst, e), '}', '\n')
}

// Enclosed returns the document in a line of [Envelope]; nil for every other line,
// and where the document is no JSON object. The line must be a JSON object.
func Enclosed(line []byte) []byte {
	if !bytes.HasPrefix(line, []byte(`{"table":"`)) {
		return nil
	}
	doc, ok := jsonb.Get(line, "event")
	if _, stored := jsonb.Get(line, "format"); !ok || !stored || jsonb.Kind(doc) != '{' {
		return nil
	}
	return doc
}

// appendDocument appends the document as one JSON value in one line.
func appendDocument(dst []byte, e *vigil.Event) []byte {
	if store.IsJSON(e.Table, e.Format) || jsonb.Check(e.Doc, jsonb.Limits{}) == nil {
		return jsonb.AppendLine(dst, e.Doc)
	}
	return jsonb.AppendLineString(dst, e.Doc)
}

// Lines yields each line of what a [Line] appended, numbered from 0, without
// its newline.
func Lines(lines []byte) iter.Seq2[int, []byte] {
	return func(yield func(int, []byte) bool) {
		for n := 0; len(lines) > 0; n++ {
			line, rest, _ := bytes.Cut(lines, []byte{'\n'})
			if !yield(n, line) {
				return
			}
			lines = rest
		}
	}
}
