package grammar

import (
	"strconv"
	"strings"
	"unicode"

	"vigil/internal/query"
)

const (
	nameLabel = "field name (* or [a..z0..9_$])"
	keyLabel  = "any non reserved character different from: .,>()"
)

// delimiter takes the dot between two parts.
func (in *input) delimiter() reply { return in.labelled(in.char('.'), "delimiter (.)") }

func identifierChar(c rune) bool {
	return unicode.IsLetter(c) || c >= '0' && c <= '9' || c == '_' || c == ' ' || c == '$'
}

// identifier takes letters, digits, _, $ and inner spaces.
func (in *input) identifier() (string, reply) {
	s, r := in.chars(identifierChar)
	if r.ok = s != ""; !in.quiet {
		c := in.next(in.pos)
		r.err.msgs = []message{{expected, "letter"}, c, {expected, "digit"}, c, c}
	}
	return strings.TrimSpace(s), r
}

// quoted takes a text in double quotes, in which a backslash makes the next
// character an ordinary one.
func (in *input) quoted() (string, reply) {
	var s sequence
	var text strings.Builder
	if !s.then(in.char('"')) {
		return "", s.reply
	}
	ordinary := func(c rune) bool { return c != '\\' && c != '"' }
	ok := s.then(in.many(true, func() reply {
		return in.or(
			func() reply {
				part, r := in.chars(ordinary)
				text.WriteString(part)
				r.ok = r.consumed
				return r
			},
			func() reply {
				var s sequence
				if s.then(in.char('\\')) {
					c, r := in.any()
					if s.then(r) {
						text.WriteRune(c)
					}
				}
				return s.reply
			})
	}))
	if ok {
		s.then(in.char('"'))
	}
	return text.String(), s.reply
}

// dashed takes parts joined by dashes that begin no arrow.
func (in *input) dashed(part func() (string, reply)) (string, reply) {
	var parts []string
	r := in.separated(
		func() reply {
			s, r := part()
			if r.ok {
				parts = append(parts, s)
			}
			return r
		},
		func() reply {
			return in.try(func() reply {
				var s sequence
				if s.then(in.char('-')) {
					s.then(in.not(func() reply { return in.char('>') }))
				}
				return s.reply
			})
		})
	return strings.Join(parts, "-"), r
}

// name takes the name of a column or relation, quoted or not.
func (in *input) name() (name string, r reply) {
	r = in.or(
		func() (r reply) { name, r = in.quoted(); return },
		func() (r reply) { name, r = in.dashed(in.identifier); return })
	return name, in.labelled(r, nameLabel)
}

// names takes a list of names: columns= and on_conflict=.
func (in *input) names() (names []string, r reply) {
	r = in.separated(
		func() reply {
			name, r := in.name()
			if r.ok {
				names = append(names, name)
			}
			return r
		}, in.comma)
	return names, r
}

func (in *input) comma() reply { return in.lexeme(func() reply { return in.char(',') }) }

// treePath takes the key of a filter: names of embedded relations and, last, of
// a column with its JSON path.
func (in *input) treePath() (embeds []string, p query.Path, r reply) {
	var s sequence
	if !s.then(in.separated(func() reply {
		name, r := in.name()
		if r.ok {
			embeds = append(embeds, name)
		}
		return r
	}, in.delimiter)) {
		return nil, p, s.reply
	}
	last := len(embeds) - 1
	p.Column, embeds = embeds[last], embeds[:last]
	s.then(in.jsonPath(&p))
	return embeds, p, s.reply
}

// field takes a column with its JSON path, blanks around it.
func (in *input) field() (p query.Path, r reply) {
	r = in.lexeme(func() reply {
		var s sequence
		name, r := in.name()
		if s.then(r) {
			p.Column = name
			s.then(in.jsonPath(&p))
		}
		return s.reply
	})
	return p, r
}

// jsonPath takes arrows and operands, and adds them to p.
func (in *input) jsonPath(p *query.Path) reply {
	return in.many(true, func() reply {
		var s sequence
		var step query.Step
		if !s.then(in.or(
			func() reply { step.Text = true; return in.try(func() reply { return in.word("->>") }) },
			func() reply { step.Text = false; return in.try(func() reply { return in.word("->") }) })) {
			return s.reply
		}
		if s.then(in.or(
			func() reply { return in.try(func() reply { return in.index(&step) }) },
			func() reply { return in.try(func() reply { return in.key(&step) }) })) {
			p.Steps = append(p.Steps, step)
		}
		return s.reply
	})
}

// index takes a whole number that is a whole operand.
func (in *input) index(step *query.Step) reply {
	var s sequence
	minus, r := in.option(func() reply { return in.char('-') })
	if !s.then(r) {
		return s.reply
	}
	digits, r := in.digits()
	if !s.then(r) {
		return s.reply
	}
	if !s.then(in.or(in.aheadWord("->"), in.aheadWord("::"), in.aheadWord("."), in.aheadWord(","), in.end)) {
		return s.reply
	}
	if minus {
		digits = "-" + digits
	}
	n, err := strconv.ParseInt(digits, 10, 32)
	if err != nil {
		in.fatal = "the array index " + short(digits) + " is out of range"
	}
	*step = query.Step{Key: digits, Index: int(n), IsIndex: true, Text: step.Text}
	return s.reply
}

func (in *input) digits() (string, reply) {
	d, r := in.chars(func(c rune) bool { return c >= '0' && c <= '9' })
	r.ok = d != ""
	if !in.quiet {
		r.err = r.err.expect("digit")
	}
	return d, r
}

// aheadWord returns the parser that looks for s without taking it.
func (in *input) aheadWord(s string) func() reply {
	return func() reply {
		return in.try(func() reply { return in.ahead(func() reply { return in.word(s) }) })
	}
}

// key takes the key of an object. Blanks around it are not part of it.
func (in *input) key(step *query.Step) reply {
	text := step.Text
	part := func() (string, reply) {
		s, r := in.chars(func(c rune) bool { return !strings.ContainsRune("(-:.,>)", c) })
		r.ok = s != ""
		return strings.TrimSpace(s), r
	}
	var key string
	r := in.or(
		func() (r reply) { key, r = in.quoted(); return },
		func() (r reply) { key, r = in.dashed(part); return })
	*step = query.Step{Key: key, Text: text}
	return in.labelled(r, keyLabel)
}
