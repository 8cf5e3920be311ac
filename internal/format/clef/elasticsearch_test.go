package clef

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"vigil/internal/format/template"
)

func TestAppendDocument(t *testing.T) {
	e := &template.Event{
		Time: time.Date(2026, 3, 1, 13, 0, 0, 12_345_600, time.FixedZone("", 3600)), Level: template.Information,
		Message:    template.ParseMessage("Hello, {Who}"),
		Properties: []template.Property{{Name: "Who", Value: template.Text("nurse")}, {Name: "level", Value: template.Int(1)}},
	}
	const head = `{"@timestamp":"2026-03-01T13:00:00.0123456+01:00","level":"Information","messageTemplate":"Hello, {Who}","message":"Hello, \"nurse\"",`
	for inline, want := range map[bool]string{
		false: head + `"fields":{"Who":"nurse","level":1}}`,
		true:  head + `"Who":"nurse","fields":{"level":1}}`,
	} {
		if got := string(AppendDocument(nil, e, inline)); got != want+"\n" {
			t.Errorf("got %swant %s", got, want)
		}
	}
	e = &template.Event{Level: template.Error, Exception: "boom", Trace: "t", Span: "s"}
	if got, want := string(AppendDocument(nil, e, false)), `{"@timestamp":"0001-01-01T00:00:00.0000000Z","level":"Error","exception":"boom","trace.id":"t","span.id":"s"}`+"\n"; got != want {
		t.Errorf("got %swant %s", got, want)
	}
}

func TestDocumentIsOneLine(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.String().Draw(t, "s")
		e := &template.Event{Message: template.ParseMessage("{a}"), Exception: s, Properties: []template.Property{{Name: "a", Value: template.Text(s)}, {Name: "a" + s, Value: template.Text(s)}}}
		line := string(AppendDocument(nil, e, rapid.Bool().Draw(t, "inline")))
		var m map[string]any
		if err := json.Unmarshal([]byte(line), &m); err != nil || strings.Count(line, "\n") != 1 {
			t.Fatalf("%q: %v", line, err)
		}
	})
}
