package jsonb

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// explain words the fault of syntax in doc as PostgreSQL's parser does: it reads
// doc again, token by token. At is where Check gave up.
func explain(doc []byte, at int) *Error {
	e := &Error{Code: CodeSyntax, Message: "invalid input syntax for type json", Offset: at}
	if !utf8.Valid(doc) {
		e.Message = "invalid byte sequence for encoding \"UTF8\""
		return e
	}
	p := explainer{doc: doc}
	e.Detail = p.run()
	return e
}

// expected is what may come next in a text, as PostgreSQL words it.
type expected string

const (
	aValue     expected = `Expected JSON value, but found "%s".`
	firstValue expected = `Expected JSON value, but found "%s". ` // or the end of an array
	firstKey   expected = `Expected string or "}", but found "%s".`
	nextKey    expected = `Expected string, but found "%s".`
	aColon     expected = `Expected ":", but found "%s".`
	nextMember expected = `Expected "," or "}", but found "%s".`
	nextItem   expected = `Expected "," or "]", but found "%s".`
	theEnd     expected = `Expected end of input, but found "%s".`
)

// maxQuoted is how many characters of a token an error repeats.
const maxQuoted = 100

// explainer is PostgreSQL's lexer and parser of JSON, for the sake of what they complain of.
type explainer struct {
	doc  []byte
	nest []byte // the open containers, by their first bytes
}

// run returns the first complaint, nothing if there is none.
func (p *explainer) run() string {
	state := aValue
	for i := space(p.doc, 0); ; i = space(p.doc, i) {
		if i >= len(p.doc) {
			if state == theEnd {
				return ""
			}
			return "The input string ended unexpectedly."
		}
		end, fault := p.lex(i)
		if fault != "" {
			return fault
		}
		next, ok := p.step(state, p.doc[i])
		if !ok {
			return fmt.Sprintf(strings.TrimSuffix(string(state), " "), cut(p.doc[i:end]))
		}
		i, state = end, next
	}
}

// step returns what may come after a token that begins with c.
func (p *explainer) step(state expected, c byte) (next expected, ok bool) {
	switch {
	case (state == aValue || state == firstValue) && strings.IndexByte("]}:,", c) < 0:
		if c == '{' || c == '[' {
			p.nest = append(p.nest, c)
			if c == '{' {
				return firstKey, true
			}
			return firstValue, true
		}
		return p.behind(), true
	case (state == firstKey || state == nextKey) && c == '"':
		return aColon, true
	case state == aColon && c == ':', state == nextItem && c == ',':
		return aValue, true
	case state == nextMember && c == ',':
		return nextKey, true
	case (state == firstKey || state == nextMember) && c == '}', (state == firstValue || state == nextItem) && c == ']':
		p.nest = p.nest[:len(p.nest)-1]
		return p.behind(), true
	}
	return state, false
}

// behind returns what may come after a whole value.
func (p *explainer) behind() expected {
	if len(p.nest) == 0 {
		return theEnd
	}
	if p.nest[len(p.nest)-1] == '{' {
		return nextMember
	}
	return nextItem
}

// lex returns the end of the token at i; fault is PostgreSQL's complaint if it is none.
func (p *explainer) lex(i int) (end int, fault string) {
	c := p.doc[i]
	switch {
	case strings.IndexByte("{}[],:", c) >= 0:
		return i + 1, ""
	case c == '"':
		return p.str(i)
	case kind(c) == '0':
		end, _, ok := numberEnd(p.doc, i)
		if garbage := p.alphanumeric(end); garbage > end || !ok {
			return end, invalid(p.doc[i:garbage])
		}
		return end, ""
	}
	if end = p.alphanumeric(i); end == i {
		end++
	}
	switch word := p.doc[i:end]; string(word) {
	case "true", "false", "null":
		return end, ""
	default:
		return end, invalid(word)
	}
}

func invalid(token []byte) string { return fmt.Sprintf(`Token "%s" is invalid.`, cut(token)) }

// cut returns the beginning of a token that is too long to be repeated.
func cut(token []byte) string {
	n := 0
	for i := range string(token) {
		if n == maxQuoted {
			return string(token[:i]) + "…"
		}
		n++
	}
	return string(token)
}

func (p *explainer) alphanumeric(i int) int {
	for ; i < len(p.doc); i++ {
		c := p.doc[i]
		if !(c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9' || c == '_' || c >= utf8.RuneSelf) {
			break
		}
	}
	return i
}

// str returns the end of the string at i, or what is wrong in it.
func (p *explainer) str(i int) (end int, fault string) {
	start, high := i, false
	for i++; i < len(p.doc); i++ {
		c := p.doc[i]
		if c != '\\' {
			if high {
				return i, lowMissing
			}
			if c == '"' {
				return i + 1, ""
			}
			if c < ' ' {
				return i, fmt.Sprintf("Character with value 0x%02x must be escaped.", c)
			}
			continue
		}
		if i++; i >= len(p.doc) {
			return i, invalid(p.doc[start:])
		}
		if p.doc[i] != 'u' {
			if high {
				return i, lowMissing
			}
			if !simpleEscape(p.doc[i]) {
				_, n := utf8.DecodeRune(p.doc[i:])
				return i, fmt.Sprintf(`Escape sequence "\%s" is invalid.`, p.doc[i:i+n])
			}
			continue
		}
		r, ok := hex4(p.doc[i+1:])
		if !ok {
			if len(p.doc)-i-1 < 4 && allHex(p.doc[i+1:]) {
				return i, invalid(p.doc[start:])
			}
			return i, `"\u" must be followed by four hexadecimal digits.`
		}
		i += 4
		switch isHigh, isLow := r >= 0xD800 && r < 0xDC00, r >= 0xDC00 && r < 0xE000; {
		case isHigh && high:
			return i, "Unicode high surrogate must not follow a high surrogate."
		case isLow != high:
			return i, lowMissing
		default:
			high = isHigh
		}
	}
	return i, invalid(p.doc[start:])
}

const lowMissing = "Unicode low surrogate must follow a high surrogate."

func simpleEscape(c byte) bool {
	switch c {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return true
	}
	return false
}

func allHex(b []byte) bool {
	for _, c := range b {
		if !(c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'f') {
			return false
		}
	}
	return true
}
