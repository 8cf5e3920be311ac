package query

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// where writes the condition, with its keyword; empty for none.
func (w *sqlWriter) where() (string, error) {
	if w.query.Where == nil {
		return "", nil
	}
	x, err := w.expr(w.query.Where)
	return " where " + x, err
}

func (w *sqlWriter) expr(x Expr) (string, error) {
	switch x := x.(type) {
	case And:
		return w.join(x, " and ", "true")
	case Or:
		return w.join(x, " or ", "false")
	case Not:
		w.negated++
		defer func() { w.negated-- }()
		inner, err := w.expr(x.X)
		return "(not " + inner + ")", err
	case Test:
		return w.test(&x)
	case nil:
		return "true", nil
	}
	return "", errorf(codeUnsupported, "unknown kind of condition %T", x)
}

func (w *sqlWriter) join(xs []Expr, word, nothing string) (string, error) {
	if len(xs) == 0 {
		return nothing, nil
	}
	parts := make([]string, len(xs))
	for i, x := range xs {
		var err error
		if parts[i], err = w.expr(x); err != nil {
			return "", err
		}
	}
	return "(" + strings.Join(parts, word) + ")", nil
}

// sqlCompare are the operators that take one operand on their right.
var sqlCompare = map[Op]string{
	Eq: " = ", Neq: " <> ", Gt: " > ", Gte: " >= ", Lt: " < ", Lte: " <= ", IsDistinct: " is distinct from ",
	Like: " like ", ILike: " ilike ", Match: " ~ ", IMatch: " ~* ", Cs: " @> ", Cd: " <@ ", Ov: " && ",
}

// sqlSearch are the functions that read the operands of text searches.
var sqlSearch = map[Op]string{FTS: "to_tsquery", PlFTS: "plainto_tsquery", PhFTS: "phraseto_tsquery", WFTS: "websearch_to_tsquery"}

// sqlIs are the words of is, spelled out so that none is taken from a request.
var sqlIs = map[string]string{
	"null": "is null", "not_null": "is not null", "true": "is true", "false": "is false", "unknown": "is unknown",
}

// test writes one comparison; Compile has accepted it.
func (w *sqlWriter) test(t *Test) (string, error) {
	r, err := w.program.schema.resolve(t.Path)
	if err != nil {
		return "", err
	}
	switch t.Op {
	case Is:
		return "(" + w.path(&r) + " " + sqlIs[t.Value] + ")", nil
	case Cs, Cd, Ov:
		x := w.path(&r)
		return "(" + x + sqlCompare[t.Op] + w.arg(t.Value, r.typ.String()) + ")", nil
	}
	if r.any {
		return w.anyElement(&r, t)
	}
	x := w.path(&r)
	switch {
	case w.short(t):
		x = beginning(x)
		if w.table.sorted(t.Path) {
			x = collated(x, Text)
		}
	case t.Quant == QuantNone && sqlBetween[t.Op] != "" && w.table.sorted(t.Path):
		precise, err := w.compare(x, r.typ, t)
		text := []rune(t.Value)
		return "(" + collated(beginning(w.path(&r)), Text) + sqlBetween[t.Op] + w.arg(string(text[:min(len(text), ShortText)]), "text") + " and " + precise + ")", err
	}
	return w.compare(x, r.typ, t)
}

// sqlBetween are the operators of ranges with those that hold for the beginnings
// of texts where they hold for the texts, and are null where they are.
var sqlBetween = map[Op]string{Gt: " >= ", Gte: " >= ", Lt: " <= ", Lte: " <= "}

// beginning is as much of a text as indexes have.
func beginning(x string) string { return "left(" + x + ", " + strconv.Itoa(ShortText) + ")" }

// short reports whether a comparison may as well look at the beginnings of the
// texts, which an index has: what equals a shorter text is as short itself.
func (w *sqlWriter) short(t *Test) bool {
	if t.Op != Eq && t.Op != In || t.Quant != QuantNone || !(w.table.Short != nil && w.table.Short(t.Path) || w.table.sorted(t.Path)) {
		return false
	}
	list := t.List
	if t.Op == Eq {
		list = []string{t.Value}
	}
	return !slices.ContainsFunc(list, func(s string) bool { return utf8.RuneCountInString(s) >= ShortText })
}

