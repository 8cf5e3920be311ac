package grammar

import "vigil/internal/query"

// term is one part of order=; relation is set where it is of an embedded one.
type term struct {
	query.Order
	relation string
}

// order takes the terms of order=.
func (in *input) order() (terms []term, r reply) {
	r = in.separated(func() reply {
		return in.lexeme(func() reply {
			var t term
			r := in.or(
				func() reply { return in.try(func() reply { return in.related(&t) }) },
				func() reply { return in.term(&t) })
			if r.ok {
				terms = append(terms, t)
			}
			return r
		})
	}, func() reply { return in.char(',') })
	return terms, r
}

func (in *input) term(t *term) reply {
	var s sequence
	*t = term{}
	p, r := in.field()
	if s.then(r) {
		t.Path = p
		s.then(in.modifiers(t))
	}
	return s.reply
}

func (in *input) related(t *term) reply {
	var s sequence
	name, r := in.name()
	if !s.then(r) || !s.then(in.char('(')) {
		return s.reply
	}
	p, r := in.field()
	if s.then(r) && s.then(in.char(')')) {
		*t = term{relation: name}
		t.Path = p
		s.then(in.modifiers(t))
	}
	return s.reply
}

// modifiers takes the direction and the place of nulls, up to the term's end.
func (in *input) modifiers(t *term) reply {
	var s sequence
	suffix := func(word string, set func()) func() reply {
		return func() reply {
			return in.try(func() reply {
				var s sequence
				if s.then(in.delimiter()) && s.then(in.word(word)) {
					set()
				}
				return s.reply
			})
		}
	}
	_, r := in.option(func() reply {
		return in.or(suffix("asc", func() {}), suffix("desc", func() { t.Desc = true }))
	})
	if !s.then(r) {
		return s.reply
	}
	s.then(in.or(
		func() reply {
			var s sequence
			_, r := in.option(func() reply {
				return in.or(
					suffix("nullsfirst", func() { t.Nulls = query.NullsFirst }),
					suffix("nullslast", func() { t.Nulls = query.NullsLast }))
			})
			if s.then(r) {
				s.then(in.termEnd())
			}
			return s.reply
		},
		in.termEnd))
	return s.reply
}

func (in *input) termEnd() reply {
	return in.or(
		func() reply { return in.try(func() reply { return in.ahead(func() reply { return in.char(',') }) }) },
		in.end)
}
