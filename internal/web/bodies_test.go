package web

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"vigil"
)

func zip(t testing.TB, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	if _, err := z.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// read reads a body through b; length -1 is a chunked one.
func read(b *Bodies, body []byte, length int64, encoding string) (string, http.Header, error) {
	r := httptest.NewRequest("POST", "/", io.NopCloser(bytes.NewReader(body)))
	r.ContentLength = length
	if encoding != "" {
		r.Header.Set("Content-Encoding", encoding)
	}
	w := httptest.NewRecorder()
	got, release, err := b.Read(w, r)
	defer release()
	return string(got), w.Header(), err
}

func TestBodies(t *testing.T) {
	const limit = 100_000
	b := NewBodies(Limits{Body: limit})
	text := func(n int) []byte { return bytes.Repeat([]byte("x"), n) }
	zipped := zip(t, text(limit))
	for _, tt := range []struct {
		name     string
		body     []byte
		length   int64
		encoding string
		want     int // length read; -1 is an error
		kind     vigil.Kind
		details  string
	}{
		{"empty", nil, 0, "", 0, 0, ""},
		{"small", text(5), 5, "", 5, 0, ""},
		{"small, chunked", text(5), -1, "", 5, 0, ""},
		{"first buffer full", text(firstBuffer), firstBuffer, "", firstBuffer, 0, ""},
		{"first buffer full, chunked", text(firstBuffer), -1, "", firstBuffer, 0, ""},
		{"limit", text(limit), limit, "", limit, 0, ""},
		{"limit, chunked", text(limit), -1, "", limit, 0, ""},
		{"over it", text(limit + 1), limit + 1, "", -1, vigil.TooLarge, "100000 bytes"},
		{"over it, chunked", text(limit + 1), -1, "", -1, vigil.TooLarge, "100000 bytes"},
		{"identity", text(5), 5, "Identity", 5, 0, ""},
		{"gzip", zipped, int64(len(zipped)), "gzip", limit, 0, ""},
		{"x-gzip, chunked", zipped, -1, "X-GZIP", limit, 0, ""},
		{"gzip in two members", append(zip(t, text(10)), zip(t, text(20))...), -1, "gzip", 30, 0, ""},
		{"gzip over the limit", zip(t, text(limit+1)), -1, "gzip", -1, vigil.TooLarge, "after decompression"},
		{"bomb", zip(t, make([]byte, 16<<20)), -1, "gzip", -1, vigil.TooLarge, "after decompression"},
		{"gzip of nothing", zip(t, nil), -1, "gzip", 0, 0, ""},
		{"cut gzip", zipped[:len(zipped)-9], -1, "gzip", -1, vigil.Invalid, "ended early"},
		{"gzip without its checksum", zipped[:len(zipped)-4], -1, "gzip", -1, vigil.Invalid, "ended early"},
		{"wrong checksum", append(bytes.Clone(zipped[:len(zipped)-8]), 1, 2, 3, 4, 5, 6, 7, 8), -1, "gzip", -1, vigil.Invalid, "not valid gzip"},
		{"not gzip", text(100), -1, "gzip", -1, vigil.Invalid, "not valid gzip"},
		{"empty as gzip", []byte{}, -1, "gzip", -1, vigil.Invalid, "ended early"},
		{"brotli", text(5), 5, "br", -1, vigil.Unsupported, ""},
		{"gzip twice", zip(t, zipped), -1, "gzip, gzip", -1, vigil.Unsupported, ""},
		{"deflate", text(5), 5, "deflate", -1, vigil.Unsupported, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, h, err := read(b, tt.body, tt.length, tt.encoding)
			if tt.want >= 0 {
				if err != nil || len(got) != tt.want || strings.Trim(got, "x") != "" {
					t.Errorf("%d bytes, %v; want %d", len(got), err, tt.want)
				}
			} else {
				e, ok := errors.AsType[*vigil.Error](err)
				if !ok || e.Kind != tt.kind || !strings.Contains(e.Details, tt.details) {
					t.Errorf("got %+v", err)
				}
			}
			if tt.kind == vigil.Unsupported && h.Get("Accept-Encoding") != "gzip" {
				t.Error("the answer does not say what is taken")
			}
			if b.Held() != 0 {
				t.Errorf("%d bytes stay held", b.Held())
			}
		})
	}
}

