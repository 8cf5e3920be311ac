package relation

import (
	"errors"
	"strings"
	"testing"

	"vigil/internal/query"
)

// things is a table with names that must be quoted.
func things() (*catalog, *Table) {
	t := &Table{Schema: "api", Name: `the "things`, Insertable: true, Key: []string{"id"}, Columns: []Column{
		{Name: "id", Type: "bigint", Kind: KindInteger, Default: "nextval('api.s'::regclass)", NotNull: true},
		{Name: "doc", Type: "jsonb", Kind: KindJSON},
		{Name: `a"b`, Type: "text"},
		{Name: "vec", Type: "tsvector", tsvector: true},
		{Name: "ints", Type: "integer[]", Kind: KindArray},
		{Name: "made", Type: "text", Generated: true},
	}}
	return &catalog{
		tables: map[string]map[string]*Table{"api": {t.Name: t}},
		types:  []typeName{{"pg_catalog", "int4"}, {"pg_catalog", "text"}, {"api", "mood"}},
	}, t
}

func path(column string, steps ...query.Step) query.Path {
	return query.Path{Column: column, Steps: steps}
}

// TestCompile writes statements: names are the catalogue's, quoted, values are
// parameters.
func TestCompile(t *testing.T) {
	const from = `"api"."the ""things"`
	c := func(name string) string { return from + "." + name }
	for _, x := range []struct {
		q    query.Query
		want string
		args string
	}{
		{query.Query{Limit: -1}, "select " + c("*") + " from " + from, ""},
		{
			query.Query{Limit: 5, Offset: 5, Where: query.Test{Path: path(`a"b`), Op: query.Eq, Value: "x"}},
			"select " + c("*") + " from " + from + " where (" + c(`"a""b"`) + " = $1) order by " + c(`"id"`) + " limit $2::int8 offset $2::int8", "x 5",
		},
		{
			query.Query{Limit: -1, Select: []query.Item{
				{Path: path("doc", query.Step{Key: "k"}, query.Step{Key: "1", Index: 1, IsIndex: true, Text: true}), Cast: "Int4", Agg: query.AggSum, AggCast: "text"},
				{Path: path("doc", query.Step{Key: "k"}), Alias: `al"ias`},
			}},
			"select cast(sum(cast((" + c(`"doc"`) + `->$1->>$2::int4) as "pg_catalog"."int4")) as "pg_catalog"."text") as "sum", ` + c(`"doc"`) + `->$1 as "al""ias" from ` + from +
				" group by " + c(`"doc"`) + "->$1", "k 1",
		},
		{
			query.Query{Limit: -1, Select: []query.Item{{Agg: query.AggCount}}, Where: query.Or{
				query.Not{X: query.And{
					query.Test{Path: path("id"), Op: query.In, List: []string{"1", `2"`}},
					query.Test{Path: path("doc"), Op: query.Is, Value: "not_null"},
				}},
				query.Test{Path: path("vec"), Op: query.WFTS, Lang: "german", Value: "x"},
				query.Test{Path: path(`a"b`), Op: query.FTS, Lang: "german", Value: "x"},
				query.Test{Path: path("ints", query.Step{Key: "0", IsIndex: true}), Op: query.Like, Quant: query.QuantAny, Value: "{a*}"},
			}},
			"select count(*) as \"count\" from " + from + " where ((not ((" + c(`"id"`) + " = any($1)) and (" + c(`"doc"`) + " is not null))) or (" + c(`"vec"`) +
				" @@ websearch_to_tsquery($2::regconfig, $3::text)) or (to_tsvector($2::regconfig, " + c(`"a""b"`) + ") @@ to_tsquery($2::regconfig, $3::text)) or ((to_jsonb(" +
				c(`"ints"`) + ")->$4::int4) like any($5)))", `{"1","2\""} german x 0 {a%}`,
		},
		{
			query.Query{Limit: -1, Order: []query.Order{{Path: path("id"), Desc: true, Nulls: query.NullsLast}, {Path: path("doc", query.Step{Key: "k", Text: true})}}},
			"select " + c("*") + " from " + from + " order by " + c(`"id"`) + " desc nulls last, " + c(`"doc"`) + "->>$1", "k",
		},
	} {
		cat, table := things()
		w := newWriter(cat, table, table.sql())
		got, err := w.rows(&x.q, table.sql(), true)
		var args []string
		for _, a := range w.args {
			args = append(args, string(a))
		}
		if err != nil || got != x.want || strings.Join(args, " ") != x.args {
			t.Errorf("%v\ngot  %s\nwant %s\nargs %q", err, got, x.want, args)
		}
	}
}

// TestCompileRefuses what the catalogue does not have.
func TestCompileRefuses(t *testing.T) {
	for code, q := range map[string]query.Query{
		"42703": {Where: query.And{query.Test{Path: path("nope"), Op: query.Eq}}},
		"42704": {Select: []query.Item{{Path: path("id"), Cast: "nope"}}},
		"42622": {Select: []query.Item{{Path: path("id"), Alias: strings.Repeat("x", 64)}}},
		"0A000": {Where: query.Test{Path: path("id"), Op: "; delete"}},
	} {
		cat, table := things()
		_, err := newWriter(cat, table, table.sql()).rows(&q, table.sql(), true)
		if e, ok := errors.AsType[*Error](err); !ok || e.Code != code {
			t.Errorf("%v, want %s", err, code)
		}
	}
}

func TestInsertStatement(t *testing.T) {
	const into = `insert into "api"."the ""things"`
	for _, x := range []struct {
		in   Insert
		want string
	}{
		{
			Insert{Columns: []string{"id", `a"b`}},
			`with "vigil added" as (` + into + ` ("id", "a""b") select r."id", r."a""b" from json_to_recordset($1::json) as r("id" bigint, "a""b" text) returning 1) select count(*) from "vigil added"`,
		},
		{
			Insert{Columns: []string{"id", "doc"}, Given: []string{"id", "doc"}, Defaults: true, Key: true, Ignore: true},
			`with "vigil added" as (` + into + ` ("id", "doc") select case when e.value->$1::text is null then nextval('api.s'::regclass) else r."id" end, r."doc" ` +
				`from json_array_elements($2::json) e, json_to_record(e.value) as r("id" bigint, "doc" jsonb) on conflict ("id") do nothing returning "id") ` +
				`select count(*), min("vigil added"."id"::text) from "vigil added"`,
		},
		{
			Insert{Rows: 1, Return: &query.Query{Select: []query.Item{{Path: path("doc", query.Step{Key: "k"})}}}},
			`with "vigil added" as (` + into + ` default values returning "doc") select row_to_json(r.*) from (select "vigil added"."doc"->$1 as "k" from "vigil added") r`,
		},
		{
			Insert{Rows: 2, Return: &query.Query{}, Form: Cells},
			`with "vigil added" as (` + into + ` ("doc") select r."doc" from json_to_recordset($1::json) as r("doc" jsonb) returning *) select "vigil added".* from "vigil added"`,
		},
	} {
		cat, table := things()
		x.in.Table, x.in.Body = table, []byte("[]")
		st, err := insertStatement(cat, &x.in)
		if err != nil || st.text != x.want {
			t.Errorf("%v\ngot  %s\nwant %s", err, st.text, x.want)
		}
	}
}
