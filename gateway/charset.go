package gateway

import (
	"bytes"
	"encoding/binary"
	"io"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// inUTF8 returns a text in UTF-8 and without a mark at its beginning. FHIR knows no
// other encoding, but servers do: what a caller writes in another one is to be
// recorded as if it were not. charset is the parameter of the media type.
func inUTF8(text []byte, charset string) []byte {
	if charset = strings.ToLower(charset); charset == "" {
		charset = xmlEncoding(text)
	}
	order := binary.ByteOrder(binary.BigEndian)
	switch {
	case len(text) < 2:
		return text
	case bytes.HasPrefix(text, []byte("\xef\xbb\xbf")):
		return text[3:]
	case bytes.HasPrefix(text, []byte("\xff\xfe")):
		text, order = text[2:], binary.LittleEndian
	case bytes.HasPrefix(text, []byte("\xfe\xff")):
		text = text[2:]
	case text[0] != 0 && text[1] == 0: // begins with a letter of ASCII, as JSON and XML do
		order = binary.LittleEndian
	case text[0] == 0 && text[1] != 0:
	case isLatin(charset) && !utf8.Valid(text):
		out := make([]byte, 0, len(text)+len(text)/8)
		for _, c := range text {
			out = utf8.AppendRune(out, rune(c))
		}
		return out
	default:
		return text
	}
	units := make([]uint16, len(text)/2)
	for i := range units {
		units[i] = order.Uint16(text[2*i:])
	}
	return []byte(string(utf16.Decode(units)))
}

func isLatin(charset string) bool {
	switch charset {
	case "iso-8859-1", "latin1", "us-ascii", "windows-1252":
		return true
	}
	return false
}

// xmlEncoding returns the encoding that an XML declaration names, in small letters.
func xmlEncoding(text []byte) string {
	text, ok := bytes.CutPrefix(text[:min(len(text), 200)], []byte("<?xml"))
	head, _, closed := bytes.Cut(text, []byte("?>"))
	_, name, named := bytes.Cut(head, []byte("encoding"))
	if !ok || !closed || !named {
		return ""
	}
	return strings.ToLower(strings.Trim(string(name), "= \t\r\n\"'"))
}

// charsetReader is for [xml.Decoder]: the texts that it is given are what inUTF8
// returned, whatever they say of themselves.
func charsetReader(charset string, r io.Reader) (io.Reader, error) {
	if charset = strings.ToLower(charset); isLatin(charset) || strings.HasPrefix(charset, "utf-16") {
		return r, nil
	}
	return nil, errSyntax
}
