package query_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"vigil/internal/pgtest"
	"vigil/internal/query"
)

// TestOverflowAgainstPostgres compares sums and averages at the ends of their types.
func TestOverflowAgainstPostgres(t *testing.T) {
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, pgtest.Postgres(t))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	large := "9" + strings.Repeat("0", 131071)
	infinity := pgtest.Version(t) >= 14 // whether numeric has it
	overflows := 0
	for _, c := range []struct{ column, typ, values string }{
		{"_score", "float8", "1.7e308 1.7e308"},
		{"_score", "float8", "-1.7e308 -1.7e308 5"},
		{"_score", "float8", "1e200 1"},
		{"_score", "float8", "1e200 1e200 1e200"},
		{"_score", "float8", "1.7e308"},
		{"_score", "float8", "Infinity 1"},
		{"_score", "float8", "1 Infinity 1.7e308 1.7e308"},
		{"_score", "float8", "Infinity -Infinity"},
		{"_score", "float8", "1.7e308 1.7e308 Infinity"},
		{"_score", "float8", "NaN 1.7e308 1.7e308"},
		{"_score", "float8", "1.7e308 1.7e308 -1.7e308"},
		{"_score", "float8", "1.7e308 -1.7e308 3"},
		{"_amount", "numeric", large + " " + large},
		{"_amount", "numeric", large + " 1.5"},
		{"_amount", "numeric", "-" + large + " -" + large},
		{"_amount", "numeric", large + " " + large + " -" + large},
		{"_amount", "numeric", large + " " + large + " NaN"},
		{"_amount", "numeric", large + " Infinity"},
	} {
		if c.typ == "numeric" && strings.Contains(c.values, "Infinity") && !infinity {
			continue
		}
		var rows records
		var sql []string
		column := schema.Column(c.column)
		for i, v := range strings.Fields(c.values) {
			r := make(record, len(schema.Columns))
			r[0] = query.Value{Type: query.Int8, Valid: true, I: int64(i + 1)}
			r[column] = cast(t, v, c.typ)
			rows = append(rows, r)
			sql = append(sql, fmt.Sprintf("(%d, %s::%s)", i+1, lit(v), c.typ))
		}
		for _, agg := range []query.Agg{query.AggSum, query.AggAvg} {
			from := fmt.Sprintf("select %s(v)::text from (values %s order by 1) x(i, v)", agg, strings.Join(sql, ","))
			var want, got string
			err := conn.QueryRow(ctx, from).Scan(&want)
			if e, ok := errors.AsType[*pgconn.PgError](err); ok {
				want = e.Code + " " + e.Message
				overflows++
			} else if err != nil {
				t.Fatal(err)
			}
			p := compile(t, query.Query{Limit: -1, Select: []query.Item{{Path: query.Path{Column: c.column}, Agg: agg}}})
			for row, err := range p.Run(ctx, rows) {
				if e, ok := errors.AsType[*query.Error](err); ok {
					got = e.Code + " " + e.Message
				} else if err != nil {
					t.Fatal(err)
				} else {
					got = string(row[0].AppendText(nil))
				}
			}
			if got != want {
				t.Errorf("%s of %.60s: %.80s, want %.80s", agg, c.values, got, want)
			}
		}
	}
	if overflows < 8 {
		t.Errorf("only %d overflows", overflows)
	}
}

// cast reads a value through a query.
func cast(t *testing.T, s, typ string) query.Value {
	t.Helper()
	r := make(record, len(schema.Columns))
	r[0], r[5] = query.Value{Type: query.Int8, Valid: true, I: 1}, text(s)
	p := compile(t, query.Query{Limit: 1, Select: []query.Item{{Path: query.Path{Column: "_format"}, Cast: typ}}})
	for row, err := range p.Run(context.Background(), records{r}) {
		if err != nil {
			t.Fatal(err)
		}
		return row[0]
	}
	return query.Value{}
}

// TestGroupMemory holds that what groups keep of their rows is bounded.
func TestGroupMemory(t *testing.T) {
	var rows records
	value := text(strings.Repeat("a", 1<<20))
	for i := range 300 {
		r := make(record, len(schema.Columns))
		r[0], r[5] = query.Value{Type: query.Int8, Valid: true, I: int64(i + 1)}, value
		rows = append(rows, r)
	}
	largest := query.Item{Path: query.Path{Column: "_format"}, Agg: query.AggMax}
	for _, c := range []struct {
		items []query.Item
		full  bool
	}{
		{[]query.Item{{Path: id()}, largest}, true},
		{[]query.Item{largest}, false},
	} {
		var last error
		for _, err := range compile(t, query.Query{Limit: -1, Select: c.items}).Run(context.Background(), rows) {
			last = err
		}
		if e, ok := errors.AsType[*query.Error](last); ok != c.full || ok && e.Code != "53200" {
			t.Errorf("%d items end with %v", len(c.items), last)
		}
	}
}

// TestTextSearchLimitsAgainstPostgres compares where distances and places end.
func TestTextSearchLimitsAgainstPostgres(t *testing.T) {
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, pgtest.Postgres(t))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	many := func(n int) string { return strings.Repeat("a ", n) }
	far := make([]string, 17_000)
	for i := range far {
		far[i] = fmt.Sprintf("w%d", i)
	}
	for _, c := range []struct{ query, doc string }{
		{"a <16384> b", "a b"},
		{"a <16385> b", "a b"},
		{"a <99999999999999999999> b", "a b"},
		{"a <0> b", "a b"},
		{"a <-1> b", "a b"},
		{"a <-> b", many(254) + "a b"},
		{"a <-> b", many(255) + "a b"},
		{"a:* <-> b", many(254) + "a b"},
		{"a:* <-> b", many(300) + "a b"},
		{"a:* <-> b", many(300) + "ab b"},
		{"w1:* <-> w16000", strings.Join(far, " ")},
		{"w1:* <-> w999", strings.Join(far, " ")},
		{"w16380 <-> w16381", strings.Join(far, " ")},
		{"w16390 <-> w16391", strings.Join(far, " ")},
		{"w16390 & w16391", strings.Join(far, " ")},
	} {
		var yes bool
		want := ""
		err := conn.QueryRow(ctx, "select to_tsvector('simple', $1) @@ to_tsquery('simple', $2)", c.doc, c.query).Scan(&yes)
		if e, ok := errors.AsType[*pgconn.PgError](err); ok {
			want = e.Code + " " + e.Message
		} else if err != nil {
			t.Fatal(err)
		} else {
			want = fmt.Sprint(yes)
		}
		got := ""
		p, err := query.Compile(&query.Query{Where: query.Test{Path: query.Path{Column: "_format"}, Op: query.FTS, Value: c.query}}, schema, now)
		if e, ok := errors.AsType[*query.Error](err); ok {
			got = e.Code + " " + e.Message
		} else {
			r := make(record, len(schema.Columns))
			r[5] = text(c.doc)
			ok, err := p.Match(r)
			if err != nil {
				t.Fatal(err)
			}
			got = fmt.Sprint(ok)
		}
		if got != want {
			t.Errorf("%s over %.20s… (%d bytes): %s, want %s", c.query, c.doc, len(c.doc), got, want)
		}
	}
}
