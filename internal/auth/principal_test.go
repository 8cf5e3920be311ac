package auth

import (
	"context"
	"encoding/json"
	"testing"
	"time"
)

func TestLimit(t *testing.T) {
	now := time.Unix(1000, 0)
	for name, c := range map[string]struct {
		claims map[string]any
		left   time.Duration // 0 is without an end
	}{
		"no token":         {nil, 0},
		"no end":           {map[string]any{"sub": "a"}, 0},
		"null":             {map[string]any{"exp": nil}, 0},
		"in a minute":      {map[string]any{"exp": json.Number("1060")}, time.Minute},
		"in parts":         {map[string]any{"exp": json.Number("1060.9")}, time.Minute},
		"with an exponent": {map[string]any{"exp": json.Number("4.6e3")}, time.Hour},
	} {
		ctx, cancel := (&Principal{Claims: c.claims}).Limit(t.Context(), now)
		end, ends := ctx.Deadline()
		if left := time.Until(end); ends != (c.left != 0) || ends && (left > c.left || left < c.left-30*time.Second) {
			t.Errorf("%s: ends %t, in %s", name, ends, left)
		}
		if ctx.Err() != nil {
			t.Errorf("%s: ended at once: %v", name, ctx.Err())
		}
		cancel()
		if ctx.Err() != context.Canceled {
			t.Errorf("%s: after cancel %v", name, ctx.Err())
		}
	}
	ctx, cancel := (&Principal{Claims: map[string]any{"exp": json.Number("999")}}).Limit(t.Context(), now)
	defer cancel()
	if ctx.Err() != context.DeadlineExceeded {
		t.Errorf("a token of the past: %v", ctx.Err())
	}
	outer, end := context.WithCancel(t.Context())
	ctx, cancel = (&Principal{}).Limit(outer, now)
	defer cancel()
	if end(); ctx.Err() == nil {
		t.Error("did not end with its parent")
	}
}
