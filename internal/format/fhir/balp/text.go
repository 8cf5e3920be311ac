package balp

import (
	"encoding/base64"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// maxText bounds each string of an event, in bytes; maxQuery a request that is
// kept as it was sent.
const (
	maxText  = 8 << 10
	maxQuery = 256 << 10
)

// raw appends JSON.
func (w *writer) raw(s string) { w.b = append(w.b, s...) }

// text appends s as a JSON string that FHIR and XML can hold.
func (w *writer) text(s string) {
	w.b = append(w.b, '"')
	w.part(s)
	w.b = append(w.b, '"')
}

// part appends s as a part of a JSON string.
func (w *writer) part(s string) {
	s = clip(s, maxText)
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= 0x20 && c < utf8.RuneSelf && c != '"' && c != '\\' && c != 0x7f {
			i++
			continue
		}
		r, size := rune(c), 1
		if c >= utf8.RuneSelf {
			r, size = utf8.DecodeRuneInString(s[i:])
		}
		escaped := escape(r, size)
		if escaped != "" {
			w.b = append(append(w.b, s[start:i]...), escaped...)
			start = i + size
		}
		i += size
	}
	w.b = append(w.b, s[start:]...)
}

// escape returns what stands for r in a JSON string, "" for r itself.
func escape(r rune, size int) string {
	switch {
	case r == '"':
		return `\"`
	case r == '\\':
		return `\\`
	case r == '\n':
		return `\n`
	case r == '\r':
		return `\r`
	case r == '\t':
		return `\t`
	case r < 0x20, r >= 0x7f && r < 0xa0, r&0xfffe == 0xfffe, r == utf8.RuneError && size == 1:
		return "\ufffd"
	}
	return ""
}

// clean is s without what no PostgreSQL text can hold.
func clean(s string) string {
	return strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", "\ufffd"), "\ufffd")
}

// clip cuts s to n bytes, between characters.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// blank reports whether s says nothing: FHIR has no empty strings.
func blank(s string) bool { return s == "" || strings.TrimSpace(clip(s, maxText)) == "" }

// base64 appends what was sent, as base64 in quotes.
func (w *writer) base64(s string) {
	w.b = append(w.b, '"')
	w.b = base64.StdEncoding.AppendEncode(w.b, []byte(s))
	w.b = append(w.b, '"')
}

// instant appends a FHIR instant of microseconds. Years that FHIR cannot write
// become the nearest it can.
func (w *writer) instant(t time.Time) {
	w.b = append(w.b, '"')
	w.b = clampYear(t).AppendFormat(w.b, "2006-01-02T15:04:05.000000Z07:00")
	w.b = append(w.b, '"')
}

// end is when the exchange was over.
func end(start time.Time, d time.Duration) time.Time { return start.Add(max(d, 0)) }

func (w *writer) int(n int64) { w.b = strconv.AppendInt(w.b, n, 10) }

// clampYear is t in UTC and in the years that FHIR can write.
func clampYear(t time.Time) time.Time {
	t = t.UTC()
	switch y := t.Year(); {
	case y < 1:
		return time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC)
	case y > 9999:
		return time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)
	}
	return t
}
