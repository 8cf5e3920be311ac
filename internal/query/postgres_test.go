package query_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"pgregory.net/rapid"

	"vigil/internal/jsonb"
	"vigil/internal/pgtest"
	"vigil/internal/query"
)

// oracle is a PostgreSQL that holds the same rows as a source in memory.
type oracle struct {
	conn *pgx.Conn
	rows records
}

func newOracle(t *testing.T, n int) *oracle {
	t.Helper()
	ctx := context.Background()
	o := &oracle{rows: sample(n)}
	var err error
	if o.conn, err = pgx.Connect(ctx, pgtest.Postgres(t)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { o.conn.Close(ctx) })
	if _, err := o.conn.PgConn().Exec(ctx, sqlTable(o.rows)).ReadAll(); err != nil {
		t.Fatal(err)
	}
	return o
}

// answer is what PostgreSQL prints for each row, or its error.
func (o *oracle) answer(sql string) ([]string, *pgconn.PgError, error) {
	results, err := o.conn.PgConn().Exec(context.Background(), "select row_to_json(t)::text from ("+sql+") t").ReadAll()
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return nil, e, nil
	}
	if err != nil {
		return nil, nil, err
	}
	var out []string
	for _, row := range results[0].Rows {
		out = append(out, string(row[0]))
	}
	return out, nil, nil
}

// ours answers the query in Go.
func (o *oracle) ours(q *query.Query) ([]string, error) {
	p, err := query.Compile(q, schema, now)
	if err != nil {
		return nil, err
	}
	var out []string
	for row, err := range p.Run(context.Background(), o.rows) {
		if err != nil {
			return nil, err
		}
		out = append(out, string(query.AppendRow(nil, p.Columns(), row)))
	}
	return out, nil
}

// check compares both answers. Where one of them is an error, both must be,
// with one code and text, except for what only one evaluator refuses.
func (o *oracle) check(t interface {
	Helper()
	Errorf(string, ...any)
	Fatalf(string, ...any)
}, q *query.Query,
) (refused bool) {
	t.Helper()
	sql := sqlQuery(q)
	want, wantErr, err := o.answer(sql)
	if err != nil {
		t.Fatalf("%s\n%v", sql, err)
	}
	got, gotErr := o.ours(q)
	e, _ := errors.AsType[*query.Error](gotErr)
	switch {
	case gotErr != nil && e == nil:
		t.Fatalf("%s\n%v is not a query.Error", sql, gotErr)
	case e != nil && wantErr != nil && slices.ContainsFunc([]string{"2201B", "42601", "42804"}, func(c string) bool { return c == e.Code || c == wantErr.Code }):
		return true // PostgreSQL reads patterns later, and operands of shifts earlier
	case e != nil && (e.Code == "0A000" || e.Code == "2201B" && e.Details != "" || e.Code == "22025"):
		return true
	case e != nil && wantErr == nil:
		t.Errorf("%s\n%s %s, but PostgreSQL answers", sql, e.Code, e.Message)
	case e == nil && wantErr != nil:
		if len(want) == 0 && lazy(wantErr) && (q.Limit >= 0 || q.Offset > 0) {
			return true // PostgreSQL casts rows that are not in the page
		}
		t.Errorf("%s\nanswered, but PostgreSQL says %s %s", sql, wantErr.Code, wantErr.Message)
	case e != nil:
		if lazy(wantErr) && lazy(&pgconn.PgError{Code: e.Code}) {
			return true
		}
		if e.Code != wantErr.Code || e.Code != "2201B" && e.Code != "42804" && e.Message != wantErr.Message {
			t.Errorf("%s\n%s %s\nwant %s %s", sql, e.Code, e.Message, wantErr.Code, wantErr.Message)
		}
		return true
	default:
		grouped := slices.ContainsFunc(q.Select, func(it query.Item) bool { return it.Agg != query.AggNone })
		if grouped {
			slices.Sort(got)
			slices.Sort(want)
		}
		// Which of 1.5 and 1.50 stands for their group is PostgreSQL's choice.
		if !slices.Equal(got, want) && !(grouped && slices.Equal(valuesOf(got), valuesOf(want))) {
			t.Errorf("%s\ngot  %s\nwant %s", sql, strings.Join(got, "\n     "), strings.Join(want, "\n     "))
		}
	}
	return false
}

// valuesOf prints JSON texts such that equal values are equal texts, sorted.
func valuesOf(rows []string) []string {
	out := make([]string, len(rows))
	for i, r := range rows {
		out[i] = string(jsonb.AppendKey(nil, []byte(r)))
	}
	slices.Sort(out)
	return out
}

