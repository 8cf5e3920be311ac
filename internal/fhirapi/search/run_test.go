package search_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"vigil"
	"vigil/internal/fhirapi/search"
	"vigil/internal/format/fhir"
	"vigil/internal/store"
)

// logins appends n documents of logins at one second after the other.
func logins(t testing.TB, s store.Store, from, n int) {
	t.Helper()
	for i := from; i < from+n; i++ {
		doc := fmt.Sprintf(`{"event_type":"login","action":"login","occurred":"2026-03-01T10:%02d:%02dZ","agent":{"who":"Practitioner/%d"}}`, i/60, i%60, i%3)
		if err := s.Write(t.Context(), []*vigil.Event{{Table: vigil.TableEvents, Format: vigil.FormatLogserver, Doc: []byte(doc)}}); err != nil {
			t.Fatal(err)
		}
	}
}

func memory(t testing.TB) store.Store {
	t.Helper()
	s, err := store.NewMemory(config())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestPagesStay adds events while pages are read: they show what there was.
func TestPagesStay(t *testing.T) {
	for _, order := range []string{"", "&_sort=date", "&_sort=-date", "&_sort=_lastUpdated", "&_sort=agent"} {
		s := memory(t)
		logins(t, s, 0, 20)
		src := source(s)
		next := "type=110114&_count=6" + order
		var got []int64
		for pages := 0; next != ""; pages++ {
			p, err := follow(t, fhir.R4, next).Run(t.Context(), src)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, indexes(p.Entries)...)
			next = p.Next
			logins(t, s, 100+10*pages, 10)
		}
		slices.Sort(got)
		want := []int64{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19}
		if !slices.Equal(got, want) {
			t.Errorf("%s: got %v", order, got)
		}
	}
}

// TestLargeDocuments: a page ends where its documents are large, in every order
// and both ways, and nothing is left out between pages.
func TestLargeDocuments(t *testing.T) {
	s := memory(t)
	logins(t, s, 0, 2)
	for i := range 6 { // two are too large for a page, one is larger than a page
		size := 5 << 20
		if i == 3 {
			size = 9 << 20
		}
		doc := fmt.Sprintf(`{"event_type":"login","action":"login","occurred":"2026-03-01T11:00:%02dZ","agent":{"who":"Practitioner/%d"},"message":%q}`, i, i, strings.Repeat("x", size))
		if err := s.Write(t.Context(), []*vigil.Event{{Table: vigil.TableEvents, Format: vigil.FormatLogserver, Doc: []byte(doc)}}); err != nil {
			t.Fatal(err)
		}
	}
	logins(t, s, 2, 3)
	for _, order := range []string{"", "&_sort=date", "&_sort=-agent"} {
		var got []int64
		var back string
		for next, pages := "_count=50"+order, 0; next != ""; pages++ {
			p, err := follow(t, fhir.R4, next).Run(t.Context(), source(s))
			if err != nil {
				t.Fatal(err)
			}
			size := 0
			for _, e := range p.Entries {
				size += len(e.Event.Doc)
			}
			if size > 8<<20 && len(p.Entries) > 1 || len(p.Entries) == 0 || pages > 10 {
				t.Fatalf("%q: page %d has %d bytes in %d entries", order, pages, size, len(p.Entries))
			}
			got = append(got, indexes(p.Entries)...)
			next, back = p.Next, p.Prev
		}
		forth := slices.Clone(got)
		if slices.Sort(got); !slices.Equal(got, []int64{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10}) {
			t.Errorf("%q: got %v", order, got)
		}
		p, err := follow(t, fhir.R4, back).Run(t.Context(), source(s))
		if err != nil {
			t.Fatal(err)
		}
		if i := indexes(p.Entries); len(i) == 0 || !slices.Contains(forth, i[0]) || p.Next == "" {
			t.Errorf("%q: back %v", order, i)
		}
	}
}

func TestTotals(t *testing.T) {
	s := memory(t)
	logins(t, s, 0, 20)
	src := source(s)
	for query, want := range map[string]int64{
		"":                                       20, // nothing is asked, so the store knows
		"type=110114":                            20, // one page
		"type=110114&_count=5":                   -1,
		"type=110114&_count=5&_total=accurate":   20,
		"type=110114&_count=5&_total=estimate":   20,
		"type=110114&_count=50&_total=none":      -1,
		"type=110114&_count=0":                   20,
		"type=110114&_summary=count":             20,
		"type=110114&_summary=count&_total=none": 20,
		"agent=Practitioner/1&_summary=count":    7,
		"type=nothing&_total=accurate":           0,
	} {
		p, err := follow(t, fhir.R4, query).Run(t.Context(), src)
		if err != nil {
			t.Fatal(err)
		}
		got := p.Total
		if !p.HasTotal {
			got = -1
		}
		if got != want {
			t.Errorf("%q: total %d, want %d", query, got, want)
		}
	}
	p, err := follow(t, fhir.R4, "_summary=count").Run(t.Context(), src)
	if err != nil || len(p.Entries) != 0 || p.Next != "" {
		t.Errorf("summary: %+v, %v", p, err)
	}
}

