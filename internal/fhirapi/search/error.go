package search

import (
	"fmt"
	"net/http"
	"strings"
	"unicode/utf8"

	"vigil/internal/jsonb"
)

// Codes of issues, from http://hl7.org/fhir/issue-type.
const (
	codeInvalid      = "invalid"
	codeValue        = "value"
	codeRequired     = "required"
	codeNotSupported = "not-supported"
	codeTooLong      = "too-long"
	codeTooCostly    = "too-costly"
	codeDeleted      = "deleted"
)

// Error says why a search cannot be answered, in words for who wrote it.
type Error struct {
	Status    int    // HTTP status
	Code      string // of http://hl7.org/fhir/issue-type
	Message   string
	Parameter string // the parameter as it was written, empty where it is none's fault
}

// Error implements error.
func (e *Error) Error() string {
	if e.Parameter == "" {
		return e.Message
	}
	return e.Parameter + ": " + e.Message
}

func badf(code, parameter, format string, args ...any) *Error {
	return &Error{Status: http.StatusBadRequest, Code: code, Parameter: shown(parameter), Message: fmt.Sprintf(format, args...)}
}

// maxShown is how much of what a client wrote is in the text of an error, in bytes.
const maxShown = 100

// shown returns s fit for an error's text: short, and without
// characters that steer who reads it.
func shown(s string) string {
	cut := s
	if len(cut) > maxShown {
		for cut = cut[:maxShown]; cut != "" && !utf8.ValidString(cut[max(0, len(cut)-utf8.UTFMax):]); {
			cut = cut[:len(cut)-1]
		}
	}
	cut = strings.Map(func(r rune) rune {
		if r == utf8.RuneError || jsonb.Hidden(r) {
			return -1
		}
		return r
	}, cut)
	if len(cut) < len(s) && len(s) > maxShown {
		cut += "…"
	}
	return cut
}
