package postgrest

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"vigil/internal/auth"
	"vigil/internal/pgtest"
	"vigil/internal/store/postgres/relation"
)

// newSamples returns the address of a database with the tables of our own.
func newSamples(t testing.TB) string {
	t.Helper()
	script, err := os.ReadFile("testdata/relations.sql")
	if err != nil {
		t.Fatal(err)
	}
	uri := pgtest.Postgres(t)
	run(t, uri, string(script))
	return uri
}

// sampleColumns has operands for the columns of every type.
var sampleColumns = map[string][]string{
	"id": {"1", "3", "99", "x"}, "small": {"0", "5", "40000"}, "whole": {"10", "-10", "1.5"}, "big": {"100", "-9223372036854775808"},
	"num": {"1.5", "NaN", "1e3"}, "price": {"9.99", "1.1"}, "f4": {"0.1", "Infinity"}, "f8": {"1e300", "0.1", "abc"}, "cash": {"12.5", "$0.10"},
	"name": {"alpha", "a*", "*a*", "ä*", `beta "quoted" \ back`, "", "%", "^a", "("}, "short": {"a", "", "x,y"}, "fixed": {"ab", "ab   ", ""}, "yes": {"true", "f", "maybe"},
	"day": {"2020-01-31", "1999-12-31", "infinity", "2020-13-01"}, "at": {"2020-01-31T10:34:56.789Z", "infinity", "now"}, "local": {"2020-01-31 01:02:03", "-infinity"},
	"clock": {"23:59", "12:00:00.5"}, "lasts": {"1 day", "P1Y", "nonsense"}, "uid": {"00000000-0000-0000-0000-000000000001", "x"}, "raw": {`\x00ff`, "A", ""},
	"doc": {`{"b":1}`, `5`, `[]`, `{"a":"1"}`, "{"}, "plain": {"{}"}, "ints": {"{1,2}", "{}", "{3}", "1", "{1,2,3}"}, "words": {"{a}", `{"b c"}`, "{}"}, "labels": {"{x}", "{x,y}"},
	"within": {"[1,3)", "3", "empty", "(,)", "[5,2]"}, "period": {"[2020-02-01,2020-03-01)", "2020-06-15"}, "mood": {"calm", "tense", "angry"},
	"code": {"ABC", "abc"}, "pair": {"(1,one)", "(,)"}, "addr": {"192.0.2.0/24", "10.0.0.0/8", "x"}, "vec": {"cat", "fat & cat", "fat:1"}, "bits": {"101", "000"},
	"half": {"5"}, "doc->a": {"1", `"1"`, "[1]"}, "doc->>a": {"1", "x"}, "plain->>a": {"1"}, "doc->a->0": {"1"}, "doc->a->>-1": {"3"}, "doc->deep->x->0": {"true"},
	"pair->a": {"1"}, "ints->0": {"1"}, "plain->a": {"1"}, "none": {"1"}, "name->x": {"1"},
}

var samplePaths = sortedKeys(sampleColumns)

func drawSampleFilter(t *rapid.T) (path, value string) {
	path = rapid.SampledFrom(samplePaths).Draw(t, "path")
	value = rapid.SampledFrom(sampleColumns[path]).Draw(t, "value")
	op := rapid.SampledFrom([]string{
		"eq", "eq", "neq", "gt", "gte", "lt", "lte", "is", "in", "like", "ilike", "match", "imatch", "cs", "cd", "ov", "sl", "sr", "nxr", "nxl", "adj", "isdistinct",
		"eq(any)", "gt(all)", "like(any)", "fts", "plfts(english)", "phfts", "wfts(german)", "fts(nowhere)",
	}).Draw(t, "op")
	switch {
	case op == "is":
		value = "is." + rapid.SampledFrom([]string{"null", "true", "false", "unknown"}).Draw(t, "is")
	case op == "in":
		value = `in.("` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(value) + `",` + rapid.SampledFrom([]string{"1", "alpha", "calm"}).Draw(t, "in") + ")"
	case strings.Contains(op, "(a"):
		value = op + `.{"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(value) + `"}`
	case strings.Contains(op, "fts"):
		path = "vec" // 12.0.2 makes no tsvector of other columns
		value = op + "." + rapid.SampledFrom(sampleColumns["vec"]).Draw(t, "search")
	default:
		value = op + "." + value
	}
	if rapid.IntRange(0, 3).Draw(t, "not") == 0 {
		value = "not." + value
	}
	return path, value
}

