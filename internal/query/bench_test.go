package query_test

import (
	"fmt"
	"strings"
	"testing"

	"vigil/internal/query"
)

// bigRow is a row with a document of the size that events have.
func bigRow() query.Row {
	doc := fmt.Sprintf(`{"asctime":"2025-01-31 00:44:18,512","name":"sample_logger","message":%q,"tags":["login","sample"],"version":"1",
"agent":{"who":"Practitioner/93","type":"user","ip_address":"192.0.2.7"},"entity":{"detail":{"url":"https://fhir.example.org/Patient/12345"},"query":"name=a"},
"deployment":"test","subject":"Patient/12345","clinical-site":"Sample Site","n":42}`, strings.Repeat("a text of some length; ", 22))
	r := make(record, len(schema.Columns))
	r[0] = query.Value{Type: query.Int8, Valid: true, I: 1}
	r[1] = query.Value{Type: query.JSONB, Valid: true, B: []byte(doc)}
	r[7] = query.Value{Type: query.TextArray, Valid: true, List: []string{"Patient/1", "Patient/2"}}
	return r
}

var matches = []struct {
	name  string
	where query.Test
}{
	{"text", query.Test{Path: query.Path{Column: "event", Steps: steps(">subject")}, Op: query.Eq, Value: "Patient/1"}},
	{"nested", query.Test{Path: query.Path{Column: "event", Steps: steps("agent", ">who")}, Op: query.Eq, Value: "Practitioner/1"}},
	{"jsonb", query.Test{Path: query.Path{Column: "event", Steps: steps("subject")}, Op: query.Eq, Value: `"Patient/1"`}},
	{"contains", query.Test{Path: query.Path{Column: "event", Steps: steps("tags")}, Op: query.Cs, Value: `["login"]`}},
	{"like", query.Test{Path: query.Path{Column: "event", Steps: steps(">message")}, Op: query.Like, Value: "*none*"}},
	{"column", query.Test{Path: query.Path{Column: "_patient"}, Op: query.Eq, Value: "Patient/1"}},
	{"fts", query.Test{Path: query.Path{Column: "event", Steps: steps(">message")}, Op: query.FTS, Value: "none"}},
}

func BenchmarkMatch(b *testing.B) {
	row := bigRow()
	size := int64(len(row.Value(1).B))
	for _, m := range matches {
		b.Run(m.name, func(b *testing.B) {
			p, err := query.Compile(&query.Query{Where: m.where, Limit: -1}, schema, now)
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(size)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := p.Match(row); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func TestMatchAllocatesNothing(t *testing.T) {
	row := bigRow()
	for _, m := range matches[:6] {
		p, err := query.Compile(&query.Query{Where: m.where, Limit: -1}, schema, now)
		if err != nil {
			t.Fatal(err)
		}
		if n := testing.AllocsPerRun(100, func() { _, _ = p.Match(row) }); n != 0 {
			t.Errorf("%s allocates %v times a row", m.name, n)
		}
	}
}
