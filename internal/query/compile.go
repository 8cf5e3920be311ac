package query

import (
	"context"
	"time"
	"unsafe"
)

// Program is a [Query] made ready to run over the rows of one table. It is
// safe for concurrent use.
type Program struct {
	schema  *Schema
	key     int // column with the row's id, -1 for none
	where   cond
	items   []item
	columns []Column
	groups  bool // there are aggregates
	order   []orderBy
	desc    bool // by id, newest first
	limit   int64
	offset  int64
	bounds  map[int]bound
}

// Compile resolves q against the table's schema and prepares its operands; now
// is what the word now in a timestamp means. It fails with an [*Error] where
// PostgreSQL would refuse the query, and with code 0A000, 2201B or 54000 where
// only this evaluator does: see [Program.Match].
func Compile(q *Query, s *Schema, now time.Time) (*Program, error) {
	p := &Program{schema: s, key: -1, limit: q.Limit, offset: max(0, q.Offset)}
	if s.Key != "" {
		p.key = s.Column(s.Key)
	}
	c := compiler{schema: s, now: now.UTC()}
	if err := p.compileSelect(&c, q.Select); err != nil {
		return nil, err
	}
	p.where = always
	if q.Where != nil {
		var err error
		if p.where, err = c.expr(q.Where); err != nil {
			return nil, err
		}
	}
	if err := p.compileOrder(&c, q.Order); err != nil {
		return nil, err
	}
	p.bounds = c.boundsOf(q.Where)
	return p, nil
}

// Columns returns the columns of the answer.
func (p *Program) Columns() []Column { return p.columns }

// Match says whether the row is selected by the query's where; null is not.
// It does not end before it knows: see [Program.MatchContext]. The error is
// always nil today: what can go wrong does so in [Compile].
//
// It answers as PostgreSQL 15 does in a database with collation "C", encoding
// UTF-8, time zone UTC and the text search configuration simple, except for
// what Compile refuses: regular expressions outside of what RE2 and PostgreSQL
// agree on or of more than 1000 of its instructions, other text search
// configurations, and LIKE patterns that end in an escape, are longer than a
// mebibyte, or have a part of more than 8 KiB with _ in it between two %.
func (p *Program) Match(r Row) (bool, error) { return p.where(context.Background(), r) == yes, nil }

// MatchContext is [Program.Match] until ctx ends; then its error is that of ctx.
//
// One comparison with a text of a megabyte takes less than about a second, but for
// regular expressions and for containment among large arrays, which look at ctx
// every few thousand steps. Between comparisons it is looked at too.
func (p *Program) MatchContext(ctx context.Context, r Row) (bool, error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	t := p.where(ctx, r)
	// What was cut short answered anything.
	if err := ctx.Err(); err != nil {
		return false, err
	}
	return t == yes, nil
}

// truth is SQL's boolean.
type truth int8

const (
	no truth = iota - 1
	null
	yes
)

func truthOf(b bool) truth {
	if b {
		return yes
	}
	return no
}

// cond is a compiled condition. It may end early, with any answer, when ctx does.
type cond func(context.Context, Row) truth

func always(context.Context, Row) truth { return yes }

// ended says, for every fourth of many comparisons, whether ctx is over.
func ended(ctx context.Context, i int) bool { return i%4 == 3 && ctx.Err() != nil }

// compiler holds what compiling needs to know.
type compiler struct {
	schema *Schema
	now    time.Time
}

func (c *compiler) expr(x Expr) (cond, error) {
	switch x := x.(type) {
	case And:
		return c.all(x)
	case Or:
		return c.some(x)
	case Not:
		f, err := c.expr(x.X)
		if err != nil {
			return nil, err
		}
		return func(ctx context.Context, r Row) truth { return -f(ctx, r) }, nil
	case Test:
		return c.test(&x)
	case nil:
		return always, nil
	}
	return nil, errorf(codeUnsupported, "unknown kind of condition %T", x)
}

func (c *compiler) exprs(xs []Expr) ([]cond, error) {
	out := make([]cond, len(xs))
	for i, x := range xs {
		var err error
		if out[i], err = c.expr(x); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (c *compiler) all(xs []Expr) (cond, error) {
	parts, err := c.exprs(xs)
	if err != nil {
		return nil, err
	}
	if len(parts) == 1 {
		return parts[0], nil
	}
	return func(ctx context.Context, r Row) truth {
		t := yes
		for i, f := range parts {
			if t = min(t, f(ctx, r)); t == no || ended(ctx, i) {
				break
			}
		}
		return t
	}, nil
}

func (c *compiler) some(xs []Expr) (cond, error) {
	parts, err := c.exprs(xs)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, r Row) truth {
		t := no
		for i, f := range parts {
			if t = max(t, f(ctx, r)); t == yes || ended(ctx, i) {
				break
			}
		}
		return t
	}, nil
}

// test compiles one comparison. The operators that look at the whole value
// come first; what is left compares with one operand, or with each of several.
func (c *compiler) test(t *Test) (cond, error) {
	r, err := c.schema.resolve(t.Path)
	if err != nil {
		return nil, err
	}
	switch t.Op {
	case Is:
		return compileIs(&r, t.Value)
	case Cs, Cd, Ov:
		return c.containment(&r, t)
	}
	if r.any {
		return c.anyElement(&r, t)
	}
	m, err := c.matcher(r.typ, t)
	if err != nil {
		return nil, err
	}
	return m.over(&r), nil
}

// anyElement compares the elements of an array column as texts: it holds where
// there is one for which it holds, as EXISTS over unnest(column) has it, and is
// null where the column is.
func (c *compiler) anyElement(r *ref, t *Test) (cond, error) {
	m, err := c.matcher(Text, t)
	if err != nil {
		return nil, err
	}
	col := r.col
	distinct := t.Op == IsDistinct
	return func(ctx context.Context, row Row) truth {
		v := row.Value(col)
		if distinct && len(v.List) == 0 {
			return yes // no element is distinct from any
		}
		if !v.Valid {
			return null
		}
		for i, s := range v.List {
			if m.text(ctx, bytesOf(s), true) == yes {
				return yes
			}
			if ended(ctx, i) {
				break
			}
		}
		return no
	}, nil
}

// bytesOf returns the bytes of s without copying them, for matchers, which only read.
func bytesOf(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }

// compileIs compiles is.null and its like.
func compileIs(r *ref, word string) (cond, error) {
	isNull := func(row Row) bool { return !row.Value(r.col).Valid }
	if len(r.steps) > 0 {
		isNull = func(row Row) bool {
			doc, ok := r.json(row)
			return !ok || r.typ == Text && isJSONNull(doc)
		}
	}
	switch word {
	case "null":
		return func(_ context.Context, row Row) truth { return truthOf(isNull(row)) }, nil
	case "not_null":
		return func(_ context.Context, row Row) truth { return truthOf(!isNull(row)) }, nil
	case "true", "false", "unknown":
	default:
		return nil, errorf(codeBadQuery, "syntax error at or near \"%s\"", cut(word))
	}
	if r.typ != Bool {
		return nil, errorf(codeWrongType, "argument of IS %s must be type boolean, not type %s", upperASCII(word), r.typ)
	}
	return func(_ context.Context, row Row) truth {
		v := row.Value(r.col)
		switch word {
		case "unknown":
			return truthOf(!v.Valid)
		case "true":
			return truthOf(v.Valid && v.I != 0)
		}
		return truthOf(v.Valid && v.I == 0)
	}, nil
}
