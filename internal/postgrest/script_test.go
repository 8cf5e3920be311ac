package postgrest

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"vigil/internal/store"
)

// A script is a conversation with a face over an empty store. Lines of a request
// begin with >, those of the answer that is wanted with <, all others are prose:
//
//	> POST /events as event_logger
//	> Prefer: return=representation
//	> | {"event": 1}
//	< 201
//	< Content-Range: */*
//	< ! Location
//	< | [{"id":1,"event":1}]
//	< ~ part of the body
type step struct {
	line                       int
	method, path, role         string
	headers                    [][2]string
	body                       []string
	status                     int
	want                       [][2]string
	absent, wantBody, contains []string
}

func readScript(t *testing.T, text string) (steps []step) {
	t.Helper()
	answer := true // the last line was of an answer
	for i, line := range strings.Split(text, "\n") {
		kind, rest, _ := strings.Cut(line, " ")
		if kind != ">" && kind != "<" {
			continue
		}
		if kind == ">" && answer {
			words := strings.Fields(rest)
			s := step{line: i + 1, method: words[0], path: words[1]}
			if len(words) == 4 {
				s.role = words[3]
			}
			steps = append(steps, s)
			answer = false
			continue
		}
		s := &steps[len(steps)-1]
		mark, value, _ := strings.Cut(rest, " ")
		switch name, v, _ := strings.Cut(rest, ": "); {
		case kind == ">" && mark == "|":
			s.body = append(s.body, value)
		case kind == ">":
			s.headers = append(s.headers, [2]string{name, v})
		case mark == "|":
			s.wantBody = append(s.wantBody, value)
		case mark == "~":
			s.contains = append(s.contains, value)
		case mark == "!":
			s.absent = append(s.absent, value)
		case name == rest:
			n, err := strconv.Atoi(rest)
			if err != nil {
				t.Fatalf("line %d: %q is no status", i+1, rest)
			}
			s.status = n
		default:
			s.want = append(s.want, [2]string{name, v})
		}
		answer = kind == "<"
	}
	return steps
}

func (s *step) run(t *testing.T, f *face) {
	t.Helper()
	if s.role != "" {
		s.headers = append(s.headers, [2]string{"Authorization", token(t, s.role)})
	}
	res := f.exchange(t, s.method, s.path, s.headers, strings.Join(s.body, "\n"))
	body := bodyOf(t, res)
	if res.StatusCode != s.status {
		t.Errorf("line %d: status %d, want %d: %s", s.line, res.StatusCode, s.status, body)
	}
	for _, h := range s.want {
		if got := res.Header.Get(h[0]); got != h[1] {
			t.Errorf("line %d: %s: %q, want %q", s.line, h[0], got, h[1])
		}
	}
	for _, name := range s.absent {
		if v, ok := res.Header[name]; ok {
			t.Errorf("line %d: %s: %q, want none", s.line, name, v)
		}
	}
	if want := strings.Join(s.wantBody, "\n"); len(s.wantBody) > 0 && body != want {
		t.Errorf("line %d: body %q, want %q", s.line, body, want)
	}
	for _, part := range s.contains {
		if !strings.Contains(body, part) {
			t.Errorf("line %d: body %q has no %q", s.line, body, part)
		}
	}
}

// TestScripts runs every script over every store.
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/http/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no scripts", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, st := range stores {
			t.Run(strings.TrimSuffix(filepath.Base(file), ".txt")+"/"+st.name, func(t *testing.T) {
				steps := readScript(t, string(text))
				if len(steps) == 0 {
					t.Fatal("an empty script")
				}
				s := st.open(t, store.Config{Now: clock})
				f := newFace(t, s)
				for i := range steps {
					steps[i].run(t, f)
				}
			})
		}
	}
}
