package query

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"vigil/internal/pgtest"
)

// literals are texts to read as every type.
var literals = append([]string{
	"", " ", "0", "1", "-1", "+1", " 42 ", "007", "1.5", "1.50", ".5", "5.", "-.5", "1e3", "1E-3", "1.5e2", "-0", "-0.00", "1e400", "1e-400", "1_000", "0x10", "NaN", "nan", "Infinity",
	"-Infinity", "inf", "+inf", "2147483647", "2147483648", "9223372036854775807", "9223372036854775808", "-9223372036854775808", "1e131071", "1e131072", "1 2", "--1",
	"123456789012345678", "1e15", "1e14", "999999999999999", "1e16", "0.0001", "0.00001", "1e-5", "1.7976931348623157e308", "5e-324", "0.1", "100", "1e22", "123456.789e3",
	"t", "true", "TRUE", "tru", "yes", "y", "on", "of", "off", "o", "f", "n", "no", "false", "falsey",
	"2025-01-31", "2025-1-1", "20250131", "2025/01/31", "2025-01-31 10:20", "2025-01-31T10:20:30", "2025-01-31T10:20:30.5Z", "2025-01-31 10:20:30.123456789", "2025-01-31 10:20:30+02",
	"2025-01-31 10:20:30 -0330", "2025-01-31 10:20:30+05:30", "2025-01-31T102030Z", "2025-01-31 10", "2025-01-31 24:00:00", "2025-01-31 24:00:01", "2025-01-31 23:59:60", "2025-01-31 23:59:61",
	"2025-13-01", "2025-00-10", "2025-01-32", "2025-02-29", "2024-02-29", "2025-01", "2025", "0000-01-01", "0001-01-01", "9999-12-31 23:59:59.9999995", "294246-12-31", "294277-01-01",
	"2025-01-31 10:20:30 UTC", "2025-01-31 10:20:30+16", "2025-01-31 10:20:30+15:59:59", "2025-01-31 25:00", "2025-01-31 10:60", "epoch", "infinity", "-infinity", "2025-01-31 10:20:30,5", "2025-01-31x",
	"10:20", "abc", "2025-01-31 10:20:30.1234565", "1969-12-31 23:59:59.5", "0099-01-01 00:00:00Z", "2025-01-31T10:20:30.000001+00:00",
	"00000000-0000-4000-8000-000000000001", "A0000000-0000-4000-8000-00000000000B", "{a0000000-0000-4000-8000-00000000000b}", "a000000000004000800000000000000b", "a000-0000-0000-4000-8000-0000-0000-000b",
	"a0000000-0000-4000-8000-00000000000", "a0000000-0000-4000-8000-00000000000bb", "a0000000--0000-4000-8000-00000000000b", "-a0000000-0000-4000-8000-00000000000b", "a000000000004000800000000000000b-",
	`{"a":1}`, "[1,", `"x"`, "null", `"\u0000"`, "{}", "{a}", `{a,"b c",d}`, "{ a , b }", "{,}", "{a,}", "{a", "a}", `{"a`, `{"a"x}`, `{x"a"}`, "{a}x", "{a} ", ` {a}`, `{\a}`, `{"\""}`, `{a b}`, `{""}`, "{null1}",
}, "\t7\n")

func TestInputAgainstPostgres(t *testing.T) {
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, pgtest.Postgres(t))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	version := pgtest.Version(t)
	// Later versions say the same in these words.
	laterWords := strings.NewReplacer(`"DateStyle"`, `"datestyle"`, "Incorrectly quoted array element.", "Unexpected array element.")
	for _, typ := range []Type{Bool, Int4, Int8, Float8, Numeric, Date, Timestamp, Timestamptz, UUID, JSON, JSONB, TextArray, Text} {
		fn := fmt.Sprintf("read%d", typ)
		sql := fmt.Sprintf(`create function %s(s text) returns text[] language plpgsql as $$ declare h text; d text; begin
			return array['', row(s::%s)::text, to_json(s::%s)::text, '', ''];
			exception when others then get stacked diagnostics h = pg_exception_hint, d = pg_exception_detail; return array[sqlstate, sqlerrm, '', h, d]; end $$`, fn, typ, typ)
		if _, err := conn.Exec(ctx, sql); err != nil {
			t.Fatal(err)
		}
		rows, err := conn.Query(ctx, `select `+fn+`(s) from unnest($1::text[]) with ordinality u(s, n) order by n`, literals)
		if err != nil {
			t.Fatal(err)
		}
		want, err := pgx.CollectRows(rows, pgx.RowTo[[]string])
		if err != nil {
			t.Fatal(err)
		}
		for i, s := range literals {
			if typ == Numeric && version < 14 && strings.Contains(strings.ToLower(s), "inf") {
				continue // which numeric did not have
			}
			if s == "1_000" && version >= 16 {
				continue // a number there, and here on every server what it is to PostgreSQL 15
			}
			for j, word := range want[i] {
				want[i][j] = laterWords.Replace(word)
			}
			checkInput(t, typ, s, want[i])
		}
	}
}

// refusedForms are readable to PostgreSQL, and refused here with a clear word.
var refusedForms = map[string]bool{"0x10": true, "10:20": true, "2025-01-31x": true, "2025": true, "20250131": true, "0099-01-01 00:00:00Z": false}

