package grammar_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"vigil/internal/postgrest/grammar"
	"vigil/internal/query"
)

func column(name string, steps ...query.Step) query.Path {
	return query.Path{Column: name, Steps: steps}
}

func key(s string) query.Step { return query.Step{Key: s} }

func text(s string) query.Step { return query.Step{Key: s, Text: true} }

func test(p query.Path, op query.Op, v string) query.Test {
	return query.Test{Path: p, Op: op, Value: v}
}

func TestWhere(t *testing.T) {
	id := column("id")
	tests := []struct {
		raw  string
		want query.Expr
	}{
		{"", nil},
		{"id=eq.1", test(id, query.Eq, "1")},
		{"id=eq.", test(id, query.Eq, "")},
		{`id=eq."x"`, test(id, query.Eq, `"x"`)},
		{"id=not.eq.1", query.Not{X: test(id, query.Eq, "1")}},
		{"id=gt.1&id=lt.9", query.And{test(id, query.Gt, "1"), test(id, query.Lt, "9")}},
		{"id=eq(any).{1,2}", query.Test{Path: id, Op: query.Eq, Quant: query.QuantAny, Value: "{1,2}"}},
		{"id=like(all).{a*,*b}", query.Test{Path: id, Op: query.Like, Quant: query.QuantAll, Value: "{a*,*b}"}},
		{"id=in.(1,2)", query.Test{Path: id, Op: query.In, List: []string{"1", "2"}}},
		{`id=in.("a,b",c"d"e,"\"\\")`, query.Test{Path: id, Op: query.In, List: []string{"a,b", `c"d"e`, `"\`}}},
		{`id=in.()`, query.Test{Path: id, Op: query.In}},
		{"id=is.NULL", test(id, query.Is, "null")},
		{"id=is.not_null", test(id, query.Is, "not_null")},
		{"id=isdistinct.1", test(id, query.IsDistinct, "1")},
		{"id=fts(english).a b", query.Test{Path: id, Op: query.FTS, Lang: "english", Value: "a b"}},
		{"id=wfts.a", test(id, query.WFTS, "a")},
		{"event->>a=eq.x+y%2Bz", test(column("event", text("a")), query.Eq, "x y+z")},
		{"event-%3Ea-%3E%3Eb=eq.1", test(column("event", key("a"), text("b")), query.Eq, "1")},
		{"event->>Twilio messages=eq.1", test(column("event", text("Twilio messages")), query.Eq, "1")},
		{`event->"a->b.c"->>-1=eq.1`, test(column("event", key("a->b.c"), query.Step{Key: "-1", Index: -1, IsIndex: true, Text: true}), query.Eq, "1")},
		{"event->a-b->0=eq.1", test(column("event", key("a-b"), query.Step{Key: "0", IsIndex: true}), query.Eq, "1")},
		{"or=(id.eq.1,id.not.in.(2,3))", query.Or{
			test(id, query.Eq, "1"),
			query.Not{X: query.Test{Path: id, Op: query.In, List: []string{"2", "3"}}},
		}},
		{"not.and=(id.eq.1,or(id.eq.2,not.and(id.eq.3)))", query.Not{X: query.And{
			test(id, query.Eq, "1"),
			query.Or{test(id, query.Eq, "2"), query.Not{X: query.And{test(id, query.Eq, "3")}}},
		}}},
		{`or=(event.cs.{"a":1,"b":2},event.eq."x,y")`, query.Or{
			test(column("event"), query.Cs, `{"a":1,"b":2}`), test(column("event"), query.Eq, "x,y"),
		}},
		{"id=eq.1&or=(id.eq.2)&id=eq.3", query.And{test(id, query.Eq, "1"), query.Or{test(id, query.Eq, "2")}, test(id, query.Eq, "3")}},
		{"or=id.eq.1", test(column("orid"), query.Eq, "1")},

		// what logserver's README prints
		{"event.tags=cs.{login}", test(column("event", key("tags")), query.Cs, `["login"]`)},
		{`event.tags=cs.{login,"a \"b\" é"}`, test(column("event", key("tags")), query.Cs, `["login","a \"b\" é"]`)},
		{`event.tags=not.cs.{ a b , c }`, query.Not{X: test(column("event", key("tags")), query.Cs, `["a b","c"]`)}},
		{`event.tags=cs.["login"]`, test(column("event", key("tags")), query.Cs, `["login"]`)},
		{`event.source=cs.{"type":"x"}`, test(column("event", key("source")), query.Cs, `{"type":"x"}`)},
		{`event.a.b->c=cs.{}`, test(column("event", key("a"), key("b"), key("c")), query.Cs, `[]`)},
		{"event.tags=cs.{a%09b,\"\x01\"}", test(column("event", key("tags")), query.Cs, `["a\u0009b","\u0001"]`)},
	}
	for _, tc := range tests {
		r, err := grammar.Parse("events", tc.raw, "event")
		if err != nil {
			t.Errorf("%s: %v", tc.raw, err)
		} else if d := cmp.Diff(tc.want, r.Query.Where); d != "" {
			t.Errorf("%s: -want +got\n%s", tc.raw, d)
		}
	}
}

func TestRest(t *testing.T) {
	tests := []struct {
		raw  string
		want grammar.Request
	}{
		{"", grammar.Request{Query: query.Query{Limit: -1}}},
		{"select=", grammar.Request{Query: query.Query{Limit: -1}}},
		{"limit=5&offset=2&limit= 7 ", grammar.Request{Query: query.Query{Limit: 7, Offset: 2}}},
		{"limit=99999999999999999999", grammar.Request{Query: query.Query{Limit: 1<<63 - 1}}},
		{"columns=id,event,id&on_conflict=id", grammar.Request{
			Query: query.Query{Limit: -1}, Columns: []string{"id", "event"}, HasColumns: true, OnConflict: []string{"id"},
		}},
		{"order=id.desc,event->>a.asc.nullsfirst, _occurred&order=x", grammar.Request{Query: query.Query{Limit: -1, Order: []query.Order{
			{Path: column("id"), Desc: true},
			{Path: column("event", text("a")), Nulls: query.NullsFirst},
			{Path: column("_occurred")},
		}}}},
		{`select=*,id,who:event->agent->>who::int,count(),n:id.max()::text,event->>n::float8.sum(),"a b"`, grammar.Request{Query: query.Query{Limit: -1, Select: []query.Item{
			{Star: true},
			{Path: column("id")},
			{Path: column("event", key("agent"), text("who")), Alias: "who", Cast: "int"},
			{Agg: query.AggCount},
			{Path: column("id"), Alias: "n", Agg: query.AggMax, AggCast: "text"},
			{Path: column("event", text("n")), Cast: "float8", Agg: query.AggSum},
			{Path: column("a b")},
		}}}},
		{"select=a:foo!inner(id,...bar(*))&foo.id=eq.1&a.order=x&foo.bar.limit=1", grammar.Request{Query: query.Query{Limit: -1, Select: []query.Item{
			{Alias: "a", Embed: "foo", Items: []query.Item{{Path: column("id")}, {Embed: "bar", Spread: true, Items: []query.Item{{Star: true}}}}},
		}}}},
	}
	for _, tc := range tests {
		r, err := grammar.Parse("", tc.raw)
		if err != nil {
			t.Errorf("%s: %v", tc.raw, err)
		} else if d := cmp.Diff(tc.want, *r); d != "" {
			t.Errorf("%s: -want +got\n%s", tc.raw, d)
		}
	}
}

func TestRefused(t *testing.T) {
	deep := strings.Repeat("and(", 200) + "id.eq.1" + strings.Repeat(")", 200)
	tests := []struct {
		raw    string
		status int
		code   string
		text   string
	}{
		{"limit=abc", 400, "PGRST100", "failed to parse limit (abc)"},
		{"limit=", 400, "PGRST100", "failed to parse limit ()"},
		{"limit=%2B5", 400, "PGRST100", "failed to parse limit"},
		{"limit=1.5", 400, "PGRST100", "failed to parse limit (1.5)"},
		{"limit=-1", 416, "PGRST103", "Requested range not satisfiable"},
		{"limit=-99999999999999999999", 416, "PGRST103", "Requested range not satisfiable"},
		{"offset=-1", 400, "PGRST100", "failed to parse offset (-1)"},
		{"offset=x", 400, "PGRST100", "failed to parse offset (x)"},
		{"id=is.foo", 400, "PGRST100", `failed to parse filter (is.foo)" (line 1, column 5)`},
		{"id=eq.%FF", 400, "22021", "0xff"},
		{"id=eq.a%00", 400, "22021", "0x00"},
		{"%80=eq.a", 400, "22021", "0x80"},
		{"or=(" + deep + ")", 400, "PGRST100", "nested more than 50 deep"},
		{"select=" + strings.Repeat("a(", 200), 400, "PGRST100", "nested more than 50 deep"},
		{"select=event->4294967296", 400, "PGRST100", "out of range"},
		{"id=eq." + strings.Repeat("x", grammar.MaxLength), 414, "PGRST100", "more than 1048576 bytes"},
		{"event.tags=eq.x", 400, "PGRST108", "'event' is not an embedded resource in this request"},
		{"other.tags=cs.{x}", 400, "PGRST108", "'other'"},
		{"select=event(id)&event.tags.x=cs.{x}", 400, "PGRST108", "'tags'"},
		{"order=foo(id)", 400, "PGRST108", "'foo'"},
	}
	for _, tc := range tests {
		_, err := grammar.Parse("events", tc.raw, "event")
		e, ok := errors.AsType[*grammar.Error](err)
		name := tc.raw[:min(len(tc.raw), 60)]
		switch {
		case !ok:
			t.Errorf("%s: got %v, want an error", name, err)
		case e.Status != tc.status || e.Code != tc.code || !strings.Contains(e.Error(), tc.text):
			t.Errorf("%s: got %d %s %v, want %d %s …%s…", name, e.Status, e.Code, e, tc.status, tc.code, tc.text)
		case len(e.Error()) > 10_000:
			t.Errorf("%s: the error's text has %d bytes", name, len(e.Error()))
		}
	}
}

func TestCanonical(t *testing.T) {
	for raw, want := range map[string]string{
		"":                  "",
		"b=2&a=1&c":         "a=1&b=2&c=",
		"id=gt.1&id=lt.2&a": "a=&id=gt.1,lt.2",
		"x=é+~":             "x=%C3%A9%20~",
		"x=%zz&%C3%a9=1":    "x=%25zz&%C3%A9=1",
	} {
		if got := grammar.Canonical(raw); got != want {
			t.Errorf("%s: got %s, want %s", raw, got, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, raw := range odd {
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		grammar.Canonical(raw)
		_, err := grammar.Parse("events", raw, "event")
		if err == nil {
			return
		}
		if e, ok := errors.AsType[*grammar.Error](err); !ok || e.Status < 400 || e.Status > 499 || e.Code == "" || e.Message == "" {
			t.Errorf("%q: %#v", raw, err)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	const raw = `select=id,event->>asctime,event->agent&event->tags=cs.["a","b"]&event->>asctime=gt.2026-05-06&order=id.desc&limit=25`
	for b.Loop() {
		if _, err := grammar.Parse("events", raw, "event"); err != nil {
			b.Fatal(err)
		}
	}
}
