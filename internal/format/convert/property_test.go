package convert_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"vigil"
	"vigil/internal/format"
	"vigil/internal/format/convert"
	"vigil/internal/format/fhir"
	"vigil/internal/jsonb"
)

// drawer makes documents of places that the mapping reads and others, with values
// that mean something to it and others.
type drawer struct{ *rapid.T }

var values = []string{
	`"Patient/1"`, `"https://fhir.example.org/Patient/2/_history/3"`, `"patients/607"`, `"Practitioner/p-1"`, `"Device/d.1"`, `"Foo/1"`, `"Group/7"`, `"Patient/not an id"`,
	`"sample user"`, `"sample"`, `"urn:uuid:0198f7a0-0000-7000-8000-000000000000"`, `"https://app.example.org/x?y=1"`, `"mailto:x"`, `"a:b"`, `" padded "`, `"two  blanks"`, `"\u0001"`, `" "`, `""`,
	`"login"`, `"LOGOUT"`, `"110122"`, `"read"`, `"search-type"`, `"shred"`, `"create"`, `"w/resp"`, `"rest"`, `"vigil:agent"`, `"0"`, `"success"`, `"404"`, `500`, `8`, `0`, `true`, `null`, `1.5e3`,
	`"info"`, `"WARN"`, `"odd"`, `30`, `"TREAT"`, `"192.0.2.1, 198.51.100.2"`, `"192.0.2.3"`, `"host.example.org"`, `"http://x.example.org/"`, `"2024-02-03T04:05:06.5Z"`, `"2024-02-03 04:05:06,789"`, `1716625978123`,
	`"üñ☃ 😀"`, `"line\nbreak"`, `"~/"`, `{"reference":"Patient/9"}`, `{"resourceType":"Observation","id":"o-1"}`, `{"resourceType":"Patient","_id":5}`, `{"subject.id":"x y"}`, `{"subject:Patient.name.given":"Sample"}`,
	`{"reference":"Practitioner/2","display":"Sample"}`, `["a",["b"],{"c":[1,null,"Patient/4"]}]`, `["Patient/1","Patient/5","Group/2"]`, `{}`, `[]`,
}

// document returns an object with members along the mapping's paths of a
// vocabulary.
func (d drawer) document(v vigil.Vocabulary) []byte {
	root := map[string]any{}
	for _, p := range vigil.Properties() {
		for _, s := range p.From[v] {
			if s.Path != "" && rapid.IntRange(0, 6).Draw(d.T, s.Path) == 0 {
				d.set(root, strings.Split(s.Path, "."))
			}
		}
	}
	for range rapid.IntRange(0, 3).Draw(d.T, "others") {
		key := rapid.SampledFrom([]string{"message", "x/y", "a~b", "vigil:agent", "é", "w", "rtp", "rid", "entity", "user", "key", "type", "\u0001"}).Draw(d.T, "key")
		root[key] = raw(d.value())
	}
	return appendValue(nil, root)
}

type raw string

func (d drawer) value() string { return rapid.SampledFrom(values).Draw(d.T, "value") }

// set puts a value at a path, as an array with some elements where it may be one.
func (d drawer) set(at map[string]any, path []string) {
	key, each := strings.CutSuffix(path[0], "[]")
	if len(path) == 1 {
		at[key] = raw(d.value())
		if each && rapid.Bool().Draw(d.T, "array") {
			at[key] = []any{raw(d.value()), raw(d.value())}
		}
		return
	}
	next, ok := at[key].(map[string]any)
	if list, isList := at[key].([]any); isList {
		next, ok = list[len(list)-1].(map[string]any)
	}
	if !ok {
		next = map[string]any{}
		at[key] = next
		if each && rapid.Bool().Draw(d.T, "array") {
			other := map[string]any{}
			d.set(other, path[1:])
			at[key] = []any{other, next}
		}
	}
	d.set(next, path[1:])
}

func appendValue(dst []byte, v any) []byte {
	switch v := v.(type) {
	case raw:
		return append(dst, v...)
	case []any:
		dst = append(dst, '[')
		for i, e := range v {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendValue(dst, e)
		}
		return append(dst, ']')
	case map[string]any:
		dst = append(dst, '{')
		first := true
		for _, key := range slices.Sorted(maps.Keys(v)) {
			if !first {
				dst = append(dst, ',')
			}
			first = false
			dst = appendValue(append(jsonb.AppendString(dst, key), ':'), v[key])
		}
		return append(dst, '}')
	}
	return dst
}

// formats are what documents of a vocabulary come as.
var formats = map[vigil.Vocabulary]vigil.Format{
	vigil.Logserver: vigil.FormatLogserver, vigil.Keycloak: vigil.FormatLogserver, vigil.KeycloakLog: vigil.FormatLogserver, vigil.Aidbox: vigil.FormatAidbox,
	vigil.FHIRR4: vigil.FormatFHIRR4, vigil.FHIRR5: vigil.FormatFHIRR5, vigil.FHIRR3: vigil.FormatFHIRR4, vigil.Exchanges: vigil.FormatExchange,
	vigil.CLEF: vigil.FormatCLEF,
}

// TestAnyDocument: the law holds for documents of every vocabulary, in both
// versions, there and back.
func TestAnyDocument(t *testing.T) {
	c, m := convert.New(convert.Config{}), format.New(nil)
	rapid.Check(t, func(t *rapid.T) {
		vocabulary := vigil.Vocabulary(rapid.IntRange(0, int(vigil.NumVocabularies)-1).Draw(t, "vocabulary"))
		doc := drawer{t}.document(vocabulary)
		if err := jsonb.Check(doc, jsonb.Limits{}); err != nil {
			t.Fatalf("%v: %s", err, doc)
		}
		e := event(formats[vocabulary], doc)
		v := rapid.SampledFrom([]fhir.Version{fhir.R4, fhir.R5}).Draw(t, "version")
		n, err := c.AuditEvent(e, v)
		if err != nil {
			t.Fatal(err)
		}
		text := fhir.AppendJSON(nil, n)
		if issues := fhir.Validate(n, fhir.Options{Version: v, Profiles: fhir.Ignore}); fhir.Failed(issues) {
			t.Fatalf("%v: %v\n%s\n%s", v, issues, doc, text)
		}
		for _, broken := range lawOf(m.Facts(e.Format, doc), m.Facts(formatOf(v), text), e) {
			t.Errorf("%v as %v: %s\n%s\n%s", vocabulary, v, broken, doc, text)
		}
		checkLogserver(t, fmt.Sprint(vocabulary), c, m, n, v, text)
	})
}
