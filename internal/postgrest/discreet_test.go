package postgrest

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"vigil/internal/query"
	"vigil/internal/store"
)

func TestDiscreet(t *testing.T) {
	for _, c := range []struct{ code, message, want string }{
		{"22P02", `invalid input syntax for type integer: "Sample Person"`, "invalid input syntax for type integer"},
		{"22P02", `invalid input syntax for type integer: "say "hi""`, "invalid input syntax for type integer"},
		{"22003", `value "99999999999" is out of range for type integer`, "value is out of range for type integer"},
		{"22003", `"1e999" is out of range for type double precision`, "value is out of range for type double precision"},
		{"22P02", "invalid input syntax for type json", "invalid input syntax for type json"},
		{"42703", `column "x y" does not exist`, `column "x y" does not exist`},
	} {
		got, ok := errors.AsType[*query.Error](discreet(&query.Error{Code: c.code, Message: c.message}))
		if !ok || got.Message != c.want || got.Code != c.code {
			t.Errorf("%s: %+v, want %s", c.message, got, c.want)
		}
	}
}

// TestBrokenAnswerIsLoggedWithoutRows breaks an answer off at a row that cannot be
// cast, far behind its beginning: the error for the log has nothing of the row.
func TestBrokenAnswerIsLoggedWithoutRows(t *testing.T) {
	f := newFace(t, openMemory(t, store.Config{}))
	f.post(t, "/events", "["+strings.Repeat(`{"event": {"n": 1}},`, 50_000)+`{"event": {"n": "Sample Person"}}]`)
	r := httptest.NewRequest(http.MethodGet, "/events?select=event->>n::int&id=gt.0", nil)
	func() {
		defer func() {
			if v := recover(); v != http.ErrAbortHandler {
				t.Errorf("the answer ends with %v, want that it is broken off", v)
			}
		}()
		f.ServeHTTP(httptest.NewRecorder(), r)
	}()
	if err := f.access.Err; err == nil || strings.Contains(err.Error(), "Sample") {
		t.Errorf("to be logged: %v", err)
	}
}

// TestRefusedAnswersAreReads asks for what rows cannot be cast to, and for more or
// fewer rows than there are: each counts as a read, for its refusal tells of the rows.
func TestRefusedAnswersAreReads(t *testing.T) {
	for _, st := range stores {
		f := newFace(t, st.open(t, store.Config{}))
		f.post(t, "/events", `[{"event": {"name": "Sample Person", "n": 99999999999}}, {"event": {"name": "Another"}}]`)
		for _, c := range []struct {
			path   string
			header [][2]string
			status int
			asked  bool
		}{
			{"/events?select=event->>name::int", nil, 400, true},
			{"/events?select=event->>name::timestamptz", nil, 400, true},
			{"/events?select=event->>name::json", nil, 400, true},
			{"/events?select=event->>n::int&id=eq.1", nil, 400, true},
			{"/events", [][2]string{{"Accept", "application/vnd.pgrst.object+json"}}, 406, true},
			{"/events?offset=9", [][2]string{{"Prefer", "count=exact"}}, 416, true},
			{"/events?id=foo.1", nil, 400, false},
			{"/events?select=relation(x)", nil, 400, false},
		} {
			status, body := f.get(t, c.path, c.header...)
			if status != c.status || f.access.Asked != c.asked {
				t.Errorf("%s: %s: %d, asked %t, want %d, %t: %s", st.name, c.path, status, f.access.Asked, c.status, c.asked, body)
			}
		}
	}
}
