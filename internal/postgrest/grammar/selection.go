package grammar

import "vigil/internal/query"

// selection takes the items of select=, or of one embedded relation. None is
// everything.
func (in *input) selection() (items []query.Item, r reply) {
	if !in.enter() {
		return nil, in.fail()
	}
	defer in.leave()
	r = in.or(func() reply {
		return in.separated(func() reply {
			it, r := in.item()
			if r.ok {
				items = append(items, it)
			}
			return r
		}, in.comma)
	}, func() reply { return done })
	return items, r
}

func (in *input) item() (it query.Item, r reply) {
	r = in.or(
		func() reply { return in.embed(&it, in.spread) },
		func() reply { return in.embed(&it, in.relation) },
		func() reply { return in.column(&it) })
	return it, r
}

// embed takes what head takes, and the items in parentheses behind it.
func (in *input) embed(it *query.Item, head func(*query.Item) reply) reply {
	var s sequence
	var e query.Item
	if !s.then(in.try(func() reply { return in.lexeme(func() reply { return head(&e) }) })) {
		return s.reply
	}
	if !s.then(in.char('(')) {
		return s.reply
	}
	items, r := in.selection()
	if s.then(r) && s.then(in.char(')')) {
		e.Items = items
		*it = e
	}
	return s.reply
}

func (in *input) spread(it *query.Item) reply {
	var s sequence
	if !s.then(in.word("...")) {
		return s.reply
	}
	name, r := in.name()
	if s.then(r) && s.then(in.embedParams()) {
		s.then(in.aheadWord("(")())
	}
	it.Embed, it.Spread = name, true
	return s.reply
}

func (in *input) relation(it *query.Item) reply {
	var s sequence
	if !s.then(in.alias(it)) {
		return s.reply
	}
	name, r := in.name()
	if !s.then(r) {
		return s.reply
	}
	if name == "count" { // count() is no relation
		s.then(in.fail())
		return s.reply
	}
	if s.then(in.embedParams()) {
		s.then(in.aheadWord("(")())
	}
	it.Embed = name
	return s.reply
}

// embedParams takes at most two of !left, !inner and !hint. As no relation can
// be embedded, nothing of them is kept.
func (in *input) embedParams() reply {
	param := func() reply {
		var s sequence
		if !s.then(in.char('!')) {
			return s.reply
		}
		s.then(in.or(
			func() reply { return in.try(func() reply { return in.word("left") }) },
			func() reply { return in.try(func() reply { return in.word("inner") }) },
			func() reply { return in.try(func() reply { _, r := in.name(); return r }) }))
		return s.reply
	}
	var s sequence
	_, r := in.option(param)
	if s.then(r) {
		_, r = in.option(param)
		s.then(r)
	}
	return s.reply
}

// alias takes a name with one colon behind it, if that is there.
func (in *input) alias(it *query.Item) reply {
	_, r := in.option(func() reply {
		return in.try(func() reply {
			var s sequence
			name, r := in.name()
			if s.then(r) && s.then(in.char(':')) && s.then(in.not(func() reply { return in.char(':') })) {
				it.Alias = name
			}
			return s.reply
		})
	})
	return r
}

// column takes *, count() or a column with path, casts and aggregate.
func (in *input) column(it *query.Item) reply {
	return in.lexeme(func() reply {
		return in.or(
			func() reply {
				return in.try(func() reply {
					var s sequence
					if s.then(in.word("*")) && s.then(in.itemEnd()) {
						*it = query.Item{Star: true}
					}
					return s.reply
				})
			},
			func() reply {
				return in.try(func() reply {
					var s sequence
					var c query.Item
					if s.then(in.alias(&c)) && s.then(in.word("count()")) && s.then(in.cast(&c.AggCast)) && s.then(in.itemEnd()) {
						c.Agg = query.AggCount
						*it = c
					}
					return s.reply
				})
			},
			func() reply {
				var s sequence
				var c query.Item
				if !s.then(in.alias(&c)) {
					return s.reply
				}
				p, r := in.field()
				c.Path = p
				if s.then(r) && s.then(in.cast(&c.Cast)) && s.then(in.aggregate(&c.Agg)) && s.then(in.cast(&c.AggCast)) && s.then(in.itemEnd()) {
					if c.Agg == query.AggNone {
						c.AggCast = "" // of x::a::b PostgREST takes a
					}
					*it = c
				}
				return s.reply
			})
	})
}

// cast takes ::type if it is there.
func (in *input) cast(to *string) reply {
	_, r := in.option(func() reply {
		var s sequence
		if !s.then(in.word("::")) {
			return s.reply
		}
		name, r := in.identifier()
		if s.then(r) {
			*to = name
		}
		return s.reply
	})
	return r
}

// aggregate takes .agg() if it is there.
func (in *input) aggregate(to *query.Agg) reply {
	word := func(a query.Agg) func() reply {
		return func() reply { *to = a; return in.word(a.String()) }
	}
	got, r := in.option(func() reply {
		return in.try(func() reply {
			var s sequence
			if s.then(in.char('.')) && s.then(in.or(
				word(query.AggSum), word(query.AggAvg), word(query.AggCount),
				func() reply { return in.try(word(query.AggMax)) },
				func() reply { return in.try(word(query.AggMin)) })) {
				s.then(in.word("()"))
			}
			return s.reply
		})
	})
	if !got {
		*to = query.AggNone
	}
	return r
}

func (in *input) itemEnd() reply {
	return in.or(in.aheadWord(")"), in.aheadWord(","), in.end)
}
