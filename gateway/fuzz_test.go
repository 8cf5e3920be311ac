package gateway

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"vigil"
)

// tree is a sink that builds what encoding/json would, as far as a sink can
// tell: single elements and arrays of one are the same to it.
type tree struct {
	stack []map[string][]any
	depth int
}

func (s *tree) deaf() bool { return false }

func (s *tree) open(name []byte) {
	s.stack = append(s.stack, map[string][]any{})
	s.depth = max(s.depth, len(s.stack))
}

func (s *tree) value(name, text []byte) {
	if len(s.stack) > 0 {
		top := s.stack[len(s.stack)-1]
		top[string(name)] = append(top[string(name)], string(text))
	}
}

func (s *tree) close() { s.stack = s.stack[:len(s.stack)-1] }

// FuzzJSON holds the scanner against encoding/json: what that takes is read to
// the end, with the same strings.
func FuzzJSON(f *testing.F) {
	for _, s := range []string{
		`{"a":[1,{"b":"c\u00e9\ud83d\ude00"}],"d":null}`, `[]`, `"x"`, `{"a":`, `{"a":"\`, ` {} `, `{"":{"":[[],[{}]]}}`, `-1.5e+7`, `{"a"`, `{"a":1,}`, `[1,]`, "{\"\\u0061\":\"\\ud800\"}",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		s := &tree{}
		err := scanJSON(b, s)
		if json.Valid(b) && err != nil && err != errDepth {
			t.Fatalf("%q: %v", b, err)
		}
		if err == nil && len(s.stack) != 0 {
			t.Fatalf("%q: %d objects are left open", b, len(s.stack))
		}
		var flat map[string]string
		if utf8.Valid(b) && json.Unmarshal(b, &flat) == nil && flat != nil && err == nil {
			last := &lastStrings{m: map[string]string{}}
			scanJSON(b, last)
			for name, want := range flat {
				if got := last.m[name]; got != want && want != "" {
					t.Fatalf("%q: %q is %q, want %q", b, name, got, want)
				}
			}
		}
	})
}

type lastStrings struct{ m map[string]string }

func (l *lastStrings) open([]byte)             {}
func (l *lastStrings) close()                  {}
func (l *lastStrings) deaf() bool              { return false }
func (l *lastStrings) value(name, text []byte) { l.m[string(name)] = string(text) }
func (l *lastStrings) String() string          { return "" }

// FuzzBody reads any body as any type, whole or cut, and makes a document that
// is valid JSON of it.
func FuzzBody(f *testing.F) {
	f.Add("POST", "/fhir", "application/fhir+json", []byte(`{"resourceType":"Bundle","type":"batch","entry":[{"request":{"method":"GET","url":"Patient/1"}}]}`), []byte(`{"resourceType":"Bundle","entry":[{"response":{"status":"200"}}]}`))
	f.Add("GET", "/fhir/Patient/1/$everything", "application/fhir+xml", []byte{}, []byte(`<Bundle xmlns="http://hl7.org/fhir"><entry><resource><Patient><id value="1"/></Patient></resource></entry></Bundle>`))
	f.Add("POST", "/fhir/Patient/_search", "application/x-www-form-urlencoded", []byte("patient=1&_id=%00"), []byte(`{"resourceType":"OperationOutcome","issue":[{"diagnostics":"\u0000"}]}`))
	f.Fuzz(func(t *testing.T, method, path, contentType string, req, resp []byte) {
		if len(req)+len(resp) > 1<<16 {
			t.Skip("long bodies are not what is tried here")
		}
		c := capture{method: method, path: path, contentType: contentType, respType: contentType, reqBody: req, respBody: resp, status: 200, ended: true}
		r := NewReader(ReaderConfig{})
		events, err := r.Events(c.append(nil))
		if err != nil {
			t.Fatal(err)
		}
		doc := events[0].Doc
		var x vigil.Exchange
		if err := json.Unmarshal(doc, &x); err != nil || !utf8.Valid(doc) || hasNUL(doc) {
			t.Fatalf("%s: %v", doc, err)
		}
		for _, p := range x.Patients {
			if !strings.HasPrefix(p, "Patient/") {
				t.Fatalf("patient %q", p)
			}
		}
	})
}

func hasNUL(doc []byte) bool {
	var v any
	if json.Unmarshal(doc, &v) != nil {
		return true
	}
	b, err := json.Marshal(v)
	return err != nil || bytes.Contains(bytes.ReplaceAll(b, []byte(`\\`), nil), []byte(`\u0000`))
}

// FuzzRecord reads what may be any bytes, and its own writing back.
func FuzzRecord(f *testing.F) {
	c := capture{id: "1", method: "GET", peer: []string{"a", "b"}, headers: [][2]string{{"n", "v"}}, status: 404, complete: true, respBody: []byte("x")}
	f.Add(c.append(nil))
	f.Add([]byte{recordVersion, fieldDoing, 1, 2})
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := decodeRecord(b)
		if err != nil {
			return
		}
		again, err := decodeRecord(c.append(nil))
		if err != nil || !bytes.Equal(again.append(nil), c.append(nil)) {
			t.Fatalf("%+v is read back as %+v, %v", c, again, err)
		}
	})
}

// TestRecordFields writes every field and reads it back: one that is forgotten
// in either direction shows.
func TestRecordFields(t *testing.T) {
	var c capture
	for f := byte(fieldID); f <= fieldDoing; f++ {
		if s := c.text(f); s != nil {
			*s = "text " + string(rune('0'+f))
		}
		if l := c.list(f); l != nil {
			*l = []string{"one", "two"}
		}
	}
	seen := map[byte]bool{fieldDoing: true, fieldHeaderName: true, fieldHeaderValue: true, fieldAudit: true, fieldReqBody: true, fieldRespBody: true}
	for _, n := range c.numbers() {
		seen[n.field] = true
		c.number(n.field, int64(n.field)+1000)
	}
	c.doing = []byte("{}")
	c.user.Verified = true
	got, err := decodeRecord(c.append(nil))
	if err != nil {
		t.Fatal(err)
	}
	for f := byte(fieldID); f <= fieldDoing; f++ {
		if s := c.text(f); s != nil && *got.text(f) != *s {
			t.Errorf("field %d is %q", f, *got.text(f))
		} else if l := c.list(f); l != nil && len(*got.list(f)) != 2 {
			t.Errorf("field %d is %q", f, *got.list(f))
		} else if s == nil && l == nil && !seen[f] {
			t.Errorf("field %d is nowhere", f)
		}
	}
	if got.numbers() != c.numbers() || !got.user.Verified {
		t.Errorf("%v, want %v", got.numbers(), c.numbers())
	}
}

// FuzzKept redacts what may be any bytes: JSON stays JSON, and a member named
// password never keeps its value.
func FuzzKept(f *testing.F) {
	for _, s := range []string{
		`{"a":1,"password":"secret","b":[{"Patient":{"name":"x"}}]}`, `{"resourceType":"Patient","name":[{"family":"x"}]}`,
		`<Patient xmlns="http://hl7.org/fhir"><name><family value="x"/></name></Patient>`, `a=b&password=secret`,
		`{"password":"sec`, "\xff\xfe", `{"parameter":[{"valueString":"x","name":"token"}]}`,
	} {
		f.Add([]byte(s), uint8(kindJSON))
		f.Add([]byte(s), uint8(kindXML))
		f.Add([]byte(s), uint8(kindForm))
	}
	fields, err := appendFieldRule(nil, "body:Patient.**.family", false)
	if err != nil {
		f.Fatal(err)
	}
	r := &rules{fields: fields}
	f.Fuzz(func(t *testing.T, b []byte, kind uint8) {
		k := r.kept(bodyKind(kind%uint8(kindLines+1)), "", b, false, 1<<20)
		if bodyKind(kind) != kindJSON || !json.Valid(b) || !utf8.Valid(b) {
			return
		}
		if k.Cut && !deep(b) || !k.Cut && !json.Valid([]byte(k.Text)) {
			t.Fatalf("%q became %q, cut %v", b, k.Text, k.Cut)
		}
		var object map[string]any
		if json.Unmarshal([]byte(k.Text), &object) == nil {
			if v, ok := object["password"]; ok && v != redacted {
				t.Fatalf("%q became %q", b, k.Text)
			}
		}
	})
}

// deep reports whether a body may be nested deeper than is read.
func deep(b []byte) bool {
	return bytes.Count(b, []byte("["))+bytes.Count(b, []byte("{")) > maxDepth
}
