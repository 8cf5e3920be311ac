package query

import (
	"strconv"
	"strings"
	"unicode"
)

// String returns the query as PostgREST's URL has it, without a leading slash:
// events?select=id&event-%3E%3Esubject=eq.x. It is percent-encoded, so that it can be put into
// a URL or a header as it is. Reading it gives an equal query, except for what
// the syntax cannot say: an Or of nothing, a Not of a Not.
func (q *Query) String() string {
	var p printer
	if len(q.Select) > 0 {
		p.add("select", items(q.Select))
	}
	if and, ok := q.Where.(And); ok && len(and) != 1 {
		for _, x := range and {
			p.condition(x)
		}
	} else if q.Where != nil {
		p.condition(q.Where)
	}
	if len(q.Order) > 0 {
		terms := make([]string, len(q.Order))
		for i, o := range q.Order {
			terms[i] = orderTerm(o)
		}
		p.add("order", strings.Join(terms, ","))
	}
	if q.Limit >= 0 {
		p.add("limit", strconv.FormatInt(q.Limit, 10))
	}
	if q.Offset > 0 {
		p.add("offset", strconv.FormatInt(q.Offset, 10))
	}
	table := string(appendEscaped(nil, q.Table, false))
	if len(p.out) == 0 {
		return table
	}
	return table + "?" + string(p.out)
}

// printer collects parameters.
type printer struct{ out []byte }

func (p *printer) add(key, value string) {
	if len(p.out) > 0 {
		p.out = append(p.out, '&')
	}
	p.out = appendEscaped(p.out, key, false)
	p.out = append(p.out, '=')
	p.out = appendEscaped(p.out, value, true)
}

// condition writes one condition as a parameter.
func (p *printer) condition(x Expr) {
	if t, not, ok := plainTest(x); ok {
		p.add(pathText(t.Path), not+testText(t, false))
		return
	}
	word, list := tree(x)
	p.add(word, list)
}

// plainTest returns the test that x is, with the not. before it where it is negated.
func plainTest(x Expr) (t Test, not string, ok bool) {
	if n, is := x.(Not); is {
		x, not = n.X, "not."
	}
	t, ok = x.(Test)
	return t, not, ok
}

// tree returns the operator of a logic tree and its list in parentheses.
func tree(x Expr) (word, list string) {
	switch x := x.(type) {
	case And:
		return "and", branches(x)
	case Or:
		return "or", branches(x)
	case Not:
		switch inner := x.X.(type) {
		case And, Or:
			word, list = tree(inner)
			return "not." + word, list
		}
		return "not.and", branches([]Expr{x.X})
	}
	return "and", branches([]Expr{x})
}

func branches(xs []Expr) string {
	parts := make([]string, len(xs))
	for i, x := range xs {
		if t, not, ok := plainTest(x); ok {
			parts[i] = pathText(t.Path) + "." + not + testText(t, true)
			continue
		}
		word, list := tree(x)
		parts[i] = word + list
	}
	return "(" + strings.Join(parts, ",") + ")"
}

// testText writes operator and operand; in a tree the operand is quoted where
// it must be.
func testText(t Test, inTree bool) string {
	op := string(t.Op)
	switch {
	case t.Op == In:
		list := make([]string, len(t.List))
		for i, s := range t.List {
			list[i] = s
			if s == "" && len(t.List) > 1 || quotedInList(s) {
				list[i] = quote(s)
			}
		}
		return op + ".(" + strings.Join(list, ",") + ")"
	case t.Quant == QuantAny:
		op += "(any)"
	case t.Quant == QuantAll:
		op += "(all)"
	case t.Lang != "":
		op += "(" + t.Lang + ")"
	}
	if inTree && t.Op != Is && quotedInList(t.Value) {
		return op + "." + quote(t.Value)
	}
	return op + "." + t.Value
}

func quotedInList(s string) bool {
	return strings.ContainsAny(s, `,(){}"\`) || strings.TrimSpace(s) != s
}

func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

func pathText(p Path) string {
	var b strings.Builder
	b.WriteString(name(p.Column))
	for _, s := range p.Steps {
		b.WriteString("->")
		if s.Text {
			b.WriteByte('>')
		}
		if s.IsIndex {
			b.WriteString(strconv.Itoa(s.Index))
		} else {
			b.WriteString(name(s.Key))
		}
	}
	return b.String()
}

// name writes a column, key or alias, in quotes where it could be read as
// something else.
func name(s string) string {
	ok := s != "" && !unicode.IsDigit(rune(s[0])) && !reserved[s]
	for i, c := range s {
		edge := i == 0 || i == len(s)-1
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '_':
		case (c == ' ' || c == '-') && !edge && s[i-1] != ' ' && s[i-1] != '-':
		default:
			ok = false
		}
	}
	if ok && !strings.Contains(s, "- ") {
		return s
	}
	return quote(s)
}

// reserved are the names that mean something else where a column could stand.
var reserved = map[string]bool{
	"select": true, "order": true, "limit": true, "offset": true, "columns": true, "on_conflict": true, "and": true, "or": true, "not": true, "count": true,
}

func items(list []Item) string {
	parts := make([]string, len(list))
	for i := range list {
		parts[i] = itemText(&list[i])
	}
	return strings.Join(parts, ",")
}

func itemText(it *Item) string {
	var b strings.Builder
	if it.Alias != "" {
		b.WriteString(name(it.Alias) + ":")
	}
	switch {
	case it.Star:
		return "*"
	case it.Embed != "":
		if it.Spread {
			b.WriteString("...")
		}
		b.WriteString(name(it.Embed) + "(" + items(it.Items) + ")")
		return b.String()
	case it.Path.Column == "":
		b.WriteString(it.Agg.String() + "()")
	default:
		b.WriteString(pathText(it.Path))
		if it.Cast != "" {
			b.WriteString("::" + it.Cast)
		}
		if it.Agg != AggNone {
			b.WriteString("." + it.Agg.String() + "()")
		}
	}
	if it.AggCast != "" {
		b.WriteString("::" + it.AggCast)
	}
	return b.String()
}

func orderTerm(o Order) string {
	s := pathText(o.Path)
	if o.Desc {
		s += ".desc"
	}
	switch o.Nulls {
	case NullsFirst:
		s += ".nullsfirst"
	case NullsLast:
		s += ".nullslast"
	}
	return s
}

// appendEscaped percent-encodes what has no place in a query (RFC 3986, section
// 3.4), and what separates parameters or means a space.
func appendEscaped(dst []byte, s string, value bool) []byte {
	const hex = "0123456789ABCDEF"
	for i := range len(s) {
		c := s[i]
		plain := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-._~!$'()*,:@/", c) >= 0
		if plain || c == '=' && value {
			dst = append(dst, c)
		} else {
			dst = append(dst, '%', hex[c>>4], hex[c&15])
		}
	}
	return dst
}