func checkInput(t *testing.T, typ Type, s string, want []string) {
	t.Helper()
	v, err := input(s, typ, time.Now())
	e, _ := errors.AsType[*Error](err)
	switch {
	case e != nil && e.Code == codeUnsupported:
	case e != nil && want[0] == "":
		if !refusedForms[s] {
			t.Errorf("%q as %s: %v, but PostgreSQL reads %s", s, typ, err, want[1])
		}
	case e == nil && want[0] != "":
		t.Errorf("%q as %s: %s, but PostgreSQL says %s", s, typ, v.AppendText(nil), want[1])
	case e != nil && isTime(typ) && !strings.HasPrefix(s, "2025-"):
		if !strings.HasPrefix(want[0], "220") || !strings.HasPrefix(e.Code, "220") { // which fault of several is told differs
			t.Errorf("%q as %s: %s %v, want %q", s, typ, e.Code, e, want)
		}
	case e != nil:
		if got := []string{e.Code, e.Message, "", e.Hint, e.Details}; fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%.40q as %s:\ngot  %.200q\nwant %.200q", s, typ, got, want)
		}
	default:
		if got := recordText(string(v.AppendText(nil))); got != want[1] {
			t.Errorf("%q as %s prints %.80s, want %.80s", s, typ, got, want[1])
		}
		if got := string(v.AppendJSON(nil)); got != want[2] && typ != JSON {
			t.Errorf("%q as %s is JSON %.80s, want %.80s", s, typ, got, want[2])
		}
	}
}

// recordText prints a record of one text.
func recordText(s string) string {
	if s == "" || strings.ContainsAny(s, "(),\"\\ \t\n\v\f\r") {
		s = `"` + strings.NewReplacer(`"`, `""`, `\`, `\\`).Replace(s) + `"`
	}
	return "(" + s + ")"
}

func TestPatternsAgainstPostgres(t *testing.T) {
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, pgtest.Postgres(t))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, `create function matches(s text, op text, p text) returns text language plpgsql as $$ declare r bool; begin
		execute format('select $1 %s $2', op) into r using s, p; return r; exception when others then return sqlstate || ' ' || sqlerrm; end $$`); err != nil {
		t.Fatal(err)
	}
	sqlOp := map[Op]string{Like: "like", ILike: "ilike", Match: "~", IMatch: "~*"}
	for op, pieces := range map[Op][]string{
		Like: likePieces, ILike: likePieces, Match: regexPieces, IMatch: regexPieces,
	} {
		var texts, patterns []string
		for i := range 1500 {
			texts = append(texts, joined(subjectPieces, i*7+1, i%5))
			patterns = append(patterns, joined(pieces, i*13+5, i%4+1))
		}
		rows, err := conn.Query(ctx, `select matches(s, $3, p) from unnest($1::text[], $2::text[]) with ordinality u(s, p, n) order by n`, texts, patterns, sqlOp[op])
		if err != nil {
			t.Fatal(err)
		}
		want, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			t.Fatal(err)
		}
		for i := range texts {
			f, err := textTest(op, patterns[i])
			if e, ok := errors.AsType[*Error](err); ok {
				ours := e.Code == codeBadEscape || e.Details != ""
				if !ours && !strings.HasPrefix(want[i], e.Code) {
					t.Errorf("%s %q: %v, but PostgreSQL says %s", op, patterns[i], err, want[i])
				}
				continue
			}
			if got := fmt.Sprint(f(t.Context(), []byte(texts[i]))); got != want[i] {
				t.Errorf("%q %s %q: %s, want %s", texts[i], op, patterns[i], got, want[i])
			}
		}
	}
}

var (
	subjectPieces = []string{"a", "b", "A", "é", "É", "1", "-", ".", " ", "\n", "_", "%", `\`, "ab", "k", "日", "(", "]", "{", "K"}
	likePieces    = []string{"%", "_", "a", "b", "A", "é", "É", `\%`, `\_`, `\\`, `\a`, "1", ".", "ab", "%%", "k", "日", " "}
	regexPieces   = []string{
		"a", "b", "A", "é", ".", "^", "$", "*", "+", "?", "{2}", "{1,}", "{0,2}", "{", "}", "(a|b)", "(", ")", "|", "[ab]", "[^a]", "[a-k]", "[[:alpha:]]", "[[:space:]]", `\d`, `\w`, `\W`, `\s`, `\S`, `\D`,
		`\.`, `\\`, `[\]]`, "[]]", "[^]a]", "[a-]", "[É]", "(?:ab)", `\n`, `\y`, `\A`, `\Z`, "*?", "-", "1", "[-a]", "[a-c-e]", `[\d_]`, "k", "[k-l]", `\u00e9`, "()", "[[:upper:]]", "_", "]",
	}
)

// joined picks n pieces, in an order that seed decides.
func joined(pieces []string, seed, n int) string {
	var b strings.Builder
	for range n + 1 {
		seed = (seed*1103515245 + 12345) & 0x7fffffff
		b.WriteString(pieces[(seed>>8)%len(pieces)])
	}
	return b.String()
}
