package query

import (
	"context"
	"io"
	"regexp"
	"regexp/syntax"
	"unicode/utf8"
)

const (
	// maxRegexProgram bounds, in instructions of RE2, what a regular expression
	// is compiled to. Each can cost some nanoseconds for each byte of text.
	maxRegexProgram = 1000
	// maxRegex bounds, in bytes, a regular expression as it is written.
	maxRegex = 32 << 10
	// quickRegex is how many steps, of an instruction over a byte, are taken
	// without a look at the context.
	quickRegex = 1 << 22
)

// tooComplex refuses a regular expression in PostgreSQL's words for one that
// takes too much of it.
func tooComplex() error {
	e := errorf(codeBadRegex, "invalid regular expression: regular expression is too complex")
	e.Details = "This store takes expressions of up to 32768 bytes that compile to up to 1000 instructions; a repetition such as {m,n} counts n times."
	return e
}

// compileProgram compiles RE2's syntax, unless it takes too much.
func compileProgram(pattern string) (textFunc, error) {
	tree, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return nil, tooComplex()
	}
	prog, err := syntax.Compile(tree.Simplify())
	if err != nil || len(prog.Inst) > maxRegexProgram {
		return nil, tooComplex()
	}
	re, err := regexp.Compile(pattern)
	if err != nil {
		return nil, tooComplex()
	}
	size := len(prog.Inst)
	return func(ctx context.Context, s []byte) bool {
		if len(s) <= quickRegex/size {
			return re.Match(s)
		}
		return re.MatchReader(&watchedText{ctx: ctx, text: s, every: max(1, quickRegex/size)})
	}, nil
}

// watchedText reads a text that is over when ctx is.
type watchedText struct {
	ctx   context.Context
	text  []byte
	i     int
	every int // characters between looks at ctx
	left  int // until the next one
}

func (w *watchedText) ReadRune() (r rune, size int, err error) {
	if w.left--; w.left < 0 {
		if w.left = w.every; w.ctx.Err() != nil {
			return 0, 0, io.EOF
		}
	}
	if w.i >= len(w.text) {
		return 0, 0, io.EOF
	}
	r, size = utf8.DecodeRune(w.text[w.i:])
	w.i += size
	return r, size, nil
}
