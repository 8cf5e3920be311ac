package search_test

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"vigil/internal/fhirapi/search"
	"vigil/internal/format/fhir"
)

func parseQuery(t testing.TB, query string, o search.Options) (*search.Search, error) {
	t.Helper()
	v, err := url.ParseQuery(query)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return search.Parse(v, o)
}

func TestParseErrors(t *testing.T) {
	long, many := strings.Repeat("a", 9000), strings.Repeat("a,", 600)
	for _, c := range []struct{ query, code, parameter string }{
		{"date=yesterday", "value", "date"},
		{"date=2026-13", "value", "date"},
		{"date=2026-02-30", "value", "date"},
		{"date=2026-02-3", "value", "date"},
		{"date=2026-02-03T", "value", "date"},
		{"date=2026-02-03T10", "value", "date"},
		{"date=2026-02-03T25:00:00Z", "value", "date"},
		{"date=2026-02-03T10:00:00.Z", "value", "date"},
		{"date=2026-02-03T10:00:00%2B99:00", "value", "date"},
		{"date=xx2026", "value", "date"},
		{"date=ge", "value", "date"},
		{"date=0000", "value", "date"},
		{"date=2026,%5C%2C", "value", "date"},
		{"date:exact=2026", "not-supported", "date:exact"},
		{"type:in=http://example.org/vs", "not-supported", "type:in"},
		{"type:above=x", "not-supported", "type:above"},
		{"type:missing=maybe", "value", "type:missing"},
		{"type=|", "value", "type"},
		{"agent-name:not=x", "not-supported", "agent-name:not"},
		{"patient.name=Ann", "not-supported", "patient.name"},
		{"patient:Patient.name=Ann", "not-supported", "patient:Patient.name"},
		{"patient.identifier:text=x", "not-supported", "patient.identifier:text"},
		{"type.identifier=x", "invalid", "type.identifier"},
		{"agent:Practitioner=Patient/1", "value", "agent:Practitioner"},
		{"_count=-1", "value", "_count"},
		{"_count=ten", "value", "_count"},
		{"_total=all", "value", "_total"},
		{"_summary=yes", "value", "_summary"},
		{"_pretty=1", "value", "_pretty"},
		{"_elements=a b", "value", "_elements"},
		{"_page=a1", "value", "_page"},
		{"_page=a5.7", "value", "_page"},
		{"_page=c7.5", "value", "_page"},
		{"_page=a-7.-9", "value", "_page"},
		{"_page=azzzzzzzzzzzzzzzz.1", "value", "_page"},
		{"_sort=" + strings.Repeat("date,", 9), "too-costly", "_sort"},
		{"agent-name=" + long, "too-long", "agent-name"},
		{"agent-name=" + many, "too-costly", ""},
		{strings.Repeat("type=x&", 101), "too-costly", ""},
		{"type=a%00b", "value", "type"},
		{"type=a%0Ab", "value", "type"},
		{"type=a%ffb", "invalid", "type"},
		{long[:300] + "=x", "invalid", ""},
	} {
		_, err := parseQuery(t, c.query, options(fhir.R4))
		e, ok := errors.AsType[*search.Error](err)
		if !ok || e.Status != 400 || e.Code != c.code || c.parameter != "" && e.Parameter != c.parameter || e.Message == "" || len(e.Error()) > 500 {
			t.Errorf("%.100s: got %+v, want %s of %s", c.query, err, c.code, c.parameter)
		}
		if err != nil && (!utf8.ValidString(err.Error()) || strings.ContainsAny(err.Error(), "\n\x00")) {
			t.Errorf("%.100s: %q is not fit to be shown", c.query, err)
		}
	}
}

// TestSelfOfSort: the link says by what the events are sorted, no more.
func TestSelfOfSort(t *testing.T) {
	s, err := parseQuery(t, "_sort=-date,nope,agent&outcome=0", options(fhir.R4))
	if want := "_sort=-date%2Cagent&outcome=0"; err != nil || s.Self() != want {
		t.Errorf("self is %q, want %q, %v", s.Self(), want, err)
	}
}

func TestParseStrict(t *testing.T) {
	for _, c := range []struct{ query, ignored string }{
		{"nope=1", "nope"},
		{"category=x", "category"},
		{"_include=AuditEvent:patient", "_include"},
		{"_revinclude:iterate=Provenance:target", "_revinclude:iterate"},
		{"_filter=x", "_filter"},
		{"_sort=nope", "_sort=nope"},
		{"patient=", "patient"},
		{"Type=rest", "Type"},
	} {
		o := options(fhir.R4)
		s, err := parseQuery(t, c.query+"&outcome=0", o)
		if err != nil || len(s.Ignored) != 1 || s.Ignored[0].Parameter != c.ignored || s.Ignored[0].Reason == "" {
			t.Errorf("%s: %+v, %v", c.query, s, err)
			continue
		}
		if s.Self() != "outcome=0" {
			t.Errorf("%s: self is %q", c.query, s.Self())
		}
		o.Strict = true
		e, ok := errors.AsType[*search.Error](func() error { _, err := parseQuery(t, c.query, o); return err }())
		if !ok || e.Status != 400 || e.Parameter != c.ignored {
			t.Errorf("%s, strict: %v", c.query, e)
		}
	}
}

