package grammar

import (
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// The parsers of this package fail with the texts of PostgREST, whose parsers
// are made of Parsec's combinators (Leijen, "Parsec: direct style monadic parser
// combinators for the real world", 2001). Which text comes out depends on how
// Parsec merges the expectations of alternatives at one place, so that part of
// it is kept here: a parser tells whether it succeeded, whether it consumed
// anything, and what it could have gone on with.

// kind orders the messages of a failure in its text.
type kind uint8

const (
	sysUnexpected kind = iota // the next character; empty is the end of the input
	unexpected                // said by a parser; hides sysUnexpected
	expected                  // what would have been right
	plain                     // any other text
)

type message struct {
	kind kind
	text string
}

// failure is what is known about why parsing did, or could, end at pos.
// Without messages it says nothing.
type failure struct {
	pos  int
	msgs []message
}

// merge joins what two parsers say: the one that got further wins.
func merge(a, b failure) failure {
	switch {
	case len(b.msgs) == 0 && len(a.msgs) > 0:
		return a
	case len(a.msgs) == 0 && len(b.msgs) > 0:
		return b
	case a.pos > b.pos:
		return a
	case a.pos < b.pos:
		return b
	}
	return failure{a.pos, append(slices.Clip(a.msgs), b.msgs...)}
}

// expect returns f with text as its only expectation.
func (f failure) expect(text string) failure {
	msgs := []message{{expected, text}}
	for _, m := range f.msgs {
		if m.kind != expected {
			msgs = append(msgs, m)
		}
	}
	return failure{f.pos, msgs}
}

// String returns the messages in one line, worded as Parsec does.
func (f failure) String() string {
	var of [plain + 1][]string
	first, atEnd := "", false
	for _, m := range f.msgs {
		if m.kind == sysUnexpected && first == "" && !atEnd {
			first, atEnd = m.text, m.text == ""
		}
		if m.text != "" && !slices.Contains(of[m.kind], m.text) {
			of[m.kind] = append(of[m.kind], m.text)
		}
	}
	var parts []string
	switch {
	case len(f.msgs) == 0:
		return "unknown parse error"
	case len(of[unexpected]) > 0:
		parts = append(parts, "unexpected "+enumerate(of[unexpected]))
	case atEnd:
		parts = append(parts, "unexpected end of input")
	case first != "":
		parts = append(parts, "unexpected "+first)
	}
	if len(of[expected]) > 0 {
		parts = append(parts, "expecting "+enumerate(of[expected]))
	}
	if len(of[plain]) > 0 {
		parts = append(parts, enumerate(of[plain]))
	}
	return strings.TrimSpace(strings.ReplaceAll(strings.Join(parts, " "), "\n", " "))
}

// enumerate writes a, b or c.
func enumerate(list []string) string {
	if len(list) == 1 {
		return list[0]
	}
	last := len(list) - 1
	return strings.Join(list[:last], ", ") + " or " + list[last]
}

// reply is how a parser ended. A parser that failed without consuming has left
// the input where it was.
type reply struct {
	ok, consumed bool
	err          failure
}

var done = reply{ok: true}

// input is a text that is being parsed.
type input struct {
	text  []rune
	pos   int
	depth int
	fatal string // what no alternative can mend
	// quiet says that nobody will read the failures, so none are made: they
	// change nothing about what is taken, and cost most of the time.
	quiet bool
}

func newInput(s string) *input { return &input{text: []rune(s)} }

// enter goes one level of parentheses deeper, if that is allowed.
func (in *input) enter() bool {
	if in.depth == MaxDepth {
		in.fatal = "parentheses are nested more than " + strconv.Itoa(MaxDepth) + " deep"
		return false
	}
	in.depth++
	return true
}

func (in *input) leave() { in.depth-- }

// fail is a failure at the current place.
func (in *input) fail(msgs ...message) reply {
	return reply{err: failure{in.pos, msgs}}
}

// next returns the message that names the character at pos, or the end.
func (in *input) next(pos int) message {
	if pos >= len(in.text) {
		return message{sysUnexpected, ""}
	}
	return message{sysUnexpected, showString(in.text[pos])}
}

// chars takes characters as long as they are accepted: many of one kind.
func (in *input) chars(accept func(rune) bool) (string, reply) {
	start := in.pos
	for in.pos < len(in.text) && accept(in.text[in.pos]) {
		in.pos++
	}
	r := reply{ok: true, consumed: in.pos > start}
	if !in.quiet {
		r.err = failure{in.pos, []message{in.next(in.pos)}}
	}
	return string(in.text[start:in.pos]), r
}

// char takes the character c.
func (in *input) char(c rune) reply {
	if in.pos < len(in.text) && in.text[in.pos] == c {
		in.pos++
		return reply{ok: true, consumed: true, err: failure{pos: in.pos}}
	}
	if in.quiet {
		return reply{}
	}
	return in.fail(message{expected, showString(c)}, in.next(in.pos))
}

// any takes one character, whatever it is.
func (in *input) any() (rune, reply) {
	if in.pos >= len(in.text) {
		return 0, in.fail(in.next(in.pos))
	}
	in.pos++
	return in.text[in.pos-1], reply{ok: true, consumed: true, err: failure{pos: in.pos}}
}

// word takes exactly s (ASCII). A part of it counts as consumed.
func (in *input) word(s string) reply {
	for i := range len(s) {
		at := in.pos + i
		if at < len(in.text) && in.text[at] == rune(s[i]) {
			continue
		}
		var r reply
		if !in.quiet {
			r = in.fail(message{expected, strconv.Quote(s)}, in.next(at))
		}
		r.consumed = i > 0
		return r
	}
	in.pos += len(s)
	return reply{ok: true, consumed: true, err: failure{pos: in.pos}}
}

// end succeeds at the end of the input.
func (in *input) end() reply {
	if in.quiet {
		return reply{ok: in.pos == len(in.text)}
	}
	if in.pos < len(in.text) {
		return in.fail(message{expected, "end of input"}, message{unexpected, showChar(in.text[in.pos])})
	}
	r := in.fail(message{expected, "end of input"}, in.next(in.pos))
	r.ok = true
	return r
}

// not succeeds, taking nothing, where p does not.
func (in *input) not(p func() reply) reply {
	start := in.pos
	r := in.try(p)
	if !r.ok {
		return reply{ok: true, err: r.err}
	}
	got := in.text[start]
	at := in.pos
	in.pos = start
	return reply{err: failure{at, []message{{unexpected, showChar(got)}}}}
}

// try makes a failed p one that has consumed nothing.
func (in *input) try(p func() reply) reply {
	start := in.pos
	r := p()
	if !r.ok {
		in.pos, r.consumed = start, false
	}
	return r
}

// ahead succeeds where p does, taking nothing.
func (in *input) ahead(p func() reply) reply {
	start := in.pos
	r := p()
	if r.ok {
		in.pos = start
		return reply{ok: true, err: failure{pos: start}}
	}
	return r
}

// or takes the first alternative that succeeds or consumes.
func (in *input) or(alternatives ...func() reply) reply {
	var err failure
	start := in.pos
	for _, p := range alternatives {
		r := p()
		if r.consumed {
			return r
		}
		err = merge(err, r.err)
		if r.ok {
			return reply{ok: true, err: err}
		}
		in.pos = start
	}
	return reply{err: err}
}

// option takes p or nothing, and tells which.
func (in *input) option(p func() reply) (bool, reply) {
	got := true
	r := in.or(p, func() reply { got = false; return done })
	return got && r.ok, r
}

// many takes p as often as it succeeds. What the last one could have gone on
// with is kept or, as in Parsec's own lists, forgotten.
func (in *input) many(keep bool, p func() reply) reply {
	all := done
	for {
		r := p()
		switch {
		case r.consumed && r.ok:
			all = r
		case r.consumed || r.ok: // taking nothing would go on for ever; no parser here does it
			return r
		case keep || !all.consumed:
			all.err = merge(all.err, r.err)
			return all
		default:
			all.err = r.err
			return all
		}
	}
}

// separated takes p, then sep and p as often as there are.
func (in *input) separated(p, sep func() reply) reply {
	var s sequence
	if !s.then(p()) {
		return s.reply
	}
	s.then(in.many(false, func() reply {
		var s sequence
		if s.then(sep()) {
			s.then(p())
		}
		return s.reply
	}))
	return s.reply
}

// lexeme takes p with blanks around it.
func (in *input) lexeme(p func() reply) reply {
	var s sequence
	if s.then(in.blanks()) && s.then(p()) {
		s.then(in.blanks())
	}
	return s.reply
}

func (in *input) blanks() reply {
	_, r := in.chars(func(c rune) bool { return c == ' ' || c == '\t' })
	return r
}

// labelled replaces what a parser expected at its beginning.
func (in *input) labelled(r reply, text string) reply {
	if !in.quiet && !r.consumed && (!r.ok || len(r.err.msgs) > 0) {
		r.err = r.err.expect(text)
	}
	return r
}

// sequence is one parser after the other.
type sequence struct {
	reply
	begun bool
}

// then adds the reply of the next parser and tells whether to go on.
func (s *sequence) then(r reply) bool {
	if !r.consumed && s.begun {
		r.err = merge(s.err, r.err)
	}
	r.consumed = r.consumed || s.consumed
	s.reply, s.begun = r, true
	return r.ok
}

// place returns the line and column of pos, as Parsec counts: a tab goes to the
// next multiple of eight.
func (in *input) place(pos int) string {
	line, column := 1, 1
	for _, c := range in.text[:min(pos, len(in.text))] {
		switch c {
		case '\n':
			line, column = line+1, 1
		case '\t':
			column += 8 - (column-1)%8
		default:
			column++
		}
	}
	return "(line " + strconv.Itoa(line) + ", column " + strconv.Itoa(column) + ")"
}

// showString writes a one-character string as Haskell does.
func showString(c rune) string {
	if c == '"' {
		return `"\""`
	}
	return `"` + escape(c) + `"`
}

// showChar writes a character as Haskell does.
func showChar(c rune) string {
	if c == '\'' {
		return `'\''`
	}
	return "'" + escape(c) + "'"
}

// controls are Haskell's names of the characters below the space.
const controls = "NUL SOH STX ETX EOT ENQ ACK a b t n v f r SO SI DLE DC1 DC2 DC3 DC4 NAK SYN ETB CAN EM SUB ESC FS GS RS US"

func escape(c rune) string {
	switch {
	case c == '\\':
		return `\\`
	case c < ' ':
		return `\` + strings.Fields(controls)[c]
	case c == unicode.MaxASCII:
		return `\DEL`
	case c > unicode.MaxASCII:
		return `\` + strconv.Itoa(int(c))
	}
	return string(c)
}
