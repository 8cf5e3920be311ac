package grammar_test

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"vigil/internal/postgrest/grammar"
	"vigil/internal/query"
)

// TestRoundTrip prints what was read and reads it again.
func TestRoundTrip(t *testing.T) {
	for _, raw := range odd {
		roundTrip(t, raw)
	}
}

func roundTrip(t *testing.T, raw string) {
	t.Helper()
	r, err := grammar.Parse("events", raw, "event")
	if err != nil {
		return
	}
	if slices.ContainsFunc(r.Query.Select, func(it query.Item) bool { return it.Embed != "" }) {
		return // no store has it, so it is never printed
	}
	printed := r.Query.String()
	table, again, _ := strings.Cut(printed, "?")
	r2, err := grammar.Parse(table, again, "event")
	if err != nil {
		t.Errorf("%s: printed as %s: %v", raw, printed, err)
	} else if !query.EqualQuery(&r.Query, &r2.Query) {
		t.Errorf("%s: printed as %s, which is another query\n%s", raw, printed, cmp.Diff(r.Query, r2.Query))
	}
}

func FuzzRoundTrip(f *testing.F) {
	for _, raw := range odd {
		f.Add(raw)
	}
	f.Fuzz(roundTrip)
}

var names = rapid.OneOf(
	rapid.SampledFrom([]string{"id", "event", "_patient", "order", "or", "not", "count", "a.b", "a-b", "-", "x y", " x", "é", `q"\`, "->", "1", "select", "limit", "*", "a,b", "(a)", "::", ";&=%+"}),
	rapid.StringMatching(`[a-zA-Z0-9_ ."\\(),:>*-]{1,8}`))

var values = rapid.OneOf(
	rapid.SampledFrom([]string{"", "1", "{a,b}", `{"a":1,"b":[2]}`, "(", ")", `"`, `"x"`, `\`, " ", "a,b", "é%&;=+#", "null", "in.(1)"}),
	rapid.StringMatching(`[a-z0-9 .,"\\(){}:*%&;=+-]{0,10}`))

var paths = rapid.Custom(func(t *rapid.T) query.Path {
	p := query.Path{Column: names.Draw(t, "column")}
	for range rapid.IntRange(0, 3).Draw(t, "steps") {
		s := query.Step{Text: rapid.Bool().Draw(t, "text"), IsIndex: rapid.Bool().Draw(t, "index")}
		if s.IsIndex {
			s.Index = rapid.IntRange(-20, 20).Draw(t, "n")
			s.Key = strconv.Itoa(s.Index)
		} else {
			s.Key = names.Draw(t, "key")
		}
		p.Steps = append(p.Steps, s)
	}
	return p
})

var tests = rapid.Custom(func(t *rapid.T) query.Expr {
	x := query.Test{Path: paths.Draw(t, "path"), Op: rapid.SampledFrom([]query.Op{
		query.Eq, query.Gte, query.Gt, query.Lte, query.Lt, query.Like, query.ILike, query.Match, query.IMatch,
		query.Neq, query.Cs, query.Cd, query.Ov, query.Sl, query.Sr, query.Nxr, query.Nxl, query.Adj,
		query.In, query.Is, query.IsDistinct, query.FTS, query.PlFTS, query.PhFTS, query.WFTS,
	}).Draw(t, "op")}
	switch x.Op {
	case query.In:
		x.List = rapid.SliceOfN(values, 0, 4).Draw(t, "list")
		return x
	case query.Is:
		x.Value = rapid.SampledFrom([]string{"null", "not_null", "true", "false", "unknown"}).Draw(t, "is")
		return x
	case query.FTS, query.PlFTS, query.PhFTS, query.WFTS:
		x.Lang = rapid.SampledFrom([]string{"", "simple"}).Draw(t, "lang")
	case query.Eq, query.Gte, query.Gt, query.Lte, query.Lt, query.Like, query.ILike, query.Match, query.IMatch:
		x.Quant = rapid.SampledFrom([]query.Quant{query.QuantNone, query.QuantAny, query.QuantAll}).Draw(t, "quant")
	}
	x.Value = values.Draw(t, "value")
	return x
})

func conditions(depth int) *rapid.Generator[query.Expr] {
	if depth == 0 {
		return tests
	}
	some := rapid.SliceOfN(rapid.Deferred(func() *rapid.Generator[query.Expr] { return conditions(depth - 1) }), 1, 3)
	positive := rapid.OneOf(
		tests,
		rapid.Map(some, func(x []query.Expr) query.Expr { return query.And(x) }),
		rapid.Map(some, func(x []query.Expr) query.Expr { return query.Or(x) }))
	return rapid.OneOf(positive, rapid.Map(positive, func(x query.Expr) query.Expr { return query.Not{X: x} }))
}

var items = rapid.Custom(func(t *rapid.T) query.Item {
	var it query.Item
	if rapid.IntRange(0, 5).Draw(t, "star") == 0 {
		return query.Item{Star: true}
	}
	it.Alias = rapid.OneOf(rapid.Just(""), names).Draw(t, "alias")
	it.Agg = query.Agg(rapid.IntRange(0, int(query.AggMax)).Draw(t, "agg"))
	casts := rapid.SampledFrom([]string{"", "text", "int4"})
	if it.Agg != query.AggCount || rapid.Bool().Draw(t, "of column") {
		it.Path, it.Cast = paths.Draw(t, "path"), casts.Draw(t, "cast")
	}
	if it.Agg != query.AggNone {
		it.AggCast = casts.Draw(t, "cast of aggregate")
	}
	return it
})

var queries = rapid.Custom(func(t *rapid.T) *query.Query {
	q := &query.Query{
		Table: "events", Limit: rapid.Int64Range(-1, 5).Draw(t, "limit"), Offset: rapid.Int64Range(0, 3).Draw(t, "offset"),
		Select: rapid.SliceOfN(items, 0, 3).Draw(t, "select"),
		Order: rapid.SliceOfN(rapid.Custom(func(t *rapid.T) query.Order {
			return query.Order{
				Path: paths.Draw(t, "path"), Desc: rapid.Bool().Draw(t, "desc"),
				Nulls: query.Nulls(rapid.IntRange(0, int(query.NullsLast)).Draw(t, "nulls")),
			}
		}), 0, 3).Draw(t, "order"),
	}
	if rapid.Bool().Draw(t, "filtered") {
		q.Where = conditions(3).Draw(t, "where")
	}
	return q
})

// TestPrinted reads what query.Query prints: Parse(q.String()) is q.
func TestPrinted(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := queries.Draw(t, "query")
		printed := q.String()
		table, raw, _ := strings.Cut(printed, "?")
		r, err := grammar.Parse(table, raw, "event")
		if err != nil {
			t.Fatalf("%s: %v", printed, err)
		}
		if !query.EqualQuery(q, &r.Query) {
			t.Fatalf("%s: -printed +read\n%s", printed, cmp.Diff(q, &r.Query))
		}
	})
}
