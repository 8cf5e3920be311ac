package web

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"vigil"
)

// plain is a face's error writer.
func plain(w http.ResponseWriter, _ *http.Request, err error) {
	RetryAfter(w.Header(), err)
	w.WriteHeader(Status(err))
}

func TestStatus(t *testing.T) {
	want := []int{500, 400, 401, 403, 404, 405, 406, 409, 413, 415, 416, 422, 429, 503, 507}
	for k, status := range want {
		err := fmt.Errorf("read: %w", &vigil.Error{Kind: vigil.Kind(k)})
		if got := Status(err); got != status {
			t.Errorf("kind %d: %d, want %d", k, got, status)
		}
	}
	if len(statuses) != len(want) || Status(errors.New("x")) != 500 || Status(&vigil.Error{Kind: 200}) != 500 {
		t.Error("unknown kinds are 500")
	}
}

func TestHandle(t *testing.T) {
	for _, tt := range []struct {
		name    string
		h       Handler
		status  int
		err     string // in the access record
		cut     bool   // the connection is cut
		retryIn string
	}{
		{name: "answered", h: func(w http.ResponseWriter, _ *http.Request) error { w.WriteHeader(204); return nil }, status: 204},
		{name: "nothing said", h: func(http.ResponseWriter, *http.Request) error { return nil }, status: 200},
		{name: "error", h: func(http.ResponseWriter, *http.Request) error { return vigil.Errorf(vigil.NotFound, "no such table") }, status: 404, err: "no such table"},
		{name: "busy", h: func(http.ResponseWriter, *http.Request) error {
			return &vigil.Error{Kind: vigil.Unavailable, Message: "busy", RetryAfter: 1200 * time.Millisecond}
		}, status: 503, err: "busy", retryIn: "2"},
		{name: "panic", h: func(http.ResponseWriter, *http.Request) error { panic("boom") }, status: 500, err: "panic: boom"},
		{name: "runtime panic", h: func(_ http.ResponseWriter, r *http.Request) error { _ = []int{}[len(r.URL.Path)]; return nil }, status: 500, err: "index out of range"},
		{name: "error after a part", h: func(w http.ResponseWriter, _ *http.Request) error {
			w.Write([]byte("[1,"))
			return errors.New("disk")
		}, cut: true, err: "disk"},
		{name: "panic after a part", h: func(w http.ResponseWriter, _ *http.Request) error {
			w.Write([]byte("[1,"))
			w.(http.Flusher).Flush()
			panic("boom")
		}, cut: true, err: "boom"},
		{name: "abort", h: func(http.ResponseWriter, *http.Request) error { panic(http.ErrAbortHandler) }, cut: true},
		{name: "hint first", h: func(w http.ResponseWriter, _ *http.Request) error {
			w.WriteHeader(103)
			return vigil.Errorf(vigil.Conflict, "twice")
		}, status: 409, err: "twice"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			seen := make(chan *Access, 1)
			o := Observer{Done: func(_ *http.Request, a *Access) { seen <- a }}
			s := httptest.NewServer(o.Wrap(Compress(Handle(tt.h, plain))))
			s.Config.ErrorLog = nil
			defer s.Close()
			resp, err := http.Get(s.URL)
			var body []byte
			if err == nil {
				body, err = io.ReadAll(resp.Body)
				resp.Body.Close()
			}
			if (err != nil) != tt.cut {
				t.Fatalf("got %v (%q), cut %v", err, body, tt.cut)
			}
			a := <-seen
			if tt.err == "" != (a.Err == nil) || a.Err != nil && !strings.Contains(a.Err.Error(), tt.err) {
				t.Errorf("recorded %v, want %q", a.Err, tt.err)
			}
			if !tt.cut && (resp.StatusCode != tt.status || a.Status != tt.status || resp.Header.Get("Retry-After") != tt.retryIn) {
				t.Errorf("status %d, recorded %d, want %d, Retry-After %q", resp.StatusCode, a.Status, tt.status, resp.Header.Get("Retry-After"))
			}
			if !tt.cut && (a.ID == "" || resp.Header.Get("X-Request-Id") != a.ID || a.Peer != "127.0.0.1" || a.Start.IsZero()) {
				t.Errorf("recorded %+v", a)
			}
		})
	}
}

func TestAccessOf(t *testing.T) {
	if a := AccessOf(context.Background()); a == nil || a == AccessOf(context.Background()) {
		t.Error("outside a request: want a record of its own")
	}
	a := &Access{Table: "events"}
	if AccessOf(WithAccess(t.Context(), a)) != a {
		t.Error("the context does not carry the record")
	}
}

