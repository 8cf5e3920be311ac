package storetest

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"vigil"
	"vigil/internal/query"
	"vigil/internal/store"
)

// testRandom stores random documents in the store and in a memory store, and
// asks both random questions: the answers are the same, errors included.
func testRandom(t *testing.T, f *fixture) {
	oracle, err := store.NewMemory(f.config)
	if err != nil {
		t.Fatal(err)
	}
	defer oracle.Close()
	rapid.Check(t, func(rt *rapid.T) {
		for range rapid.IntRange(0, 3).Draw(rt, "batches") {
			docs := rapid.SliceOfN(document(), 1, 40).Draw(rt, "documents")
			for _, s := range []store.Store{f.Store, oracle} {
				var batch []*vigil.Event
				for _, d := range docs {
					batch = append(batch, event(vigil.TableEvents, "%s", d))
				}
				if _, err := s.Append(f.ctx, &store.Batch{Events: batch}); err != nil {
					rt.Fatalf("append: %v", err)
				}
			}
		}
		if rapid.IntRange(0, 9).Draw(rt, "settle") == 0 {
			f.settle(t)
		}
		q := question().Draw(rt, "question")
		got, gotErr := Answer(f.ctx, f.Store, q)
		want, wantErr := Answer(f.ctx, oracle, q)
		if fmt.Sprint(gotErr) != fmt.Sprint(wantErr) {
			rt.Fatalf("%s: got error %v, want %v", describe(q), gotErr, wantErr)
		}
		if strings.Join(got, "\n") != strings.Join(want, "\n") {
			rt.Fatalf("%s:\n got %s\nwant %s", describe(q), got, want)
		}
		sameCount(rt, f.ctx, f.Store, oracle, q)
	})
	CheckRoot(t, f.Store)
}

func sameCount(rt *rapid.T, ctx context.Context, a, b store.Store, q *query.Query) {
	n, err := a.Count(ctx, q)
	m, merr := b.Count(ctx, q)
	if n != m || fmt.Sprint(err) != fmt.Sprint(merr) {
		rt.Fatalf("count of %s: got %d, %v; want %d, %v", describe(q), n, err, m, merr)
	}
}

// document draws documents whose members often agree.
func document() *rapid.Generator[string] {
	return rapid.Custom(func(rt *rapid.T) string {
		var parts []string
		add := func(format string, args ...any) { parts = append(parts, fmt.Sprintf(format, args...)) }
		if rapid.Bool().Draw(rt, "has action") {
			add(`"action":%q`, rapid.SampledFrom([]string{"read", "create", "login"}).Draw(rt, "action"))
		}
		if rapid.Bool().Draw(rt, "has n") {
			add(`"n":%d`, rapid.IntRange(-2, 5).Draw(rt, "n"))
		}
		if rapid.Bool().Draw(rt, "has patient") {
			p := rapid.SliceOfN(rapid.SampledFrom([]string{`"Patient/1"`, `"Patient/2"`, `"Patient/3"`}), 0, 3).Draw(rt, "patients")
			add(`"patient":[%s]`, strings.Join(p, ","))
		}
		if rapid.Bool().Draw(rt, "has occurred") {
			add(`"occurred":"2026-08-01T10:00:%02dZ"`, rapid.IntRange(0, 9).Draw(rt, "second"))
		}
		return "{" + strings.Join(parts, ",") + "}"
	})
}

// question draws queries that a store may plan in different ways.
func question() *rapid.Generator[*query.Query] {
	return rapid.Custom(func(rt *rapid.T) *query.Query {
		q := all(vigil.TableEvents)
		switch rapid.IntRange(0, 3).Draw(rt, "select") {
		case 0:
			q.Select = items("id", "_patient", "_occurred")
		case 1:
			q.Select = []query.Item{
				{Path: query.Path{Column: "_action"}},
				{Agg: query.AggCount},
				{Path: query.Path{Column: "id"}, Agg: query.AggMax},
			}
			q.Where = condition(rt, 2)
			q.Order = []query.Order{{Path: query.Path{Column: "_action"}}}
			return q
		}
		q.Where = condition(rt, 2)
		for _, c := range rapid.SliceOfN(rapid.SampledFrom([]string{"_action", "_occurred", "_index"}), 0, 2).Draw(rt, "order") {
			q.Order = append(q.Order, query.Order{
				Path: query.Path{Column: c}, Desc: rapid.Bool().Draw(rt, "desc"),
				Nulls: rapid.SampledFrom([]query.Nulls{query.NullsDefault, query.NullsFirst, query.NullsLast}).Draw(rt, "nulls"),
			})
		}
		// Ends the order, so that equal rows cannot differ in their places.
		q.Order = append(q.Order, query.Order{Path: query.Path{Column: "id"}, Desc: rapid.Bool().Draw(rt, "desc id")})
		if rapid.Bool().Draw(rt, "limited") {
			q.Limit = int64(rapid.IntRange(0, 30).Draw(rt, "limit"))
		}
		q.Offset = int64(rapid.IntRange(0, 20).Draw(rt, "offset"))
		return q
	})
}

// condition draws a where, nil for none.
func condition(rt *rapid.T, depth int) query.Expr {
	number := func() string { return fmt.Sprint(rapid.IntRange(-3, 300).Draw(rt, "number")) }
	op := func() query.Op {
		return rapid.SampledFrom([]query.Op{query.Eq, query.Neq, query.Gt, query.Gte, query.Lt, query.Lte}).Draw(rt, "op")
	}
	switch k := rapid.IntRange(0, 9).Draw(rt, "condition"); {
	case k == 0:
		return nil
	case k == 1:
		return test("id", op(), number())
	case k == 2:
		return test("_index", op(), number())
	case k == 3:
		return test("_patient", query.Eq, rapid.SampledFrom([]string{"Patient/1", "Patient/2", "Patient/9"}).Draw(rt, "patient"))
	case k == 4:
		return test("_action", op(), "login")
	case k == 5:
		return test("event", query.Cs, fmt.Sprintf(`{"n": %d}`, rapid.IntRange(-2, 5).Draw(rt, "n")))
	case k == 6:
		return test("_occurred", op(), fmt.Sprintf("2026-08-01T10:00:%02dZ", rapid.IntRange(0, 9).Draw(rt, "second")))
	case depth == 0:
		return test("_action", query.Is, "null")
	}
	var parts []query.Expr
	for range rapid.IntRange(1, 3).Draw(rt, "parts") {
		if c := condition(rt, depth-1); c != nil {
			parts = append(parts, c)
		}
	}
	switch rapid.IntRange(0, 2).Draw(rt, "connective") {
	case 0:
		return query.And(parts)
	case 1:
		return query.Or(parts)
	}
	return query.Not{X: query.And(parts)}
}
