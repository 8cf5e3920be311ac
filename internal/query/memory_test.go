package query_test

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"time"

	"pgregory.net/rapid"

	"vigil/internal/query"
)

// schema is a table with a column of every kind that tables have.
var schema = &query.Schema{
	Table: "events",
	Key:   "id",
	Columns: []query.Column{
		{Name: "id", Type: query.Int8},
		{Name: "event", Type: query.JSONB},
		{Name: "_index", Type: query.Int8, System: true},
		{Name: "_uid", Type: query.UUID, System: true},
		{Name: "_received", Type: query.Timestamptz, System: true},
		{Name: "_format", Type: query.Text, System: true},
		{Name: "_occurred", Type: query.Timestamptz, System: true},
		{Name: "_patient", Type: query.TextArray, Any: true, System: true},
		{Name: "_words", Type: query.TextArray, System: true},
		{Name: "_flag", Type: query.Bool, System: true},
		{Name: "_score", Type: query.Float8, System: true},
		{Name: "_amount", Type: query.Numeric, System: true},
		{Name: "_day", Type: query.Date, System: true},
		{Name: "_small", Type: query.Int4, System: true},
	},
}

// record is a row in memory: one value for each column of schema.
type record []query.Value

func (r record) Value(i int) query.Value { return r[i] }

// records is a source over rows in the order of their ids, 1, 2, 3…
type records []record

func (rs records) Scan(ctx context.Context, r query.Range, match func(query.Row) (bool, error)) iter.Seq2[query.Row, error] {
	return func(yield func(query.Row, error) bool) {
		all := slices.Clone(rs)
		if r.Desc {
			slices.Reverse(all)
		}
		for _, row := range all {
			if id := row[0].I; id < r.From || id > r.To {
				continue
			}
			ok, err := match(row)
			if err == nil {
				err = ctx.Err()
			}
			if err != nil {
				yield(nil, err)
				return
			}
			if ok && !yield(row, nil) {
				return
			}
		}
	}
}

func (rs records) Fetch(_ context.Context, ids []int64) iter.Seq2[query.Row, error] {
	return func(yield func(query.Row, error) bool) {
		for _, id := range ids {
			if !yield(rs[id-1], nil) {
				return
			}
		}
	}
}

var _ query.Source = records{}

// now is the moment of every query.
var now = time.Date(2025, 6, 15, 12, 30, 0, 0, time.UTC)

func text(s string) query.Value { return query.Value{Type: query.Text, Valid: true, B: []byte(s)} }

// sample generates the rows of a table.
func sample(n int) records {
	out := make(records, n)
	for i := range out {
		out[i] = rows(int64(i + 1)).Example(i)
	}
	return out
}

func rows(id int64) *rapid.Generator[record] {
	return rapid.Custom(func(t *rapid.T) record {
		r := make(record, len(schema.Columns))
		for i := range r {
			r[i].Type = schema.Columns[i].Type
		}
		maybe := func(i int, v query.Value) {
			if rapid.IntRange(0, 3).Draw(t, "null") > 0 {
				v.Type, v.Valid = schema.Columns[i].Type, true
				r[i] = v
			}
		}
		r[0] = query.Value{Type: query.Int8, Valid: true, I: id}
		r[1] = query.Value{Type: query.JSONB, Valid: true, B: []byte(documents().Draw(t, "event"))}
		maybe(2, query.Value{I: rapid.SampledFrom([]int64{0, 1, 5, -3, 1 << 40, 1<<63 - 1}).Draw(t, "index")})
		maybe(3, query.Value{B: []byte(rapid.SampledFrom(uuids).Draw(t, "uid"))})
		maybe(4, query.Value{I: rapid.SampledFrom(micros).Draw(t, "received")})
		maybe(5, text(words().Draw(t, "format")))
		maybe(6, query.Value{I: rapid.SampledFrom(micros).Draw(t, "occurred")})
		maybe(7, query.Value{List: rapid.SliceOfN(words(), 0, 3).Draw(t, "patient")})
		maybe(8, query.Value{List: rapid.SliceOfN(words(), 0, 3).Draw(t, "words")})
		maybe(9, query.Value{I: rapid.Int64Range(0, 1).Draw(t, "flag")})
		maybe(10, query.Value{F: rapid.SampledFrom(floats).Draw(t, "score")})
		maybe(11, query.Value{B: []byte(rapid.SampledFrom(numerics).Draw(t, "amount"))})
		maybe(12, query.Value{I: rapid.SampledFrom([]int64{0, 1, 19_000, 20_254, -800_000}).Draw(t, "day")})
		maybe(13, query.Value{I: rapid.SampledFrom([]int64{0, 1, 7, -7, 1<<31 - 1}).Draw(t, "small")})
		return r
	})
}

