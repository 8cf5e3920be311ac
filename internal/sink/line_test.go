package sink

import (
	"bufio"
	"bytes"
	"os"
	"strings"
	"testing"
	"time"
	"unicode"

	"vigil"
	"vigil/internal/jsonb"
)

func TestEnvelope(t *testing.T) {
	uid, err := vigil.ParseUID("0198f7a0-0000-7000-8000-000000000001")
	if err != nil {
		t.Fatal(err)
	}
	e := &vigil.Event{
		Table: "events", Format: vigil.FormatLogserver, Doc: []byte("{ \"a\" :\n\t[1, 2.50e1],\r\n \"b\": \"x y\\\" \\\\\u2028\x7f\" }"),
		Sender: &vigil.Sender{Subject: "someone", Authenticated: true}, ID: 7, UID: uid, Received: time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC),
	}
	want := `{"table":"events","id":7,"uid":"0198f7a0-0000-7000-8000-000000000001","received":"2026-01-02T03:04:05.000006Z","format":"logserver",` +
		`"sender":{"sub":"someone","authenticated":true},"event":{"a":[1,2.50e1],"b":"x y\" \\\u2028\u007f"}}` + "\n"
	if got := string(Envelope(nil, e)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	fresh := &vigil.Event{Table: "audit_events", Format: vigil.FormatDICOM, Doc: []byte("<a>\r\n\xff</a>")}
	want = `{"table":"audit_events","format":"dicom","event":"<a>\r\n` + "\uFFFD" + `</a>"}` + "\n"
	if got := string(Envelope(nil, fresh)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := string(Document([]byte("x"), e)); !strings.HasPrefix(got, `x{"a":[1,`) {
		t.Errorf("Document: %s", got)
	}
}

// oneLine fails unless b is one line that no reader would break.
func oneLine(t interface{ Fatalf(string, ...any) }, b []byte) {
	for _, r := range string(b) {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' {
			t.Fatalf("%q has %U in it", b, r)
		}
	}
}

// FuzzOneLine expects every valid document to become one line of the same value,
// and every other one a string.
func FuzzOneLine(f *testing.F) {
	for _, s := range []string{`{"a":"\u0085 \u2029\"  "}`, " [ 1 , 2 ] ", "\"\u0085\u2028\x7f\u009f\"", `"\\"`, "{", "\xe2\x80", "\xc2"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		line := Envelope(nil, &vigil.Event{Table: "logs", Format: vigil.FormatSyslog, Doc: doc})
		if line[len(line)-1] != '\n' {
			t.Fatalf("%q has no end", line)
		}
		line = line[:len(line)-1]
		oneLine(t, line)
		if err := jsonb.Check(line, jsonb.Limits{}); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if jsonb.Check(doc, jsonb.Limits{}) != nil {
			return
		}
		if got, ok := jsonb.Get(line, "event"); !ok || !jsonb.Equal(got, doc) {
			t.Fatalf("%q became %q", doc, got)
		}
	})
}

