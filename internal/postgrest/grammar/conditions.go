package grammar

import (
	"slices"
	"strings"

	"vigil/internal/query"
)

// filters reads every parameter that is no other thing, and joins it with what
// logics left: the conditions stand in the order of the query string.
func (p *parser) filters() error {
	for i, f := range p.params {
		switch f.last() {
		case "order", "limit", "offset", "and", "or":
			continue
		}
		switch f.key {
		case "select", "columns", "on_conflict":
			continue
		}
		embeds, path, err := p.path(f.key)
		if err != nil {
			return err
		}
		var x query.Expr
		if err := read("filter", f.value, f.value, func(in *input) (r reply) {
			x, r = in.condition(path, in.rest)
			return r
		}); err != nil {
			return err
		}
		if y, ok := p.dotted(embeds, x); ok {
			x, embeds = y, nil
		}
		if len(embeds) > 0 {
			p.embedded[ofFilter] = append(p.embedded[ofFilter], embeds)
			continue
		}
		p.where[i] = x
	}
	return nil
}

// logics reads and=, or=, not.and= and not.or=.
func (p *parser) logics() error {
	for i, l := range p.params {
		if last := l.last(); last != "and" && last != "or" {
			continue
		}
		var path []string
		if err := read("logic path", l.key, l.key, func(in *input) reply {
			return in.separated(func() reply {
				name, r := in.name()
				if r.ok {
					path = append(path, name)
				}
				return r
			}, in.delimiter)
		}); err != nil {
			return err
		}
		op, not := path[len(path)-1], slices.Contains(path, "not")
		embeds := slices.DeleteFunc(path[:len(path)-1], func(s string) bool { return s == "not" })
		if not {
			op = "not." + op
		}
		var x query.Expr
		if err := read("logic tree", l.value, op+l.value, func(in *input) (r reply) {
			x, r = in.logic()
			return r
		}); err != nil {
			return err
		}
		if len(embeds) > 0 {
			p.embedded[ofLogic] = append(p.embedded[ofLogic], embeds)
			continue
		}
		p.where[i] = x
	}
	return nil
}

// dotted reads event.tags=cs.{login}, where event is a jsonb column and no
// embedded relation, as event->tags=cs.["login"]. Every other use of a dot is
// of an embedded relation.
func (p *parser) dotted(names []string, x query.Expr) (query.Expr, bool) {
	if len(names) == 0 || !slices.Contains(p.jsonb, names[0]) ||
		slices.ContainsFunc(p.req.Query.Select, func(it query.Item) bool { return it.Embed == names[0] || it.Alias == names[0] && it.Embed != "" }) {
		return nil, false
	}
	n, not := x.(query.Not)
	if not {
		x = n.X
	}
	t, ok := x.(query.Test)
	if !ok || t.Op != query.Cs {
		return nil, false
	}
	steps := make([]query.Step, 0, len(names)+len(t.Path.Steps))
	for _, key := range append(names[1:len(names):len(names)], t.Path.Column) {
		steps = append(steps, query.Step{Key: key})
	}
	t.Path = query.Path{Column: names[0], Steps: append(steps, t.Path.Steps...)}
	if list, ok := arrayLiteral(t.Value); ok {
		t.Value = jsonArray(list)
	}
	if not {
		return query.Not{X: t}, true
	}
	return t, true
}

// arrayLiteral reads PostgreSQL's text form of a flat array: {a,"b c"}. It
// refuses what is none, JSON objects among it.
func arrayLiteral(s string) ([]string, bool) {
	s = strings.TrimSpace(s)
	if len(s) < 2 || s[0] != '{' || s[len(s)-1] != '}' {
		return nil, false
	}
	in := newInput(s[1 : len(s)-1])
	if strings.TrimSpace(s[1:len(s)-1]) == "" {
		return nil, true
	}
	var list []string
	for {
		in.blanks()
		var e string
		var r reply
		if in.pos < len(in.text) && in.text[in.pos] == '"' {
			e, r = in.quoted()
			in.blanks()
		} else {
			e, r = in.chars(func(c rune) bool { return !strings.ContainsRune(`,"{}`, c) })
			e = strings.TrimSpace(e)
			r.ok = e != ""
		}
		if !r.ok {
			return nil, false
		}
		list = append(list, e)
		if in.pos == len(in.text) {
			return list, true
		}
		if !in.char(',').ok {
			return nil, false
		}
	}
}

// jsonArray writes a JSON array of strings.
func jsonArray(list []string) string {
	const hex = "0123456789abcdef"
	b := []byte{'['}
	for i, s := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, '"')
		for _, c := range []byte(s) {
			switch {
			case c == '"' || c == '\\':
				b = append(b, '\\', c)
			case c < ' ':
				b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
			default:
				b = append(b, c)
			}
		}
		b = append(b, '"')
	}
	return string(append(b, ']'))
}
