// Package clef is the compact log event format of Serilog and Seq: a JSON object
// a line, in which names that begin with @ are the format's own.
package clef

import (
	"vigil/internal/format/template"
)

// MediaType is what a body of such lines is sent as.
const MediaType = "application/vnd.serilog.clef"

// Append appends e as a line. Of the message its template is written, which Seq
// tells kinds of events by; the level Information is left out, as it is the one
// that is meant then. Control characters are escaped, so that an event is one line.
func Append(dst []byte, e *template.Event) []byte {
	dst = append(dst, `{"@t":"`...)
	dst = e.Time.UTC().AppendFormat(dst, Time)
	dst = append(dst, '"')
	if e.Message != nil {
		dst = text(dst, "@mt", e.Message.String())
	}
	if e.Level != template.Information {
		dst = text(dst, "@l", e.Level.String())
	}
	if e.Exception != "" {
		dst = text(dst, "@x", e.Exception)
	}
	if e.Trace != "" {
		dst = text(dst, "@tr", e.Trace)
	}
	if e.Span != "" {
		dst = text(dst, "@sp", e.Span)
	}
	for _, p := range e.Properties {
		name := p.Name
		if name != "" && name[0] == '@' {
			name = "@" + name
		}
		dst = append(dst, ',')
		dst = template.Text(name).AppendJSON(dst)
		dst = append(dst, ':')
		dst = p.Value.AppendJSON(dst)
	}
	return append(dst, '}', '\n')
}

// Time is the layout of @t, in UTC.
const Time = "2006-01-02T15:04:05.0000000Z"

func text(dst []byte, name, s string) []byte {
	dst = append(append(append(dst, `,"`...), name...), `":`...)
	return template.Text(s).AppendJSON(dst)
}