// lazy says whether the error comes from a cast of some row: which row is met first, and so
// the text, is PostgreSQL's choice.
func lazy(e *pgconn.PgError) bool {
	return slices.Contains([]string{"22P02", "22003", "22007", "22008", "22023", "22009"}, e.Code)
}

func TestQueriesAgainstPostgres(t *testing.T) {
	o := newOracle(t, 80)
	refused, total := 0, 0
	for i := range 8000 {
		q := queries().Example(i)
		total++
		if o.check(t, &q) {
			refused++
		}
		if t.Failed() && total > 400 {
			break
		}
	}
	if refused > total/2 {
		t.Errorf("%d of %d queries were refused: the generator is lopsided", refused, total)
	}
	t.Logf("%d of %d refused", refused, total)
}

// queries generates queries over schema, most of them valid.
func queries() *rapid.Generator[query.Query] {
	return rapid.Custom(func(t *rapid.T) query.Query {
		q := query.Query{Table: "events", Limit: -1}
		aggregated := false
		switch rapid.IntRange(0, 3).Draw(t, "select") {
		case 0:
			q.Select = rapid.SliceOfN(plainItems(), 1, 3).Draw(t, "items")
		case 1:
			aggregated = true
			q.Select = append(rapid.SliceOfN(plainItems(), 0, 2).Draw(t, "groups"), rapid.SliceOfN(aggregates(), 1, 2).Draw(t, "aggregates")...)
		case 2:
			q.Select = []query.Item{{Path: query.Path{Column: "id"}}}
		}
		if rapid.IntRange(0, 5).Draw(t, "all") > 0 {
			q.Where = exprs(2).Draw(t, "where")
		}
		if !aggregated {
			q.Order = rapid.SliceOfN(orders(), 0, 2).Draw(t, "order")
			if rapid.Bool().Draw(t, "page") {
				q.Limit = rapid.Int64Range(0, 12).Draw(t, "limit")
				q.Offset = rapid.Int64Range(0, 5).Draw(t, "offset")
			}
		}
		return q
	})
}

func steps(keys ...string) (out []query.Step) {
	for _, k := range keys {
		s := query.Step{Key: strings.TrimPrefix(k, ">")}
		s.Text = s.Key != k
		switch s.Key {
		case "0", "-1", "1":
			s.IsIndex = true
			s.Index = map[string]int{"0": 0, "-1": -1, "1": 1}[s.Key]
		}
		out = append(out, s)
	}
	return out
}

func paths() *rapid.Generator[query.Path] {
	return rapid.Custom(func(t *rapid.T) query.Path {
		if rapid.Bool().Draw(t, "json") {
			return query.Path{Column: "event", Steps: rapid.SampledFrom([][]query.Step{
				steps(">subject"), steps(">n"), steps("n"), steps("tags"), steps(">message"), steps("agent", ">who"), steps("agent"), steps("tags", "0"),
				steps("tags", ">-1"), steps("flag"), steps(">flag"), steps("x y"), steps(">x y"), steps(">absent"), steps("agent", "who"), steps("message"), steps(">0"), steps("1"),
			}).Draw(t, "steps")}
		}
		c := rapid.SampledFrom(schema.Columns).Draw(t, "column")
		p := query.Path{Column: c.Name}
		if c.Type == query.TextArray && rapid.IntRange(0, 3).Draw(t, "element") == 0 {
			p.Steps = steps(">0")
		}
		if rapid.IntRange(0, 60).Draw(t, "wrong") == 0 {
			p = rapid.SampledFrom([]query.Path{{Column: "foo"}, {Column: "evnt"}, {Column: "event", Steps: steps(">a", "b")}, {Column: "event", Steps: steps(">a", ">1")}}).Draw(t, "wrong path")
		}
		return p
	})
}

func plainItems() *rapid.Generator[query.Item] {
	return rapid.Custom(func(t *rapid.T) query.Item {
		it := query.Item{Path: paths().Draw(t, "path"), Alias: rapid.SampledFrom([]string{"", "", "alias", `q"x`}).Draw(t, "alias")}
		if rapid.IntRange(0, 2).Draw(t, "casts") == 0 {
			it.Cast = rapid.SampledFrom(casts).Draw(t, "cast")
		}
		return it
	})
}

var casts = []string{
	"text", "int", "bigint", "numeric", "float8", "bool", "date", "timestamp", "timestamptz", "uuid", "json", "jsonb", "text", "text", "jsonb",
	"integer", "double precision", "varchar", "int4", "int8", "foo",
}

