package postgrest

import (
	"context"
	"net/http"
	"time"
)

// maxLocation is the longest Content-Location: clients bound their headers.
const maxLocation = 8 << 10

// patient returns a context for a question that ends, with an [*Error] as its
// cause, when alive was not called for QueryTime: a question that takes that
// long to find its next row holds processors from those that are answered at
// once. A client that reads slowly does not count, since rows are made as it
// takes them.
func (h *handler) patient(parent context.Context) (ctx context.Context, alive, stop func()) {
	if h.QueryTime <= 0 {
		return parent, func() {}, func() {}
	}
	ctx, cancel := context.WithCancelCause(parent)
	timer := time.AfterFunc(h.QueryTime, func() {
		cancel(&Error{
			Status: http.StatusServiceUnavailable, Code: "57014", Message: "canceling statement due to statement timeout",
			Hint: "Ask for less: a filter on id, a limit, or a simpler pattern.",
		})
	})
	last := time.Now()
	alive = func() {
		if now := time.Now(); now.Sub(last) > h.QueryTime/100 {
			last = now
			timer.Reset(h.QueryTime)
		}
	}
	return ctx, alive, func() {
		timer.Stop()
		cancel(nil)
	}
}
