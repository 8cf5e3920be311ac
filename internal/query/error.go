package query

import "fmt"

// Error says why a query cannot be answered, as PostgREST words it: Code is an
// SQLSTATE or one of PostgREST's own. Empty Details and Hint are null.
type Error struct {
	Code    string
	Message string
	Details string
	Hint    string
}

func (e *Error) Error() string { return e.Message }

// The SQLSTATEs that queries end with.
const (
	codeNoColumn     = "42703"
	codeNoFunction   = "42883" // also: no operator
	codeAmbiguous    = "42725"
	codeNoType       = "42704"
	codeWrongType    = "42804"
	codeNoCast       = "42846"
	codeGrouping     = "42803"
	codeBadText      = "22P02"
	codeBadDate      = "22007"
	codeDateRange    = "22008"
	codeRange        = "22003"
	codeBadParameter = "22023"
	codeBadEscape    = "22025"
	codeBadRegex     = "2201B"
	codeBadQuery     = "42601"
	codeUnsupported  = "0A000"
	codeMemory       = "53200"
	codeLimit        = "54000"
)

const (
	hintOperator  = "No operator matches the given name and argument types. You might need to add explicit type casts."
	hintAmbiguous = "Could not choose a best candidate operator. You might need to add explicit type casts."
	hintFunction  = "No function matches the given name and argument types. You might need to add explicit type casts."
)

func errorf(code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// maxQuoted is how many characters of a value a message repeats.
const maxQuoted = 100

// cut returns the beginning of a value that is too long to be repeated in a message.
func cut(s string) string {
	if len(s) <= maxQuoted {
		return s
	}
	n := 0
	for i := range s {
		if n == maxQuoted {
			return s[:i] + "…"
		}
		n++
	}
	return s
}

// noOperator is what PostgreSQL says to an operator that t does not have.
func noOperator(t Type, op Op) *Error {
	e := errorf(codeNoFunction, "operator does not exist: %s %s %s", t, sqlOperators[op], "unknown")
	e.Hint = hintOperator
	switch {
	case op == Cd && t != TextArray && t != JSONB:
		e.Code, e.Hint = codeAmbiguous, hintAmbiguous
		e.Message = fmt.Sprintf("operator is not unique: %s <@ unknown", t)
	case op == IsDistinct:
		e.Message = fmt.Sprintf("operator does not exist: %s = unknown", t)
	case textSearch(op):
		e.Message = fmt.Sprintf("operator does not exist: %s @@ tsquery", t)
	case (op == Sl || op == Sr) && (t == Int4 || t == Int8):
		return errorf(codeWrongType, "argument of WHERE must be type boolean, not type %s", t)
	}
	return e
}

// sqlOperators are the names that PostgreSQL gives the operators in errors.
var sqlOperators = map[Op]string{
	Eq: "=", Neq: "<>", Gt: ">", Gte: ">=", Lt: "<", Lte: "<=", Like: "~~", ILike: "~~*", Match: "~", IMatch: "~*", In: "=", IsDistinct: "=",
	Cs: "@>", Cd: "<@", Ov: "&&", Sl: "<<", Sr: ">>", Nxr: "&<", Nxl: "&>", Adj: "-|-",
}

func textSearch(op Op) bool { return op == FTS || op == PlFTS || op == PhFTS || op == WFTS }