func aggregates() *rapid.Generator[query.Item] {
	return rapid.Custom(func(t *rapid.T) query.Item {
		if rapid.IntRange(0, 3).Draw(t, "rows") == 0 {
			return query.Item{Agg: query.AggCount, AggCast: rapid.SampledFrom([]string{"", "", "text", "numeric"}).Draw(t, "cast")}
		}
		it := query.Item{Path: paths().Draw(t, "path"), Agg: query.Agg(rapid.IntRange(1, 5).Draw(t, "aggregate"))}
		if rapid.Bool().Draw(t, "number") {
			it.Path = query.Path{Column: rapid.SampledFrom([]string{"id", "_index", "_score", "_amount", "_small", "_day", "_received"}).Draw(t, "column")}
		}
		it.AggCast = rapid.SampledFrom([]string{"", "", "", "text", "int", "float8", "numeric"}).Draw(t, "aggcast")
		return it
	})
}

func orders() *rapid.Generator[query.Order] {
	return rapid.Custom(func(t *rapid.T) query.Order {
		return query.Order{
			Path: paths().Draw(t, "path"), Desc: rapid.Bool().Draw(t, "desc"),
			Nulls: query.Nulls(rapid.IntRange(0, 2).Draw(t, "nulls")),
		}
	})
}

func exprs(depth int) *rapid.Generator[query.Expr] {
	return rapid.Custom(func(t *rapid.T) query.Expr {
		if k := rapid.IntRange(0, 5).Draw(t, "expr"); depth > 0 && k < 3 {
			switch k {
			case 0:
				return query.And(rapid.SliceOfN(exprs(depth-1), 1, 3).Draw(t, "and"))
			case 1:
				return query.Or(rapid.SliceOfN(exprs(depth-1), 1, 3).Draw(t, "or"))
			}
			return query.Not{X: exprs(depth-1).Draw(t, "not")}
		}
		return tests().Draw(t, "test")
	})
}

func tests() *rapid.Generator[query.Test] {
	return rapid.Custom(func(t *rapid.T) query.Test {
		x := query.Test{Path: paths().Draw(t, "path")}
		typ := typeOf(x.Path)
		ops := []query.Op{query.Eq, query.Neq, query.Gt, query.Gte, query.Lt, query.Lte, query.In, query.Is, query.IsDistinct, query.Eq, query.Eq}
		switch {
		case typ == query.Text || columnOf(x.Path.Column).Any:
			ops = append(ops, query.Like, query.ILike, query.Match, query.IMatch, query.Like, query.ILike, query.FTS, query.PlFTS, query.PhFTS, query.WFTS)
		case typ == query.JSONB:
			ops = append(ops, query.Cs, query.Cd, query.Cs, query.PlFTS)
		}
		if typ == query.TextArray {
			ops = append(ops, query.Cs, query.Cd, query.Ov)
		}
		if rapid.IntRange(0, 30).Draw(t, "any operator") == 0 {
			ops = []query.Op{query.Like, query.Cs, query.Ov, query.Cd, query.Sl, query.Adj, query.IMatch}
		}
		x.Op = rapid.SampledFrom(ops).Draw(t, "op")
		value := operands(typ, x.Op, columnOf(x.Path.Column).Any)
		switch x.Op {
		case query.In:
			x.List = rapid.SliceOfN(value, 0, 3).Draw(t, "list")
		case query.Eq, query.Gt, query.Gte, query.Lt, query.Lte, query.Like, query.ILike, query.Match, query.IMatch:
			if rapid.IntRange(0, 4).Draw(t, "quantified") == 0 {
				x.Quant = query.Quant(rapid.IntRange(1, 2).Draw(t, "quant"))
				x.Value = arrayLiteral(rapid.SliceOfN(value, 0, 3).Draw(t, "array"), rapid.IntRange(0, 4).Draw(t, "null") == 0)
				break
			}
			fallthrough
		default:
			x.Value = value.Draw(t, "value")
		}
		return x
	})
}

func typeOf(p query.Path) query.Type {
	if n := len(p.Steps); n > 0 {
		if p.Steps[n-1].Text {
			return query.Text
		}
		return query.JSONB
	}
	return columnOf(p.Column).Type
}

func arrayLiteral(list []string, null bool) string {
	var parts []string
	for _, s := range list {
		parts = append(parts, `"`+strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s)+`"`)
	}
	if null {
		parts = append(parts, "NULL")
	}
	return "{" + strings.Join(parts, ",") + "}"
}

