package grammar

import (
	"strings"
	"unicode/utf8"

	"vigil/internal/query"
)

// simple and quantified are the operators before a value, in the order in which
// they are tried. None of quantified is tried before one that it begins with.
var (
	simple     = []query.Op{query.Neq, query.Cs, query.Cd, query.Ov, query.Sl, query.Sr, query.Nxr, query.Nxl, query.Adj}
	quantified = []query.Op{
		query.Eq, query.Gte, query.Gt, query.Lte, query.Lt,
		query.Like, query.ILike, query.Match, query.IMatch,
	}
	textSearch = []query.Op{query.FTS, query.PlFTS, query.PhFTS, query.WFTS}
	isValues   = []string{"null", "not_null", "true", "false", "unknown"}
)

// condition takes an operator with its operand; value takes the operand of most.
func (in *input) condition(p query.Path, value func() (string, reply)) (x query.Expr, r reply) {
	var s sequence
	not, r := in.not1()
	if !s.then(r) {
		return nil, s.reply
	}
	t := query.Test{Path: p}
	r = in.labelled(in.or(
		func() reply { return in.in(&t) },
		func() reply { return in.is(&t) },
		func() reply { return in.isDistinct(&t, value) },
		func() reply { return in.try(func() reply { return in.textSearch(&t, value) }) },
		func() reply { return in.try(func() reply { return in.simple(&t, value) }) },
		func() reply { return in.try(func() reply { return in.quantified(&t, value) }) },
	), "operator (eq, gt, ...)")
	if !s.then(r) {
		return nil, s.reply
	}
	if not {
		return query.Not{X: t}, s.reply
	}
	return t, s.reply
}

// not1 takes not. if it is there.
func (in *input) not1() (bool, reply) {
	return in.option(func() reply { return in.prefix("not") })
}

// prefix takes s with a dot behind it, or nothing.
func (in *input) prefix(s string) reply {
	return in.try(func() reply {
		var q sequence
		if q.then(in.word(s)) {
			q.then(in.delimiter())
		}
		return q.reply
	})
}

func (in *input) in(t *query.Test) reply {
	var s sequence
	if !s.then(in.prefix("in")) || !s.then(in.lexeme(func() reply { return in.char('(') })) {
		return s.reply
	}
	var list []string
	if !s.then(in.separated(
		func() reply {
			e, r := in.element()
			if r.ok {
				list = append(list, e)
			}
			return r
		},
		func() reply { return in.char(',') })) {
		return s.reply
	}
	if s.then(in.lexeme(func() reply { return in.char(')') })) {
		t.Op, t.List = query.In, list
		if len(list) == 1 && list[0] == "" {
			t.List = nil // in.(), and to PostgREST in.("") too
		}
	}
	return s.reply
}

// element takes one value of a list. Quotes count only around the whole of it.
func (in *input) element() (text string, r reply) {
	r = in.or(
		func() (r reply) { text, r = in.wholeQuoted(); return },
		func() (r reply) { text, r = in.bare(); return })
	return text, r
}

// wholeQuoted takes a quoted text that ends the element.
func (in *input) wholeQuoted() (text string, r reply) {
	r = in.try(func() reply {
		var s sequence
		q, r := in.quoted()
		if s.then(r) {
			text = q
			s.then(in.not(func() reply {
				if in.pos < len(in.text) && in.text[in.pos] != ',' && in.text[in.pos] != ')' {
					_, r := in.any()
					return r
				}
				return in.fail(in.next(in.pos))
			}))
		}
		return s.reply
	})
	return text, r
}

// bare takes everything up to a comma or a closing parenthesis.
func (in *input) bare() (string, reply) {
	return in.chars(func(c rune) bool { return c != ',' && c != ')' })
}

func (in *input) is(t *query.Test) reply {
	var s sequence
	if !s.then(in.prefix("is")) {
		return s.reply
	}
	var alternatives []func() reply
	for _, v := range isValues {
		alternatives = append(alternatives, func() reply {
			r := in.try(func() reply { return in.fold(v) })
			if r.ok {
				t.Op, t.Value = query.Is, v
			}
			return r
		})
	}
	s.then(in.labelled(in.or(alternatives...), "isVal: (null, not_null, true, false, unknown)"))
	return s.reply
}

// fold takes word (in lower case) in any case, character by character.
func (in *input) fold(word string) reply {
	s := sequence{reply: done}
	for _, c := range word {
		upper := []rune(strings.ToUpper(string(c)))[0]
		if !s.then(in.or(func() reply { return in.char(c) }, func() reply { return in.char(upper) })) {
			break
		}
	}
	return s.reply
}

func (in *input) isDistinct(t *query.Test, value func() (string, reply)) reply {
	var s sequence
	if !s.then(in.prefix("isdistinct")) {
		return s.reply
	}
	v, r := value()
	t.Op, t.Value = query.IsDistinct, v
	s.then(r)
	return s.reply
}

