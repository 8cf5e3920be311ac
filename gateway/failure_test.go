package gateway_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"sync"
	"testing"
	"time"

	"vigil/gateway"
)

// breaking is an upstream on a bare socket that answers as it is told.
func breaking(t *testing.T, answer string, wait time.Duration) *url.URL {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				if _, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
					time.Sleep(wait)
					io.WriteString(conn, answer)
				}
			}()
		}
	}()
	return &url.URL{Scheme: "http", Host: l.Addr().String(), Path: "/fhir"}
}

// TestUpstreamFailures records what became of each request, and why.
func TestUpstreamFailures(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	for name, c := range map[string]struct {
		upstream *url.URL
		status   int
		cut      bool
		failure  string
	}{
		"unreachable":  {&url.URL{Scheme: "http", Host: closed.Addr().String()}, 502, false, "the upstream could not be reached"},
		"no answer":    {breaking(t, "", 0), 502, false, "the upstream gave no response that could be read"},
		"nonsense":     {breaking(t, "SSH-2.0-x\r\n\r\n", 0), 502, false, "the upstream gave no response that could be read"},
		"slow":         {breaking(t, "", time.Minute), 504, false, "the upstream did not answer in time"},
		"cut length":   {breaking(t, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", 0), 200, true, "the upstream broke off its response"},
		"cut chunk":    {breaking(t, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n5\r\nx", 0), 200, true, "the upstream broke off its response"},
		"two lengths":  {breaking(t, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx", 0), 502, false, "the upstream gave no response that could be read"},
		"odd upgrade":  {breaking(t, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n", 0), 502, false, "the upstream gave no response that could be read"},
		"close-ending": {breaking(t, "HTTP/1.0 200 OK\r\n\r\nall of it", 0), 200, false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			l := &log{}
			g, err := gateway.New(gateway.Config{Writer: l})
			if err != nil {
				t.Fatal(err)
			}
			tr := gateway.NewTransport()
			tr.ResponseHeaderTimeout = 2 * time.Second
			h, err := g.Proxy(gateway.ProxyConfig{Upstream: c.upstream, Transport: tr})
			if err != nil {
				t.Fatal(err)
			}
			s := &setup{T: t, g: g, log: l, front: httptest.NewServer(h)}
			resp, err := http.Get(s.front.URL + "/fhir/Patient/p-1")
			status := c.status // of an answer that was broken off in its first bytes nothing arrives
			if err == nil {
				status = resp.StatusCode
				_, err = io.ReadAll(resp.Body)
				resp.Body.Close()
			}
			if (err != nil) != c.cut || status != c.status {
				t.Errorf("status %d, body %v", status, err)
			}
			x := s.only()
			if x.Status != c.status || x.Complete == c.cut || x.Error != c.failure || x.Key != "p-1" {
				t.Errorf("recorded %+v", x)
			}
		})
	}
}

// TestAbortedDownloads has a thousand clients that go away in the middle.
func TestAbortedDownloads(t *testing.T) {
	chunk := bytes.Repeat([]byte("x"), 64<<10)
	s := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for range 1000 {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	}))
	n := 1000
	if testing.Short() {
		n = 100
	}
	var wg sync.WaitGroup
	limit := make(chan struct{}, 20)
	for i := range n {
		limit <- struct{}{}
		wg.Go(func() {
			defer func() { <-limit }()
			conn, err := net.Dial("tcp", s.front.Listener.Addr().String())
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			conn.(*net.TCPConn).SetLinger(0) // it resets, as a client does that has crashed
			fmt.Fprintf(conn, "GET /fhir/Binary/%d HTTP/1.1\r\nHost: h\r\n\r\n", i)
			io.ReadFull(conn, make([]byte, 1000))
		})
	}
	wg.Wait()
	all := s.exchanges()
	keys := map[string]bool{}
	for _, x := range all {
		keys[x.Key] = true
		if x.Complete || x.Status != 200 || x.Error != "the client was gone before it had the whole response" {
			t.Fatalf("recorded %+v", x)
		}
	}
	if len(all) != n || len(keys) != n {
		t.Errorf("%d events of %d requests", len(all), n)
	}
}

// TestClientGone has a client that does not wait for the answer.
func TestClientGone(t *testing.T) {
	arrived, done := make(chan struct{}), make(chan struct{})
	s := start(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(arrived)
		<-r.Context().Done()
		close(done)
	}))
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-arrived; cancel() }()
	r, _ := http.NewRequestWithContext(ctx, http.MethodGet, s.front.URL+"/fhir/Patient/p-1", nil)
	if _, err := http.DefaultTransport.RoundTrip(r); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	<-done
	if x := s.only(); x.Status != 0 || x.Complete || x.Error != "the client was gone before there was a response" || x.Key != "p-1" {
		t.Errorf("recorded %+v", x)
	}
}

// TestMiddleware wraps handlers that return, write nothing, panic, or lie.
func TestMiddleware(t *testing.T) {
	l := &log{}
	g, err := gateway.New(gateway.Config{Writer: l, Base: "/fhir"})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /fhir/Patient/nothing", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("GET /fhir/Patient/panics", func(http.ResponseWriter, *http.Request) { panic("no") })
	mux.HandleFunc("GET /fhir/Patient/short", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "10")
		io.WriteString(w, "x")
	})
	mux.HandleFunc("GET /fhir/Patient/late", func(w http.ResponseWriter, _ *http.Request) { panic(http.ErrAbortHandler) })
	front := httptest.NewUnstartedServer(g.Wrap(mux))
	front.Config.ErrorLog = quiet()
	front.Start()
	s := &setup{T: t, g: g, log: l, front: front}
	for _, id := range []string{"nothing", "panics", "short", "late", "unknown"} {
		once := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}} // tries nothing twice
		if resp, err := once.Get(s.front.URL + "/fhir/Patient/" + id); err == nil {
			resp.Body.Close()
		}
	}
	type brief struct {
		key      string
		status   int
		complete bool
		failure  string
	}
	var got []brief
	for _, x := range s.exchanges() {
		got = append(got, brief{x.Key, x.Status, x.Complete, x.Error})
	}
	want := []brief{
		{"nothing", 200, true, ""},
		{"panics", 0, false, "the handler panicked"},
		{"short", 200, false, "the response is shorter than its length says"},
		{"late", 0, false, "the upstream broke off its response"},
		{"unknown", 404, true, ""},
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
}