// TestStalledReader checks that a client that takes nothing is cut off, and one
// that takes long is not.
func TestStalledReader(t *testing.T) {
	done := make(chan error, 1)
	o := Observer{Stall: 50 * time.Millisecond}
	s := httptest.NewServer(o.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		var err error
		for i := 0; i < 1000 && err == nil; i++ {
			_, err = w.Write(make([]byte, 1<<20))
		}
		done <- err
	})))
	defer s.Close()
	c, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-done:
		if err == nil {
			t.Error("a client that read nothing took a gigabyte")
		}
	case <-time.After(time.Minute):
		t.Error("a client that reads nothing holds its handler")
	}
}

// TestStallEndsWithTheAnswer checks that the bound on one answer is none on how
// long a connection may be idle.
func TestStallEndsWithTheAnswer(t *testing.T) {
	const stall = 250 * time.Millisecond
	s := httptest.NewServer(Observer{Stall: stall}.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
	})))
	defer s.Close()
	c, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	answers := bufio.NewReader(c)
	for range 3 {
		if _, err := io.WriteString(c, "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * stall)
		if _, err := io.WriteString(c, "x"); err != nil {
			t.Fatal(err)
		}
		for _, want := range []int{100, 200} {
			resp, err := http.ReadResponse(answers, nil)
			if err != nil || resp.StatusCode != want {
				t.Fatalf("%v, %v; want %d", resp, err, want)
			}
		}
		time.Sleep(2 * stall)
	}
}

func TestCompress(t *testing.T) {
	long := strings.Repeat(`{"event":{"a":1}},`, 500)
	h := Compress(Handle(func(w http.ResponseWriter, r *http.Request) error {
		w.Header().Set("Content-Type", r.URL.Query().Get("type"))
		_, err := io.WriteString(w, long[:min(len(long), 100+len(long)*len(r.URL.Query().Get("long")))])
		return err
	}, plain))
	for _, tt := range []struct {
		query, accept, encoding, want string
	}{
		{"type=application/json&long=1", "*/*", "gzip", "gzip"},
		{"type=text/csv&long=1", "*/*", "gzip, deflate, br", "gzip"},
		{"type=application/json", "*/*", "gzip", ""},
		{"type=application/json&long=1", "*/*", "", ""},
		{"type=application/json&long=1", "*/*", "gzip;q=0", ""},
		{"type=application/json&long=1", "*/*", "zstd", ""},
		{"type=text/event-stream&long=1", "text/event-stream", "gzip", ""},
		{"type=text/event-stream&long=1", "*/*", "gzip", ""},
		{"type=application/zip&long=1", "*/*", "gzip", ""},
	} {
		r := httptest.NewRequest("GET", "/?"+tt.query, nil)
		r.Header.Set("Accept", tt.accept)
		r.Header.Set("Accept-Encoding", tt.encoding)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if got := w.Header().Get("Content-Encoding"); got != tt.want {
			t.Errorf("%s, %q: %q, want %q", tt.query, tt.encoding, got, tt.want)
		}
		if tt.want == "gzip" && w.Body.Len() > len(long)/2 {
			t.Errorf("%s: %d bytes of %d", tt.query, w.Body.Len(), len(long))
		}
	}
}

// TestFlush checks that what was flushed arrives while the answer goes on, zipped or not.
func TestFlush(t *testing.T) {
	for _, accept := range []string{"text/event-stream", "application/x-ndjson"} {
		more := make(chan struct{})
		s := httptest.NewServer(Observer{}.Wrap(Compress(Handle(func(w http.ResponseWriter, _ *http.Request) error {
			w.Header().Set("Content-Type", accept)
			if accept == "text/event-stream" {
				w.(http.Flusher).Flush()
				<-more
			}
			io.WriteString(w, "first\n")
			w.(http.Flusher).Flush()
			<-more
			return nil
		}, plain))))
		r, err := http.NewRequest("GET", s.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Accept", accept)
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		if accept == "text/event-stream" {
			more <- struct{}{}
		}
		b := make([]byte, 6)
		if _, err := io.ReadFull(resp.Body, b); err != nil || string(b) != "first\n" {
			t.Errorf("%s: %q, %v", accept, b, err)
		}
		close(more)
		resp.Body.Close()
		s.Close()
	}
}
