package query

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// compileRegex compiles a POSIX regular expression as PostgreSQL's ~ and, with
// fold, ~* read it, as far as RE2 can say the same:
//
//   - characters, ., ^ and $ (of the whole text: new lines are nothing special);
//   - [lists], their negation, ranges and classes such as [:digit:];
//   - groups (…) and (?:…), branches with |;
//   - the quantifiers * + ? {m} {m,} {m,n}, also followed by ?;
//   - \d \w \s \D \W \S, \A \Z \y \Y, \f \n \r \t \v, \uXXXX, and a backslash
//     before anything that is no letter or digit.
//
// As with collation "C", classes and the folding of case know ASCII only.
// Back references, look-around, embedded options, \m and \M, and collating elements
// are refused, and so is what PostgreSQL refuses, and what is too large: over
// [maxRegex] or [maxRegexProgram], with code 2201B.
func compileRegex(pattern string, fold bool) (textFunc, error) {
	if len(pattern) > maxRegex {
		return nil, tooComplex()
	}
	p := regexParser{in: pattern, fold: fold}
	p.out.WriteString("(?s)")
	if err := p.parse(); err != nil {
		return nil, err
	}
	return compileProgram(p.out.String())
}

// regexParser translates into RE2's syntax.
type regexParser struct {
	in    string
	i     int
	fold  bool
	out   strings.Builder
	depth int
	// atom says that something stands before which a quantifier can follow.
	atom bool
}

func (p *regexParser) invalid(reason string) error {
	return errorf(codeBadRegex, "invalid regular expression: %s", reason)
}

func (p *regexParser) unsupported(reason string) error {
	e := p.invalid(reason)
	e.(*Error).Details = "This store takes the part of PostgreSQL's syntax that RE2 has too."
	return e
}

func (p *regexParser) parse() error {
	if strings.HasPrefix(p.in, "***") || strings.HasPrefix(p.in, "(?") && !strings.HasPrefix(p.in, "(?:") {
		return p.unsupported("options and look-around are not supported")
	}
	for p.i < len(p.in) {
		r, size := utf8.DecodeRuneInString(p.in[p.i:])
		p.i += size
		if err := p.token(r); err != nil {
			return err
		}
	}
	if p.depth > 0 {
		return p.invalid("parentheses () not balanced")
	}
	return nil
}

func (p *regexParser) token(r rune) error {
	switch r {
	case '(':
		return p.group()
	case ')':
		if p.depth == 0 {
			return p.invalid("parentheses () not balanced")
		}
		p.depth--
		p.out.WriteByte(')')
		p.atom = true
	case '|', '^', '$':
		p.anchor(r)
	case '*', '+', '?':
		return p.quantifier(string(r))
	case '{':
		if p.i < len(p.in) && isDigit(p.in[p.i]) {
			return p.repetition()
		}
		p.literal(r)
	case '.':
		p.out.WriteByte('.')
		p.atom = true
	case '[':
		return p.list()
	case '\\':
		return p.escape()
	default:
		p.literal(r)
	}
	return nil
}

func (p *regexParser) anchor(r rune) {
	p.out.WriteRune(r)
	p.atom = false
}

func (p *regexParser) group() error {
	p.depth++
	if strings.HasPrefix(p.in[p.i:], "?") {
		if !strings.HasPrefix(p.in[p.i:], "?:") {
			return p.unsupported("look-around is not supported")
		}
		p.i += 2
	}
	p.out.WriteString("(?:")
	p.atom = false
	return nil
}

// quantifier writes a quantifier and the ? that may follow it.
func (p *regexParser) quantifier(q string) error {
	if !p.atom {
		return p.invalid("quantifier operand invalid")
	}
	p.out.WriteString(q)
	if p.i < len(p.in) && p.in[p.i] == '?' {
		p.i++ // which match is found first does not matter
	}
	p.atom = false
	return nil
}

