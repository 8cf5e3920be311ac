package transfer_test

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"vigil/internal/jsonb"
	"vigil/internal/transfer"
)

// listing reads everything and shows a line for each record or error.
func listing(r io.Reader, f transfer.Format, o transfer.Options) []string {
	var list []string
	for rec, err := range transfer.Read(r, f, o) {
		switch bad, ok := errors.AsType[*transfer.BadRecord](err); {
		case ok:
			list = append(list, fmt.Sprintf("bad %v", bad))
		case err != nil:
			list = append(list, "end "+err.Error())
		case rec.HasID:
			list = append(list, fmt.Sprintf("%d: %d %s", rec.Line, rec.ID, rec.Doc))
		default:
			list = append(list, fmt.Sprintf("%d: %s", rec.Line, rec.Doc))
		}
	}
	return list
}

const dump = `--
-- PostgreSQL database dump
--
\restrict abc;'def
SET client_encoding = 'UTF8';
SELECT pg_catalog.set_config('search_path', '', false);
CREATE FUNCTION api.f() RETURNS text LANGUAGE sql AS $body$ select ';'; INSERT INTO events VALUES (9, '{}'); $body$;
/* a comment ; /* in a comment */ COPY api.events FROM stdin; */
CREATE TABLE api.events (id integer NOT NULL, event jsonb NOT NULL, note text DEFAULT 'it''s;');
COPY api.other (id, event) FROM stdin;
1	{"a": "not ours"}
\.
COPY api.events (id, event) FROM stdin;
1	{"a": "tab\\t quote\\" back\\\\slash"}
2	{"a": "é\\u0041", "b": [1, 2]}
x	{"a": 1}
3	{"a": 
4
\N	{"id": "none"}
5	\N
6	{"oct\141l": "h\x65x\n"}
\.
INSERT INTO api.events (id, event) VALUES (7, '{"it''s": "a\b"}');
INSERT INTO public.events VALUES
  (8, E'{"a": "\'\\\\ \u0042"}'::jsonb), -- a comment
  (NULL, '[1]'), (10, '{}'), (11, concat('a', ')')), ( 12 , NULL );
INSERT INTO "api"."events" (event, "id") OVERRIDING SYSTEM VALUE VALUES ('"x"', DEFAULT) ON CONFLICT DO NOTHING;
INSERT INTO other.events VALUES (13, '{}');
INSERT INTO events VALUES (14, $$ {"d":"$1"} $$);
SELECT pg_catalog.setval('api.events_id_seq', 14, true);
`

