package ingest

import (
	"errors"
	"net/http"
	"strconv"

	"vigil"
	"vigil/internal/auth"
	"vigil/internal/jsonb"
	"vigil/internal/web"
)

// answered is an error as a client sees it.
type answered struct {
	status                 int
	message, details, hint string
}

// shown returns what of err may be shown: of what is no [vigil.Error] nothing.
func shown(err error) answered {
	if e, ok := errors.AsType[*vigil.Error](err); ok {
		return answered{web.Status(err), e.Message, e.Details, e.Hint}
	}
	if e, ok := errors.AsType[*jsonb.Error](err); ok {
		status := http.StatusBadRequest
		if e.Code == jsonb.CodeLimit {
			status = http.StatusRequestEntityTooLarge
		}
		return answered{status: status, message: "The body is not JSON that can be kept: " + e.Message, details: e.Detail}
	}
	return answered{status: http.StatusInternalServerError, message: "internal error"}
}

// writer returns what answers with errors in the form that body makes.
func (a *API) writer(body func(answered) []byte) func(http.ResponseWriter, *http.Request, error) {
	return func(w http.ResponseWriter, r *http.Request, err error) {
		e, h := shown(err), w.Header()
		if e.status == http.StatusInternalServerError {
			a.Log.ErrorContext(r.Context(), "request failed", "method", r.Method, "path", r.URL.Path, "err", err)
		}
		if e.status == http.StatusUnauthorized {
			h.Set("WWW-Authenticate", auth.Challenge(err))
		}
		if e.status == http.StatusUnauthorized || e.status == http.StatusForbidden {
			denied := e.message
			if v, ok := errors.AsType[*vigil.Error](err); ok {
				denied = v.Code + ": " + v.Message
			}
			web.AccessOf(r.Context()).Denied = denied
		}
		web.RetryAfter(h, err)
		respond(w, e.status, body(e))
	}
}

// respond writes an answer of JSON; its Content-Type may have been chosen before.
func respond(w http.ResponseWriter, status int, body []byte) {
	h := w.Header()
	if h.Get("Content-Type") == "" {
		h.Set("Content-Type", "application/json; charset=utf-8")
	}
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	w.Write(body) // a client that is gone has no use for an answer
}

// plainError is the body of errors of $loggy and _logs.
func plainError(e answered) []byte {
	dst := jsonb.AppendLineString([]byte(`{"message":`), e.message)
	if e.details != "" {
		dst = jsonb.AppendLineString(append(dst, `,"details":`...), e.details)
	}
	if e.hint != "" {
		dst = jsonb.AppendLineString(append(dst, `,"hint":`...), e.hint)
	}
	return append(dst, '}')
}
