package forward_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"vigil"
	"vigil/internal/auth"
	"vigil/internal/forward"
	"vigil/internal/postgrest"
	"vigil/internal/spool"
	"vigil/internal/store"
)

const secret = "a-secret-for-tests-only-0123456789"

func token(t *testing.T, role string) string {
	t.Helper()
	s, err := auth.Mint(secret, role, time.Time{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// repository is another Vigil over a memory store.
func repository(t *testing.T, around func(http.Handler) http.Handler) (store.Store, *httptest.Server) {
	t.Helper()
	st, err := store.NewMemory(store.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	a, err := auth.New(auth.Config{Secrets: []string{secret}})
	if err != nil {
		t.Fatal(err)
	}
	h := postgrest.New(postgrest.Config{Store: st, Authenticate: a.Authenticate, Allow: a.Grants().Check})
	if around != nil {
		h = around(h)
	}
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return st, s
}

func events(n int) []*vigil.Event {
	var all []*vigil.Event
	for i := range n {
		for _, table := range []string{vigil.TableExchanges, vigil.TableAuditEvents, vigil.TableSystem, vigil.TableQuarantine} {
			all = append(all, &vigil.Event{Table: table, Format: vigil.FormatOf(table), Doc: fmt.Appendf(nil, "{\n\"n\": \"%s-%d\"}", table, i)})
		}
	}
	return all
}

// stored counts what each document's n is there.
func stored(t *testing.T, st store.Store) map[string]int {
	t.Helper()
	n := map[string]int{}
	for e, err := range st.Entries(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		var doc struct{ N string }
		if err := json.Unmarshal(e.Doc, &doc); err != nil {
			t.Fatal(err)
		}
		n[doc.N]++
		if e.Sender.Role != "gateway" || e.Format != vigil.FormatOf(e.Table) {
			t.Errorf("event in %s: format %s, sender %+v", e.Table, e.Format, e.Sender)
		}
	}
	return n
}

// TestLostAnswers has a way to the repository on which requests and answers get
// lost: each event is there once in the end.
func TestLostAnswers(t *testing.T) {
	var calls atomic.Int64
	st, server := repository(t, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch calls.Add(1) % 4 {
			case 1: // the request is lost
				panic(http.ErrAbortHandler)
			case 2: // the answer is lost
				next.ServeHTTP(httptest.NewRecorder(), r)
				panic(http.ErrAbortHandler)
			}
			next.ServeHTTP(w, r)
		})
	})
	server.Config.ErrorLog = nil
	w, err := forward.New(forward.Config{URL: server.URL, Key: spool.Key, Token: func() (string, error) { return token(t, "gateway"), nil }})
	if err != nil {
		t.Fatal(err)
	}
	sp, err := spool.Open(spool.Config{Dir: t.TempDir(), Writer: w, ByTable: true, BatchEvents: 7, MinPause: time.Millisecond, MaxPause: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer sp.Close()
	for _, e := range events(20) {
		if err := sp.Write(t.Context(), []*vigil.Event{e}); err != nil {
			t.Fatal(err)
		}
	}
	if err := sp.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := stored(t, st)
	for n, times := range got {
		if times != 1 {
			t.Errorf("%s is there %d times", n, times)
		}
	}
	if len(got) != 80 || sp.Status().Retries == 0 {
		t.Errorf("%d events, %d retries", len(got), sp.Status().Retries)
	}
}

// TestRefusedForGood has a repository that takes no document with the word bad:
// that one goes to quarantine, and the others are there once.
func TestRefusedForGood(t *testing.T) {
	st, server := repository(t, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			b, _ := io.ReadAll(r.Body)
			if strings.Contains(string(b), "bad-") {
				w.WriteHeader(http.StatusUnprocessableEntity)
				return
			}
			r.Body = io.NopCloser(strings.NewReader(string(b)))
			next.ServeHTTP(w, r)
		})
	})
	w, err := forward.New(forward.Config{URL: server.URL + "/", Key: spool.Key, Token: func() (string, error) { return token(t, "gateway"), nil }})
	if err != nil {
		t.Fatal(err)
	}
	sp, err := spool.Open(spool.Config{Dir: t.TempDir(), Writer: w, ByTable: true})
	if err != nil {
		t.Fatal(err)
	}
	defer sp.Close()
	all := events(5)
	all[4].Doc = []byte(`{"n":"bad-1"}`)
	if err := sp.Write(t.Context(), all); err != nil {
		t.Fatal(err)
	}
	if err := sp.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	rows, quarantined := 0, 0
	for e, err := range st.Entries(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		rows++
		if e.Table == vigil.TableQuarantine && strings.Contains(string(e.Doc), `"for":"`+vigil.TableExchanges) {
			quarantined++
		}
	}
	if rows != 20 || quarantined != 1 || sp.Status().Refused != 1 {
		t.Errorf("%d rows, %d in quarantine, %+v", rows, quarantined, sp.Status())
	}
}

