package aidbox_test

import (
	_ "embed"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"vigil/internal/format/aidbox"
)

var update = flag.Bool("update", false, "rewrite docs/aidbox.md")

//go:embed testdata/intro.md
var intro string

// TestDocs expects docs/aidbox.md to say what the tables of this package say.
func TestDocs(t *testing.T) {
	const file = "../../../docs/aidbox.md"
	want := page()
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Error("docs/aidbox.md is not fresh: go test ./internal/format/aidbox -run Docs -update")
	}
}

func page() string {
	var b strings.Builder
	b.WriteString(intro)
	b.WriteString("\n## Attributes\n\n| attribute | type | group | what it is | Vigil has it from |\n|---|---|---|---|---|\n")
	for _, a := range aidbox.Attributes() {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", a.Name, a.Type, a.Group, a.Doc, a.Of)
	}
	b.WriteString("\n## Events\n\n| `ev` | what it is | Vigil writes it for |\n|---|---|---|\n")
	for _, e := range aidbox.Events() {
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", e.Name, e.Doc, e.Of)
	}
	return b.String()
}

// TestVocabulary: no name is there twice, and every line of Vigil's has only
// attributes that are described.
func TestVocabulary(t *testing.T) {
	known := map[string]bool{}
	for _, a := range aidbox.Attributes() {
		if known[a.Name] || a.Doc == "" || a.Type == "" || a.Group == "" {
			t.Errorf("%+v", a)
		}
		known[a.Name] = true
		if !aidbox.Reserved(a.Name) {
			t.Errorf("X-Audit may give %s", a.Name)
		}
	}
	events := map[string]bool{}
	for _, e := range aidbox.Events() {
		if events[e.Name] {
			t.Errorf("%s is there twice", e.Name)
		}
		events[e.Name] = true
	}
	for _, l := range of(t, exchangeOf(`{"id":"x","start":"2026-01-02T03:04:05Z","duration":1,"method":"PUT","route":"r","path":"/p","query":"q","status":200,"peer":["a"],"userAgent":"u","error":"e","notes":["n"],
	  "interaction":"update","type":"Patient","key":"1","user":{"sub":"s","client":"c"},"correlation":"c","gateway":"g","requestBody":{"text":"{}"},"audit":{}}`)) {
		if !events[l["ev"].(string)] {
			t.Errorf("ev %v is not described", l["ev"])
		}
		for name := range l {
			if !known[name] {
				t.Errorf("%s is not described", name)
			}
		}
	}
}
