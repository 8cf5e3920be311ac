package relation

import (
	"fmt"
	"strings"

	"vigil/internal/query"
)

// where writes a condition, with its keyword; empty for none.
func (w *writer) where(x query.Expr) (string, error) {
	if x == nil {
		return "", nil
	}
	s, err := w.expr(x)
	return " where " + s, err
}

func (w *writer) expr(x query.Expr) (string, error) {
	switch x := x.(type) {
	case query.And:
		return w.join(x, " and ", "true")
	case query.Or:
		return w.join(x, " or ", "false")
	case query.Not:
		s, err := w.expr(x.X)
		return "(not " + s + ")", err
	case query.Test:
		return w.test(&x)
	}
	return "", &Error{Code: "0A000", Message: fmt.Sprintf("unknown kind of condition %T", x)}
}

func (w *writer) join(xs []query.Expr, word, nothing string) (string, error) {
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

// operators are spelled out so that none is taken from a request.
var operators = map[query.Op]string{
	query.Eq: " = ", query.Neq: " <> ", query.Gt: " > ", query.Gte: " >= ", query.Lt: " < ", query.Lte: " <= ",
	query.Like: " like ", query.ILike: " ilike ", query.Match: " ~ ", query.IMatch: " ~* ", query.IsDistinct: " is distinct from ",
	query.Cs: " @> ", query.Cd: " <@ ", query.Ov: " && ", query.Sl: " << ", query.Sr: " >> ", query.Nxr: " &< ", query.Nxl: " &> ", query.Adj: " -|- ",
}

// searches are the functions that read the operands of text searches.
var searches = map[query.Op]string{
	query.FTS: "to_tsquery(", query.PlFTS: "plainto_tsquery(", query.PhFTS: "phraseto_tsquery(", query.WFTS: "websearch_to_tsquery(",
}

var isWords = map[string]string{
	"null": " is null", "not_null": " is not null", "true": " is true", "false": " is false", "unknown": " is unknown",
}

// test writes one comparison. Operands are given without a type, so that the
// server finds it from what they are compared with, and reads them.
func (w *writer) test(t *query.Test) (string, error) {
	x, c, err := w.path(t.Path)
	if err != nil {
		return "", err
	}
	if len(t.Path.Steps) > 0 {
		x = "(" + x + ")"
	}
	if search := searches[t.Op]; search != "" {
		return w.search(x, search, t, c.tsvector && len(t.Path.Steps) == 0), nil
	}
	switch op := operators[t.Op]; {
	case t.Op == query.Is && isWords[t.Value] != "":
		return "(" + x + isWords[t.Value] + ")", nil
	case t.Op == query.In:
		return "(" + x + " = any(" + w.arg(arrayLiteral(t.List)) + "))", nil
	case op == "":
	case t.Quant == query.QuantAny:
		return "(" + x + op + "any(" + w.arg(operand(t)) + "))", nil
	case t.Quant == query.QuantAll:
		return "(" + x + op + "all(" + w.arg(operand(t)) + "))", nil
	default:
		return "(" + x + op + w.arg(operand(t)) + ")", nil
	}
	return "", &Error{Code: "0A000", Message: "unknown operator " + cut(string(t.Op))}
}

// operand returns the operand of a comparison; * stands for % in patterns of LIKE.
func operand(t *query.Test) string {
	if t.Op == query.Like || t.Op == query.ILike {
		return strings.ReplaceAll(t.Value, "*", "%")
	}
	return t.Value
}

// search writes a text search. Whatever is no tsvector is made one.
func (w *writer) search(x, function string, t *query.Test, ready bool) string {
	lang := ""
	if t.Lang != "" {
		lang = w.typedArg(t.Lang, "regconfig") + ", "
	}
	if !ready {
		x = "to_tsvector(" + lang + x + ")"
	}
	return "(" + x + " @@ " + function + lang + w.typedArg(t.Value, "text") + "))"
}

// arrayLiteral spells an array for PostgreSQL's array_in, every element quoted.
func arrayLiteral(list []string) string {
	if len(list) == 1 && list[0] == "" {
		list = nil // in.() and in.("")
	}
	var b strings.Builder
	b.WriteByte('{')
	for i, s := range list {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteByte('"')
		for j := range len(s) {
			if c := s[j]; c == '"' || c == '\\' {
				b.WriteByte('\\')
			}
			b.WriteByte(s[j])
		}
		b.WriteByte('"')
	}
	b.WriteByte('}')
	return b.String()
}