// TestAnswers says what each answer means for the events.
func TestAnswers(t *testing.T) {
	for status, want := range map[int]vigil.Kind{
		400: vigil.Invalid, 401: vigil.Unauthenticated, 403: vigil.Forbidden, 404: vigil.NotFound, 405: vigil.NotAllowed,
		409: vigil.Conflict, 413: vigil.TooLarge, 415: vigil.Unsupported, 422: vigil.Unprocessable, 429: vigil.TooMany,
		302: vigil.Unavailable, 500: vigil.Unavailable, 502: vigil.Unavailable, 503: vigil.Unavailable, 507: vigil.Unavailable, 204: vigil.Unavailable,
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/base/exchanges" || r.Header.Get("Prefer") != "return=minimal" || r.Header.Get("Idempotency-Key") != "k.exchanges" {
				t.Errorf("%s %v", r.URL, r.Header)
			}
			w.Header().Set("Location", "http://192.0.2.1/")
			w.Header().Set("Retry-After", "7")
			w.WriteHeader(status)
			io.WriteString(w, `{"code":"X","message":"no","details":"Patient/1"}`)
		}))
		w, err := forward.New(forward.Config{URL: server.URL + "/base", Key: func(context.Context) (string, bool) { return "k", true }})
		if err != nil {
			t.Fatal(err)
		}
		err = w.Write(t.Context(), events(1)[:1])
		e, ok := err.(*vigil.Error)
		if !ok || e.Kind != want || e.RetryAfter != 7*time.Second || strings.Contains(e.Error(), "Patient/1") {
			t.Errorf("%d: %#v", status, err)
		}
		server.Close()
	}
}

// TestUnreachable has nobody who answers, and one who answers nonsense.
func TestUnreachable(t *testing.T) {
	nonsense := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		conn, _, _ := w.(http.Hijacker).Hijack()
		bufio.NewWriter(conn).WriteString("no")
		conn.Close()
	}))
	defer nonsense.Close()
	for _, u := range []string{"http://127.0.0.1:1", nonsense.URL} {
		w, err := forward.New(forward.Config{URL: u})
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Write(t.Context(), events(1)); vigil.KindOf(err) != vigil.Unavailable {
			t.Errorf("%s: %v", u, err)
		}
	}
	for _, u := range []string{"", "audit.example.org", "ftp://x", "https://user:password@x", "https://x/?a=b", "http://"} {
		if _, err := forward.New(forward.Config{URL: u}); err == nil || strings.Contains(err.Error(), "user:") {
			t.Errorf("%q: %v", u, err)
		}
	}
}

// TestTokenFile renews a token, takes it away, and puts two there.
func TestTokenFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token")
	read := forward.TokenFile(path)
	if _, err := read(); err == nil {
		t.Error("no file, no error")
	}
	write := func(s string, age time.Duration) {
		t.Helper()
		if err := os.WriteFile(path, []byte(s), 0o600); err != nil {
			t.Fatal(err)
		}
		at := time.Now().Add(-age)
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
	}
	write("one\n", time.Hour)
	if s, err := read(); s != "one" || err != nil {
		t.Errorf("%q, %v", s, err)
	}
	write("two\n", time.Minute)
	if s, err := read(); s != "two" || err != nil {
		t.Errorf("%q, %v", s, err)
	}
	write("three four\n", time.Second)
	if s, err := read(); err == nil {
		t.Errorf("%q", s)
	}
}