// TestTampered follows links that nobody gave.
func TestTampered(t *testing.T) {
	s := memory(t)
	logins(t, s, 0, 20)
	if err := s.Write(t.Context(), []*vigil.Event{{Table: vigil.TableQuarantine, Format: vigil.FormatSystem, Doc: []byte(`{"secret":true}`)}}); err != nil {
		t.Fatal(err)
	}
	for query, want := range map[string]string{
		"_page=az.0":             "[]",
		"_page=az.3&_count=2":    "[2 1]",
		"_page=bz.3&_count=2":    "[5 4]",
		"_page=azzzzzz.k":        "[19 18 17 16 15 14 13 12 11 10 9 8 7 6 5 4 3 2 1 0]", // behind one of another table
		"_sort=date&_page=a4.0":  "[1 2 3]",
		"_sort=date&_page=az.k":  "410", // an event that is not searched
		"_sort=date&_page=az.y":  "410",
		"_sort=agent&_page=az.k": "410",
	} {
		p, err := follow(t, fhir.R4, query).Run(t.Context(), source(s))
		got := ""
		if e, ok := errors.AsType[*search.Error](err); ok {
			got = fmt.Sprint(e.Status)
		} else if err != nil {
			t.Fatal(err)
		} else {
			got = fmt.Sprint(indexes(p.Entries))
		}
		if got != want {
			t.Errorf("%s: got %s, want %s", query, got, want)
		}
	}
}

// TestTables asks for tables that the reader may read, and for conversions that fail.
func TestTables(t *testing.T) {
	s := memory(t)
	logins(t, s, 0, 3)
	for _, table := range []string{vigil.TableLogs, vigil.TableExchanges, vigil.TableQuarantine, vigil.TableSystem} {
		if err := s.Write(t.Context(), []*vigil.Event{{Table: table, Format: vigil.FormatOf(table), Doc: []byte(`{"ev":"x"}`)}}); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		tables []string
		want   string
	}{
		{nil, "[6 3 2 1 0]"},
		{[]string{}, "[]"},
		{[]string{vigil.TableLogs, vigil.TableQuarantine, vigil.TableExchanges, "nope"}, "[3]"},
	} {
		src := source(s)
		src.Tables = c.tables
		p, err := parse(t, fhir.R4).Run(t.Context(), src)
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(indexes(p.Entries)); got != c.want {
			t.Errorf("%v: got %s, want %s", c.tables, got, c.want)
		}
	}
	src := source(s)
	right := src.Convert
	src.Convert = func(e *vigil.Event, v fhir.Version) (*fhir.Node, error) {
		if e.Index == 1 {
			return nil, errors.New("cannot")
		}
		return right(e, v)
	}
	p, err := parse(t, fhir.R4).Run(t.Context(), src)
	if err != nil || p.Skipped != 1 || fmt.Sprint(indexes(p.Entries)) != "[6 3 2 0]" {
		t.Errorf("%+v, %v", p, err)
	}
	n := 0
	for e, err := range parse(t, fhir.R4, [2]string{"_count", "1"}).All(t.Context(), src) {
		if err != nil || e.Node == nil {
			t.Fatal(e, err)
		}
		n++
	}
	if n != 4 {
		t.Errorf("All gives %d", n)
	}
}

// TestMaxLooks bounds what one answer may cost.
func TestMaxLooks(t *testing.T) {
	s := memory(t)
	logins(t, s, 0, 30)
	src := source(s)
	src.MaxLooks = 10
	for query, ok := range map[string]bool{
		"_count=5": true, "_count=20": false, "_sort=agent": false, "type:not=110114": false, "type:not=110114&_summary=count": false, "type=nothing": true, "_count=5&_sort=-date": true,
	} {
		_, err := follow(t, fhir.R4, query).Run(t.Context(), src)
		if e, is := errors.AsType[*search.Error](err); (err == nil) != ok || err != nil && (!is || e.Code != "too-costly" || e.Status != 422) {
			t.Errorf("%s: %v", query, err)
		}
	}
}
