package vigil

import (
	"errors"
	"fmt"
	"time"
)

// A Kind says what sort of failure an [Error] is. Each HTTP face maps it to a
// status and to a body of its own (PostgREST's error object, an OperationOutcome).
type Kind uint8

// The kinds, with the HTTP status that each becomes.
const (
	Internal        Kind = iota // 500
	Invalid                     // 400
	Unauthenticated             // 401
	Forbidden                   // 403
	NotFound                    // 404
	NotAllowed                  // 405
	NotAcceptable               // 406
	Conflict                    // 409
	TooLarge                    // 413
	Unsupported                 // 415
	OutOfRange                  // 416
	Unprocessable               // 422
	TooMany                     // 429
	Unavailable                 // 503
	Full                        // 507: the disk is full
)

// Error is a failure that may be shown to a client. Message, Details and Hint
// never hold data of an event, nor SQL; Err may, and is logged at most.
type Error struct {
	Kind       Kind
	Code       string // the dialect's code, such as PGRST100 or 42501; may be empty
	Message    string
	Details    string
	Hint       string
	RetryAfter time.Duration // for Unavailable and TooMany; zero says nothing
	Err        error         // the cause
}

// Error implements error. It includes the cause, so it is for logs.
func (e *Error) Error() string {
	if e.Err == nil {
		return e.Message
	}
	return e.Message + ": " + e.Err.Error()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Errorf returns an [Error] of kind k. The formatted text is shown to clients;
// a cause given with %w is kept for errors.Is, so it must be fit to be shown.
func Errorf(k Kind, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{Kind: k, Message: err.Error(), Err: nil, Code: ""}
}

// KindOf returns the kind of err, [Internal] if it has none.
func KindOf(err error) Kind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return Internal
}