// repetition reads the bounds behind an opening brace.
func (p *regexParser) repetition() error {
	end := strings.IndexByte(p.in[p.i:], '}')
	if end < 0 {
		return p.invalid("braces {} not balanced")
	}
	bounds := p.in[p.i : p.i+end]
	p.i += end + 1
	from, to, both := strings.Cut(bounds, ",")
	m, err := strconv.Atoi(from)
	if err != nil {
		return p.invalid("invalid repetition count(s)")
	}
	n := m
	if both && to != "" {
		if n, err = strconv.Atoi(to); err != nil {
			return p.invalid("invalid repetition count(s)")
		}
	}
	if m > 255 || n > 255 || n < m {
		return p.invalid("invalid repetition count(s)")
	}
	return p.quantifier("{" + bounds + "}")
}

// literal writes a character, in both cases where case does not count.
func (p *regexParser) literal(r rune) {
	if other := swapCase(r); p.fold && other != r {
		p.out.WriteString("[" + string(r) + string(other) + "]")
	} else {
		p.out.WriteString(regexp.QuoteMeta(string(r)))
	}
	p.atom = true
}

// swapCase returns an ASCII letter in the other case.
func swapCase(r rune) rune {
	if 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' {
		return r ^ 0x20
	}
	return r
}

// shorthand are the escapes that stand for classes; they are allowed in lists too.
var shorthand = map[byte]string{'d': "[:digit:]", 'w': "[:alnum:]_", 's': "[:space:]", 'D': "[:^digit:]", 'S': "[:^space:]"}

// control are the escapes that stand for one character.
var control = map[byte]rune{'f': '\f', 'n': '\n', 'r': '\r', 't': '\t', 'v': '\v', 'a': '\a', 'b': '\b', 'e': 0x1b}

func (p *regexParser) escape() error {
	if p.i >= len(p.in) {
		return p.invalid("invalid escape \\ sequence")
	}
	c := p.in[p.i]
	switch {
	case c == 'A' || c == 'Z' || c == 'y' || c == 'Y':
		p.i++
		p.out.WriteString(map[byte]string{'A': `\A`, 'Z': `\z`, 'y': `\b`, 'Y': `\B`}[c])
		p.atom = false
		return nil
	case c == 'W':
		p.i++
		p.out.WriteString("[^[:alnum:]_]")
		p.atom = true
		return nil
	case shorthand[c] != "":
		p.i++
		p.out.WriteString("[" + shorthand[c] + "]")
		p.atom = true
		return nil
	}
	r, err := p.escapedRune()
	if err != nil {
		return err
	}
	p.literal(r)
	return nil
}

// escapedRune reads what follows a backslash and stands for one character.
func (p *regexParser) escapedRune() (rune, error) {
	r, size := utf8.DecodeRuneInString(p.in[p.i:])
	p.i += size
	switch {
	case r >= utf8.RuneSelf:
		return r, nil
	case control[byte(r)] != 0:
		return control[byte(r)], nil
	case r == 'u':
		if len(p.in)-p.i < 4 {
			return 0, p.invalid("invalid escape \\ sequence")
		}
		n, err := strconv.ParseUint(p.in[p.i:p.i+4], 16, 32)
		if err != nil || !utf8.ValidRune(rune(n)) {
			return 0, p.invalid("invalid escape \\ sequence")
		}
		p.i += 4
		return rune(n), nil
	case '0' <= r && r <= '9':
		return 0, p.unsupported("back references and octal escapes are not supported")
	case swapCase(r) != r:
		return 0, p.unsupported("the escape \\" + string(r) + " is not supported")
	}
	return r, nil
}

