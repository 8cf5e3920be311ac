package jsonb

// The codes of [Error] that are not SQLSTATEs or that callers ask for.
const (
	CodeSyntax = "json"  // not JSON
	CodeNUL    = "22P05" // \u0000 has no place in PostgreSQL's text
	CodeRange  = "22003" // a number that numeric has no room for
	CodeLimit  = "54000" // over one of the Limits
)

// Error says why a text is not taken as jsonb, in PostgreSQL's words. It never
// holds more of the text than the word that is wrong.
type Error struct {
	Code    string
	Message string
	Detail  string
	Field   string // with CodeLimit which limit: depth, keys or text
	Offset  int    // in bytes, of what is wrong
}

func (e *Error) Error() string {
	if e.Detail == "" {
		return e.Message
	}
	return e.Message + ": " + e.Detail
}
