package postgrest

import (
	"errors"
	"strings"

	"vigil/internal/query"
)

// discreet returns err without what it repeats of a row. PostgreSQL, and so every
// store, quotes the value that a cast could not take: who asked for the row may see
// it, but no document has a place in the server's log.
func discreet(err error) error {
	e, ok := errors.AsType[*query.Error](err)
	if !ok || !strings.HasPrefix(e.Code, "22") { // data exceptions
		return err
	}
	return &query.Error{Code: e.Code, Message: unquoted(e.Message), Hint: e.Hint}
}

// unquoted returns text without what stands between its first and its last
// quotation mark.
func unquoted(text string) string {
	first, last := strings.IndexByte(text, '"'), strings.LastIndexByte(text, '"')
	if first == last {
		return text
	}
	before, after := text[:first], text[last+1:]
	switch {
	case after == "": // … for type integer: "value"
		return strings.TrimRight(before, ": ")
	case before == "": // "value" is out of range …
		return "value" + after
	}
	return before + strings.TrimLeft(after, " ") // value "value" is out of range …
}