// list reads a bracket expression.
func (p *regexParser) list() error {
	if strings.HasPrefix(p.in[p.i:], "[:<:]]") || strings.HasPrefix(p.in[p.i:], "[:>:]]") {
		return p.unsupported("word boundaries in brackets are not supported")
	}
	l := listParser{p: p}
	if p.i < len(p.in) && p.in[p.i] == '^' {
		l.negated = true
		p.i++
	}
	for first := true; ; first = false {
		if p.i >= len(p.in) {
			return p.invalid("brackets [] not balanced")
		}
		if p.in[p.i] == ']' && !first {
			p.i++
			break
		}
		if err := l.item(first); err != nil {
			return err
		}
	}
	l.write()
	p.atom = true
	return nil
}

// listParser collects what a bracket expression lists.
type listParser struct {
	p       *regexParser
	negated bool
	ranges  [][2]rune
	classes []string
}

// classNames are the classes that RE2 and PostgreSQL's C locale agree on.
var classNames = []string{"alnum", "alpha", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space", "upper", "xdigit"}

func (l *listParser) item(first bool) error {
	p := l.p
	rest := p.in[p.i:]
	switch {
	case strings.HasPrefix(rest, "[:"):
		name, _, closed := strings.Cut(rest[2:], ":]")
		if !closed {
			return p.invalid("brackets [] not balanced")
		}
		p.i += len(name) + 4
		if !slices.Contains(classNames, name) {
			return p.invalid("invalid character class")
		}
		if p.fold && (name == "lower" || name == "upper") {
			name = "alpha"
		}
		l.classes = append(l.classes, "[:"+name+":]")
		return nil
	case strings.HasPrefix(rest, "[.") || strings.HasPrefix(rest, "[="):
		return p.unsupported("collating elements are not supported")
	case len(rest) > 1 && rest[0] == '\\' && shorthand[rest[1]] != "":
		if rest[1] == 'D' || rest[1] == 'S' {
			return p.invalid("invalid escape \\ sequence")
		}
		p.i += 2
		l.classes = append(l.classes, shorthand[rest[1]])
		return nil
	}
	from, err := l.char(first)
	if err != nil {
		return err
	}
	to := from
	if rest = p.in[p.i:]; len(rest) > 1 && rest[0] == '-' && rest[1] != ']' {
		p.i++
		if to, err = l.char(false); err != nil {
			return err
		}
		if to < from {
			return p.invalid("invalid character range")
		}
	}
	l.ranges = append(l.ranges, [2]rune{from, to})
	return nil
}

// char reads one end of a range, or a single character.
func (l *listParser) char(first bool) (rune, error) {
	p := l.p
	r, size := utf8.DecodeRuneInString(p.in[p.i:])
	p.i += size
	switch {
	case r == '\\':
		if p.i >= len(p.in) {
			return 0, p.invalid("invalid escape \\ sequence")
		}
		return p.escapedRune()
	case r == '-' && !first && !strings.HasPrefix(p.in[p.i:], "]"):
		return 0, p.invalid("invalid character range")
	case r == '[' && p.i < len(p.in) && strings.IndexByte(":.=", p.in[p.i]) >= 0:
		return 0, p.invalid("invalid character range")
	}
	return r, nil
}

func (l *listParser) write() {
	out := &l.p.out
	out.WriteByte('[')
	if l.negated {
		out.WriteByte('^')
	}
	for _, r := range l.ranges {
		writeRange(out, r[0], r[1])
		if !l.p.fold {
			continue
		}
		// The letters within the range, in the other case.
		for _, letters := range [][2]rune{{'a', 'z'}, {'A', 'Z'}} {
			if from, to := max(r[0], letters[0]), min(r[1], letters[1]); from <= to {
				writeRange(out, from^0x20, to^0x20)
			}
		}
	}
	for _, c := range l.classes {
		out.WriteString(c)
	}
	out.WriteByte(']')
}

func writeRange(out *strings.Builder, from, to rune) {
	for i, r := range []rune{from, to} {
		if i > 0 {
			out.WriteByte('-')
		}
		out.WriteString(`\x{` + strconv.FormatInt(int64(r), 16) + `}`)
	}
}
