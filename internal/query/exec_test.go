package query_test

import (
	"context"
	"errors"
	"iter"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"vigil/internal/query"
)

// counting is a source that counts what it is asked for.
type counting struct {
	records
	scanned, fetched int
	last             query.Range
}

func (c *counting) Scan(ctx context.Context, r query.Range, match func(query.Row) (bool, error)) iter.Seq2[query.Row, error] {
	c.last = r
	return c.records.Scan(ctx, r, func(row query.Row) (bool, error) {
		c.scanned++
		return match(row)
	})
}

func (c *counting) Fetch(ctx context.Context, ids []int64) iter.Seq2[query.Row, error] {
	c.fetched += len(ids)
	return c.records.Fetch(ctx, ids)
}

func compile(t testing.TB, q query.Query) *query.Program {
	t.Helper()
	p, err := query.Compile(&q, schema, now)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func id() query.Path { return query.Path{Column: "id"} }

func TestWalksStopAtTheLimit(t *testing.T) {
	format := query.Order{Path: query.Path{Column: "_format"}}
	for _, c := range []struct {
		name             string
		q                query.Query
		scanned, fetched int
	}{
		{"first", query.Query{Limit: 3}, 3, 0},
		{"newest", query.Query{Limit: 3, Offset: 2, Order: []query.Order{{Path: id(), Desc: true}, format}}, 5, 0},
		{"one", query.Query{Limit: -1, Where: query.Test{Path: id(), Op: query.Eq, Value: "7"}}, 1, 0},
		{"none", query.Query{Limit: 0}, 0, 0},
		{"nothing can match", query.Query{Limit: -1, Where: query.And{
			query.Test{Path: id(), Op: query.Gt, Value: "7"}, query.Test{Path: id(), Op: query.Lte, Value: "7"},
		}}, 0, 0},
		{"the best few", query.Query{Limit: 3, Offset: 2, Order: []query.Order{format}}, 50, 3},
		{"all sorted", query.Query{Limit: -1, Order: []query.Order{format}}, 50, 50},
	} {
		src := &counting{records: sample(50)}
		for _, err := range compile(t, c.q).Run(context.Background(), src) {
			if err != nil {
				t.Fatal(err)
			}
		}
		if src.scanned != c.scanned || src.fetched != c.fetched {
			t.Errorf("%s: scanned %d, fetched %d; want %d, %d", c.name, src.scanned, src.fetched, c.scanned, c.fetched)
		}
	}
}

// TestBoundsHold holds that every row which matches lies within the bounds.
func TestBoundsHold(t *testing.T) {
	rows := sample(60)
	narrowed := 0
	for i := range 5000 {
		q := query.Query{Limit: -1, Where: exprs(2).Example(i)}
		p, err := query.Compile(&q, schema, now)
		if err != nil {
			continue
		}
		if p.Range() != query.AllIDs() {
			narrowed++
		}
		for _, row := range rows {
			ok, err := p.Match(row)
			if err != nil {
				t.Fatal(err)
			}
			if !ok {
				continue
			}
			if r := p.Range(); row[0].I < r.From || row[0].I > r.To {
				t.Fatalf("%s: id %d matches outside of %+v", q.String(), row[0].I, r)
			}
			for _, c := range []int{2, 4, 6, 12, 13} {
				from, to := p.Bounds(schema.Columns[c].Name)
				if v := row[c]; v.Valid && (v.I < from || v.I > to) {
					t.Fatalf("%s: %s %d matches outside of %d..%d", q.String(), schema.Columns[c].Name, v.I, from, to)
				}
			}
		}
	}
	if narrowed < 50 {
		t.Errorf("only %d ranges were narrowed", narrowed)
	}
}

// TestRecordsAndCount holds that they agree with Run.
func TestRecordsAndCount(t *testing.T) {
	ctx := context.Background()
	rows := sample(60)
	rapid.Check(t, func(t *rapid.T) {
		q := queries().Draw(t, "query")
		q.Select = []query.Item{{Path: id()}}
		p, err := query.Compile(&q, schema, now)
		if err != nil {
			t.Skip()
		}
		var ran, recorded []int64
		for row, err := range p.Run(ctx, rows) {
			if err != nil {
				t.Fatal(err)
			}
			ran = append(ran, row[0].I)
		}
		for row, err := range p.Records(ctx, rows) {
			if err != nil {
				t.Fatal(err)
			}
			recorded = append(recorded, row.Value(0).I)
		}
		if !slices.Equal(ran, recorded) {
			t.Fatalf("Run gives %v, Records %v", ran, recorded)
		}
		n, err := p.Count(ctx, rows)
		if err != nil || q.Limit < 0 && q.Offset == 0 && n != int64(len(ran)) || n < int64(len(ran)) {
			t.Fatalf("Count is %d (%v), Run gives %d", n, err, len(ran))
		}
	})
}

func TestErrors(t *testing.T) {
	where := func(p query.Path, op query.Op, value string) query.Query {
		return query.Query{Limit: -1, Where: query.Test{Path: p, Op: op, Value: value}}
	}
	event := func(keys ...string) query.Path { return query.Path{Column: "event", Steps: steps(keys...)} }
	operatorHint := "No operator matches the given name and argument types. You might need to add explicit type casts."
	for name, c := range map[string]struct {
		q    query.Query
		want query.Error
	}{
		"no column":   {where(query.Path{Column: "foo"}, query.Eq, "1"), query.Error{Code: "42703", Message: "column events.foo does not exist"}},
		"near column": {where(query.Path{Column: "i d"}, query.Eq, "1"), query.Error{Code: "42703", Message: "column events.i d does not exist", Hint: `Perhaps you meant to reference the column "events.id".`}},
		"bad json":    {where(event("tags"), query.Cs, "{login}"), query.Error{Code: "22P02", Message: "invalid input syntax for type json", Details: `Token "login" is invalid.`}},
		"text @>":     {where(event(">tags"), query.Cs, "{login}"), query.Error{Code: "42883", Message: "operator does not exist: text @> unknown", Hint: operatorHint}},
		"jsonb &&":    {where(event(), query.Ov, "{a}"), query.Error{Code: "42883", Message: "operator does not exist: jsonb && unknown", Hint: operatorHint}},
		"arrow":       {where(event(">a", "b"), query.Eq, "1"), query.Error{Code: "42883", Message: "operator does not exist: text -> unknown", Hint: operatorHint}},
		"bad integer": {where(query.Path{Column: "_small"}, query.Eq, "abc"), query.Error{Code: "22P02", Message: `invalid input syntax for type integer: "abc"`}},
		"is true":     {where(id(), query.Is, "true"), query.Error{Code: "42804", Message: "argument of IS TRUE must be type boolean, not type bigint"}},
		"regex":       {where(event(">name"), query.Match, "["), query.Error{Code: "2201B", Message: "invalid regular expression: brackets [] not balanced"}},
		"our regex": {where(event(">name"), query.Match, `(a)\1`), query.Error{
			Code: "2201B", Message: "invalid regular expression: back references and octal escapes are not supported",
			Details: "This store takes the part of PostgreSQL's syntax that RE2 has too.",
		}},
		"language": {query.Query{Where: query.Test{Path: event(">m"), Op: query.FTS, Value: "a", Lang: "english"}}, query.Error{
			Code: "0A000", Message: `text search configuration "english" is not supported by this store`, Hint: "Use the configuration simple.",
		}},
		"cast": {query.Query{Select: []query.Item{{Path: id(), Cast: "foo"}}}, query.Error{Code: "42704", Message: `type "foo" does not exist`}},
		"aggregate": {query.Query{Select: []query.Item{{Path: event(), Agg: query.AggMin}}}, query.Error{
			Code: "42883", Message: "function min(jsonb) does not exist", Hint: "No function matches the given name and argument types. You might need to add explicit type casts.",
		}},
	} {
		_, err := query.Compile(&c.q, schema, now)
		if e, ok := errors.AsType[*query.Error](err); !ok || *e != c.want {
			t.Errorf("%s:\ngot  %+v\nwant %+v", name, e, c.want)
		}
	}
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for _, q := range []query.Query{
		{Limit: -1},
		{Limit: 5, Order: []query.Order{{Path: query.Path{Column: "_format"}}}},
		{Limit: -1, Select: []query.Item{{Agg: query.AggCount}}},
	} {
		var last error
		for _, err := range compile(t, q).Run(ctx, sample(5)) {
			last = err
		}
		if !errors.Is(last, context.Canceled) {
			t.Errorf("%s ends with %v, want the context's error", q.String(), last)
		}
	}
}

// stubborn is a source that never looks at its context, and ends what is read of it midway.
type stubborn struct {
	records
	cancel context.CancelFunc
	seen   int
}

func (s *stubborn) Scan(_ context.Context, _ query.Range, match func(query.Row) (bool, error)) iter.Seq2[query.Row, error] {
	return func(yield func(query.Row, error) bool) {
		for i, row := range s.records {
			if i == 10 {
				s.cancel()
			}
			s.seen++
			ok, err := match(row)
			if !ok && err == nil {
				continue
			}
			if !yield(row, err) || err != nil {
				return
			}
		}
	}
}

// TestScansLookAtTheContext holds that they end with it, whatever the source does.
func TestScansLookAtTheContext(t *testing.T) {
	rows := sample(100)
	format := query.Path{Column: "_format"}
	none := query.Test{Path: format, Op: query.Eq, Value: "not there"}
	for _, q := range []query.Query{
		{Limit: -1},
		{Limit: -1, Where: none},
		{Limit: -1, Order: []query.Order{{Path: format}}},
		{Limit: -1, Select: []query.Item{{Agg: query.AggCount}}, Where: none},
	} {
		p := compile(t, q)
		for name, run := range map[string]func(context.Context, query.Source) error{
			"Run": func(ctx context.Context, src query.Source) (last error) {
				for _, err := range p.Run(ctx, src) {
					last = err
				}
				return last
			},
			"Records": func(ctx context.Context, src query.Source) (last error) {
				for _, err := range p.Records(ctx, src) {
					last = err
				}
				return last
			},
			"Count": func(ctx context.Context, src query.Source) error {
				_, err := p.Count(ctx, src)
				return err
			},
		} {
			ctx, cancel := context.WithCancel(context.Background())
			src := &stubborn{records: rows, cancel: cancel}
			if err := run(ctx, src); !errors.Is(err, context.Canceled) || src.seen > 12 {
				t.Errorf("%s of %s ends with %v after %d rows", name, q.String(), err, src.seen)
			}
			cancel()
		}
	}
}
