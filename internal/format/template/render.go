package template

import (
	"strings"
	"time"
	"unicode/utf8"
)

// An Event is what a template prints.
type Event struct {
	Time  time.Time // printed in its zone
	Level Level
	// Message is the message template; nil prints nothing.
	Message    *Template
	Exception  string // with its stack trace; empty for none
	Trace      string // hexadecimal; empty for none
	Span       string
	Properties []Property
}

// NewLine is what {NewLine} stands for, on every system.
const NewLine = "\n"

// Append appends e as t says and returns the longer slice. It keeps nothing of e.
func (t *Template) Append(dst []byte, e *Event) []byte {
	for i := range t.tokens {
		tok := &t.tokens[i]
		if tok.kind == kindText {
			dst = append(dst, tok.raw...)
			continue
		}
		start := len(dst)
		var printed bool
		if dst, printed = t.property(dst, tok, e); printed && tok.width > 0 {
			dst = pad(dst, start, tok.width, tok.left)
		}
	}
	return dst
}

// property appends what tok stands for. Of what is missing nothing is printed,
// no padding either.
func (t *Template) property(dst []byte, tok *token, e *Event) ([]byte, bool) {
	switch tok.kind {
	case kindLevel:
		return e.Level.append(dst, tok.format), true
	case kindTrace:
		return appendVisible(dst, e.Trace), e.Trace != ""
	case kindSpan:
		return appendVisible(dst, e.Span), e.Span != ""
	case kindNewLine:
		return append(dst, NewLine...), true
	case kindException:
		if e.Exception != "" {
			dst = append(appendVisible(dst, e.Exception), NewLine...)
		}
		return dst, true
	case kindMessage:
		return e.appendMessage(dst, tok.format), true
	case kindTimestamp:
		return tok.date.append(dst, e.Time, false), true
	case kindUTC:
		return tok.date.append(dst, e.Time.UTC(), true), true
	case kindProperties:
		return t.properties(dst, tok.format, e), true
	}
	v, ok := find(e.Properties, tok.name)
	if !ok {
		return dst, false
	}
	if v.kind == str {
		return appendVisible(dst, casing(v.text, tok.format)), true
	}
	return v.render(dst, tok.format), true
}

// AppendMessage appends the message of e with its properties in place: text in
// quotes, as Serilog's RenderMessage does.
func (e *Event) AppendMessage(dst []byte) []byte { return e.appendMessage(dst, "") }

// appendMessage appends the message; of the letters of format, l is for text
// without quotes and j for JSON.
func (e *Event) appendMessage(dst []byte, format string) []byte {
	if e.Message == nil {
		return dst
	}
	literal, asJSON := strings.Contains(format, "l"), strings.Contains(format, "j")
	for i := range e.Message.tokens {
		tok := &e.Message.tokens[i]
		if tok.name == "" {
			dst = append(dst, tok.raw...)
			continue
		}
		v, ok := find(e.Properties, tok.name)
		start := len(dst)
		switch {
		case !ok:
			dst = append(dst, tok.raw...)
			continue
		case literal && v.kind == str:
			dst = appendVisible(dst, v.text)
		case asJSON && tok.format == "":
			dst = v.AppendJSON(dst)
		default:
			dst = v.render(dst, tok.format)
		}
		if tok.width > 0 {
			dst = pad(dst, start, tok.width, tok.left)
		}
	}
	return dst
}

// properties appends what neither the message nor t names.
func (t *Template) properties(dst []byte, format string, e *Event) []byte {
	rest := make([]Property, 0, len(e.Properties))
	for _, p := range e.Properties {
		if !t.mentions(p.Name) && (e.Message == nil || !e.Message.mentions(p.Name)) {
			rest = append(rest, p)
		}
	}
	if strings.Contains(format, "j") {
		return jsonFields(dst, rest)
	}
	return renderFields(dst, rest)
}

func (t *Template) mentions(name string) bool {
	for i := range t.tokens {
		if t.tokens[i].name == name {
			return true
		}
	}
	return false
}

// casing applies the formats u and w, which all texts take.
func casing(s, format string) string {
	switch format {
	case "u":
		return strings.ToUpper(s)
	case "w":
		return strings.ToLower(s)
	}
	return s
}

// pad widens dst[start:] to width UTF-16 units, as .NET counts; it never cuts.
func pad(dst []byte, start, width int, left bool) []byte {
	n := width - units(dst[start:])
	if n <= 0 {
		return dst
	}
	end := len(dst)
	for range n {
		dst = append(dst, ' ')
	}
	if !left {
		copy(dst[start+n:], dst[start:end])
		for i := range n {
			dst[start+i] = ' '
		}
	}
	return dst
}

// units counts the UTF-16 code units of UTF-8 text.
func units(b []byte) (n int) {
	for len(b) > 0 {
		r, size := utf8.DecodeRune(b)
		if n++; r > 0xffff {
			n++
		}
		b = b[size:]
	}
	return n
}
