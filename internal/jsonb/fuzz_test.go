package jsonb_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"vigil/internal/jsonb"
)

// FuzzCheck holds Check against encoding/json, which takes lone surrogates, bad
// UTF-8 and numbers of any size, and knows no limit but its depth of 10,000.
func FuzzCheck(f *testing.F) {
	for _, s := range append(examples(docs(), 50), examples(broken(), 100)...) {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		err := jsonb.Check(doc, jsonb.Limits{})
		valid := json.Valid(doc) && utf8.Valid(doc)
		switch e, _ := errors.AsType[*jsonb.Error](err); {
		case err == nil && !valid:
			t.Errorf("%q accepted", doc)
		case err != nil && valid && e.Code == jsonb.CodeSyntax && !bytes.Contains(bytes.ToLower(doc), []byte(`\ud`)):
			t.Errorf("%q refused: %v", doc, err)
		case err != nil && e.Code == jsonb.CodeSyntax && utf8.Valid(doc) && e.Detail == "":
			t.Errorf("%q refused without a reason", doc)
		}
	})
}

// FuzzCanonical holds that the canonical form is valid, equal to what it was
// made from, and its own canonical form.
func FuzzCanonical(f *testing.F) {
	for _, s := range examples(docs(), 100) {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		if jsonb.Check(doc, jsonb.Limits{Depth: 100, Text: 1 << 16}) != nil {
			return
		}
		once := jsonb.AppendCanonical(nil, doc)
		if err := jsonb.Check(once, jsonb.Limits{}); err != nil {
			t.Fatalf("%q became %q: %v", doc, once, err)
		}
		if twice := jsonb.AppendCanonical(nil, once); !bytes.Equal(once, twice) {
			t.Errorf("%q: %q, then %q", doc, once, twice)
		}
		if !jsonb.Equal(doc, once) || jsonb.Compare(doc, once) != 0 || jsonb.Compare(once, doc) != 0 {
			t.Errorf("%q and %q are not equal", doc, once)
		}
		if !jsonb.Contains(doc, once) || !jsonb.Contains(once, doc) {
			t.Errorf("%q and %q do not contain each other", doc, once)
		}
		stripped := jsonb.AppendStripped(nil, doc)
		if err := jsonb.Check(stripped, jsonb.Limits{}); err != nil {
			t.Fatalf("%q stripped to %q: %v", doc, stripped, err)
		}
	})
}

// FuzzBroken holds that nothing panics or runs on over what is not JSON.
func FuzzBroken(f *testing.F) {
	for _, s := range examples(broken(), 200) {
		f.Add([]byte(s), []byte(s))
	}
	f.Fuzz(func(_ *testing.T, a, b []byte) {
		a, b = bytes.Clone(a[:min(len(a), 1<<12)]), b[:min(len(b), 1<<12)]
		jsonb.AppendCanonical(nil, a)
		jsonb.AppendStripped(nil, a)
		jsonb.AppendText(nil, a)
		jsonb.Compare(a, b)
		jsonb.Equal(a, b)
		jsonb.Contains(a, b)
		jsonb.Get(a, "a")
		jsonb.Index(a, -1)
		jsonb.Plain(a)
		for range jsonb.Members(a) {
			continue
		}
		for range jsonb.Elements(a) {
			continue
		}
	})
}

func TestLimits(t *testing.T) {
	for _, c := range []struct {
		name, doc, field string
		limits           jsonb.Limits
	}{
		{"depth", strings.Repeat("[", 101) + strings.Repeat("]", 101), "depth", jsonb.Limits{Depth: 100}},
		{"depth that fits", strings.Repeat("[", 100) + strings.Repeat("]", 100), "", jsonb.Limits{Depth: 100}},
		{"depth beyond ours", strings.Repeat("[", 10<<20), "depth", jsonb.Limits{}},
		{"keys", `{"a":1,"b":{"c":2}}`, "keys", jsonb.Limits{Keys: 2}},
		{"keys that fit", `{"a":1,"b":{"c":2}}`, "", jsonb.Limits{Keys: 3}},
		{"one long number", `[1e131071]`, "", jsonb.Limits{Text: 200_000}},
		{"long numbers", `[1e131071,1e131071]`, "text", jsonb.Limits{Text: 200_000}},
		{"long numbers beyond PostgreSQL's text", "[1" + strings.Repeat(",1e131071", 10_000) + "]", "text", jsonb.Limits{}},
	} {
		err := jsonb.Check([]byte(c.doc), c.limits)
		if c.field == "" {
			if err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
			continue
		}
		if e, _ := errors.AsType[*jsonb.Error](err); e == nil || e.Code != jsonb.CodeLimit || e.Field != c.field {
			t.Errorf("%s: %v, want the limit of %s", c.name, err, c.field)
		}
	}
}

func TestSyntaxGoesFirst(t *testing.T) {
	for doc, code := range map[string]string{
		`["\u0000", 1e999999, "\ud800"]`: jsonb.CodeSyntax,
		`["\u0000", 1e999999`:            jsonb.CodeSyntax,
		`["\u0000", 1e999999]`:           jsonb.CodeNUL,
		`[1e999999, "\u0000"]`:           jsonb.CodeRange,
		"\"\xff\"":                       jsonb.CodeSyntax,
	} {
		if e, _ := errors.AsType[*jsonb.Error](jsonb.Check([]byte(doc), jsonb.Limits{})); e == nil || e.Code != code {
			t.Errorf("%s: %v, want code %s", doc, e, code)
		}
	}
}
