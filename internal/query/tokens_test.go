package query

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"pgregory.net/rapid"

	"vigil/internal/pgtest"
)

// texts generates texts of the kind that events hold.
func texts() *rapid.Generator[string] {
	word := rapid.SampledFrom([]string{
		"login", "Patient", "mme-calc", "a-b-c", "covid-19", "été", "naïve-bayes", "x1", "12ab", "foo-12ab", "1", "42", "-7", "+3", "1.5", "-2.25", "1e5", "1.2.3", "3.14e-2",
		"2025-01-31", "17:52:31,516", "2025-01-31T00:44:18Z", "Patient/12", "/var/log/x.log", "a/b/c.txt", "file.txt", "a.b", "example.org", "www.example.org/path?q=1",
		"http://example.org/a/b", "https://fhir.example.org:8443/Patient/1", "user@example.org", "first.last@mail.example.org", "192.0.2.7", "don't", "a_b", "(x)", "x,y", "50%",
		"<b>", "</b>", "&amp;", "a&b", "C++", "key=value", "it.", "end!", "\"quoted\"", "~", "...", "-", "SMART-1992", "4a15544d-c5e7-4e8a-8a57-8a8ea9488d99", "a--b", "日本", "v2", "$5.00", "#tag",
	})
	return rapid.Custom(func(t *rapid.T) string {
		return strings.Join(rapid.SliceOfN(word, 0, 5).Draw(t, "words"), rapid.SampledFrom([]string{" ", " ", "  ", ", ", "\n"}).Draw(t, "between"))
	})
}

func TestTokensAgainstPostgres(t *testing.T) {
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, pgtest.Postgres(t))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	var in []string
	for i := range 2000 {
		in = append(in, texts().Example(i))
	}
	rows, err := conn.Query(ctx, `select array(select lexeme || '@' || p from unnest(to_tsvector('simple', doc)), unnest(positions) p order by 1)
		from unnest($1::text[]) with ordinality u(doc, n) order by n`, in)
	if err != nil {
		t.Fatal(err)
	}
	want, err := pgx.CollectRows(rows, pgx.RowTo[[]string])
	if err != nil {
		t.Fatal(err)
	}
	for i, doc := range in {
		var got []string
		z := tokens{in: []byte(doc)}
		pos := 0
		for w, ok := z.next(); ok; w, ok = z.next() {
			pos++
			got = append(got, fmt.Sprintf("%s@%d", appendLowerASCII(nil, w), pos))
		}
		slices.Sort(got)
		slices.Sort(want[i])
		if !slices.Equal(got, want[i]) {
			t.Errorf("%q\ngot  %q\nwant %q", doc, got, want[i])
		}
	}
}
