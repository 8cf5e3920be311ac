package postgrest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"vigil/internal/query"
	"vigil/internal/store"
)

// big returns a store with n events of about a kilobyte each.
func big(t *testing.T, n int) store.Store {
	t.Helper()
	s := openMemory(t, store.Config{Now: clock})
	docs := make([]string, n)
	for i := range docs {
		docs[i] = fmt.Sprintf(`{"n": %d, "even": %t, "text": %q}`, i, i%2 == 0, strings.Repeat("x", 1000))
	}
	fill(t, s, "events", docs...)
	return s
}

// fetch sends a GET over TCP and returns the answer, its body and how reading it ended.
func fetch(t *testing.T, h http.Handler, path string, headers ...[2]string) (*http.Response, string, error) {
	t.Helper()
	srv := httptest.NewServer(h)
	defer srv.Close() // waits for the handler
	r, err := http.NewRequest(http.MethodGet, srv.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, hd := range headers {
		r.Header.Add(hd[0], hd[1])
	}
	res, err := srv.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return res, string(body), err
}

func TestLongAnswers(t *testing.T) {
	f := newFace(t, big(t, 1000))
	tests := []struct {
		name, path, prefer string
		status             int
		contentRange       string // header
		link               string
		rows               int
	}{
		{"all rows are counted beforehand", "/events", "", 200, "0-999/*", "", 1000},
		{"an offset too", "/events?offset=100", "", 200, "100-999/*", "", 900},
		{"a filter is not known", "/events?event->even=eq.true", "", 200, "", "", 500},
		{"a count is known", "/events?event->even=eq.true", "count=exact", 200, "0-499/500", "", 500},
		{"a count and a page", "/events?event->even=eq.true&limit=400", "count=exact", 206, "0-399/500", "</events?id=gt.799&limit=400&event-%3Eeven=eq.true>; rel=\"next\"", 400},
		{"a full page is followed", "/events?limit=600", "", 200, "0-599/*", `</events?id=gt.600&limit=600>; rel="next"`, 600},
		{"also behind a filter", "/events?event->even=eq.true&limit=500&order=id.desc", "", 200, "0-499/*", `</events?id=lt.1&limit=500&event-%3Eeven=eq.true&order=id.desc>; rel="next"`, 500},
		{"a page that is not full", "/events?event->even=eq.true&limit=501", "", 200, "", "", 500},
		{"a page held back whole", "/events?limit=300", "", 200, "0-299/*", `</events?id=gt.300&limit=300>; rel="next"`, 300},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			res, body, err := fetch(t, f, tt.path, [2]string{"Prefer", tt.prefer})
			if err != nil {
				t.Fatal(err)
			}
			if res.StatusCode != tt.status || res.Header.Get("Content-Range") != tt.contentRange || res.Header.Get("Link") != tt.link {
				t.Errorf("got %d %v", res.StatusCode, res.Header)
			}
			if n := strings.Count(body, `{"id":`); n != tt.rows || !strings.HasSuffix(body, "]") {
				t.Errorf("%d rows, want %d", n, tt.rows)
			}
			if f.access.Rows != int64(tt.rows) || f.access.Table != "events" {
				t.Errorf("access %+v", f.access)
			}
		})
	}
}

// broken is a store whose answers fail after some rows.
type broken struct {
	store.Store
	after int
}

func (b broken) Rows(ctx context.Context, q *query.Query) (*store.Rows, error) {
	rows, err := b.Store.Rows(ctx, q)
	if err != nil {
		return nil, err
	}
	seq := rows.Seq
	rows.Seq = func(yield func([]query.Value, error) bool) {
		n := 0
		for row, err := range seq {
			if n == b.after {
				yield(nil, errors.New("block 7 of segment 3 is damaged"))
				return
			}
			n++
			if !yield(row, err) {
				return
			}
		}
	}
	return rows, nil
}

// A failure before the first byte is an error with a status that tells nothing of
// it; after that the connection is cut, and what came is no valid JSON.
func TestFailures(t *testing.T) {
	s := big(t, 300)
	res, body, err := fetch(t, newFace(t, broken{s, 5}), "/events?limit=10")
	if err != nil || res.StatusCode != 500 || strings.Contains(body, "damaged") || errorOf(t, body).Code != "XX000" {
		t.Errorf("early: %d %s %v", res.StatusCode, body, err)
	}
	late := newFace(t, broken{s, 200})
	res, body, err = fetch(t, late, "/events")
	if err == nil || res.StatusCode != 200 || strings.HasSuffix(body, "]") {
		t.Errorf("late: %d, %d bytes, %v", res.StatusCode, len(body), err)
	}
	if late.access.Rows != 200 {
		t.Errorf("late: %d rows in the record of access", late.access.Rows)
	}
	// What is stored is stored: a representation that fails is no error.
	f := newFace(t, broken{openMemory(t, store.Config{}), 0})
	if status, body := f.post(t, "/events", `{"event":1}`, [2]string{"Prefer", "return=representation"}); status != 201 || body != "" {
		t.Errorf("representation: %d %s", status, body)
	}
}

func TestMaxRows(t *testing.T) {
	s := openMemory(t, store.Config{})
	fill(t, s, "events", "1", "2", "3")
	f := newFace(t, s, func(c *Config) { c.MaxRows = 2 })
	res := f.exchange(t, "GET", "/events?select=event", nil, "")
	if got := bodyOf(t, res); got != "[{\"event\":1}, \n {\"event\":2}]" {
		t.Error(got)
	}
	if got := res.Header.Get("Link"); got != `</events?id=gt.2&limit=2&select=event>; rel="next"` {
		t.Error(got)
	}
	if _, got := f.get(t, "/events?select=event&limit=1"); got != `[{"event":1}]` {
		t.Error(got)
	}
}

func TestAggregatesOff(t *testing.T) {
	f := newFace(t, openMemory(t, store.Config{}), func(c *Config) { c.Aggregates = false })
	if status, body := f.get(t, "/events?select=count()"); status != 400 || errorOf(t, body).Code != "PGRST123" {
		t.Error(status, body)
	}
}
