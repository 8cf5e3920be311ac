package fhirapi

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"strings"

	"vigil"
	"vigil/internal/auth"
	"vigil/internal/format/fhir"
	"vigil/internal/jsonb"
	"vigil/internal/query"
	"vigil/internal/web"
)

// Error is an error as a FHIR server answers it. The texts of its issues are
// shown to the client, so they hold no data; Err is only logged.
type Error struct {
	Status int
	Issues []fhir.Issue
	Allow  string // the Allow header of a 405
	Err    error
}

// Error implements error; it is for logs.
func (e *Error) Error() string {
	s := strconv.Itoa(e.Status)
	if len(e.Issues) > 0 {
		s += ": " + e.Issues[0].String()
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// fail returns an Error with one issue.
func fail(status int, code, text string) *Error {
	return &Error{Status: status, Issues: []fhir.Issue{{Severity: fhir.Error, Code: code, Text: text}}}
}

// codes has the code of FHIR's issue-type for each kind of failure.
var codes = map[vigil.Kind]string{
	vigil.Invalid:         "invalid",
	vigil.Unauthenticated: "login",
	vigil.Forbidden:       "forbidden",
	vigil.NotFound:        "not-found",
	vigil.NotAllowed:      "not-supported",
	vigil.NotAcceptable:   "not-supported",
	vigil.Conflict:        "conflict",
	vigil.TooLarge:        "too-long",
	vigil.Unsupported:     "not-supported",
	vigil.OutOfRange:      "value",
	vigil.Unprocessable:   "processing",
	vigil.TooMany:         "throttled",
	vigil.Unavailable:     "transient",
	vigil.Full:            "no-store",
}

// asError returns what err looks like to the client. Nothing is told about an
// error that was not made for clients.
func asError(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	if e, ok := errors.AsType[*fhir.SyntaxError](err); ok {
		return fail(http.StatusBadRequest, "structure", "this is no FHIR resource: "+e.Error())
	}
	if e, ok := errors.AsType[*jsonb.Error](err); ok {
		text := e.Message
		if e.Detail != "" {
			text += ": " + e.Detail
		}
		return fail(http.StatusBadRequest, "structure", "the document cannot be kept: "+text)
	}
	if e, ok := errors.AsType[*query.Error](err); ok {
		return fail(http.StatusBadRequest, "invalid", e.Message)
	}
	if e, ok := errors.AsType[*vigil.Error](err); ok && e.Kind != vigil.Internal {
		text := e.Message
		for _, more := range []string{e.Details, e.Hint} {
			if more != "" {
				text += ". " + more
			}
		}
		out := fail(web.Status(err), codes[e.Kind], text)
		out.Err = err
		return out
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		out := fail(http.StatusServiceUnavailable, "timeout", "the request took too long")
		out.Err = err
		return out
	}
	out := fail(http.StatusInternalServerError, "exception", "something went wrong")
	out.Err = err
	return out
}

// ErrorWriter returns what answers with an error as an OperationOutcome, in the
// notation that the request asks for where it asks for one of ours.
func ErrorWriter(log *slog.Logger) func(http.ResponseWriter, *http.Request, error) {
	return func(w http.ResponseWriter, r *http.Request, err error) {
		e := asError(err)
		h := w.Header()
		for _, name := range []string{"Location", "Content-Location", "ETag", "Last-Modified"} {
			h.Del(name)
		}
		if e.Allow != "" {
			h.Set("Allow", e.Allow)
		}
		if e.Status == http.StatusUnauthorized {
			if challenge := auth.Challenge(err); challenge != "" {
				h.Set("WWW-Authenticate", challenge)
			}
		}
		web.RetryAfter(h, err)
		if e.Status == http.StatusUnauthorized || e.Status == http.StatusForbidden {
			web.AccessOf(r.Context()).Denied = strings.TrimSpace(codeOf(err) + ": " + e.Issues[0].Text)
		}
		if e.Status == http.StatusInternalServerError {
			log.ErrorContext(r.Context(), "request failed", "method", r.Method, "path", r.URL.Path, "error", err)
		}
		f := form{}
		if strings.HasPrefix(strings.ToLower(r.URL.Path), "/fhir/r5") {
			f.version = fhir.R5
		}
		for _, verb := range []string{http.MethodGet, r.Method} { // the body's notation counts, if it is one of ours
			c := &call{header: r.Header, query: r.URL.Query(), verb: verb, of: f.version}
			if c.negotiate() == nil {
				f = c.out
			}
		}
		b := f.print(nil, outcome(e.Issues))
		h.Set("Content-Type", f.contentType())
		h.Set("Content-Length", strconv.Itoa(len(b)))
		w.WriteHeader(e.Status)
		if r.Method != http.MethodHead {
			w.Write(b) // a client that is gone has no use for an error
		}
	}
}

// codeOf returns the code of a refusal, such as 42501.
func codeOf(err error) string {
	if e, ok := errors.AsType[*vigil.Error](err); ok {
		return e.Code
	}
	return ""
}

// outcome makes an OperationOutcome. Without issues it says that all is well.
func outcome(issues []fhir.Issue) *fhir.Node {
	n := &fhir.Node{Resource: "OperationOutcome"}
	if len(issues) == 0 {
		issues = []fhir.Issue{{Severity: fhir.Information, Code: "informational", Text: "all is well"}}
	}
	for _, i := range issues {
		text := i.Text
		if i.Rule != "" {
			text += " (" + i.Rule + ")"
		}
		if i.Profile != "" {
			text += " [" + i.Profile + "]"
		}
		issue := fhir.NewObject("issue",
			fhir.NewString("severity", i.Severity.String()),
			fhir.NewString("code", i.Code),
			fhir.NewObject("details", fhir.NewString("text", i.Text)),
			fhir.NewString("diagnostics", text),
		)
		if i.Location != "" {
			issue.Add(fhir.NewString("expression", i.Location).Listed())
		}
		n.Add(issue.Listed())
	}
	return n
}

// information returns an issue that is none.
func information(text string) fhir.Issue {
	return fhir.Issue{Severity: fhir.Information, Code: "informational", Text: text}
}

func errPath(first string) *Error {
	text := "there is nothing at this address"
	if fhir.IsTypeName(first) {
		text = "resources of type " + first + " are not kept here: this is a repository of AuditEvents"
	}
	return fail(http.StatusNotFound, "not-found", text)
}

func errUnknown() *Error {
	return fail(http.StatusNotFound, "not-found", "there is no AuditEvent with this id")
}

func errAccept() *Error {
	return fail(http.StatusNotAcceptable, "not-supported",
		"answers are application/fhir+json or application/fhir+xml, of fhirVersion 4.0 or 5.0")
}

func errContentType(text string) *Error {
	return fail(http.StatusUnsupportedMediaType, "not-supported", text)
}