func TestRead(t *testing.T) {
	tests := []struct {
		name string
		f    transfer.Format
		in   string
		want []string
	}{
		{"ndjson", transfer.NDJSON, "\xef\xbb\xbf{\"a\": 1}\r\n\n {\"id\":7,\"event\":{\"b\":[ 2 ]}} \n[1]\n{\"event\":3,\"_uid\":\"x\",\"id\":null}\n{\"event\":1,\"x\":2}\n{\"a\":\n{\"id\":0,\"event\":{}}\n{\"id\":1,\"event\":null}\n\"last\"", []string{
			`1: {"a": 1}`, `3: 7 {"b":[ 2 ]}`, `4: [1]`, `5: 3`, `6: {"event":1,"x":2}`,
			"bad line 7: invalid input syntax for type json: The input string ended unexpectedly.",
			"bad line 8: the id is no whole number above zero", "bad line 9: the record has no event", `10: "last"`,
		}},
		{"array", transfer.JSON, " [ {\"a\": \"]},\\\"\"},\n{\"id\": 5, \"event\": {\"x\": [1, {}]}}, 1.5 ,nul, {\"a\"}, \"s\" true ,] \n", []string{
			`1: {"a": "]},\""}`, `2: 5 {"x": [1, {}]}`, `2: 1.5`,
			`bad line 2: invalid input syntax for type json: Token "nul" is invalid.`,
			`bad line 2: invalid input syntax for type json: Expected ":", but found "}".`, `2: "s"`, `2: true`,
		}},
		{"values", transfer.JSON, "{\n\"a\": 1\n}\n{\"b\":2}3 4", []string{"1: {\n\"a\": 1\n}", `4: {"b":2}`, "4: 3", "4: 4"}},
		{"empty array", transfer.JSON, "[]", nil},
		{"open array", transfer.JSON, `[{"a":1},`, []string{`1: {"a":1}`, "end read line 1: the array does not end: unexpected EOF"}},
		{"open record", transfer.JSON, `[{"a":1},{"b"`, []string{`1: {"a":1}`, "end read line 1: the record does not end: unexpected EOF"}},
		{"after array", transfer.JSON, `[1] x`, []string{"1: 1", "end read line 1: there is more after the end of the array"}},
		{"csv rows", transfer.CSV, "event,id\n\"{\"\"a\"\": \"\"=1\"\"}\",3\n{},\nx,4\n,5\n{},y\n{},6,7\n\"{\n}\",8\n", []string{
			`2: 3 {"a": "=1"}`, `3: {}`, `bad line 4: invalid input syntax for type json: Token "x" is invalid.`,
			"bad line 5: the record has no event", "bad line 6: the id is no whole number above zero",
			"bad line 7: wrong number of fields", "8: 8 {\n}",
		}},
		{"csv columns", transfer.CSV, "id,who,\"a \"\"b\"\"\"\n1,=x,\"l1\nl2\"\n2,,\n\"x\"y,1,2\n3,4,5\n", []string{
			`2: {"id":"1","who":"=x","a \"b\"":"l1\nl2"}`, `4: {"id":"2","who":"","a \"b\"":""}`,
			`bad line 5: extraneous or missing " in quoted-field`, `6: {"id":"3","who":"4","a \"b\"":"5"}`,
		}},
		{"csv header", transfer.CSV, "a,b,a\n1,2,3\n", []string{`end read the header: the column "a" is there twice`}},
		{"dump", transfer.SQL, dump, []string{
			`14: 1 {"a": "tab\t quote\" back\\slash"}`, `15: 2 {"a": "é\u0041", "b": [1, 2]}`,
			"bad line 16: the id is no whole number above zero",
			"bad line 17: invalid input syntax for type json: The input string ended unexpectedly.",
			"bad line 18: the line has 1 columns, and 2 were named", `19: {"id": "none"}`, "bad line 20: the record has no event",
			`bad line 21: invalid input syntax for type json: Character with value 0x0a must be escaped.`,
			`23: 7 {"it's": "a\b"}`, `25: 8 {"a": "'\\ B"}`, `26: [1]`, `26: 10 {}`,
			"bad line 26: a value is an expression: only literals are read", "bad line 26: the record has no event",
			`27: "x"`, `29: 14  {"d":"$1"} `,
		}},
		{"open copy", transfer.SQL, "COPY events FROM stdin;\n1\t{}\n", []string{"2: 1 {}", "end read line 3: the lines of COPY do not end: unexpected EOF"}},
		{"copy options", transfer.SQL, "COPY events FROM stdin WITH (FORMAT csv);\n1,{}\n\\.\n", []string{
			"end read line 1: COPY has options: only its text format without options is read (dump with pg_dump's defaults)",
		}},
		{"unknown", "xml", "", []string{`end read records: there is no format "xml": use ndjson, json, csv or sql`}},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			if d := cmp.Diff(tc.want, listing(strings.NewReader(tc.in), tc.f, transfer.Options{})); d != "" {
				t.Errorf("-want +got\n%s", d)
			}
			if d := cmp.Diff(tc.want, listing(iotest.OneByteReader(strings.NewReader(tc.in)), tc.f, transfer.Options{})); d != "" {
				t.Errorf("byte by byte: -want +got\n%s", d)
			}
		})
	}
}

// TestBounds reads records over the bounds: they are refused, the file goes on.
func TestBounds(t *testing.T) {
	long := strings.Repeat("x", 5000)
	o := transfer.Options{MaxRecord: 1000, Limits: jsonb.Limits{Depth: 3}}
	const tooLong = "the record is too long: more than 1000 bytes"
	tests := []struct {
		f    transfer.Format
		in   string
		want []string
	}{
		{transfer.NDJSON, "1\n\"" + long + "\"\n[[[[1]]]]\n2\n", []string{"1: 1", "bad line 2: " + tooLong, "bad line 3: nested too deep", "4: 2"}},
		{transfer.JSON, "[1,\"" + long + "\",2]", []string{"1: 1", "bad line 1: " + tooLong, "1: 2"}},
		{transfer.SQL, "COPY events FROM stdin;\n1\t\"" + long + "\"\n2\t2\n\\.\n", []string{"bad line 2: " + tooLong, "3: 2 2"}},
		{transfer.SQL, "INSERT INTO events VALUES (1,'\"" + long + "\"'), (2,'2');", []string{"bad line 1: " + tooLong, "1: 2 2"}},
		{transfer.SQL, "SELECT '" + long + "', $a$" + long + "$a$; INSERT INTO events VALUES (2,'2');", []string{"1: 2 2"}},
		{transfer.CSV, "event\n1\n\"" + strings.Repeat(long, 40), []string{"2: 1", "end read after line 0: the record is too long"}},
	}
	for _, tc := range tests {
		got := listing(strings.NewReader(tc.in), tc.f, o)
		for i := range got {
			if strings.Contains(got[i], "depth") || strings.Contains(got[i], "nest") {
				got[i], _, _ = strings.Cut(got[i], ": ")
				got[i] += ": nested too deep"
			}
		}
		if d := cmp.Diff(tc.want, got); d != "" {
			t.Errorf("%s: -want +got\n%s", tc.f, d)
		}
	}
}

