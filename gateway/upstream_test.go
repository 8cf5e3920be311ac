package gateway_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"vigil"
	"vigil/gateway"
)

// rawServer is an upstream that says what serve says, byte by byte. It counts its
// connections.
type rawServer struct {
	url   *url.URL
	conns atomic.Int32
}

func newRawServer(t *testing.T, serve func(conn net.Conn, r *bufio.Reader, nth int)) *rawServer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	s := &rawServer{url: &url.URL{Scheme: "http", Host: l.Addr().String(), Path: "/fhir"}}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			n := int(s.conns.Add(1))
			go func() {
				defer conn.Close()
				serve(conn, bufio.NewReader(conn), n)
			}()
		}
	}()
	return s
}

// readRequest reads a request whole; false at the end of the connection.
func readRequest(r *bufio.Reader) bool {
	req, err := http.ReadRequest(r)
	if err != nil {
		return false
	}
	_, err = io.Copy(io.Discard, req.Body)
	return err == nil
}

// before puts a gateway before an upstream.
func before(t *testing.T, u *url.URL, change ...func(*http.Transport)) *httptest.Server {
	t.Helper()
	g, err := gateway.New(gateway.Config{Writer: vigil.WriterFunc(func(context.Context, []*vigil.Event) error { return nil })})
	if err != nil {
		t.Fatal(err)
	}
	transport := gateway.NewTransport()
	for _, f := range change {
		f(transport)
	}
	h, err := g.Proxy(gateway.ProxyConfig{Upstream: u, Transport: transport})
	if err != nil {
		t.Fatal(err)
	}
	front := httptest.NewServer(h)
	t.Cleanup(front.Close)
	return front
}

// send sends a request with a body of so many bytes, and returns status and body
// of the answer; one that breaks off has the error in its place.
func send(t *testing.T, method, url string, body io.Reader, size int) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	req.ContentLength = int64(size)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return resp.StatusCode, err.Error()
	}
	return resp.StatusCode, string(b)
}

