package web

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"runtime/debug"
	"strconv"
	"time"

	"vigil"
)

// A Handler answers a request or returns why it cannot. It returns an error only
// for what it has not answered itself.
type Handler func(w http.ResponseWriter, r *http.Request) error

// PanicError is a panic of a [Handler]. Its text is for logs, not for clients.
type PanicError struct {
	Value any
	Stack []byte
}

// Error implements error, with the stack.
func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v\n%s", e.Value, e.Stack) }

// Handle makes a [http.Handler] of h. An error of h goes to the [Access] record
// and to write, which makes the error's answer; so does a panic, as a
// [PanicError]. Where the answer had begun already, write is not called: the
// connection is cut, so that the client cannot take a part for the whole.
// http.ErrAbortHandler passes through.
func Handle(h Handler, write func(http.ResponseWriter, *http.Request, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t := track(w)
		err := call(h, t, r)
		if err == nil {
			return
		}
		AccessOf(r.Context()).Err = err
		if t.status != 0 {
			panic(http.ErrAbortHandler)
		}
		write(t, r, err)
	})
}

// call runs h and turns a panic into an error.
func call(h Handler, w http.ResponseWriter, r *http.Request) (err error) {
	defer func() {
		switch v := recover(); v {
		case nil:
		case http.ErrAbortHandler:
			panic(v)
		default:
			err = &PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	return h(w, r)
}

// statuses has the HTTP status of each [vigil.Kind].
var statuses = [...]int{
	vigil.Internal:        http.StatusInternalServerError,
	vigil.Invalid:         http.StatusBadRequest,
	vigil.Unauthenticated: http.StatusUnauthorized,
	vigil.Forbidden:       http.StatusForbidden,
	vigil.NotFound:        http.StatusNotFound,
	vigil.NotAllowed:      http.StatusMethodNotAllowed,
	vigil.NotAcceptable:   http.StatusNotAcceptable,
	vigil.Conflict:        http.StatusConflict,
	vigil.TooLarge:        http.StatusRequestEntityTooLarge,
	vigil.Unsupported:     http.StatusUnsupportedMediaType,
	vigil.OutOfRange:      http.StatusRequestedRangeNotSatisfiable,
	vigil.Unprocessable:   http.StatusUnprocessableEntity,
	vigil.TooMany:         http.StatusTooManyRequests,
	vigil.Unavailable:     http.StatusServiceUnavailable,
	vigil.Full:            http.StatusInsufficientStorage,
}

// Status returns the HTTP status of an error by its [vigil.Kind].
func Status(err error) int {
	if k := vigil.KindOf(err); int(k) < len(statuses) {
		return statuses[k]
	}
	return http.StatusInternalServerError
}

// RetryAfter sets the Retry-After header, whole seconds rounded up, where err
// asks for it.
func RetryAfter(h http.Header, err error) {
	if e, ok := errors.AsType[*vigil.Error](err); ok && e.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(int(math.Ceil(e.RetryAfter.Seconds()))))
	}
}

// tracked is a ResponseWriter that knows what has been sent.
type tracked struct {
	http.ResponseWriter
	status int // 0: nothing sent yet
	bytes  int64

	stall   time.Duration // longest that one Write may block; 0 is no bound
	renewed time.Time     // when the write deadline was set last
}

// track returns w itself where it is tracked already.
func track(w http.ResponseWriter) *tracked {
	if t, ok := w.(*tracked); ok {
		return t
	}
	return &tracked{ResponseWriter: w}
}

// WriteHeader implements http.ResponseWriter. Informational headers do not begin the answer.
func (t *tracked) WriteHeader(status int) {
	if t.status == 0 && (status >= 200 || status == http.StatusSwitchingProtocols) {
		t.status = status
		t.renew()
	}
	t.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (t *tracked) Write(p []byte) (int, error) {
	if t.status == 0 {
		t.status = http.StatusOK
	}
	t.renew()
	n, err := t.ResponseWriter.Write(p)
	t.bytes += int64(n)
	return n, err
}

// Flush implements http.Flusher. Like net/http's it begins the answer.
func (t *tracked) Flush() {
	if t.status == 0 {
		t.status = http.StatusOK
	}
	t.renew()
	// An error means that nothing below can flush, or that the client is gone,
	// which the next Write says.
	_ = http.NewResponseController(t.ResponseWriter).Flush()
}

// Unwrap is for http.ResponseController.
func (t *tracked) Unwrap() http.ResponseWriter { return t.ResponseWriter }

// renew moves the write deadline on, at most four times in a stall: a client
// that takes nothing for that long is cut off, one that is merely slow is not.
func (t *tracked) renew() {
	if t.stall <= 0 {
		return
	}
	now := time.Now()
	if now.Sub(t.renewed) < t.stall/4 {
		return
	}
	t.renewed = now
	// Writers without deadlines (tests) have no client that could stall.
	_ = http.NewResponseController(t.ResponseWriter).SetWriteDeadline(now.Add(t.stall + t.stall/4))
}
