package grammar_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vigil/internal/postgrest/grammar"
)

// recorded is an exchange with a running PostgREST, or what its tests expect of one.
type recorded struct {
	ID, Name, Method, Path, Config string
	Response                       *struct {
		Status  int
		Headers [][2]string
		Body    string
	}
	Expect *struct {
		Status  int
		Headers []struct{ Name, Eq string }
		Body    struct{ JSON json.RawMessage }
	}
}

// ours are the recorded requests that are answered differently on purpose.
var ours = map[string]string{
	"event.tags=cs.{login}":     "read as event->tags",
	"event.tags=cs.%7Blogin%7D": "read as event->tags",
	"select=event&event.tags=cs.{mme-calc}&event-%3E%3Epatient=eq.marcus%20aurelius": "read as event->tags",
	"id=is.foo":                    "HEAD's text, which knows not_null",
	"limit=abc":                    "refused instead of ignored",
	"offset=-1":                    "refused instead of ignored",
	"select=id&offset=-4&order=id": "refused instead of ignored",
	"id=eq.1%00":                   "refused instead of cut off",
	"event->>name=eq.%C3%A9":       "Content-Location in UTF-8",
}

func load(t *testing.T, name string) []recorded {
	t.Helper()
	f, err := os.Open(filepath.Join("..", "..", "..", "..", "shared", "data", "postgrest", name))
	if errors.Is(err, os.ErrNotExist) {
		t.Skip("the recorded exchanges are not beside this checkout")
	} else if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var all []recorded
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var r recorded
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			t.Fatal(err)
		}
		all = append(all, r)
	}
	return all
}

// wire is PostgREST's error object.
type wire struct {
	Code    string
	Message string
	Details *string
	Hint    *string
}

// TestRecorded holds what PostgREST answered, and what its own tests expect,
// against the parser: its errors are ours, and what it takes is taken.
func TestRecorded(t *testing.T) {
	failed := 0
	for _, file := range []string{"oracle.jsonl", "cases.jsonl"} {
		for _, r := range load(t, file) {
			path, raw, ok := strings.Cut(r.Path, "?")
			if !ok || r.Method == "OPTIONS" {
				continue
			}
			status, body := 0, ""
			if r.Response != nil {
				status, body = r.Response.Status, r.Response.Body
			} else {
				status, body = r.Expect.Status, string(r.Expect.Body.JSON)
			}
			if _, known := ours[raw]; known {
				continue
			}
			var want wire
			if status >= 400 {
				_ = json.Unmarshal([]byte(body), &want) // not every body is an error object
			}
			_, err := grammar.Parse(strings.Trim(path, "/"), raw, "event")
			switch want.Code {
			case "PGRST100", "PGRST108", "PGRST103":
				failed++
				checkError(t, raw, err, status, want)
			default:
				if err != nil && (status < 400 || want.Code != "") {
					t.Errorf("%s: refused, but PostgREST takes it: %v", r.Path, err)
				}
			}
		}
	}
	if failed < 18 {
		t.Errorf("only %d errors were compared", failed)
	}
}

func checkError(t *testing.T, raw string, err error, status int, want wire) {
	t.Helper()
	e, ok := errors.AsType[*grammar.Error](err)
	if !ok {
		t.Errorf("%s: got %v, want an error like %+v", raw, err, want)
		return
	}
	text := func(s *string) string {
		if s == nil {
			return ""
		}
		return *s
	}
	if e.Status != status || e.Code != want.Code || e.Message != want.Message || e.Details != text(want.Details) || e.Hint != text(want.Hint) {
		t.Errorf("%s:\n got %d %s %s\n     %s\n     %s\nwant %d %s %s\n     %s\n     %s", raw,
			e.Status, e.Code, e.Message, e.Details, e.Hint, status, want.Code, want.Message, text(want.Details), text(want.Hint))
	}
}

func TestCanonicalRecorded(t *testing.T) {
	seen := 0
	for _, file := range []string{"oracle.jsonl", "cases.jsonl"} {
		for _, r := range load(t, file) {
			path, raw, _ := strings.Cut(r.Path, "?")
			want := ""
			if r.Response != nil {
				for _, h := range r.Response.Headers {
					if h[0] == "Content-Location" {
						want = h[1]
					}
				}
			} else if r.Expect != nil {
				for _, h := range r.Expect.Headers {
					if h.Name == "Content-Location" {
						want = h.Eq
					}
				}
			}
			if _, known := ours[raw]; known || want == "" {
				continue
			}
			seen++
			got := grammar.Canonical(raw)
			if got != "" {
				got = "?" + got
			}
			if got = path + got; got != want {
				t.Errorf("%s\n got %s\nwant %s", r.Path, got, want)
			}
		}
	}
	if seen < 50 {
		t.Errorf("only %d were compared", seen)
	}
}
