package jsonb

import (
	"bytes"
	"unicode/utf8"
)

// AppendLine appends a valid JSON text as one line: without white space between
// its tokens, and with everything that some reader takes for the end of a line
// or for a control character (DEL, U+0080 to U+009F, U+2028, U+2029) escaped.
// Numbers and the rest of strings stay as they are written. No newline is added.
func AppendLine(dst, doc []byte) []byte {
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

// EditLines replaces each line of dst from start on by what f appends to its dst
// in the line's place, newline included. A line is given without its newline; the
// last one needs none.
func EditLines(dst []byte, start int, f func(dst, line []byte) []byte) []byte {
	end := len(dst)
	for from := start; from < end; {
		n := bytes.IndexByte(dst[from:end], '\n')
		if n < 0 {
			n = end - from
		}
		dst = f(dst, dst[from:from+n])
		from += n + 1
	}
	return append(dst[:start], dst[end:]...)
}

// AppendLineString appends text, whatever its bytes are, as a JSON string in
// one line, escaping what [AppendLine] does. What is not UTF-8 becomes U+FFFD,
// and so does NUL, which jsonb has no place for.
func AppendLineString[T []byte | string](dst []byte, text T) []byte {
	const hex = "0123456789abcdef"
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
		case c == 0:
			dst = utf8.AppendRune(dst, utf8.RuneError)
		case c < ' ':
			dst = append(dst, '\\', 'u', '0', '0', '0'+c>>4, hex[c&15])
		default:
			dst, n = appendLineRune(dst, []byte(text[i:min(i+utf8.UTFMax, len(text))]))
		}
		i += n
		start = i
	}
	return append(append(dst, text[start:]...), '"')
}

// appendLineRune appends the first rune of text, which is not printable ASCII,
// and returns how many bytes it had.
func appendLineRune(dst, text []byte) ([]byte, int) {
	if escape, n := lineEnd(text); n > 0 {
		return append(dst, escape...), n
	}
	r, n := utf8.DecodeRune(text)
	return utf8.AppendRune(dst, r), n
}

// lineEnd returns how a character that may end a line is written in JSON, and
// its length; 0 where text begins with none.
func lineEnd(text []byte) (string, int) {
	const hex = "0123456789abcdef"
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