// anyElement writes a comparison with the elements of a list. Equality is
// written as containment, which an index can serve.
func (w *sqlWriter) anyElement(r *ref, t *Test) (string, error) {
	list := w.path(r)
	switch {
	case t.Op == Eq && t.Quant == QuantNone:
		x := "(" + list + " @> " + w.arg(arrayLiteral([]element{{text: t.Value}}), "text[]") + ")"
		// Under a not it would matter that the key's condition is never null.
		if w.table.Key != nil && w.negated == 0 {
			if expr, typ, arg, ok := w.table.Key(r.col, t.Value); ok {
				// What the key has found is looked at again. To the planner that must not
				// be a second condition of its own, or it expects the square of the rows
				// and sorts all of them where walking from the newest would do.
				return "(" + fmt.Sprintf(expr, w.arg(arg, typ)) + " and coalesce(" + x + ", false))", nil
			}
		}
		return x, nil
	case t.Op == In:
		return "(" + list + " && " + w.arg(inList(t.List), "text[]") + ")", nil
	}
	x, err := w.compare("e", Text, t)
	if err != nil {
		return "", err
	}
	some := "exists (select 1 from unnest(" + list + ") e where " + x + ")"
	if t.Op == IsDistinct {
		return "(coalesce(cardinality(" + list + "), 0) = 0 or " + some + ")", nil
	}
	out := "(case when " + list + " is null then null when " + some + " then true"
	if t.Quant != QuantNone { // with a null operand the comparison may be null
		out += " when exists (select 1 from unnest(" + list + ") e where (" + x + ") is null) then null"
	}
	return out + " else false end)", nil
}

// compare writes a comparison of one value.
func (w *sqlWriter) compare(x string, typ Type, t *Test) (string, error) {
	switch {
	case sqlSearch[t.Op] != "":
		return "(to_tsvector('simple'::regconfig, " + x + ") @@ " + sqlSearch[t.Op] + "('simple'::regconfig, " + w.arg(t.Value, "text") + "))", nil
	case t.Op == In:
		list := inList(t.List)
		if typ != Text {
			var err error
			if list, err = w.inputs(t.List, typ); err != nil {
				return "", err
			}
		}
		return "(" + x + " = any(" + w.arg(list, typ.String()+"[]") + "))", nil
	}
	if t.Op != Eq && t.Op != Neq && t.Op != IsDistinct {
		x = collated(x, typ)
	}
	if t.Quant != QuantNone {
		return w.quantified(x, typ, t)
	}
	operand, err := w.operand(t.Value, typ, t.Op)
	return "(" + x + sqlCompare[t.Op] + w.arg(operand, typ.String()) + ")", err
}

// quantified writes op any and op all.
func (w *sqlWriter) quantified(x string, typ Type, t *Test) (string, error) {
	elements, err := parseArray(t.Value)
	if err != nil {
		return "", err
	}
	for i := range elements {
		if e := &elements[i]; !e.null {
			if e.text, err = w.operand(e.text, typ, t.Op); err != nil {
				return "", err
			}
		}
	}
	word := "any("
	if t.Quant == QuantAll {
		word = "all("
	}
	return "(" + x + sqlCompare[t.Op] + word + w.arg(arrayLiteral(elements), typ.String()+"[]") + "))", nil
}

// operand spells an operand so that no setting of the session can read it
// otherwise than Compile did.
func (w *sqlWriter) operand(s string, typ Type, op Op) (string, error) {
	switch {
	case op == Like || op == ILike:
		return strings.ReplaceAll(s, "*", "%"), nil
	case typ == Text:
		return s, nil
	}
	v, err := input(s, typ, w.now)
	if err != nil {
		return "", err
	}
	if typ == JSONB {
		return string(v.B), nil
	}
	return string(v.AppendText(nil)), nil
}

// inputs spells the operands of an in as an array.
func (w *sqlWriter) inputs(list []string, typ Type) (string, error) {
	if len(list) == 1 && list[0] == "" {
		list = nil
	}
	elements := make([]element, len(list))
	for i, s := range list {
		var err error
		if elements[i].text, err = w.operand(s, typ, Eq); err != nil {
			return "", err
		}
	}
	return arrayLiteral(elements), nil
}

// inList spells the operands of an in over texts.
func inList(list []string) string {
	if len(list) == 1 && list[0] == "" {
		list = nil
	}
	elements := make([]element, len(list))
	for i, s := range list {
		elements[i].text = s
	}
	return arrayLiteral(elements)
}

// arrayLiteral spells an array for PostgreSQL's array_in. Everything but null
// is quoted.
func arrayLiteral(elements []element) string {
	b := []byte{'{'}
	for i, e := range elements {
		if i > 0 {
			b = append(b, ',')
		}
		if e.null {
			b = append(b, "NULL"...)
			continue
		}
		b = append(b, '"')
		for j := range len(e.text) {
			if c := e.text[j]; c == '"' || c == '\\' {
				b = append(b, '\\')
			}
			b = append(b, e.text[j])
		}
		b = append(b, '"')
	}
	return string(append(b, '}'))
}