func (in *input) textSearch(t *query.Test, value func() (string, reply)) reply {
	var s sequence
	if !s.then(in.operator(t, textSearch)) {
		return s.reply
	}
	_, r := in.option(func() reply {
		return in.try(func() reply {
			var s sequence
			if !s.then(in.char('(')) {
				return s.reply
			}
			lang, r := in.identifier()
			if s.then(r) && s.then(in.char(')')) {
				t.Lang = lang
			}
			return s.reply
		})
	})
	if s.then(r) {
		s.then(in.operand(t, value))
	}
	return s.reply
}

func (in *input) simple(t *query.Test, value func() (string, reply)) reply {
	var s sequence
	if s.then(in.labelled(in.operator(t, simple), "unknown single value operator")) {
		s.then(in.operand(t, value))
	}
	return s.reply
}

func (in *input) quantified(t *query.Test, value func() (string, reply)) reply {
	var s sequence
	if !s.then(in.labelled(in.operator(t, quantified), "unknown single value operator")) {
		return s.reply
	}
	_, r := in.option(func() reply {
		return in.try(func() reply {
			var s sequence
			quant := query.QuantAny
			if s.then(in.char('(')) && s.then(in.or(
				func() reply { return in.try(func() reply { return in.word("any") }) },
				func() reply { quant = query.QuantAll; return in.word("all") })) && s.then(in.char(')')) {
				t.Quant = quant
			}
			return s.reply
		})
	})
	if s.then(r) {
		s.then(in.operand(t, value))
	}
	return s.reply
}

// operator takes one of ops.
func (in *input) operator(t *query.Test, ops []query.Op) reply {
	var alternatives []func() reply
	for _, op := range ops {
		alternatives = append(alternatives, func() reply {
			r := in.try(func() reply { return in.word(string(op)) })
			if r.ok {
				t.Op = op
			}
			return r
		})
	}
	return in.or(alternatives...)
}

// operand takes the dot and the value.
func (in *input) operand(t *query.Test, value func() (string, reply)) reply {
	var s sequence
	if s.then(in.delimiter()) {
		v, r := value()
		t.Value = v
		s.then(r)
	}
	return s.reply
}

// rest takes all that is left: the value of a filter that is a parameter.
func (in *input) rest() (string, reply) {
	return in.chars(func(c rune) bool { return c <= utf8.MaxRune })
}

// listed takes the value of a filter that is part of a logic tree: quoted, one
// flat pair of braces, or all up to a comma or a closing parenthesis.
func (in *input) listed() (text string, r reply) {
	r = in.or(
		func() (r reply) { text, r = in.wholeQuoted(); return },
		func() reply {
			return in.try(func() reply {
				var s sequence
				if !s.then(in.word("{")) {
					return s.reply
				}
				inner, r := in.chars(func(c rune) bool { return c != '{' && c != '}' })
				if s.then(r) && s.then(in.word("}")) {
					text = "{" + inner + "}"
				}
				return s.reply
			})
		},
		func() (r reply) { text, r = in.bare(); return })
	return text, r
}

// logic takes a condition on a column, or and(…) and or(…) of such.
func (in *input) logic() (x query.Expr, r reply) {
	if !in.enter() {
		return nil, in.fail()
	}
	defer in.leave()
	r = in.or(
		func() reply {
			return in.try(func() reply {
				var s sequence
				p, r := in.field()
				if s.then(r) && s.then(in.delimiter()) {
					x, r = in.condition(p, in.listed)
					s.then(r)
				}
				return s.reply
			})
		},
		func() (r reply) { x, r = in.tree(); return })
	return x, r
}

func (in *input) tree() (query.Expr, reply) {
	var s sequence
	not, r := in.not1()
	if !s.then(in.labelled(r, "negation operator (not)")) {
		return nil, s.reply
	}
	and := false
	if !s.then(in.labelled(in.or(
		func() reply {
			r := in.try(func() reply { return in.word("and") })
			and = r.ok
			return r
		},
		func() reply { return in.word("or") }), "logic operator (and, or)")) {
		return nil, s.reply
	}
	if !s.then(in.lexeme(func() reply { return in.char('(') })) {
		return nil, s.reply
	}
	var parts []query.Expr
	if !s.then(in.separated(func() reply {
		x, r := in.logic()
		if r.ok {
			parts = append(parts, x)
		}
		return r
	}, in.comma)) {
		return nil, s.reply
	}
	s.then(in.lexeme(func() reply { return in.char(')') }))
	var x query.Expr = query.Or(parts)
	if and {
		x = query.And(parts)
	}
	if not {
		x = query.Not{X: x}
	}
	return x, s.reply
}
