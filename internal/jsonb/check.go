package jsonb

import (
	"encoding/binary"
	"unicode/utf8"
)

// maxText is the size from which on PostgreSQL cannot print a value.
const maxText = 1 << 30

// Limits bound what [Check] accepts; 0 is no limit of the caller's own.
type Limits struct {
	Depth int // arrays and objects within each other, at most [MaxDepth]
	Keys  int // members of all objects together
	// Text bounds, in bytes, what the numbers take when printed, at most 1 GiB: 1e131071 is
	// eight bytes and prints as 131072, so a small document could fill a memory.
	Text int
}

// printedMore is by how much the numbers of a document that is stored may be
// longer when they are printed. Whoever reads, sorts or follows it prints them again.
const printedMore = 1 << 20

// Printed returns the [Limits].Text for a text that came from outside and is
// stored, or is made of what is.
func Printed(text []byte) int { return len(text) + printedMore }

// Check says whether PostgreSQL takes doc as jsonb: one JSON value, with white
// space around it, in UTF-8. It does not allocate where it accepts.
//
// The error is an [*Error]. A text that is not JSON is reported as that, even
// where a \u0000 or a number out of range comes before; but a limit is
// reported as soon as it is passed.
func Check(doc []byte, l Limits) error {
	if l.Depth <= 0 || l.Depth > MaxDepth {
		l.Depth = MaxDepth
	}
	if l.Text <= 0 || l.Text > maxText {
		l.Text = maxText
	}
	c := checker{doc: doc, limits: l}
	if err := c.run(); err != nil {
		return err
	}
	if c.data != nil {
		return c.data
	}
	return nil
}

// checker walks once over a text.
type checker struct {
	doc    []byte
	limits Limits
	keys   int
	text   int
	data   *Error // the first fault that is not one of syntax
	// nest holds a bit for each open container, set for objects.
	nest  [MaxDepth/64 + 1]uint64
	depth int
}

func (c *checker) syntax(i int) *Error { return explain(c.doc, i) }

func (c *checker) limit(i int, field string) *Error {
	return &Error{Code: CodeLimit, Message: "the document is over a limit", Detail: "It has too much " + field + ".", Field: field, Offset: i}
}

// run is an automaton rather than a recursion, so that depth costs no stack.
func (c *checker) run() *Error {
	i := 0
	for { // a value begins here
		i = space(c.doc, i)
		if i >= len(c.doc) {
			return c.syntax(i)
		}
		var err *Error
		switch b := c.doc[i]; b {
		case '"':
			i, err = c.str(i)
		case '{', '[':
			var empty bool
			if i, empty, err = c.open(i); err == nil && !empty {
				continue
			}
		case 't':
			i, err = c.word(i, "true")
		case 'f':
			i, err = c.word(i, "false")
		case 'n':
			i, err = c.word(i, "null")
		default:
			i, err = c.number(i)
		}
		if err != nil {
			return err
		}
		more := false
		if i, more, err = c.after(i); err != nil || !more {
			return err
		}
	}
}

// open enters the container at i, up to where its first value begins; empty
// says that it is over already.
func (c *checker) open(i int) (next int, empty bool, err *Error) {
	isObject := c.doc[i] == '{'
	if c.depth++; c.depth > c.limits.Depth {
		return i, false, c.limit(i, "depth")
	}
	bit := uint64(1) << (c.depth & 63)
	if isObject {
		c.nest[c.depth>>6] |= bit
	} else {
		c.nest[c.depth>>6] &^= bit
	}
	i = space(c.doc, i+1)
	if i < len(c.doc) && (isObject && c.doc[i] == '}' || !isObject && c.doc[i] == ']') {
		c.depth--
		return i + 1, true, nil
	}
	if isObject {
		i, err = c.key(i)
	}
	return i, false, err
}

// after goes on behind a value: over the ends of containers, to where the next
// value begins. There is no more at the end of the text.
func (c *checker) after(i int) (next int, more bool, err *Error) {
	for {
		i = space(c.doc, i)
		if c.depth == 0 {
			if i < len(c.doc) {
				return i, false, c.syntax(i)
			}
			return i, false, nil
		}
		if i >= len(c.doc) {
			return i, false, c.syntax(i)
		}
		isObject := c.nest[c.depth>>6]&(1<<(c.depth&63)) != 0
		switch b := c.doc[i]; {
		case b == ',':
			if !isObject {
				return i + 1, true, nil
			}
			i, err = c.key(space(c.doc, i+1))
			return i, true, err
		case b == '}' && isObject, b == ']' && !isObject:
			c.depth--
			i++
		default:
			return i, false, c.syntax(i)
		}
	}
}

