package transfer

import (
	"bytes"
	"io"
	"strings"
	"unicode/utf8"
)

// token is one piece of SQL. Comments and white space are none.
type token struct {
	kind tokenKind
	text []byte // of a text its meaning, of a quotedName what is in the quotes
}

type tokenKind uint8

const (
	symbol     tokenKind = iota // one character, or ::
	word                        // a keyword, a name or a number
	quotedName                  // "name"
	text                        // 'text', E'text' or $$text$$
	meta                        // the backslash of a command of psql's
)

func (t token) is(s string) bool { return t.kind == symbol && string(t.text) == s }

// word tells whether t is the keyword s, in any case.
func (t token) word(s string) bool { return t.kind == word && strings.EqualFold(string(t.text), s) }

// identifier returns the name that t is: unquoted ones are in lower case.
func (t token) identifier() string {
	if t.kind == word {
		return strings.ToLower(string(t.text))
	}
	return string(t.text)
}

func wordByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c >= utf8.RuneSelf
}

// token reads the next token (PostgreSQL 15, 4.1 "Lexical Structure", with
// standard_conforming_strings on). A text over the bound comes back cut, longer
// than the bound by one byte.
func (d *dumpReader) token() (token, error) {
	for {
		c, err := d.blank()
		if err != nil {
			return token{}, err
		}
		next, _ := d.r.Peek(2)
		switch {
		case string(next) == "--":
			for c != '\n' && err == nil {
				c, err = d.byte()
			}
			if err != nil {
				return token{}, err
			}
			continue
		case string(next) == "/*":
			if err := d.comment(); err != nil {
				return token{}, err
			}
			continue
		case string(next) == "::":
			d.skip(2)
			return token{symbol, []byte("::")}, nil
		case (c == 'E' || c == 'e') && len(next) == 2 && next[1] == '\'':
			d.skip(1)
			b, err := d.quoted('\'', true)
			return token{text, b}, err
		case wordByte(c) || (c == '-' || c == '+' || c == '.') && len(next) == 2 && next[1] >= '0' && next[1] <= '9':
			b := d.run()
			return token{word, b}, nil
		}
		switch c {
		case '\'':
			b, err := d.quoted('\'', false)
			return token{text, b}, err
		case '"':
			b, err := d.quoted('"', false)
			return token{quotedName, b}, err
		case '$':
			return d.dollar()
		}
		_, err = d.byte()
		if c == '\\' {
			return token{kind: meta}, err
		}
		return token{symbol, []byte{c}}, err
	}
}

// run reads the bytes of a word or number.
func (d *dumpReader) run() []byte {
	c, _ := d.byte()
	b := []byte{c}
	digits := c >= '0' && c <= '9' || c == '-' || c == '+'
	for {
		c, err := d.peek()
		if err != nil || !wordByte(c) && c != '$' && (c != '.' || !digits) || len(b) > d.o.MaxRecord {
			return b
		}
		_, _ = d.byte()
		b = append(b, c)
	}
}

// comment passes over a comment, in which there may be others.
func (d *dumpReader) comment() error {
	depth := 0
	for {
		c, err := d.byte()
		if err != nil {
			return err
		}
		next, err := d.peek()
		switch {
		case c == '/' && next == '*':
			depth++
		case c == '*' && next == '/':
			depth--
		default:
			continue
		}
		if err != nil {
			return err
		}
		if _, err := d.byte(); err != nil {
			return err
		}
		if depth == 0 {
			return nil
		}
	}
}

// quoted reads a text between two q; two q inside are one. With escapes a
// backslash has the meaning that it has in E'…'.
func (d *dumpReader) quoted(q byte, escapes bool) ([]byte, error) {
	if _, err := d.byte(); err != nil {
		return nil, err
	}
	var b []byte
	add := func(c ...byte) {
		if len(b) <= d.o.MaxRecord {
			b = append(b, c...)
		}
	}
	for {
		c, err := d.byte()
		switch {
		case err != nil:
			return nil, unexpected(err)
		case c == q:
			if next, _ := d.peek(); next != q {
				return b, nil
			}
			if _, err := d.byte(); err != nil {
				return nil, err
			}
			add(q)
		case c == '\\' && escapes:
			ahead, _ := d.r.Peek(9)
			e, length := unescapeString(ahead)
			if length == 0 {
				return nil, io.ErrUnexpectedEOF
			}
			for range length {
				if _, err := d.byte(); err != nil {
					return nil, err
				}
			}
			add(e...)
		default:
			add(c)
		}
	}
}

// unescapeString returns what the escape behind a backslash of E'…' stands for
// and how many bytes it takes.
func unescapeString(b []byte) (text []byte, length int) {
	if len(b) == 0 {
		return nil, 0
	}
	switch c := b[0]; {
	case strings.IndexByte("bfnrt", c) >= 0:
		return []byte{"\b\f\n\r\t"[strings.IndexByte("bfnrt", c)]}, 1
	case isOctal(c):
		n, length := number(b, 3, 8)
		return []byte{byte(n)}, length
	case c == 'x', c == 'u', c == 'U':
		most := map[byte]int{'x': 2, 'u': 4, 'U': 8}[c]
		n, length := number(b[1:], most, 16)
		switch {
		case length == 0:
			return []byte{c}, 1
		case c == 'x':
			return []byte{byte(n)}, length + 1
		}
		return utf8.AppendRune(nil, rune(n)), length + 1
	default:
		return []byte{c}, 1
	}
}

// dollar reads $tag$text$tag$, or the one character.
func (d *dumpReader) dollar() (token, error) {
	ahead, _ := d.r.Peek(66) // a tag is a name: at most 63 bytes
	end := bytes.IndexByte(ahead[1:], '$')
	if end < 0 || bytes.ContainsFunc(ahead[1:end+1], func(r rune) bool { return r < utf8.RuneSelf && !wordByte(byte(r)) }) {
		_, err := d.byte()
		return token{symbol, []byte("$")}, err
	}
	tag := bytes.Clone(ahead[:end+2])
	d.skip(len(tag))
	var b []byte
	for {
		c, err := d.byte()
		if err != nil {
			return token{}, unexpected(err)
		}
		if b = append(b, c); bytes.HasSuffix(b, tag) {
			return token{text, b[:len(b)-len(tag)]}, nil
		}
		if len(b) > d.o.MaxRecord { // keep what the tag may be in
			b = append(b[:0], b[len(b)-len(tag):]...)
		}
	}
}
