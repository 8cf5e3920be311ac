package jsonb_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"vigil/internal/jsonb"
	"vigil/internal/pgtest"
)

// taken is a function that tells how PostgreSQL takes a text as jsonb.
const taken = `create function taken(doc text) returns text[] language plpgsql as $$
declare d text; begin
  return array['', doc::jsonb::text];
exception when others then
  get stacked diagnostics d = pg_exception_detail;
  return array[sqlstate, sqlerrm, d];
end $$`

func connect(t *testing.T) *pgx.Conn {
	t.Helper()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, pgtest.Postgres(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(ctx) })
	if _, err := conn.Exec(ctx, taken); err != nil {
		t.Fatal(err)
	}
	return conn
}

// ask runs a query with one row for each input, in order.
func ask[T any](t *testing.T, conn *pgx.Conn, sql string, args ...any) []T {
	t.Helper()
	rows, err := conn.Query(context.Background(), sql, args...)
	if err != nil {
		t.Fatal(err)
	}
	out, err := pgx.CollectRows(rows, pgx.RowTo[T])
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestCheckAgainstPostgres(t *testing.T) {
	conn := connect(t)
	in := append(examples(docs(), 1000), examples(broken(), 4000)...)
	in = append(in,
		"1e131071", "1e131072", "-1.5e131071", "9e-16383", "1e-16384", "1.0e-16383", "0e-16384", "0e131072", "0e1073741822", "0e1073741823",
		"0e-1073741823", "1e99999999999999999999", "10e131071", "0.1e131072", "0.01e131072", "0.01e131073", "0.0001e131076", "1"+strings.Repeat("0", 131071), "1"+strings.Repeat("0", 131072),
		"0."+strings.Repeat("0", 16382)+"1", "0."+strings.Repeat("0", 16384), "", " ", "[1e400]", "\ufeff1")
	accepted, version := 0, pgtest.Version(t)
	for i, want := range ask[[]*string](t, conn, `select taken(doc) from unnest($1::text[]) with ordinality u(doc, n) order by n`, in) {
		err := jsonb.Check([]byte(in[i]), jsonb.Limits{})
		if *want[0] == "" {
			accepted++
			if e, ok := errors.AsType[*jsonb.Error](err); ok && e.Code == jsonb.CodeRange && in[i] == "0e1073741823" && version >= 16 {
				continue // which is nothing to later versions
			}
			if err != nil {
				t.Errorf("%.80q: %v, but PostgreSQL takes it", in[i], err)
			} else if got := string(jsonb.AppendCanonical(nil, []byte(in[i]))); got != *want[1] {
				t.Errorf("%.80q prints\n%.200s, want\n%.200s", in[i], got, *want[1])
			}
			continue
		}
		e, ok := errors.AsType[*jsonb.Error](err)
		if !ok {
			t.Errorf("%.80q: %v, but PostgreSQL says %s", in[i], err, *want[1])
			continue
		}
		code := e.Code
		if code == jsonb.CodeSyntax {
			code = "22P02"
		}
		detail := ""
		if want[2] != nil {
			detail = *want[2]
		}
		// Faults of syntax go before faults of data, wherever they are.
		if code == "22P02" && *want[0] != "22P02" {
			continue
		}
		if code != *want[0] || e.Message != *want[1] || e.Detail != detail {
			t.Errorf("%.80q: %s %s: %s\nwant %s %s: %s", in[i], code, e.Message, e.Detail, *want[0], *want[1], detail)
		}
	}
	if accepted < 1000 || accepted > len(in)-1000 {
		t.Errorf("%d of %d accepted: the generators are lopsided", accepted, len(in))
	}
}

func TestPairsAgainstPostgres(t *testing.T) {
	conn := connect(t)
	a, b := pairs()
	type answer struct {
		Cmp       int
		Eq, Cs    bool
		Stripped  string
		CmpScalar int
	}
	rows, err := conn.Query(context.Background(), `
		select case when a<b then -1 when a>b then 1 else 0 end, a = b, a @> b, json_strip_nulls(a::json)::text, 0
		from unnest($1::text[], $2::text[]) with ordinality u(x, y, n), lateral (select x::jsonb a, y::jsonb b) v order by n`, a, b)
	if err != nil {
		t.Fatal(err)
	}
	want, err := pgx.CollectRows(rows, pgx.RowToStructByPos[answer])
	if err != nil {
		t.Fatal(err)
	}
	seen := map[answer]int{}
	for i, w := range want {
		x, y := []byte(a[i]), []byte(b[i])
		got := answer{Cmp: sign(jsonb.Compare(x, y)), Eq: jsonb.Equal(x, y), Cs: jsonb.Contains(x, y), Stripped: string(jsonb.AppendStripped(nil, x))}
		if got != w {
			t.Errorf("%s\n%s\ngot  %+v\nwant %+v", a[i], b[i], got, w)
		}
		w.Stripped = ""
		seen[w]++
	}
	if len(seen) < 4 {
		t.Errorf("only %d different answers: the generator is lopsided", len(seen))
	}
}

// pairs returns values to compare: any two, and variations of one.
func pairs() (a, b []string) {
	all := examples(docs(), 3000)
	for i, d := range all {
		a, b = append(a, d), append(b, all[(i*7+1)%len(all)])
	}
	small := examples(docsOf(1), 1500)
	for i, d := range small {
		a, b = append(a, d), append(b, small[(i*7+1)%len(small)])
		a, b = append(a, "["+d+","+small[(i+1)%len(small)]+"]"), append(b, d)
		a, b = append(a, "["+d+","+small[(i+1)%len(small)]+"]"), append(b, "["+d+"]")
		a, b = append(a, `{"a":`+d+`,"b":1}`), append(b, `{"a":`+small[(i+5)%len(small)]+`}`)
		a, b = append(a, d), append(b, string(jsonb.AppendCanonical(nil, []byte(d))))
	}
	return a, b
}

func TestArrowsAgainstPostgres(t *testing.T) {
	conn := connect(t)
	docs := examples(docs(), 2000)
	for _, key := range []string{"a", "é", "", `"q`, "z z"} {
		want := ask[[]*string](t, conn, `select array[(doc::jsonb->$2)::text, doc::jsonb->>$2] from unnest($1::text[]) with ordinality u(doc, n) order by n`, docs, key)
		for i, d := range docs {
			val, ok := jsonb.Get([]byte(d), key)
			checkArrow(t, d+" -> "+key, val, ok, want[i])
		}
	}
	for _, index := range []int{0, 1, -1, -2, 9} {
		want := ask[[]*string](t, conn, `select array[(doc::jsonb->$2::int)::text, doc::jsonb->>$2::int] from unnest($1::text[]) with ordinality u(doc, n) order by n`, docs, index)
		for i, d := range docs {
			val, ok := jsonb.Index([]byte(d), index)
			checkArrow(t, d+" -> index", val, ok, want[i])
		}
	}
}

func checkArrow(t *testing.T, what string, val []byte, ok bool, want []*string) {
	t.Helper()
	if ok != (want[0] != nil) {
		t.Errorf("%s: ok %v, want %v", what, ok, !ok)
		return
	}
	if !ok {
		return
	}
	if got := string(jsonb.AppendCanonical(nil, val)); got != *want[0] {
		t.Errorf("%s: %s, want %s", what, got, *want[0])
	}
	if want[1] == nil {
		if jsonb.Kind(val) != 'n' {
			t.Errorf("%s: kind %c, want null", what, jsonb.Kind(val))
		}
		return
	}
	if got := string(jsonb.AppendText(nil, val)); got != *want[1] {
		t.Errorf("%s: text %q, want %q", what, got, *want[1])
	}
	if text, ok := jsonb.Plain(val); ok && string(text) != *want[1] {
		t.Errorf("%s: plain %q, want %q", what, text, *want[1])
	}
}

func TestAppendStringAgainstPostgres(t *testing.T) {
	conn := connect(t)
	var in []string
	for r := rune(1); r < 0x300; r++ {
		in = append(in, "x"+string(r)+"y")
	}
	in = append(in, "", "😀", `\"`)
	for i, want := range ask[string](t, conn, `select to_json(s)::text from unnest($1::text[]) with ordinality u(s, n) order by n`, in) {
		if got := string(jsonb.AppendString(nil, in[i])); got != want {
			t.Errorf("%q: %s, want %s", in[i], got, want)
		}
	}
}

func sign(n int) int {
	switch {
	case n < 0:
		return -1
	case n > 0:
		return 1
	}
	return 0
}
