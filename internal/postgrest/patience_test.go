package postgrest

import (
	"context"
	"fmt"
	"iter"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"vigil/internal/query"
	"vigil/internal/store"
)

// stuck is a store whose questions find so many rows and then none for ever.
type stuck struct {
	store.Store
	rows int
}

func (s stuck) Rows(ctx context.Context, q *query.Query) (*store.Rows, error) {
	rows, err := s.Store.Rows(ctx, q)
	if err != nil {
		return nil, err
	}
	seq := rows.Seq
	rows.Seq = func(yield func([]query.Value, error) bool) {
		n := 0
		next, stop := iter.Pull2(seq)
		defer stop()
		for ; n < s.rows; n++ {
			row, err, ok := next()
			if !ok || !yield(row, err) {
				return
			}
		}
		<-ctx.Done()
		yield(nil, ctx.Err())
	}
	return rows, nil
}

func TestQueryTime(t *testing.T) {
	m := openMemory(t, store.Config{})
	limited := func(c *Config) { c.QueryTime = 50 * time.Millisecond }
	f := newFace(t, stuck{m, 0}, limited)
	if status, body := f.post(t, "/events", `[{"event":1},{"event":2}]`); status != http.StatusCreated {
		t.Fatal(status, body)
	}
	start := time.Now()
	status, body := f.get(t, "/events")
	if status != http.StatusServiceUnavailable || !strings.Contains(body, `"57014"`) || !strings.Contains(body, "statement timeout") {
		t.Errorf("a question without an end is answered %d %s", status, body)
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("after %s", took)
	}
	// Without a bound only the client ends it.
	f = newFace(t, stuck{m, 2}, func(c *Config) { c.QueryTime = 0 })
	ctx, cancel := context.WithTimeout(t.Context(), 150*time.Millisecond)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	start = time.Now()
	func() {
		defer func() { _ = recover() }() // an answer that had begun is cut
		f.ServeHTTP(w, r)
	}()
	if took := time.Since(start); took < 100*time.Millisecond {
		t.Errorf("without a bound it ended after %s", took)
	}
	// Rows that come keep it alive, however long the whole takes.
	var many []string
	for i := range 400 {
		many = append(many, fmt.Sprintf(`{"event":%d}`, i))
	}
	f = newFace(t, m, limited)
	if status, body := f.post(t, "/events", "["+strings.Join(many, ",")+"]"); status != http.StatusCreated {
		t.Fatal(status, body)
	}
	// The bound is many times a busy machine's pauses, and less than the whole takes.
	f = newFace(t, slow{m, 2 * time.Millisecond}, func(c *Config) { c.QueryTime = 500 * time.Millisecond })
	if status, body := f.get(t, "/events"); status != http.StatusOK || strings.Count(body, `"id"`) != 402 {
		t.Errorf("a question that goes on is answered %d with %d rows", status, strings.Count(body, `"id"`))
	}
}

// slow is a store that takes its time for each row.
type slow struct {
	store.Store
	each time.Duration
}

func (s slow) Rows(ctx context.Context, q *query.Query) (*store.Rows, error) {
	rows, err := s.Store.Rows(ctx, q)
	if err != nil {
		return nil, err
	}
	seq := rows.Seq
	rows.Seq = func(yield func([]query.Value, error) bool) {
		for row, err := range seq {
			time.Sleep(s.each)
			if ctx.Err() != nil {
				yield(nil, ctx.Err())
				return
			}
			if !yield(row, err) {
				return
			}
		}
	}
	return rows, nil
}

// TestHostile has what an attack on a running server found.
func TestHostile(t *testing.T) {
	f := newFace(t, openMemory(t, store.Config{}))
	if status, body := f.post(t, "/events", `{"event":{"n":[`+strings.Repeat("1e131071,", 20)+`1]}}`); status != http.StatusBadRequest || !strings.Contains(body, `"54000"`) {
		t.Errorf("a body whose numbers are 2.6 MB when printed is answered %d %.200s", status, body)
	}
	if status, body := f.post(t, "/events", `{"event":{"n":1e131071}}`); status != http.StatusCreated {
		t.Errorf("the largest number is answered %d %.200s", status, body)
	}
	doc := `{"event":{"ssn":"synthetic-123","text":"` + strings.Repeat("x", 80) + `"}}`
	status, body := f.post(t, "/events", doc, [2]string{"Content-Type", "application/x-www-form-urlencoded"})
	if status != http.StatusBadRequest || strings.Contains(body, "synthetic-123") || !strings.Contains(body, "Content-Type: application/json") {
		t.Errorf("a document sent as a form is answered %d %s", status, body)
	}
	if res := f.exchange(t, "GET", "/events?id=in.("+strings.Repeat("1,", 6000)+"1)", nil, ""); res.StatusCode != http.StatusOK || len(res.Header.Get("Content-Location")) > 8<<10 {
		t.Errorf("a long query is answered %d with a Content-Location of %d bytes", res.StatusCode, len(res.Header.Get("Content-Location")))
	}
	if status, _ := f.get(t, "/events", [2]string{"Accept", "text/csv;q=0"}); status != http.StatusNotAcceptable {
		t.Errorf("Accept: text/csv;q=0 is answered %d", status)
	}
	key := [2]string{"Idempotency-Key", "k"}
	if status, body := f.post(t, "/events?columns=event", `{"event":{"a":1},"id":777}`, key); status != http.StatusCreated {
		t.Fatal(status, body)
	}
	if status, body := f.post(t, "/events", `{"event":{"a":1},"id":777}`, key); status != http.StatusUnprocessableEntity {
		t.Errorf("the same key and body with another meaning are answered %d %s", status, body)
	}
}
