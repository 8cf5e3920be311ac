package balp

import (
	"slices"
	"testing"
	"time"
)

// TestTables checks that what is searched by halves is in order.
func TestTables(t *testing.T) {
	if !slices.IsSorted(types) || len(types) < 140 || !isType("Patient") || isType("User") {
		t.Errorf("%d types", len(types))
	}
	if !slices.IsSorted(purposeCodes[:]) {
		t.Error("the purposes are not in order")
	}
}

// TestSplit reads what is a reference, and what is none.
func TestSplit(t *testing.T) {
	for ref, want := range map[string][3]string{
		"Patient/1":                      {"Patient", "1", ""},
		"Patient/1/_history/2":           {"Patient", "1", "2"},
		"https://h/fhir/Own/a.b":         {"Own", "a.b", ""},
		"https://h/Patient/1/_history/3": {"Patient", "1", "3"},
		"Patient":                        {},
		"/Patient/1":                     {},
		"x/Patient/1":                    {},
		"Patient/1/_history/":            {},
		"Patient/1/_history/2/3":         {},
		"Patient/1 ":                     {},
		"patient/1":                      {},
		"ftp://h/Patient/1":              {},
		"http:///Patient/1":              {},
		"":                               {},
	} {
		typ, id, version := split(ref)
		if typ == "" {
			id, version = "", ""
		}
		if got := [3]string{typ, id, version}; got != want {
			t.Errorf("%q: %q, want %q", ref, got, want)
		}
	}
}

// TestAddresses takes ports, users and passwords off.
func TestAddresses(t *testing.T) {
	for in, want := range map[string]string{"h": "h", "h:80": "h", "::1": "::1", "[::1]:80": "::1", "[::1]": "::1", "192.0.2.1:1": "192.0.2.1"} {
		if got := hostOf(in); got != want {
			t.Errorf("%q: host %q, want %q", in, got, want)
		}
	}
	for in, want := range map[string]string{
		"http://h/fhir": "http://h/fhir", "https://u:p@h:1/a?b#c": "https://h:1/a", "http://u@h": "http://h", "h/fhir": "", "http://": "", "": "",
		"http://h/a@b": "http://h/a@b",
	} {
		if got := upstream(in); got != want {
			t.Errorf("%q: upstream %q, want %q", in, got, want)
		}
	}
}

// TestRelative takes the base off a path.
func TestRelative(t *testing.T) {
	for _, c := range [][3]string{
		{"/fhir/Patient/1", "http://h/fhir", "/Patient/1"},
		{"/fhir/Patient/1", "http://h/fhir/", "/Patient/1"},
		{"/fhir", "http://h/fhir", ""},
		{"/fhirs/Patient", "http://h/fhir", "/fhirs/Patient"},
		{"/Patient", "http://h", "/Patient"},
	} {
		if got := relative(c[0], c[1]); got != c[2] {
			t.Errorf("%s under %s: %q, want %q", c[0], c[1], got, c[2])
		}
	}
}

// TestInstant writes the times that FHIR can, and the nearest of others.
func TestInstant(t *testing.T) {
	for in, want := range map[time.Time]string{
		time.Date(2026, 1, 2, 3, 4, 5, 678901234, time.FixedZone("", 3600)): `"2026-01-02T02:04:05.678901Z"`,
		time.Date(-5, 1, 1, 0, 0, 0, 0, time.UTC):                           `"0001-01-01T00:00:00.000000Z"`,
		time.Date(12026, 1, 1, 0, 0, 0, 0, time.UTC):                        `"9999-12-31T23:59:59.000000Z"`,
	} {
		w := &writer{}
		if w.instant(in); string(w.b) != want {
			t.Errorf("%v: %s", in, w.b)
		}
	}
}