// operands generates operands that fit the type and operator, and some that do not.
func operands(typ query.Type, op query.Op, anyElement bool) *rapid.Generator[string] {
	pick := func(s ...string) *rapid.Generator[string] { return rapid.SampledFrom(s) }
	switch op {
	case query.Is:
		if typ == query.Bool {
			return pick("null", "not_null", "true", "false", "unknown")
		}
		return pick("null", "not_null", "null", "not_null", "null", "not_null", "true", "unknown")
	case query.Like, query.ILike:
		return pick("*", "log*", "%in", "LOG_n", "*a*", "a_b", `a\_b`, `50\%`, "", "_", "__", "é%", "%É%", "ÉTÉ", "été", "*/1%", "k", "%o%o%", "Patient/__", `%\\%`, "_t_", "%a_e%", "a%b%c", "%_é")
	case query.Match, query.IMatch:
		return pick("^log", "in$", "LOG.", "[a-m]ogin", "a|b", "^$", "", "(log)+(in|out)", "Patient/[0-9]{2}", `\d+`, `\.`, "[^a-z]", "k", "É", `\s`, "a.b", "line.break", "line$",
			"*x", "(", ")", "[", "a{2,1}", "x{1", `\(`, `[\]`, "[]x]", "[[:alpha:]]+ [[:alpha:]]", "a**", "[z-a]", `\y1\y`, "^*a", "(?:a|b)", "[[:upper:]]", `\w+-\w+`, "[[:foo:]]", "a+?", "|a", "()", `[\d]`, `(a)\1`)
	case query.FTS:
		return pick("login", "record", "patient & record", "login | logout", "!login", "pat:*", "patient <-> record", "record <-> patient", "(login | record) & !foo", "viewed <3> of", "Patient", "''", "", "a & ", "x <0> y", "login:AB")
	case query.PlFTS, query.PhFTS:
		return pick("login", "patient record", "record patient", "the record", "", "a, b", "Viewed the", "x & y")
	case query.WFTS:
		return pick("login", "patient record", `"patient record"`, "login or logout", "-login", `record -viewed`, `"the record" or login`, "", "or", "- record")
	}
	if anyElement && op != query.Cs && op != query.Cd && op != query.Ov {
		typ = query.Text
	}
	switch typ {
	case query.JSONB:
		return rapid.OneOf(jsonValues(1), jsonValues(1), jsonValues(1), pick(`{"tags":["login"]}`, `["login"]`, `{"agent": {"who": "login"}}`, "login", "{bad", `{"n":1.0}`, "{}", "[]", `{"subject":"login"}`))
	case query.TextArray:
		return pick("{}", "{login}", "{login,logout}", `{"a b"}`, "{NULL}", "x", "{a", `{"{x}"}`, "{1,10}", "{a}b", `{a\,b}`, "{ a b , c }", "{,}", `{"a"b}`, `{"null"}`)
	case query.Int4, query.Int8:
		return pick("0", "1", "5", " 7 ", "-3", "10", "40", "9223372036854775807", "99999999999999999999", "abc", "", "1.5", "+1", "20", "60")
	case query.Timestamptz, query.Date, query.Timestamp:
		return pick("1970-01-01", "2025-01-31", "2025-01-31T00:44:18Z", "2025-01-31 00:44:18.12+00", "2025-01-31T01:44:18+01:00", "20250131T004418Z", "2025-1-31 0:44", "epoch", "infinity", "-infinity",
			"2025-13-01", "2025-02-30", "yesterdayish", "", "2025-06-15T15:06:40.000001Z", "2025-01-31T25:00:00Z", "2025-01-31T24:00:00Z", "0005-04-20", "2025-01-31 00:44:18+0130", "2025-01-31 00:44:60")
	case query.UUID:
		return pick(uuids[0], uuids[1], "A0000000-0000-4000-8000-00000000000B", "{a0000000-0000-4000-8000-00000000000b}", "a000000000004000800000000000000b", "x", "a0000000-0000-4000-8000-00000000000")
	case query.Bool:
		return pick("true", "f", "yes", "off", "1", "o", "x", " TRUE ", "no")
	case query.Float8:
		return pick("0", "1.5", "1e15", "NaN", "Infinity", "-inf", "1e400", "x", ".5", "5.", "", "1e-400")
	case query.Numeric:
		return pick("0", "1.5", "1.50", "1e2", "NaN", "-2.5", ".5", "5.", "x", "", "1e200000", "12345678901234567890.123", "0.0001", "+1")
	}
	return words()
}