// TestBombMemory checks that a bomb costs no more than the limit.
func TestBombMemory(t *testing.T) {
	bomb := zip(t, make([]byte, 64<<20))
	b := NewBodies(Limits{Body: 1 << 20})
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, _, err := read(b, bomb, -1, "gzip"); vigil.KindOf(err) != vigil.TooLarge {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > 8<<20 {
		t.Errorf("%d bytes", n)
	}
}

func TestInFlight(t *testing.T) {
	b := NewBodies(Limits{Body: 1 << 20, InFlight: 1 << 20})
	r := func(n int) *http.Request {
		return httptest.NewRequest("POST", "/", bytes.NewReader(make([]byte, n)))
	}
	first, release, err := b.Read(httptest.NewRecorder(), r(600<<10))
	if err != nil || len(first) != 600<<10 {
		t.Fatal(err)
	}
	_, none, err := b.Read(httptest.NewRecorder(), r(600<<10))
	none()
	e, _ := errors.AsType[*vigil.Error](err)
	if e == nil || e.Kind != vigil.Unavailable || e.RetryAfter == 0 {
		t.Errorf("got %v", err)
	}
	chunked := r(0)
	chunked.Body, chunked.ContentLength = io.NopCloser(bytes.NewReader(make([]byte, 600<<10))), -1
	if _, none, err = b.Read(httptest.NewRecorder(), chunked); vigil.KindOf(err) != vigil.Unavailable {
		t.Errorf("chunked: %v", err)
	}
	none()
	if _, small, err := b.Read(httptest.NewRecorder(), r(100)); err != nil {
		t.Errorf("small: %v", err)
	} else {
		small()
	}
	release()
	if _, again, err := b.Read(httptest.NewRecorder(), r(600<<10)); err != nil {
		t.Errorf("after the release: %v", err)
	} else {
		again()
	}
	if b.Held() != 0 {
		t.Errorf("%d bytes stay held", b.Held())
	}
}

// TestBodiesAreTheirOwn checks that pooled buffers are never shared: many
// readers at once each get their own bytes.
func TestBodiesAreTheirOwn(t *testing.T) {
	b := NewBodies(Limits{Body: 1 << 20})
	rapid.Check(t, func(t *rapid.T) {
		sizes := rapid.SliceOfN(rapid.IntRange(0, 100_000), 1, 4).Draw(t, "sizes")
		encodings := rapid.SliceOfN(rapid.SampledFrom([]string{"", "gzip"}), 8, 8).Draw(t, "encodings")
		var wg sync.WaitGroup
		errs := make([]error, len(sizes))
		for i, n := range sizes {
			wg.Go(func() {
				want := bytes.Repeat([]byte{byte('a' + i)}, n)
				sent := want
				if encodings[i] == "gzip" {
					var out bytes.Buffer
					z := gzip.NewWriter(&out)
					z.Write(want)
					z.Close()
					sent = out.Bytes()
				}
				r := httptest.NewRequest("POST", "/", bytes.NewReader(sent))
				r.Header.Set("Content-Encoding", encodings[i])
				got, release, err := b.Read(httptest.NewRecorder(), r)
				defer release()
				if err == nil && !bytes.Equal(got, want) {
					err = fmt.Errorf("%d bytes differ", n)
				}
				errs[i] = err
			})
		}
		wg.Wait()
		if err := errors.Join(errs...); err != nil || b.Held() != 0 {
			t.Fatal(err, b.Held())
		}
	})
}

// serveBodies serves a face that reads bodies, on a real connection.
func serveBodies(t *testing.T, l Limits) (addr string, results chan string) {
	t.Helper()
	b := NewBodies(l)
	results = make(chan string, 10)
	s := httptest.NewServer(Handle(func(w http.ResponseWriter, r *http.Request) error {
		body, release, err := b.Read(w, r)
		defer release()
		if err != nil {
			e, _ := errors.AsType[*vigil.Error](err)
			results <- fmt.Sprint(Status(err), " ", e.Details)
			return err
		}
		results <- fmt.Sprint("read ", len(body))
		if r.URL.Path == "/long" {
			select {
			case <-r.Context().Done():
				results <- "hung up"
			case <-time.After(4 * l.Stall):
				results <- "still there"
			}
		}
		return nil
	}, plain))
	t.Cleanup(s.Close)
	return s.Listener.Addr().String(), results
}

// TestSlowBodies has clients that begin a body and do not end it.
func TestSlowBodies(t *testing.T) {
	limits := Limits{Stall: 500 * time.Millisecond, Rate: 1 << 20}
	addr, results := serveBodies(t, limits)
	for _, tt := range []struct {
		name, head string
		drip       time.Duration
		hangUp     bool
		want       string
	}{
		{name: "half a body", head: "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf", want: "400 The body stopped arriving."},
		{name: "no byte", head: "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n", want: "400 The body stopped arriving."},
		{name: "half a chunk", head: "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", want: "400 The body stopped arriving."},
		{name: "drop by drop", head: "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n", drip: 20 * time.Millisecond, want: "400 The body stopped arriving."},
		{name: "hung up", head: "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf", hangUp: true, want: "400 The body ended early."},
		{name: "whole", head: "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody", want: "read 4"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if _, err := io.WriteString(c, tt.head); err != nil {
				t.Fatal(err)
			}
			if tt.hangUp {
				c.(*net.TCPConn).CloseWrite()
			}
			stop := make(chan struct{})
			defer close(stop)
			if tt.drip > 0 {
				go func() {
					for tick := time.NewTicker(tt.drip); ; {
						select {
						case <-tick.C:
							c.Write([]byte("x")) // fails once the server has had enough
						case <-stop:
							tick.Stop()
							return
						}
					}
				}()
			}
			select {
			case got := <-results:
				if got != tt.want {
					t.Errorf("got %s, want %s", got, tt.want)
				}
			case <-time.After(time.Minute):
				t.Error("the handler waits for ever")
			}
		})
	}
}

