package postgrest

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"strings"

	"vigil"
	"vigil/internal/auth"
	"vigil/internal/jsonb"
	"vigil/internal/postgrest/grammar"
	"vigil/internal/query"
	"vigil/internal/web"
)

// Error is an error as PostgREST answers it. Its texts are shown to the client,
// so they hold no row data, but for the value that a cast could not take; Err is
// only logged.
type Error struct {
	Status  int
	Code    string // PGRSTxxx or an SQLSTATE
	Message string
	Details string      // empty is null
	Hint    string      // empty is null
	Allow   string      // the Allow header of a 405
	Header  http.Header // further headers of the answer
	Err     error
}

// Error implements error; it is for logs.
func (e *Error) Error() string {
	s := e.Code + ": " + e.Message
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// appendJSON appends the body of the answer, the members in PostgREST's order.
func (e *Error) appendJSON(b []byte) []byte {
	b = append(b, `{"code":`...)
	b = jsonb.AppendString(b, e.Code)
	b = append(b, `,"details":`...)
	b = appendStringOrNull(b, e.Details)
	b = append(b, `,"hint":`...)
	b = appendStringOrNull(b, e.Hint)
	b = append(b, `,"message":`...)
	b = jsonb.AppendString(b, e.Message)
	return append(b, '}')
}

func appendStringOrNull(b []byte, s string) []byte {
	if s == "" {
		return append(b, "null"...)
	}
	return jsonb.AppendString(b, s)
}

// kindCodes has the code of errors that come without one.
var kindCodes = map[vigil.Kind]string{
	vigil.Internal:        "XX000",
	vigil.Invalid:         "PGRST102",
	vigil.Unauthenticated: "PGRST301",
	vigil.Forbidden:       "42501",
	vigil.NotFound:        "PGRST125",
	vigil.NotAllowed:      "PGRST117",
	vigil.NotAcceptable:   "PGRST107",
	vigil.Conflict:        "23505",
	vigil.TooLarge:        "54000", // program_limit_exceeded
	vigil.Unsupported:     "PGRST102",
	vigil.OutOfRange:      "PGRST103",
	vigil.Unprocessable:   "22023", // invalid_parameter_value
	vigil.TooMany:         "53400", // configuration_limit_exceeded
	vigil.Unavailable:     "57P03", // cannot_connect_now
	vigil.Full:            "53100", // disk_full
}

// asError returns what err looks like to the client. Nothing is told about an
// error that was not made for clients.
func asError(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	if e, ok := errors.AsType[*grammar.Error](err); ok {
		return &Error{Status: e.Status, Code: e.Code, Message: e.Message, Details: e.Details, Hint: e.Hint}
	}
	if e, ok := errors.AsType[*query.Error](err); ok {
		return &Error{Status: codeStatus(e.Code), Code: e.Code, Message: e.Message, Details: e.Details, Hint: e.Hint}
	}
	if e, ok := errors.AsType[*jsonb.Error](err); ok {
		return jsonError(e)
	}
	if e, ok := errors.AsType[*vigil.Error](err); ok && e.Kind != vigil.Internal {
		code := e.Code
		if code == "" {
			code = kindCodes[e.Kind]
		}
		return &Error{Status: web.Status(err), Code: code, Message: e.Message, Details: e.Details, Hint: e.Hint, Err: e.Err}
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return &Error{Status: http.StatusServiceUnavailable, Code: "57014", Message: "canceling statement due to user request", Err: err}
	}
	return &Error{Status: http.StatusInternalServerError, Code: "XX000", Message: "Something went wrong", Err: err}
}

// codeStatus returns the status that PostgREST gives an error of a statement.
func codeStatus(code string) int {
	switch code {
	case "42883", "42P01", "PGRST125", "PGRST202", "PGRST205":
		return http.StatusNotFound
	case "23503", "23505":
		return http.StatusConflict
	case "25006", "PGRST117":
		return http.StatusMethodNotAllowed
	case "PGRST106", "PGRST107", "PGRST116":
		return http.StatusNotAcceptable
	case "PGRST103":
		return http.StatusRequestedRangeNotSatisfiable
	}
	return http.StatusBadRequest
}

// jsonError says what is wrong with a document, as PostgREST and PostgreSQL do.
func jsonError(e *jsonb.Error) *Error {
	if e.Code == "json" {
		return &Error{Status: http.StatusBadRequest, Code: "PGRST102", Message: "Empty or invalid json", Err: e}
	}
	return &Error{Status: http.StatusBadRequest, Code: e.Code, Message: e.Message, Details: e.Detail}
}

// writeError answers with err. It sets every header of the answer but those that
// all answers share.
func (h *handler) writeError(w http.ResponseWriter, r *http.Request, err error) {
	writeError(h.Log, w, r, err)
}

// ErrorWriter returns what answers with an error in PostgREST's form, for faces
// that stand beside this one.
func ErrorWriter(log *slog.Logger) func(http.ResponseWriter, *http.Request, error) {
	return func(w http.ResponseWriter, r *http.Request, err error) { writeError(log, w, r, err) }
}

func writeError(log *slog.Logger, w http.ResponseWriter, r *http.Request, err error) {
	e := asError(err)
	hd := w.Header()
	for _, name := range []string{"Content-Location", "Preference-Applied", "Link", "Location", "Content-Profile"} {
		if e.Code != "PGRST103" { // an answer without rows keeps them, as in PostgREST
			hd.Del(name)
		}
	}
	hd.Set("Content-Type", mediaJSON.contentType)
	hd.Set("Proxy-Status", "PostgREST; error="+e.Code)
	if e.Allow != "" {
		hd.Set("Allow", e.Allow)
	}
	for name, values := range e.Header {
		hd[name] = values
	}
	if e.Status == http.StatusUnauthorized {
		hd.Set("WWW-Authenticate", auth.Challenge(err))
	}
	web.RetryAfter(hd, err)
	if e.Status == http.StatusUnauthorized || e.Status == http.StatusForbidden {
		web.AccessOf(r.Context()).Denied = e.Code + ": " + e.Message
	}
	if e.Status == http.StatusInternalServerError {
		log.ErrorContext(r.Context(), "request failed", "method", r.Method, "path", r.URL.Path, "error", err)
	}
	body := e.appendJSON(nil)
	hd.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(e.Status)
	if r.Method != http.MethodHead {
		w.Write(body) // a client that is gone has no use for an error
	}
}

// The errors of the face itself.

func errMethod(method, allow, details string) *Error {
	return &Error{Status: http.StatusMethodNotAllowed, Code: "PGRST117", Message: "Unsupported HTTP method: " + method, Details: details, Allow: allow}
}

func errPath() *Error {
	return &Error{Status: http.StatusNotFound, Code: "PGRST125", Message: "Invalid path specified in request URL"}
}

func errTable(in, name, near string) *Error {
	e := &Error{Status: http.StatusNotFound, Code: "PGRST205", Message: "Could not find the table '" + in + "." + name + "' in the schema cache"}
	if near != "" {
		e.Hint = "Perhaps you meant the table '" + in + "." + near + "'"
	}
	return e
}

func errFunction(name string, post bool) *Error {
	without := " without parameters"
	if post {
		without += " or with a single unnamed json/jsonb parameter"
	}
	return &Error{
		Status: http.StatusNotFound, Code: "PGRST202",
		Message: "Could not find the function " + schema + "." + name + " without parameters in the schema cache",
		Details: "Searched for the function " + schema + "." + name + without + ", but no matches were found in the schema cache.",
	}
}

func errMedia(asked []string) *Error {
	return &Error{Status: http.StatusNotAcceptable, Code: "PGRST107", Message: "None of these media types are available: " + strings.Join(asked, ", ")}
}

func errProfile(name string, schemas []string) *Error {
	return &Error{Status: http.StatusNotAcceptable, Code: "PGRST106", Message: "Invalid schema: " + name, Hint: "Only the following schemas are exposed: " + strings.Join(schemas, ", ")}
}

func errSingular(rows int64) *Error {
	return &Error{
		Status: http.StatusNotAcceptable, Code: "PGRST116", Message: "Cannot coerce the result to a single JSON object",
		Details: "The result contains " + strconv.FormatInt(rows, 10) + " rows",
	}
}

func errRange(details string) *Error {
	return &Error{Status: http.StatusRequestedRangeNotSatisfiable, Code: "PGRST103", Message: "Requested range not satisfiable", Details: details}
}

func errEmbed(table, relation string) *Error {
	return &Error{
		Status: http.StatusBadRequest, Code: "PGRST200",
		Message: "Could not find a relationship between '" + table + "' and '" + relation + "' in the schema cache",
		Details: "Searched for a foreign key relationship between '" + table + "' and '" + relation + "' in the schema '" + schema + "', but no matches were found.",
	}
}

func errBody(message string) *Error {
	return &Error{Status: http.StatusBadRequest, Code: "PGRST102", Message: message}
}