// key reads a key and its colon.
func (c *checker) key(i int) (int, *Error) {
	if i >= len(c.doc) || c.doc[i] != '"' {
		return i, c.syntax(i)
	}
	if c.keys++; c.keys > c.limits.Keys && c.limits.Keys > 0 {
		return i, c.limit(i, "keys")
	}
	i, err := c.str(i)
	if err != nil {
		return i, err
	}
	if i = space(c.doc, i); i >= len(c.doc) || c.doc[i] != ':' {
		return i, c.syntax(i)
	}
	return i + 1, nil
}

func (c *checker) word(i int, w string) (int, *Error) {
	if len(c.doc)-i < len(w) || string(c.doc[i:i+len(w)]) != w {
		return i, c.syntax(i)
	}
	return i + len(w), nil
}

// str reads the string at i.
func (c *checker) str(i int) (int, *Error) {
	b := c.doc
	for i++; i < len(b); {
		if i+8 <= len(b) {
			w := binary.LittleEndian.Uint64(b[i:])
			q, s := w^ones*'"', w^ones*'\\'
			// The high bit of each byte that is a quote, a backslash, below space, or not ASCII.
			if ((q-ones)&^q|(s-ones)&^s|(w-ones*' ')&^w|w)&highs == 0 {
				i += 8
				continue
			}
		}
		switch ch := b[i]; {
		case ch == '"':
			return i + 1, nil
		case ch == '\\':
			var err *Error
			if i, err = c.escape(i); err != nil {
				return i, err
			}
		case ch < ' ':
			return i, c.syntax(i)
		case ch < utf8.RuneSelf:
			i++
		default:
			r, n := utf8.DecodeRune(b[i:])
			if r == utf8.RuneError && n == 1 {
				return i, c.syntax(i)
			}
			i += n
		}
	}
	return i, c.syntax(i)
}

// escape reads the backslash at i and what belongs to it.
func (c *checker) escape(i int) (int, *Error) {
	if i+1 >= len(c.doc) {
		return i, c.syntax(i)
	}
	switch c.doc[i+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i + 2, nil
	case 'u':
	default:
		return i, c.syntax(i)
	}
	r, ok := hex4(c.doc[i+2:])
	switch {
	case !ok || r >= 0xDC00 && r < 0xE000:
		return i, c.syntax(i)
	case r >= 0xD800 && r < 0xDC00:
		rest := c.doc[i+6:]
		if len(rest) < 6 || rest[0] != '\\' || rest[1] != 'u' {
			return i, c.syntax(i)
		}
		if low, ok := hex4(rest[2:]); !ok || low < 0xDC00 || low >= 0xE000 {
			return i, c.syntax(i)
		}
		return i + 12, nil
	case r == 0 && c.data == nil:
		c.data = &Error{
			Code: CodeNUL, Message: "unsupported Unicode escape sequence",
			Detail: `\u0000 cannot be converted to text.`, Offset: i,
		}
	}
	return i + 6, nil
}

// number reads the number at i.
func (c *checker) number(i int) (int, *Error) {
	end, exponent, ok := numberEnd(c.doc, i)
	if !ok {
		return i, c.syntax(i)
	}
	if !exponent && end-i <= maxScale {
		return end, nil // room for it whatever it is, and it prints as it is
	}
	n := parse(c.doc[i:end])
	size, ok := n.inRange()
	if !ok {
		if c.data == nil {
			c.data = &Error{Code: CodeRange, Message: "value overflows numeric format", Offset: i}
		}
		return end, nil
	}
	if c.text += size; c.text > c.limits.Text {
		return i, c.limit(i, "text")
	}
	return end, nil
}

// numberEnd returns the place after the number at i, or, where there is none,
// after as much as could belong to one.
func numberEnd(b []byte, i int) (end int, exponent, ok bool) {
	if b[i] == '-' {
		i++
	}
	ok = i < len(b) && isDigit(b[i])
	switch {
	case ok && b[i] == '0':
		i++
	case ok:
		i = digits(b, i)
	}
	if i < len(b) && b[i] == '.' {
		from := i + 1
		i = digits(b, from)
		ok = ok && i > from
	}
	if i < len(b) && b[i]|0x20 == 'e' {
		exponent = true
		i++
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		from := i
		i = digits(b, from)
		ok = ok && i > from
	}
	return i, exponent, ok
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// digits returns the place after the digits from i on.
func digits(b []byte, i int) int {
	for i < len(b) && isDigit(b[i]) {
		i++
	}
	return i
}