func TestDetect(t *testing.T) {
	tests := []struct {
		name, head string
		want       transfer.Format
	}{
		{"a.NDJSON", "x", transfer.NDJSON},
		{"a.csv", "a;b\n1;2", ""},
		{"notes.txt", "What happened, and when", ""},
		{"-", "\xef\xbb\xbfid,\"event\"\n1,{}", transfer.CSV},
		{"dump.sql", "", transfer.SQL},
		{"-", "\xef\xbb\xbf [1]", transfer.JSON},
		{"-", "{\"a\":1}\n{\"a\":2}", transfer.NDJSON},
		{"-", "{\n \"a\":1}", transfer.JSON},
		{"-", "--\n-- PostgreSQL database dump", transfer.SQL},
		{"-", "copy events from stdin;", transfer.SQL},
		{"-", "id,event\n1,{}", transfer.CSV},
		{"-", "", transfer.NDJSON},
	}
	for _, tc := range tests {
		if got := transfer.Detect(tc.name, []byte(tc.head)); got != tc.want {
			t.Errorf("%s %q: got %s, want %s", tc.name, tc.head, got, tc.want)
		}
	}
}

// TestStops breaks off after the first record of each format.
func TestStops(t *testing.T) {
	for f, in := range map[transfer.Format]string{
		transfer.NDJSON: "1\n2\n", transfer.JSON: "[1,2]", transfer.CSV: "event\n1\n2\n",
		transfer.SQL: "INSERT INTO events VALUES (1,'1'),(2,'2');",
	} {
		n := 0
		for range transfer.Read(strings.NewReader(in), f, transfer.Options{}) {
			n++
			break
		}
		if n != 1 {
			t.Errorf("%s: %d records", f, n)
		}
	}
	broken := iotest.ErrReader(errors.New("no such disk"))
	for _, f := range []transfer.Format{transfer.NDJSON, transfer.JSON, transfer.CSV, transfer.SQL} {
		if got := listing(broken, f, transfer.Options{}); len(got) != 1 || !strings.Contains(got[0], "no such disk") {
			t.Errorf("%s: %q", f, got)
		}
	}
}

func FuzzRead(f *testing.F) {
	for i, in := range []string{dump, "[1,{}]", "{}\n", "event,id\n{},1\n"} {
		f.Add(i, in)
	}
	formats := []transfer.Format{transfer.NDJSON, transfer.JSON, transfer.CSV, transfer.SQL}
	f.Fuzz(func(t *testing.T, which int, in string) {
		format := formats[uint(which)%uint(len(formats))]
		o := transfer.Options{MaxRecord: 200}
		got := listing(strings.NewReader(in), format, o)
		// The same file in other portions gives the same records.
		again := listing(&portions{in: in, rnd: rand.New(rand.NewPCG(1, uint64(len(in))))}, format, o)
		if d := cmp.Diff(got, again); d != "" && format != transfer.CSV { // CSV's bound depends on what was read ahead
			t.Errorf("%s depends on how it is read:\n%s", format, d)
		}
		for rec, err := range transfer.Read(strings.NewReader(in), format, o) {
			if err == nil && jsonb.Check(rec.Doc, jsonb.Limits{}) != nil {
				t.Errorf("%s: yields %q, which is not JSON", format, rec.Doc)
			}
		}
	})
}

type portions struct {
	in  string
	rnd *rand.Rand
}

func (p *portions) Read(b []byte) (int, error) {
	if p.in == "" {
		return 0, io.EOF
	}
	n := copy(b, p.in[:1+p.rnd.IntN(len(p.in))])
	p.in = p.in[n:]
	return n, nil
}