// TestDeadlineEndsWithTheBody checks that an answer may take longer than a body may stall.
func TestDeadlineEndsWithTheBody(t *testing.T) {
	addr, results := serveBodies(t, Limits{Stall: 300 * time.Millisecond})
	resp, err := http.Post("http://"+addr+"/long", "text/plain", strings.NewReader("body"))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if got := <-results + ", " + <-results; got != "read 4, still there" || resp.StatusCode != 200 {
		t.Errorf("%s, status %d", got, resp.StatusCode)
	}
}

func BenchmarkRead(b *testing.B) {
	bodies := NewBodies(Limits{})
	body := bytes.Repeat([]byte("x"), 900)
	rd := bytes.NewReader(body)
	r := httptest.NewRequest("POST", "/", nil)
	w := httptest.NewRecorder()
	b.ReportAllocs()
	for b.Loop() {
		rd.Reset(body)
		r.Body, r.ContentLength = io.NopCloser(rd), int64(len(body))
		_, release, err := bodies.Read(w, r)
		if err != nil {
			b.Fatal(err)
		}
		release()
	}
}

// TestAnnouncedLengths shows that lengths which are only announced take no share
// of the bound from others: a few slow clients do not stop all the rest.
func TestAnnouncedLengths(t *testing.T) {
	b := NewBodies(Limits{Body: 1 << 20, InFlight: 2 << 20})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, release, err := b.Read(w, r)
		defer release()
		if err != nil {
			w.WriteHeader(Status(err))
		}
	}))
	defer srv.Close()
	for range 30 {
		c, err := net.Dial("tcp", srv.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := io.WriteString(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1048000\r\n\r\n{"); err != nil {
			t.Fatal(err)
		}
	}
	for b.Held() < 30*firstBuffer { // until every one of them is being read
		runtime.Gosched()
	}
	resp, err := http.Post(srv.URL, "application/json", strings.NewReader(`{"event": 1}`))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("a small body is answered %d while others only announce large ones", resp.StatusCode)
	}
}
