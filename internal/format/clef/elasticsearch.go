package clef

import (
	"vigil/internal/format/template"
)

// AppendDocument appends e as a line with the members that Serilog's sink for
// Elasticsearch writes (ElasticsearchJsonFormatter): the time is @timestamp, and the
// properties are in fields, or members themselves where inline says so; one that has
// the name of a member is in fields all the same.
func AppendDocument(dst []byte, e *template.Event, inline bool) []byte {
	dst = append(dst, `{"@timestamp":"`...)
	dst = append(e.Time.AppendFormat(dst, "2006-01-02T15:04:05.0000000Z07:00"), '"')
	dst = text(dst, "level", e.Level.String())
	if e.Message != nil {
		dst = text(dst, "messageTemplate", e.Message.String())
		dst = text(dst, "message", string(e.AppendMessage(nil)))
	}
	if e.Exception != "" {
		dst = text(dst, "exception", e.Exception)
	}
	if e.Trace != "" {
		dst = text(dst, "trace.id", e.Trace)
	}
	if e.Span != "" {
		dst = text(dst, "span.id", e.Span)
	}
	var fields []template.Property
	for _, p := range e.Properties {
		if !inline || reserved(p.Name) {
			fields = append(fields, p)
			continue
		}
		dst = append(template.Text(p.Name).AppendJSON(append(dst, ',')), ':')
		dst = p.Value.AppendJSON(dst)
	}
	if len(fields) > 0 {
		dst = template.Struct(fields...).AppendJSON(append(dst, `,"fields":`...))
	}
	return append(dst, '}', '\n')
}

// reserved reports whether a member of the document's own has the name.
func reserved(name string) bool {
	switch name {
	case "@timestamp", "level", "messageTemplate", "message", "exception", "trace.id", "span.id", "fields":
		return true
	}
	return false
}