// TestUpstreamConnections asks twice for the same answer: only where the end of
// an answer is known, and nothing follows, the second one comes over the same
// connection.
func TestUpstreamConnections(t *testing.T) {
	for name, c := range map[string]struct {
		answer, method, want string
		conns                int32
	}{
		"length":           {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab", "GET", "ab", 1},
		"nothing":          {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "GET", "", 1},
		"no content":       {"HTTP/1.1 204 No Content\r\n\r\n", "GET", "", 1},
		"not modified":     {"HTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\n\r\n", "GET", "", 1},
		"head":             {"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n", "HEAD", "", 1},
		"chunks":           {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n", "GET", "ab", 1},
		"trailer":          {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n2\r\nab\r\n0\r\nX-T: v\r\n\r\n", "GET", "ab", 1},
		"informational":    {"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab", "GET", "ab", 1},
		"delete":           {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab", "DELETE", "ab", 1},
		"close":            {"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nab", "GET", "ab", 2},
		"1.0":              {"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nab", "GET", "ab", 2},
		"more":             {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nabHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", "GET", "ab", 2},
		"head with body":   {"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", "HEAD", "", 2},
		"protocol changed": {"HTTP/1.1 101 Switching Protocols\r\nUpgrade: other\r\nConnection: Upgrade\r\n\r\n", "GET", "", 2},
		"long header":      {"HTTP/1.1 200 OK\r\nX-Long: " + strings.Repeat("x", 2<<20) + "\r\n\r\n", "GET", "", 2},
		"not HTTP":         {"SSH-2.0-x\r\n\r\n", "GET", "", 2},
	} {
		t.Run(name, func(t *testing.T) {
			up := newRawServer(t, func(conn net.Conn, r *bufio.Reader, _ int) {
				for readRequest(r) {
					if _, err := io.WriteString(conn, c.answer); err != nil {
						return
					}
				}
			})
			front := before(t, up.url)
			for range 2 {
				status, got := send(t, c.method, front.URL+"/fhir/Patient/p", nil, 0)
				if status == http.StatusBadGateway {
					if !strings.Contains(got, "no response that could be read") || c.conns == 1 {
						t.Errorf("502: %s", got)
					}
				} else if got != c.want {
					t.Errorf("%d %q, want %q", status, got, c.want)
				}
			}
			if n := up.conns.Load(); n != c.conns {
				t.Errorf("%d connections, want %d", n, c.conns)
			}
		})
	}
}

// TestUpstreamClosesIdle has the upstream close a connection between two requests,
// say something on it unasked, or take a second one and close without an answer:
// only what changes something is then not sent once more.
func TestUpstreamClosesIdle(t *testing.T) {
	const answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab"
	for name, c := range map[string]struct {
		method string
		after  func(net.Conn, *bufio.Reader, chan<- bool)
		want   int
	}{
		"closed": {"POST", func(conn net.Conn, _ *bufio.Reader, ready chan<- bool) { conn.Close(); ready <- true }, 200},
		"unasked": {"POST", func(conn net.Conn, r *bufio.Reader, ready chan<- bool) {
			io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
			ready <- true
			readRequest(r)
		}, 200},
		"get taken":  {"GET", func(_ net.Conn, r *bufio.Reader, ready chan<- bool) { ready <- true; readRequest(r) }, 200},
		"post taken": {"POST", func(_ net.Conn, r *bufio.Reader, ready chan<- bool) { ready <- true; readRequest(r) }, 502},
	} {
		t.Run(name, func(t *testing.T) {
			ready := make(chan bool, 1)
			up := newRawServer(t, func(conn net.Conn, r *bufio.Reader, nth int) {
				readRequest(r)
				io.WriteString(conn, answer)
				if nth == 1 {
					c.after(conn, r, ready)
				}
			})
			front := before(t, up.url)
			if status, got := send(t, "GET", front.URL+"/fhir/Patient/p", nil, 0); status != 200 || got != "ab" {
				t.Fatalf("%d %q", status, got)
			}
			<-ready
			var body io.Reader
			size := 0
			if c.method == "POST" {
				body, size = strings.NewReader("{}"), 2
			}
			if status, got := send(t, c.method, front.URL+"/fhir/Patient", body, size); status != c.want || status == 200 && got != "ab" {
				t.Errorf("%d %q, want %d", status, got, c.want)
			}
		})
	}
}

// TestUpstreamAnswersEarly refuses an upload of which it reads nothing, and goes on
// holding the connection.
func TestUpstreamAnswersEarly(t *testing.T) {
	up := newRawServer(t, func(conn net.Conn, r *bufio.Reader, _ int) {
		if _, err := http.ReadRequest(r); err != nil {
			return
		}
		io.WriteString(conn, "HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\n\r\nno")
		<-t.Context().Done()
	})
	front := before(t, up.url)
	conn, err := net.Dial("tcp", front.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	fmt.Fprintf(conn, "POST /fhir/Binary HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n", 64<<20)
	go conn.Write(make([]byte, 64<<20)) // fails when the answer is there
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || resp.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("%v, %v", resp, err)
	}
}

// TestUpstreamTimeout counts the time from the end of an upload to the header of
// its answer only.
func TestUpstreamTimeout(t *testing.T) {
	const limit = 2 * time.Second // much more than the rest takes on a busy machine
	silent := newRawServer(t, func(_ net.Conn, r *bufio.Reader, _ int) {
		readRequest(r)
		<-t.Context().Done()
	})
	slow := newRawServer(t, func(conn net.Conn, r *bufio.Reader, _ int) {
		readRequest(r)
		io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\na")
		time.Sleep(limit * 2)
		io.WriteString(conn, "b")
	})
	set := func(h *http.Transport) { h.ResponseHeaderTimeout = limit }
	for _, size := range []int{0, 10, 100 << 10} {
		for up, want := range map[*rawServer]int{silent: http.StatusGatewayTimeout, slow: http.StatusOK} {
			method, body := http.MethodGet, io.Reader(nil)
			if size > 0 {
				half := strings.Repeat("x", size/2)
				method, body = http.MethodPost, io.MultiReader(strings.NewReader(half), pause(limit*2), strings.NewReader(half))
			}
			t.Run(fmt.Sprintf("%d bytes, %d", size, want), func(t *testing.T) {
				t.Parallel()
				status, got := send(t, method, before(t, up.url, set).URL+"/fhir/Patient", body, size)
				if status != want || status == http.StatusOK && got != "ab" {
					t.Errorf("%d %q, want %d", status, got, want)
				}
			})
		}
	}
}

// pause is an empty body that takes its time.
type pause time.Duration

func (d pause) Read([]byte) (int, error) {
	time.Sleep(time.Duration(d))
	return 0, io.EOF
}

// TestClientLeaves ends what goes on with the upstream when the client leaves.
func TestClientLeaves(t *testing.T) {
	gone := make(chan error, 1)
	up := newRawServer(t, func(conn net.Conn, r *bufio.Reader, nth int) {
		readRequest(r)
		if nth == 2 {
			io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"+strings.Repeat("~", 50_000))
		}
		_, err := r.ReadByte()
		gone <- err
	})
	front := before(t, up.url)
	for _, when := range []string{"before the answer", "in the answer"} {
		conn, err := net.Dial("tcp", front.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(conn, "GET /fhir/Patient/p HTTP/1.1\r\nHost: h\r\n\r\n")
		if when == "in the answer" {
			if _, err := bufio.NewReader(conn).ReadString('~'); err != nil {
				t.Fatal(err)
			}
		} else {
			for up.conns.Load() == 0 {
				time.Sleep(time.Millisecond)
			}
		}
		conn.Close()
		select {
		case err := <-gone:
			if err == nil {
				t.Errorf("%s: the upstream got more", when)
			}
		case <-time.After(time.Minute):
			t.Fatalf("%s: the upstream still has its connection", when)
		}
	}
}