func drawSampleRequest(t *rapid.T) request {
	r := request{method: http.MethodGet, params: url.Values{}}
	if rapid.IntRange(0, 9).Draw(t, "head") == 0 {
		r.method = http.MethodHead
	}
	order := "id"
	switch rapid.IntRange(0, 6).Draw(t, "select") {
	case 0:
		agg := rapid.SampledFrom([]string{"sum", "avg", "count", "max", "min"}).Draw(t, "agg")
		r.params.Set("select", "count(),"+rapid.SampledFrom(samplePaths).Draw(t, "of")+"."+agg+"()")
		order = ""
	case 1:
		r.params.Set("select", rapid.SampledFrom([]string{"name", "mood", "doc->>b", "yes", "price"}).Draw(t, "by")+",n:count(),id.min()")
		return r // groups come in any order
	case 2, 3, 4:
		var items []string
		for _, p := range rapid.SliceOfN(rapid.SampledFrom(samplePaths), 1, 4).Draw(t, "items") {
			cast := rapid.SampledFrom([]string{"", "", "", "::text", "::integer", "::jsonb", "::nothing", "::double precision", "::varchar"}).Draw(t, "cast")
			items = append(items, rapid.SampledFrom([]string{"", "", "alias:", "two words:"}).Draw(t, "alias")+p+cast)
		}
		r.params.Set("select", strings.Join(items, ","))
	}
	r.filters = rapid.IntRange(0, 2).Draw(t, "filters")
	for range r.filters {
		path, value := drawSampleFilter(t)
		r.params.Add(path, value)
	}
	if order == "id" && rapid.Bool().Draw(t, "ordered") {
		order = rapid.SampledFrom(samplePaths).Draw(t, "order") + rapid.SampledFrom([]string{"", ".desc", ".asc.nullsfirst", ".desc.nullslast"}).Draw(t, "direction") + ",id"
	}
	if order != "" {
		r.params.Set("order", order)
	}
	drawWindow(t, &r)
	if m := rapid.SampledFrom(peerMedia).Draw(t, "accept"); m != "" {
		r.headers = append(r.headers, [2]string{"Accept", m})
	}
	if p := rapid.SampledFrom([]string{"", "", "count=exact", "timezone=America/New_York", "count=exact, handling=lenient"}).Draw(t, "prefer"); p != "" {
		r.headers = append(r.headers, [2]string{"Prefer", p})
	}
	return r
}

// TestRelationPeer asks generated questions of the running PostgREST 12.0.2 and of
// the face over the same table of every type: the answers are the same.
func TestRelationPeer(t *testing.T) {
	t.Parallel()
	uri := newSamples(t)
	peer := pgtest.PostgREST(t, uri, map[string]string{"PGRST_DB_AGGREGATES_ENABLED": "true"})
	f := newRelationFace(t, openRelations(t, uri, relation.Config{}), as(auth.Principal{Role: "web_anon", Anonymous: true}))
	answers := map[int]int{}
	rapid.Check(t, func(rt *rapid.T) {
		for range 5 {
			r := drawSampleRequest(rt)
			path := "/samples?" + r.params.Encode()
			want, wantBody := send(t, peer+path, r, "")
			got := f.exchange(t, r.method, path, r.headers, "")
			answers[want.StatusCode]++
			if diff := relationDiffers(r, got, bodyOf(t, got), want, wantBody); diff != "" {
				rt.Fatalf("%s %s %q\n%s", r.method, path, r.headers, diff)
			}
		}
	})
	t.Logf("answers by status: %v", answers)
	if answers[200] < 10 || answers[400] < 3 {
		t.Errorf("answers by status %v: too few of some kind", answers)
	}
}

// relationDiffers is [differs], and compares the errors of the database in full.
func relationDiffers(r request, got *http.Response, body string, want *http.Response, wantBody string) string {
	parts := r.filters + strings.Count(r.params.Get("select"), ",") + strings.Count(r.params.Get("select"), "::") + strings.Count(r.params.Get("order"), ",")
	// PostgREST computes rows that the page leaves out, and finds mistakes there. An
	// answer to HEAD has only a status.
	beyond := got.StatusCode == http.StatusRequestedRangeNotSatisfiable || codeOf(body) == "PGRST116" ||
		r.method == http.MethodHead && got.StatusCode == http.StatusNotAcceptable
	if (parts > 1 || beyond) && want.StatusCode/100 == 4 && got.StatusCode/100 == 4 {
		return "" // either mistake may be the first to be seen
	}
	if diff := differs(r, got, body, want, wantBody); diff != "" {
		return diff
	}
	if want.StatusCode < 400 || wantBody == "" {
		return ""
	}
	g, w := messageOf(body), messageOf(wantBody)
	if strings.HasPrefix(codeOf(body), "PGRST") || g == w {
		return ""
	}
	return fmt.Sprintf("message %s\nwant    %s", g, w)
}

var messages = regexp.MustCompile(`"message":"((?:[^"\\]|\\.)*)"`)

func messageOf(body string) string {
	if m := messages.FindStringSubmatch(body); m != nil {
		return m[1]
	}
	return ""
}
