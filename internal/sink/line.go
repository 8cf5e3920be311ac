package sink

import (
	"bytes"
	"iter"
	"strconv"
	"unicode/utf8"

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
		dst = AppendOneLine(dst, store.AppendSender(nil, e.Sender))
	}
	dst = append(dst, `,"event":`...)
	return append(appendDocument(dst, e), '}', '\n')
}

// appendDocument appends the document as one JSON value in one line.
func appendDocument(dst []byte, e *vigil.Event) []byte {
	if store.IsJSON(e.Table, e.Format) || jsonb.Check(e.Doc, jsonb.Limits{}) == nil {
		return AppendOneLine(dst, e.Doc)
	}
	return AppendText(dst, e.Doc)
}

// AppendOneLine appends a JSON text without white space between its tokens, and
// with everything that some reader takes for the end of a line (DEL, U+0080 to
// U+009F, U+2028, U+2029) escaped. Numbers and the rest of strings stay as they
// are written. The text must be valid JSON.
func AppendOneLine(dst, doc []byte) []byte {
	start, inside := 0, false
	for i := 0; i < len(doc); i++ {
		switch c := doc[i]; {
		case c == '"':
			inside = !inside
		case c == '\\' && inside:
			i++
		case c <= ' ' && !inside:
			dst = append(dst, doc[start:i]...)
			start = i + 1
		case c == 0x7f || c == 0xc2 || c == 0xe2:
			if escape, n := lineEnd(doc[i:]); n > 0 {
				dst = append(append(dst, doc[start:i]...), escape...)
				i += n - 1
				start = i + 1
			}
		}
	}
	return append(dst, doc[start:]...)
}

// AppendText appends text, whatever its bytes are, as a JSON string in one line.
// What is not UTF-8 becomes U+FFFD.
func AppendText(dst, text []byte) []byte {
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(text); {
		c := text[i]
		if c >= ' ' && c != '"' && c != '\\' && c < 0x7f {
			i++
			continue
		}
		dst = append(dst, text[start:i]...)
		n := 1
		switch {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c == '\n':
			dst = append(dst, '\\', 'n')
		case c == '\r':
			dst = append(dst, '\\', 'r')
		case c == '\t':
			dst = append(dst, '\\', 't')
		case c < ' ':
			dst = append(dst, '\\', 'u', '0', '0', '0'+c>>4, hex[c&15])
		default:
			dst, n = appendRune(dst, text[i:])
		}
		i += n
		start = i
	}
	return append(append(dst, text[start:]...), '"')
}

const hex = "0123456789abcdef"

// appendRune appends the first rune of text, which is not plain ASCII, and
// returns how many bytes it had.
func appendRune(dst, text []byte) ([]byte, int) {
	if escape, n := lineEnd(text); n > 0 {
		return append(dst, escape...), n
	}
	r, n := utf8.DecodeRune(text)
	return utf8.AppendRune(dst, r), n
}

// lineEnd returns how a character that may end a line is written in JSON, and
// its length; 0 where text begins with none.
func lineEnd(text []byte) (string, int) {
	switch {
	case text[0] == 0x7f:
		return `\u007f`, 1
	case len(text) >= 2 && text[0] == 0xc2 && text[1] >= 0x80 && text[1] <= 0x9f:
		c := text[1]
		return `\u00` + string([]byte{hex[c>>4], hex[c&15]}), 2
	case len(text) >= 3 && text[0] == 0xe2 && text[1] == 0x80 && (text[2] == 0xa8 || text[2] == 0xa9):
		return `\u202` + string(hex[text[2]&15]), 3
	}
	return "", 0
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
