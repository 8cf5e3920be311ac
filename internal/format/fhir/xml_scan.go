package fhir

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

const (
	nsFHIR  = "http://hl7.org/fhir"
	nsXHTML = "http://www.w3.org/1999/xhtml"

	maxAttrs    = 64  // of one XML element
	maxDivDepth = 256 // of elements in a narrative
)

// An xmlScanner reads the part of XML 1.0 with namespaces that FHIR uses: UTF-8,
// no document type, and so no entities but the five of XML.
type xmlScanner struct {
	src   string
	pos   int
	attrs []xmlAttr // of the last start tag
	scope []xmlScope
}

type xmlAttr struct{ name, value string }

// xmlScope is a namespace declaration, valid down from a depth of elements.
type xmlScope struct {
	prefix, uri string
	depth       int
}

func (s *xmlScanner) errorf(reason string) error { return &SyntaxError{s.pos, reason} }

// check finds what no XML document may contain, once for the whole text.
func (s *xmlScanner) check() error {
	ascii := true
	for i := 0; i < len(s.src); i++ {
		c := s.src[i]
		if c < 0x20 && c != '\t' && c != '\n' && c != '\r' {
			return &SyntaxError{i, "a character that XML does not allow"}
		}
		ascii = ascii && c < utf8.RuneSelf
	}
	if ascii {
		return nil
	}
	if !utf8.ValidString(s.src) {
		return &SyntaxError{0, "bytes that are not UTF-8"}
	}
	if i := strings.Index(s.src, "\uFFFE"); i >= 0 {
		return &SyntaxError{i, "a character that XML does not allow"}
	}
	if i := strings.Index(s.src, "\uFFFF"); i >= 0 {
		return &SyntaxError{i, "a character that XML does not allow"}
	}
	return nil
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

func (s *xmlScanner) space() bool {
	start := s.pos
	for s.pos < len(s.src) && isSpace(s.src[s.pos]) {
		s.pos++
	}
	return s.pos > start
}

func (s *xmlScanner) at(prefix string) bool { return strings.HasPrefix(s.src[s.pos:], prefix) }

// misc skips white space, comments and processing instructions.
func (s *xmlScanner) misc() error {
	for {
		s.space()
		switch {
		case s.at("<!--"):
			if err := s.comment(); err != nil {
				return err
			}
		case s.at("<?"):
			if err := s.instruction(); err != nil {
				return err
			}
		case s.at("<!"):
			return s.errorf("document types and CDATA are not allowed here")
		default:
			return nil
		}
	}
}

func (s *xmlScanner) comment() error {
	end := strings.Index(s.src[s.pos+4:], "--")
	if end < 0 || !strings.HasPrefix(s.src[s.pos+4+end:], "-->") {
		return s.errorf("a comment without end, or with -- in it")
	}
	s.pos += 4 + end + 3
	return nil
}

func (s *xmlScanner) instruction() error {
	end := strings.Index(s.src[s.pos+2:], "?>")
	if end < 0 {
		return s.errorf("an instruction without end")
	}
	target := s.src[s.pos+2 : s.pos+2+end]
	if len(target) >= 3 && strings.EqualFold(target[:3], "xml") && (len(target) == 3 || isSpace(target[3])) {
		return s.errorf("an XML declaration that is not at the start")
	}
	if target == "" || !nameStart(target[0]) {
		return s.errorf("an instruction without name")
	}
	s.pos += 2 + end + 2
	return nil
}

// declaration skips <?xml …?> at the start, and the byte order mark.
func (s *xmlScanner) declaration() error {
	if s.at("\uFEFF") {
		s.pos += len("\uFEFF")
	}
	if !s.at("<?xml") || len(s.src) < s.pos+6 || !isSpace(s.src[s.pos+5]) {
		return nil
	}
	end := strings.Index(s.src[s.pos:], "?>")
	if end < 0 {
		return s.errorf("an instruction without end")
	}
	decl := s.src[s.pos : s.pos+end]
	if _, after, ok := strings.Cut(decl, "encoding"); ok {
		name := strings.Trim(after, " \t\r\n='\"")
		if i := strings.IndexAny(name, "'\""); i >= 0 {
			name = name[:i]
		}
		if !strings.EqualFold(name, "utf-8") && !strings.EqualFold(name, "us-ascii") && !strings.EqualFold(name, "utf8") {
			return s.errorf("only UTF-8 is supported")
		}
	}
	if !strings.Contains(decl, "1.0") {
		return s.errorf("only XML 1.0 is supported")
	}
	s.pos += end + 2
	return nil
}

func nameStart(c byte) bool {
	return c|0x20 >= 'a' && c|0x20 <= 'z' || c == '_' || c >= utf8.RuneSelf
}

func nameByte(c byte) bool {
	return nameStart(c) || c >= '0' && c <= '9' || c == '-' || c == '.'
}

// name reads a qualified name.
func (s *xmlScanner) name() (string, error) {
	start := s.pos
	colons := 0
	for fresh := true; s.pos < len(s.src); s.pos++ {
		c := s.src[s.pos]
		if c == ':' && !fresh && colons == 0 {
			colons++
			fresh = true
			continue
		}
		if fresh && !nameStart(c) || !nameByte(c) {
			break
		}
		fresh = false
	}
	if s.pos == start || s.src[s.pos-1] == ':' {
		return "", s.errorf("a name is missing")
	}
	return s.src[start:s.pos], nil
}

// startTag reads a start tag into s.attrs; empty says that it ends with />.
func (s *xmlScanner) startTag() (name string, empty bool, err error) {
	s.pos++ // <
	if name, err = s.name(); err != nil {
		return "", false, err
	}
	s.attrs = s.attrs[:0]
	for {
		spaced := s.space()
		switch {
		case s.at("/>"):
			s.pos += 2
			return name, true, nil
		case s.at(">"):
			s.pos++
			return name, false, nil
		case !spaced || s.pos == len(s.src):
			return "", false, s.errorf("a tag without end")
		}
		a := xmlAttr{}
		if a.name, err = s.name(); err != nil {
			return "", false, err
		}
		s.space()
		if !s.at("=") {
			return "", false, s.errorf("an attribute without value")
		}
		s.pos++
		s.space()
		if a.value, err = s.attrValue(); err != nil {
			return "", false, err
		}
		for _, b := range s.attrs {
			if b.name == a.name {
				return "", false, s.errorf("an attribute is there twice")
			}
		}
		if len(s.attrs) == maxAttrs {
			return "", false, s.errorf("more attributes than are allowed")
		}
		s.attrs = append(s.attrs, a)
	}
}

func (s *xmlScanner) endTag() (string, error) {
	s.pos += 2 // </
	name, err := s.name()
	if err != nil {
		return "", err
	}
	s.space()
	if !s.at(">") {
		return "", s.errorf("a tag without end")
	}
	s.pos++
	return name, nil
}

// attrValue reads a quoted value, with its references resolved and white space
// normalized as XML asks.
func (s *xmlScanner) attrValue() (string, error) {
	if s.pos == len(s.src) || s.src[s.pos] != '"' && s.src[s.pos] != '\'' {
		return "", s.errorf("a quotation mark is missing")
	}
	end := strings.IndexByte(s.src[s.pos+1:], s.src[s.pos])
	if end < 0 {
		return "", s.errorf("an attribute without end")
	}
	raw := s.src[s.pos+1 : s.pos+1+end]
	value, reason := unescapeXML(raw)
	if reason != "" {
		return "", s.errorf(reason)
	}
	s.pos += end + 2
	return value, nil
}

// unescapeXML resolves references in an attribute's raw value.
func unescapeXML(raw string) (value, reason string) {
	plain := true
	for i := 0; i < len(raw); i++ {
		switch raw[i] {
		case '<':
			return "", "a < in an attribute"
		case '&', '\t', '\n', '\r':
			plain = false
		}
	}
	if plain {
		return raw, ""
	}
	buf := make([]byte, 0, len(raw))
	for i := 0; i < len(raw); {
		switch c := raw[i]; c {
		case '\r':
			if i+1 < len(raw) && raw[i+1] == '\n' {
				i++
			}
			fallthrough
		case '\t', '\n':
			buf = append(buf, ' ')
			i++
		case '&':
			r, size := reference(raw[i:])
			if size == 0 {
				return "", "a reference that is not one of XML's own"
			}
			buf = utf8.AppendRune(buf, r)
			i += size
		default:
			buf = append(buf, c)
			i++
		}
	}
	return string(buf), ""
}

// reference reads the reference at the start of s; size 0 means there is none.
func reference(s string) (r rune, size int) {
	end := strings.IndexByte(s[:min(len(s), 12)], ';')
	if end < 2 {
		return 0, 0
	}
	switch name := s[1:end]; name {
	case "amp":
		return '&', end + 1
	case "lt":
		return '<', end + 1
	case "gt":
		return '>', end + 1
	case "quot":
		return '"', end + 1
	case "apos":
		return '\'', end + 1
	default:
		if name[0] != '#' || len(name) < 2 || strings.ContainsAny(name, "+-_") {
			return 0, 0
		}
		digits, base := name[1:], 10
		if digits[0] == 'x' {
			digits, base = digits[1:], 16
		}
		n, err := strconv.ParseUint(digits, base, 32)
		if err != nil || !xmlChar(rune(n)) || n > utf8.MaxRune {
			return 0, 0
		}
		return rune(n), end + 1
	}
}

// xmlChar reports whether XML 1.0 allows the character.
func xmlChar(r rune) bool {
	return r == '\t' || r == '\n' || r == '\r' || r >= 0x20 && r <= 0xD7FF || r >= 0xE000 && r <= 0xFFFD || r >= 0x10000 && r <= utf8.MaxRune
}

// declare notes the namespaces that the last start tag declares.
func (s *xmlScanner) declare(depth int) error {
	for _, a := range s.attrs {
		prefix, ok := strings.CutPrefix(a.name, "xmlns")
		switch {
		case !ok || prefix != "" && prefix[0] != ':':
			continue
		case prefix != "" && a.value == "":
			return s.errorf("a namespace without name")
		}
		s.scope = append(s.scope, xmlScope{strings.TrimPrefix(prefix, ":"), a.value, depth})
	}
	return nil
}

// leave forgets the namespaces of a depth.
func (s *xmlScanner) leave(depth int) {
	for len(s.scope) > 0 && s.scope[len(s.scope)-1].depth >= depth {
		s.scope = s.scope[:len(s.scope)-1]
	}
}

// resolve splits a qualified name into its namespace and local name.
func (s *xmlScanner) resolve(name string) (uri, local string, err error) {
	prefix, local, ok := strings.Cut(name, ":")
	if !ok {
		prefix, local = "", name
	}
	for i := len(s.scope) - 1; i >= 0; i-- {
		if s.scope[i].prefix == prefix {
			return s.scope[i].uri, local, nil
		}
	}
	if ok {
		return "", "", s.errorf("a prefix that is not declared")
	}
	return "", local, nil
}