func TestRequireDate(t *testing.T) {
	o := options(fhir.R4)
	o.RequireDate = true
	for query, ok := range map[string]bool{
		"": false, "type=rest": false, "date=": false, "date:missing=false": false, "date=2026": true, "date=ge2026&type=rest": true, "_lastUpdated=2026": false,
	} {
		_, err := parseQuery(t, query, o)
		if (err == nil) != ok {
			t.Errorf("%q: %v", query, err)
		}
		if e, is := errors.AsType[*search.Error](err); err != nil && (!is || e.Code != "required") {
			t.Errorf("%q: %+v", query, err)
		}
	}
}

func TestParseAnswer(t *testing.T) {
	o := options(fhir.R4)
	o.Count, o.MaxCount = 20, 100
	s, err := parseQuery(t, "_sort=-date,agent&_total=accurate&_summary=text&_elements=id,AuditEvent.agent&_format=json&_pretty=true&_count=500", o)
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprint(s.Count, s.Total, s.Summary, s.Elements, s.Format, s.Pretty, s.Sort[0].Name, s.Sort[0].Desc, s.Sort[1].Name, s.Sort[1].Desc)
	if want := fmt.Sprint(100, search.TotalAccurate, search.SummaryText, []string{"id", "agent"}, "json", true, "date", true, "agent", false); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	for query, count := range map[string]int{"": 20, "_count=0": 0, "_count=99999999999999999999": 100, "_count=7": 7} {
		if s, err := parseQuery(t, query, o); err != nil || s.Count != count {
			t.Errorf("%s: %+v, %v", query, s, err)
		}
	}
}

// TestParameters compares the tables with HL7's definitions, by name.
func TestParameters(t *testing.T) {
	for v, want := range map[fhir.Version][]string{
		fhir.R4: {
			"action", "address", "agent", "agent-name", "agent-role", "altid", "date", "entity", "entity-name", "entity-role", "entity-type",
			"outcome", "patient", "policy", "site", "source", "subtype", "type",
		},
		fhir.R5: {
			"action", "agent", "agent-role", "based-on", "category", "code", "date", "encounter", "entity", "entity-role", "outcome", "patient", "policy", "purpose", "source",
		},
	} {
		var got []string
		for _, p := range search.Parameters(v) {
			if !strings.HasPrefix(p.Name, "_") && !strings.Contains(p.Name, ".") {
				got = append(got, p.Name)
			}
			if p.Definition == "" || p.Doc == "" || p.Type == "" {
				t.Errorf("%v %s: %+v", v, p.Name, p)
			}
		}
		if slices.Sort(got); !slices.Equal(got, want) {
			t.Errorf("%v: got %v, want %v", v, got, want)
		}
	}
}

// FuzzParse asks that what is understood is understood again from the link to the
// page itself, and that every part of it can be used.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"patient=Patient/1&date=ge2026-01-01&_sort=-date&_count=10", "type=a|b,|c&agent.identifier=x|", `site=a\,b\|c\\`, "_page=a5.4&_id=x",
		"date=ap2026-01-01T10:00:00.123456789+02:00", "agent:Practitioner=1&policy:below=urn:x&_total=estimate", "entity:not=%25&_elements=a.b",
		"type=%27%3B+drop+table+events%3B--&agent-name:contains=(.*)%2B%24", "patient=https://a/b/Patient/1/_history/2",
	} {
		f.Add(seed, true, false)
		f.Add(seed, false, true)
	}
	node, err := fhir.ParseJSON([]byte(`{"resourceType":"AuditEvent","recorded":"2026-01-01T00:00:00Z","agent":[{"who":{"reference":"Patient/1"}}]}`), fhir.Limits{})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, query string, r5, strict bool) {
		values, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		o := options(fhir.R4)
		if r5 {
			o.Version = fhir.R5
		}
		o.Strict = strict
		s, err := search.Parse(values, o)
		if err != nil {
			if e, ok := errors.AsType[*search.Error](err); !ok || e.Status != 400 || e.Code == "" || !utf8.ValidString(e.Error()) || len(e.Error()) > 1000 {
				t.Fatalf("%q: %#v", query, err)
			}
			return
		}
		again, err := parseQuery(t, s.Self(), o)
		if err != nil || again.Self() != s.Self() {
			t.Fatalf("%q: self %q, then %v", query, s.Self(), err)
		}
		if s.Match(node) != again.Match(node) {
			t.Fatalf("%q: self %q matches otherwise", query, s.Self())
		}
		for _, table := range []string{"events", "audit_events"} {
			a, b := s.Queries(table), again.Queries(table)
			if len(a) == 0 || fmt.Sprint(a) != fmt.Sprint(b) {
				t.Fatalf("%q: %v, then %v", query, a, b)
			}
			for i := range a {
				compile(t, table, &a[i].Query)
			}
		}
	})
}
