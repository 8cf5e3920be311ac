package fhir

import (
	"strings"
	"testing"
)

func TestIsID(t *testing.T) {
	for s, want := range map[string]bool{
		"a": true, "0": true, "-": true, ".": true, "Ab.9-z": true, strings.Repeat("x", 64): true,
		"": false, strings.Repeat("x", 65): false, "a_b": false, "a b": false, "a/b": false, "a|b": false,
		"@": false, "[": false, "`": false, "{": false, "é": false, "\u212a": false, "a\x00": false,
	} {
		if got := IsID(s); got != want {
			t.Errorf("IsID(%q) is %t", s, got)
		}
	}
}

func TestIsTypeName(t *testing.T) {
	for s, want := range map[string]bool{
		"Patient": true, "V": true, "AuditEvent": true, "X" + strings.Repeat("x", 63): true,
		"": false, "patient": false, "X" + strings.Repeat("x", 64): false, "Patient1": false, "Pat ient": false,
		"@a": false, "[a": false, "A@": false, "A[": false, "Aé": false, "A\u212a": false, "$op": false,
	} {
		if got := IsTypeName(s); got != want {
			t.Errorf("IsTypeName(%q) is %t", s, got)
		}
	}
}

func TestIsCode(t *testing.T) {
	for s, want := range map[string]bool{
		"a": true, "a b c": true, "é\u00a0": true, "": false, " a": false, "a ": false, "a  b": false, "a \tb": false, "\n": false,
	} {
		if got := IsCode(s); got != want {
			t.Errorf("IsCode(%q) is %t", s, got)
		}
	}
}