// TestLevelsGolden compares with what Aidbox's logger lets through, as recorded
// from it.
func TestLevelsGolden(t *testing.T) {
	b, err := os.ReadFile("../../../shared/data/aidbox/klog_golden/levels.txt")
	if err != nil {
		t.Skip("the recorded levels are not here:", err)
	}
	n := 0
	for s := bufio.NewScanner(bytes.NewReader(b)); s.Scan(); n++ {
		name, list, ok := strings.Cut(strings.TrimPrefix(s.Text(), ":"), " -> ")
		if !ok {
			t.Fatalf("line %q", s.Text())
		}
		passing := map[string]bool{}
		for word := range strings.FieldsSeq(strings.Trim(list, "[]")) {
			passing[strings.TrimPrefix(word, ":")] = true
		}
		level, err := ParseLevel(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, lvl := range []string{"fatal", "error", "warn", "info", "debug", "trace", "none", "panic", "bogus"} {
			line := `{"ev":"x","lvl":"` + lvl + `"}`
			if lvl == "none" {
				line = `{"ev":"x"}`
			}
			if got := level.Passes([]byte(line)); got != passing[lvl] {
				t.Errorf("level %s, line %s: passes %t", name, line, got)
			}
		}
	}
	if n != 8 {
		t.Errorf("%d levels", n)
	}
}

func TestLevels(t *testing.T) {
	for _, c := range []struct {
		level, line string
		passes      bool
	}{
		{"warn", `{"severity":"INFO"}`, false},
		{"warn", `{"levelname":"CRITICAL"}`, true},
		{"error", `{"@t":"x","@l":"Warning"}`, false},
		{"error", "plain text", true},
		{"error", `{not json}`, true},
		{"error", `{"lvl":3}`, false}, // says nothing, which is info
		{"true", `{"lvl":"trace"}`, true},
		// The default format: the level is the document's.
		{"error", `{"table":"events","id":1,"format":"logserver","event":{"level":"critical"}}`, true},
		{"error", `{"table":"events","id":1,"format":"logserver","event":{"level":"warn"}}`, false},
		{"info", `{"table":"events","id":1,"format":"logserver","event":{"level":"debug"}}`, false},
		{"error", `{"table":"events","id":1,"format":"logserver","event":"error"}`, false},
		{"error", `{"ts":"","event":{"level":"error"}}`, false}, // no envelope
	} {
		l, err := ParseLevel(c.level)
		if err != nil {
			t.Fatal(err)
		}
		if got := l.Passes([]byte(c.line)); got != c.passes {
			t.Errorf("%s %s: %t", c.level, c.line, got)
		}
	}
	if _, err := ParseLevel("loud"); err == nil {
		t.Error("loud is a level")
	}
}

// three is a Line of several lines.
func three(dst []byte, _ *vigil.Event) []byte {
	return append(dst, "{\"ev\":\"w/req\",\"lvl\":\"debug\",\"d\":5}\n"+
		"{\"ev\":\"w/resp\",\"lvl\":\"warn\",\"d\":50,\"sql\":\"SELECT ünï\",\"x\":{\"y\":\"abc\",\"z\":1},\"x\":{\"y\":\"again\"}}\ntext\n"...)
}

func TestLinesEdited(t *testing.T) {
	const first = `{"ev":"w/req","lvl":"debug","d":5}` + "\n"
	const second = `{"ev":"w/resp","lvl":"warn","d":50,"sql":"SELECT ünï","x":{"y":"abc","z":1},"x":{"y":"again"}}` + "\n"
	for name, c := range map[string]struct {
		line Line
		want string
	}{
		"level":            {Level(Warn).Lines(three), second + "text\n"},
		"ignore":           {Transform{Ev: []string{"w/resp"}, Ignore: true}.Lines(three), first + "text\n"},
		"ignore all":       {Transform{Ignore: true}.Lines(three), "text\n"},
		"min":              {Transform{Filter: &Filter{Path: []string{"d"}, Op: "min", Value: 6}}.Lines(three), second + "text\n"},
		"max":              {Transform{Filter: &Filter{Path: []string{"d"}, Op: "max", Value: 6}}.Lines(three), first + "text\n"},
		"min of no number": {Transform{Filter: &Filter{Path: []string{"x", "y"}, Op: "min", Value: 6}}.Lines(three), first + second + "text\n"},
		"trim":             {Transform{Trim: &Trim{Path: []string{"sql"}, Length: 8}}.Lines(three), first + strings.Replace(second, "ünï", "ü", 1) + "text\n"},
		"trim deep":        {Transform{Trim: &Trim{Path: []string{"x", "y"}, Length: 1}}.Lines(three), first + strings.NewReplacer("abc", "a", "again", "a").Replace(second) + "text\n"},
		"dissoc":           {Transform{Ev: []string{"w/resp"}, Dissoc: []string{"x", "sql"}}.Lines(three), first + `{"ev":"w/resp","lvl":"warn","d":50}` + "\ntext\n"},
		"select":           {Transform{SelectKeys: []string{"ev", "none"}}.Lines(three), `{"ev":"w/req"}` + "\n" + `{"ev":"w/resp"}` + "\ntext\n"},
		"one after other":  {Level(Warn).Lines(Transform{Dissoc: []string{"lvl"}}.Lines(three)), "text\n"},
	} {
		if got := string(c.line([]byte("before\n"), nil)); got != "before\n"+c.want {
			t.Errorf("%s:\n%s\nwant\n%s", name, got, c.want)
		}
	}
	for _, bad := range []Transform{{}, {Ev: []string{"x"}}, {Filter: &Filter{Op: "min"}}, {Filter: &Filter{Path: []string{"d"}, Op: "mid"}}, {Trim: &Trim{Length: 3}}} {
		if bad.Check() == nil {
			t.Errorf("%+v passes", bad)
		}
	}
}

func TestStream(t *testing.T) {
	var b bytes.Buffer
	s := NewStream(&b, Document)
	if err := s.Write(t.Context(), []*vigil.Event{{Table: "events", Format: vigil.FormatLogserver, Doc: []byte("1")}, {Table: "events", Format: vigil.FormatLogserver, Doc: []byte("{ }")}}); err != nil || b.String() != "1\n{}\n" {
		t.Errorf("%q %v", b.String(), err)
	}
}
