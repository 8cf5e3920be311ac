package postgrest

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"vigil/internal/store"
)

// recorded is one exchange with PostgREST 12.0.2.
type recorded struct {
	Group, Name, Method, Path string
	Headers                   [][2]string
	Body                      *string
	Response                  struct {
		Status  int
		Headers [][2]string
		Body    string
	}
}

// difference is an exchange that Vigil answers otherwise than 12.0.2 does.
type difference struct {
	status int
	code   string // of the error, empty for none
	why    string
}

// compared are the headers that must be equal.
var compared = []string{
	"Content-Range", "Content-Location", "Content-Type", "Preference-Applied", "Location", "WWW-Authenticate", "Content-Profile", "Allow",
}

// TestOracle sends what was sent to PostgREST 12.0.2 and compares the answers.
// Where they differ the exchange stands in one of two tables, with what is
// answered instead and why. An entry that is no difference any more fails.
func TestOracle(t *testing.T) {
	docs := logserverRows(t)
	var exchanges []recorded
	lines(t, shared(t, "postgrest/oracle.jsonl"), func(x recorded) { exchanges = append(exchanges, x) })
	if len(exchanges) < 280 {
		t.Fatalf("only %d exchanges", len(exchanges))
	}
	for _, st := range stores {
		t.Run(st.name, func(t *testing.T) {
			open := func() *face {
				s := st.open(t, store.Config{Now: clock})
				fill(t, s, "events", docs...)
				return newFace(t, s)
			}
			f, seen := open(), map[string]bool{}
			for _, x := range exchanges {
				name := x.Group + ": " + x.Name
				for seen[name] {
					name += "'"
				}
				seen[name] = true
				res := f.exchange(t, x.Method, x.Path, x.Headers, deref(x.Body))
				x.compare(t, name, res, bodyOf(t, res))
				if res.StatusCode == http.StatusCreated {
					f = open()
				}
			}
			for name := range maps.Keys(headDifferences) {
				if !seen[name] || ourDifferences[name].why != "" {
					t.Errorf("headDifferences: %q: no such exchange, or in both tables", name)
				}
			}
			for name := range maps.Keys(ourDifferences) {
				if !seen[name] {
					t.Errorf("ourDifferences: %q: no such exchange", name)
				}
			}
		})
	}
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// compare checks one answer.
func (x *recorded) compare(t *testing.T, name string, res *http.Response, body string) {
	t.Helper()
	diff := x.diff(res, body)
	want, listed := headDifferences[name]
	if !listed {
		want, listed = ourDifferences[name]
	}
	code := ""
	if res.StatusCode >= 400 && x.Method != http.MethodHead {
		code = errorOf(t, body).Code
	}
	switch {
	case diff != "" && !listed:
		t.Errorf("%q: {%d, %q, \"\"},\n\t%s %s %v\n\t%s", name, res.StatusCode, code, x.Method, x.Path, deref(x.Body), diff)
	case diff == "" && listed:
		t.Errorf("%q: is listed as a difference and is none", name)
	case listed && (want.status != res.StatusCode || want.code != code || want.why == ""):
		t.Errorf("%q: got %d %q %s, listed as %+v", name, res.StatusCode, code, body, want)
	}
}

// diff says how the answer differs from the recorded one, empty where it does not.
func (x *recorded) diff(res *http.Response, body string) string {
	var diffs []string
	if res.StatusCode != x.Response.Status {
		diffs = append(diffs, fmt.Sprintf("status %d, was %d", res.StatusCode, x.Response.Status))
	}
	was := http.Header{}
	for _, h := range x.Response.Headers {
		was.Add(h[0], h[1])
	}
	for _, name := range compared {
		if name == "Allow" && was.Get(name) == "" { // RFC 9110 wants it with each 405
			continue
		}
		if got, want := res.Header.Get(name), was.Get(name); got != want {
			diffs = append(diffs, fmt.Sprintf("%s %q, was %q", name, got, want))
		}
	}
	if res.StatusCode < 300 && body != x.Response.Body || res.StatusCode >= 300 && !sameJSON(body, x.Response.Body) {
		diffs = append(diffs, fmt.Sprintf("body %.300s\n\twas %.300s", body, x.Response.Body))
	}
	return strings.Join(diffs, "\n\t")
}

// sameJSON compares two JSON texts as values; two empty texts are the same.
func sameJSON(a, b string) bool {
	var x, y any
	if json.Unmarshal([]byte(a), &x) != nil || json.Unmarshal([]byte(b), &y) != nil {
		return a == b
	}
	return reflect.DeepEqual(x, y)
}

// The differences must be told, so they must be few and each have a reason.
func TestDifferencesHaveReasons(t *testing.T) {
	for _, table := range []map[string]difference{headDifferences, ourDifferences} {
		for _, name := range slices.Sorted(maps.Keys(table)) {
			if d := table[name]; d.why == "" || d.status == 0 {
				t.Errorf("%q: %+v", name, d)
			}
		}
	}
}
