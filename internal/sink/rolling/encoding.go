package rolling

import (
	"fmt"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Encoding is how text becomes bytes.
type Encoding uint8

// The encodings. UTF-16 files begin with a byte order mark, as .NET's do.
const (
	UTF8 Encoding = iota // without a byte order mark
	UTF8BOM
	UTF16LE
	UTF16BE
	Latin1 // what it lacks becomes a question mark
	ASCII  // what it lacks becomes a question mark
)

// encodings maps the names that .NET and people use, in lower case.
var encodings = map[string]Encoding{
	"": UTF8, "utf-8": UTF8, "utf8": UTF8, "utf-8-nobom": UTF8,
	"utf-8-bom": UTF8BOM, "utf8-bom": UTF8BOM,
	"utf-16": UTF16LE, "utf-16le": UTF16LE, "utf16": UTF16LE, "unicode": UTF16LE,
	"utf-16be": UTF16BE, "bigendianunicode": UTF16BE, "unicodefffe": UTF16BE,
	"latin1": Latin1, "latin-1": Latin1, "iso-8859-1": Latin1,
	"ascii": ASCII, "us-ascii": ASCII,
}

// ParseEncoding reads the name of an encoding, .NET's static form included:
// System.Text.Encoding::UTF8, which writes a byte order mark.
func ParseEncoding(s string) (Encoding, error) {
	name := strings.ToLower(strings.TrimSpace(s))
	if member, ok := strings.CutPrefix(name, "system.text.encoding::"); ok {
		member, _, _ = strings.Cut(member, ",") // the assembly
		if name = strings.TrimSpace(member); name == "utf8" {
			return UTF8BOM, nil
		}
	}
	e, ok := encodings[name]
	if !ok {
		return 0, fmt.Errorf("encoding %q: want utf-8, utf-8-bom, utf-16, utf-16be, latin1 or ascii", s)
	}
	return e, nil
}

// mark is what a file in this encoding begins with.
func (e Encoding) mark() string {
	switch e {
	case UTF8BOM:
		return "\xef\xbb\xbf"
	case UTF16LE:
		return "\xff\xfe"
	case UTF16BE:
		return "\xfe\xff"
	}
	return ""
}

// newline is the end of a line in this encoding.
func (e Encoding) newline() string {
	switch e {
	case UTF16LE:
		return "\n\x00"
	case UTF16BE:
		return "\x00\n"
	}
	return "\n"
}

// plain reports whether UTF-8 text is written as it is.
func (e Encoding) plain() bool { return e == UTF8 || e == UTF8BOM }

// appendText appends UTF-8 text in this encoding.
func (e Encoding) appendText(dst, text []byte) []byte {
	if e.plain() {
		return append(dst, text...)
	}
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		text = text[n:]
		switch {
		case e == UTF16LE || e == UTF16BE:
			if hi, lo := utf16.EncodeRune(r); hi != utf8.RuneError {
				dst = e.unit(dst, hi)
				r = lo
			}
			dst = e.unit(dst, r)
		case e == Latin1 && r <= 0xff, r <= 0x7f:
			dst = append(dst, byte(r))
		default:
			dst = append(dst, '?')
		}
	}
	return dst
}

func (e Encoding) unit(dst []byte, r rune) []byte {
	if e == UTF16BE {
		return append(dst, byte(r>>8), byte(r))
	}
	return append(dst, byte(r), byte(r>>8))
}
