package fhir

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var formatNames = map[string]format{
	"base64Binary": fBase64, "canonical": fCanonical, "code": fCode, "dateTime": fDateTime, "id": fID, "instant": fInstant,
	"integer": fInteger, "positiveInt": fPositiveInt, "time": fTime, "unsignedInt": fUnsignedInt, "uri": fURI,
}

// regex returns the regular expression of a data type's definition.
func regex(t *testing.T, v Version, name string) *regexp.Regexp {
	t.Helper()
	folder := map[Version]string{R4: "fhir-r4-4.0.1/", R5: "fhir-r5-5.0.0/"}[v]
	text, err := os.ReadFile(shared + folder + "StructureDefinition-" + name + ".json")
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	var d struct {
		Snapshot struct {
			Element []struct {
				Type []struct {
					Extension []struct{ URL, ValueString string }
				}
			}
		}
	}
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	for _, e := range d.Snapshot.Element {
		for _, typ := range e.Type {
			for _, x := range typ.Extension {
				if strings.HasSuffix(x.URL, "/regex") {
					return regexp.MustCompile(`^(?:` + x.ValueString + `)$`)
				}
			}
		}
	}
	t.Fatalf("%s: no regular expression", name)
	return nil
}

// TestFormatsAreTheRegexes draws texts near each format and compares with the
// definition's regular expression, which knows neither days nor 32 bits nor where
// padding belongs, and, in R5, dates that have a zone without a time.
func TestFormatsAreTheRegexes(t *testing.T) {
	for _, v := range []Version{R4, R5} {
		for name, f := range formatNames {
			re := regex(t, v, name)
			if re == nil {
				t.Logf("%s: not here", shared)
				return
			}
			rapid.Check(t, func(t *rapid.T) {
				s := near(t, f)
				ok := s != "" && f.problem(s, v) == ""
				if match := re.MatchString(s); ok && !match || !ok && match && !stricter(f, v, s) {
					t.Fatalf("%v %s %q: we say %t, the definition %t", v, name, s, ok, match)
				}
			})
		}
	}
}

// near draws texts that are or nearly are of a format.
func near(t *rapid.T, f format) string {
	pattern := map[format]string{
		fBase64:    `[A-Za+/]{0,9}[=]{0,3}[ \n]?[b=]{0,4}`,
		fCode:      `[a ]{0,3}[\tb]?( c)?`,
		fDateTime:  `(000[01]|2024|20)(-(0[0-3]|1[0-3])(-(0[0-3]|2[89]|3[0-2])(T(0[0-9]|2[0-4]):[0-6]0:[0-6]0(\.[0-9]{0,11})?)?)?)?(Z|[+-](14|15|0):?[036]0)?`,
		fInstant:   `(0000|2024)-(0[0-3]|1[0-3])-(0[0-3]|2[89]|3[0-2])T(0[0-9]|2[0-4]):[0-6]0:[0-6]0(\.[0-9]{0,11})?(Z|[+-](14|15|00):?[036]0)?`,
		fTime:      `(0[0-9]|2[0-4]):[0-6]0(:[0-6]0)?(\.[0-9]{0,11})?Z?`,
		fID:        `[a-zA-Z0-9.\-_ ]{0,3}([a-z]{62})?`,
		fURI:       `[a-z:/ \t\n]{0,6}`,
		fCanonical: `[a-z:|/ \t\n]{0,6}`,
	}[f]
	if pattern == "" {
		pattern = `[+-]?[0-9]{0,3}(99999999)?[.]?[0e]?`
	}
	return rapid.StringMatching(pattern).Draw(t, "text")
}

// stricter says where a text that the expression allows is rightly refused.
func stricter(f format, v Version, s string) bool {
	switch f {
	case fBase64:
		_, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(s), ""))
		return s == "" || err != nil || strings.Contains(strings.TrimRight(s, "= \n"), "=")
	case fDateTime, fInstant:
		_, err := time.Parse("2006-01-02", s[:min(10, len(s))])
		return len(s) >= 10 && err != nil || v == R5 && f == fDateTime
	case fInteger, fPositiveInt, fUnsignedInt:
		return len(s) > 9 || s[0] == '+' || s == "-0"
	case fURI, fCanonical:
		return s == ""
	case fCode:
		return false
	}
	return false
}

func TestFormats(t *testing.T) {
	for f, texts := range map[format]struct{ good, bad string }{
		fDate:      {"2024 2024-02 2024-02-29 2000-02-29", "24 2024-2 2024-00 2023-02-29 1900-02-29 2024-04-31 2024-01-01T00:00:00Z 2024/01/01"},
		fOID:       {"urn:oid:1.2.3 urn:oid:2.999.0", "1.2.3 urn:oid:3.1 urn:oid:1.02 urn:oid:1. urn:oid:1..2 urn:oid:"},
		fUUID:      {"urn:uuid:c757873d-ec9a-4326-a141-556f43239520", "c757873d-ec9a-4326-a141-556f43239520 urn:uuid:C757873D-EC9A-4326-A141-556F43239520 urn:uuid:c757873dec9a4326a141556f43239520"},
		fInteger64: {"0 -9223372036854775808", "9223372036854775808 1.0 x"},
		fInteger:   {"0 -2147483648 2147483647", "2147483648 1.0 1e3 -0"},
		fURL:       {"http://example.org", ""},
	} {
		for _, s := range strings.Fields(texts.good) {
			if p := f.problem(s, R4); p != "" {
				t.Errorf("%s: %s", s, p)
			}
		}
		for _, s := range strings.Fields(texts.bad) {
			if f.problem(s, R4) == "" {
				t.Errorf("%s: no problem", s)
			}
		}
	}
	for f := fBase64; f <= fXHTML; f++ {
		if f.problem("", R4) == "" {
			t.Errorf("format %d: empty is no problem", f)
		}
	}
	if fString.problem(strings.Repeat("ü", maxString), R4) != "" || fString.problem(strings.Repeat("a", maxString+1), R4) == "" {
		t.Error("strings are bounded elsewhere than at 1,048,576 characters")
	}
}
