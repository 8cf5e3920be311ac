package template

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
)

// A Template is a parsed output or message template. It is safe for concurrent use.
type Template struct {
	raw    string
	tokens []token
	names  []string // of properties, each once, in the order of the text
}

// token is a piece of a template: text as it is, or a property.
type token struct {
	raw      string // as in the template; of text, what it stands for
	name     string // empty for text
	format   string
	hint     byte // @ or $ before the name, 0 for none
	kind     kind
	width    int // least width in UTF-16 units; 0 for none
	left     bool
	template bool    // the text began like a property and is none
	date     *layout // of format, where the property is a time
}

type kind uint8

const (
	kindText kind = iota
	kindProperty
	kindLevel
	kindTrace
	kindSpan
	kindNewLine
	kindException
	kindMessage
	kindTimestamp
	kindUTC
	kindProperties
)

// builtIn has the properties of an output template that are not the event's own.
var builtIn = map[string]kind{
	"Level": kindLevel, "TraceId": kindTrace, "SpanId": kindSpan, "NewLine": kindNewLine,
	"Exception": kindException, "Message": kindMessage, "Timestamp": kindTimestamp,
	"UtcTimestamp": kindUTC, "Properties": kindProperties,
}

// Parse reads an output template. As in Serilog, what is no property is text, so
// that it fails only for a format of a time that .NET would not take;
// [Template.Suspects] has what was probably meant as a property.
func Parse(s string) (*Template, error) {
	t := parse(s)
	for i := range t.tokens {
		tok := &t.tokens[i]
		tok.kind = kindProperty
		if tok.name == "" {
			tok.kind = kindText
		} else if k, ok := builtIn[tok.name]; ok {
			tok.kind = k
		}
		if tok.kind == kindTimestamp || tok.kind == kindUTC {
			l, err := parseLayout(tok.format)
			if err != nil {
				return nil, fmt.Errorf("%s in the output template: %w", tok.raw, err)
			}
			tok.date = l
		}
	}
	return t, nil
}

// ParseMessage reads a message template, in which every name is a property.
func ParseMessage(s string) *Template {
	t := parse(s)
	for i := range t.tokens {
		if t.tokens[i].name != "" {
			t.tokens[i].kind = kindProperty
		}
	}
	return t
}

// String returns the template as it was given.
func (t *Template) String() string { return t.raw }

// Names returns the names of the event's own properties in t, each once. The
// slice is shared and must not be changed.
func (t *Template) Names() []string { return t.names }

// HasMessage reports whether t prints the message.
func (t *Template) HasMessage() bool {
	for i := range t.tokens {
		if t.tokens[i].kind == kindMessage {
			return true
		}
	}
	return false
}

// Suspects returns the parts of t that begin like a property and are text: a
// brace that is not closed, a name or a width that is none.
func (t *Template) Suspects() []string {
	var out []string
	for _, tok := range t.tokens {
		if tok.template {
			out = append(out, tok.raw)
		}
	}
	return out
}

func parse(s string) *Template {
	t := &Template{raw: s}
	seen := map[string]bool{}
	for rest := s; rest != ""; {
		var tok token
		if rest[0] == '{' && !strings.HasPrefix(rest, "{{") {
			tok, rest = property(rest)
		} else {
			tok, rest = text(rest)
		}
		t.tokens = append(t.tokens, tok)
		if _, own := builtIn[tok.name]; tok.name != "" && !own && !seen[tok.name] {
			seen[tok.name] = true
			t.names = append(t.names, tok.name)
		}
	}
	return t
}

// text takes the text before the next property; doubled braces are one.
func text(s string) (token, string) {
	var b strings.Builder
	i := 0
	for i < len(s) {
		if s[i] == '{' && !strings.HasPrefix(s[i:], "{{") {
			break
		}
		b.WriteByte(s[i])
		if strings.HasPrefix(s[i:], "{{") || strings.HasPrefix(s[i:], "}}") {
			i++
		}
		i++
	}
	return token{raw: b.String()}, s[i:]
}

// property takes a property, or the text that is not quite one.
func property(s string) (token, string) {
	end := strings.IndexByte(s, '}')
	if end < 0 {
		return token{raw: s, template: true}, ""
	}
	raw, content := s[:end+1], s[1:end]
	broken := token{raw: raw, template: true}
	name, align, format, ok := split(content)
	if !ok {
		return broken, s[end+1:]
	}
	tok := token{raw: raw, format: format}
	if name != "" && (name[0] == '@' || name[0] == '$') {
		tok.hint, name = name[0], name[1:]
	}
	if tok.name = name; !isName(name) {
		return broken, s[end+1:]
	}
	if align != "" {
		digits, left := strings.CutPrefix(align, "-")
		n, err := strconv.Atoi(digits)
		if err != nil || n <= 0 || n > maxWidth || strings.ContainsAny(digits, "+-") {
			return broken, s[end+1:]
		}
		tok.width, tok.left = n, left
	}
	return tok, s[end+1:]
}

// maxWidth bounds the padding, which a template of a few bytes could otherwise
// make gigabytes of.
const maxWidth = 10_000

// split takes the content of a property apart: a comma begins the alignment only
// before the first colon.
func split(s string) (name, align, format string, ok bool) {
	colon, comma := strings.IndexByte(s, ':'), strings.IndexByte(s, ',')
	if colon >= 0 {
		format = s[colon+1:]
	}
	switch {
	case colon < 0 && comma < 0:
		return s, "", "", true
	case comma < 0 || colon >= 0 && comma > colon:
		return s[:colon], "", format, true
	case colon < 0:
		align = s[comma+1:]
	default:
		align = s[comma+1 : colon]
	}
	return s[:comma], align, format, align != ""
}

// isName reports whether s names a property: letters, digits and underscores that
// do not begin with a digit, several of those between dots, or digits alone.
func isName(s string) bool {
	if s == "" {
		return false
	}
	if strings.Trim(s, "0123456789") == "" {
		return true
	}
	for part := range strings.SplitSeq(s, ".") {
		for i, r := range part {
			if r != '_' && !unicode.IsLetter(r) && (i == 0 || !unicode.IsDigit(r)) {
				return false
			}
		}
		if part == "" {
			return false
		}
	}
	return true
}