var (
	uuids    = []string{"00000000-0000-4000-8000-000000000001", "a0000000-0000-4000-8000-00000000000b"}
	micros   = []int64{0, 1, 1_738_284_258_000_000, 1_738_284_258_120_000, 1_750_000_000_000_001, -62_000_000_000_000_000}
	floats   = []float64{0, 1, 1.5, -2.25, 0.0625, 2.5, 3.5, 1 << 20} // whose sums are exact in any order
	numerics = []string{"0", "1", "1.50", "-2.5", "12345678901234567890.123", "0.00010", "100", "1.5", "3.5"}
)

// words generates texts with and without what patterns and quoting mind.
func words() *rapid.Generator[string] {
	return rapid.SampledFrom([]string{
		"login", "Login", "logout", "mme-calc", "Patient/1", "Patient/12", "", "a b", "50%", "a_b", `back\slash`, "é", "Été", "K", "null", "NULL", "{x}", `"q"`,
		"1", "10", "9", "2025-01-31", "patient record", "Viewed the record of a patient", "(a|b)", "a.b", "line\nbreak", "a,b", "true", "İx", "aé",
	})
}

// documents generates events: members that queries ask for, in many types.
func documents() *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		if rapid.IntRange(0, 15).Draw(t, "odd") == 0 {
			return rapid.SampledFrom([]string{`"login"`, `5`, `[1,2,"login"]`, `null`, `[]`, `{}`, `true`, `[{"a":1}]`}).Draw(t, "scalar")
		}
		out := "{"
		for i, key := range []string{"subject", "n", "tags", "agent", "message", "flag", "x y"} {
			if rapid.IntRange(0, 4).Draw(t, "absent") == 0 {
				continue
			}
			if i > 0 && out != "{" {
				out += ","
			}
			out += fmt.Sprintf("%q: %s", key, jsonValues(2).Draw(t, key))
		}
		return out + "}"
	})
}

func jsonValues(depth int) *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		k := rapid.IntRange(0, 9).Draw(t, "kind")
		if depth == 0 && k > 7 {
			k = 0
		}
		switch {
		case k < 4:
			return jsonString(words().Draw(t, "word"))
		case k < 6:
			return rapid.SampledFrom([]string{"0", "1", "1.0", "1.50", "1e2", "100", "-2.5", "10", "9", "12345678901234567890", "2.5", "3.5", "1e400", "0.1"}).Draw(t, "number")
		case k < 8:
			return rapid.SampledFrom([]string{"null", "true", "false", `""`, `"\u00e9"`, `"a\tb"`, "[]", "{}"}).Draw(t, "other")
		case k == 8:
			out := "["
			for i := range rapid.IntRange(0, 3).Draw(t, "elements") {
				if i > 0 {
					out += ", "
				}
				out += jsonValues(depth-1).Draw(t, "element")
			}
			return out + "]"
		}
		return `{"who": ` + jsonValues(depth-1).Draw(t, "who") + `, "type":` + jsonValues(depth-1).Draw(t, "type") + `}`
	})
}
