package clef

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"vigil/internal/format/template"
)

func TestAppend(t *testing.T) {
	e := &template.Event{
		Time: time.Date(2026, 3, 1, 13, 0, 0, 12_345_600, time.FixedZone("", 3600)), Level: template.Information,
		Message: template.ParseMessage("Hello, {Who}"), Properties: []template.Property{{Name: "Who", Value: template.Text("nurse")}, {Name: "@odd", Value: template.Int(1)}},
	}
	if got, want := string(Append(nil, e)), `{"@t":"2026-03-01T12:00:00.0123456Z","@mt":"Hello, {Who}","Who":"nurse","@@odd":1}`+"\n"; got != want {
		t.Errorf("got %swant %s", got, want)
	}
	e = &template.Event{Level: template.Error, Exception: "a\nb", Trace: "t", Span: "s"}
	if got, want := string(Append(nil, e)), `{"@t":"0001-01-01T00:00:00.0000000Z","@l":"Error","@x":"a\nb","@tr":"t","@sp":"s"}`+"\n"; got != want {
		t.Errorf("got %swant %s", got, want)
	}
}

// TestOneLine: an event is one line of JSON, whatever is in it.
func TestOneLine(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.String().Draw(t, "s")
		line := string(Append(nil, &template.Event{Exception: s, Properties: []template.Property{{Name: "a" + s, Value: template.List(template.Text(s))}}}))
		var m map[string]any
		if err := json.Unmarshal([]byte(line), &m); err != nil || strings.Count(line, "\n") != 1 {
			t.Fatalf("%q: %v", line, err)
		}
	})
}
