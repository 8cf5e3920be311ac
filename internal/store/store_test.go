package store_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"vigil"
	"vigil/internal/jsonb"
	"vigil/internal/query"
	"vigil/internal/store"
)

// TestSender makes sure that a sender's text is what leaves can commit to: valid
// JSON, and the same again after it was read.
func TestSender(t *testing.T) {
	text := rapid.OneOf(rapid.String(), rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) }))
	rapid.Check(t, func(t *rapid.T) {
		s := &vigil.Sender{
			Subject: text.Draw(t, "sub"), Issuer: text.Draw(t, "iss"), Client: text.Draw(t, "client"), KeyID: text.Draw(t, "kid"),
			Role: text.Draw(t, "role"), Listener: text.Draw(t, "listener"), Peer: text.Draw(t, "peer"),
			Authenticated: rapid.Bool().Draw(t, "authenticated"),
		}
		b := store.AppendSender(nil, s)
		if err := jsonb.Check(b, jsonb.Limits{}); err != nil {
			t.Fatalf("%q is no jsonb: %v", b, err)
		}
		back, err := store.ParseSender(b)
		if err != nil {
			t.Fatal(err)
		}
		if again := store.AppendSender(nil, back); !bytes.Equal(again, b) {
			t.Fatalf("%q became %q", b, again)
		}
		var std vigil.Sender // the tags of vigil.Sender say the same
		if err := json.Unmarshal(b, &std); err != nil || std != *back {
			t.Fatalf("%q is %+v to encoding/json: %v", b, std, err)
		}
	})
}

func TestSenderNil(t *testing.T) {
	if b := store.AppendSender(nil, nil); len(b) != 0 {
		t.Errorf("an unknown sender is %q", b)
	}
	if s, err := store.ParseSender(nil); s != nil || err != nil {
		t.Errorf("no text is %v, %v", s, err)
	}
	if _, err := store.ParseSender([]byte("{")); err == nil {
		t.Error("a damaged text was read")
	}
}

func TestCatalog(t *testing.T) {
	view := func(name, base string) []store.View {
		return []store.View{{Schema: query.Schema{Table: name}, Base: base}}
	}
	for _, c := range []struct {
		name   string
		config store.Config
		want   string // part of the error; empty: none
	}{
		{"nothing", store.Config{}, ""},
		{"a table and a view", store.Config{Tables: []string{"my_table9"}, Views: view("v", "my_table9")}, ""},
		{"upper case", store.Config{Tables: []string{"Events"}}, "lower-case"},
		{"path", store.Config{Tables: []string{"../x"}}, "lower-case"},
		{"system name", store.Config{Tables: []string{"_x"}}, "lower-case"},
		{"empty", store.Config{Tables: []string{""}}, "lower-case"},
		{"too long", store.Config{Tables: []string{strings.Repeat("x", 64)}}, "lower-case"},
		{"built in", store.Config{Tables: []string{"events"}}, "built in"},
		{"twice", store.Config{Tables: []string{"x", "x"}}, "twice"},
		{"view over nothing", store.Config{Views: view("v", "nothing")}, "does not exist"},
		{"view over a view", store.Config{Views: append(view("v", "events"), view("w", "v")...)}, "does not exist"},
		{"view named as a table", store.Config{Views: view("logs", "events")}, "another table"},
		{"view named twice", store.Config{Views: append(view("v", "events"), view("v", "logs")...)}, "another table"},
	} {
		_, err := store.NewCatalog(c.config)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
	}
}

// TestRetired makes sure that rows of a table which is no longer configured are
// known, but neither asked for nor added to.
func TestRetired(t *testing.T) {
	c, err := store.NewCatalog(store.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if c.Retain("events").Retired || !c.Retain("gone").Retired || c.Retain("gone") != c.Named("gone") {
		t.Error("retired tables are not what they should be")
	}
	if _, _, err := c.Lookup("gone"); vigil.KindOf(err) != vigil.NotFound {
		t.Errorf("lookup of a retired table: %v", err)
	}
	for _, s := range c.Schemas() {
		if s.Table == "gone" {
			t.Error("a retired table is described")
		}
	}
}
