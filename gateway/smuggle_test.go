package gateway_test

import (
	"bufio"
	"fmt"
	"io"
	stdlog "log"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

func quiet() *stdlog.Logger { return stdlog.New(io.Discard, "", 0) }

// TestSmuggling sends requests that mean different things to different readers
// (F13). Each connection is either refused, or every request that reaches the
// upstream was recorded, with the URL that the upstream saw.
func TestSmuggling(t *testing.T) {
	long := strings.Repeat("QUFB", 64<<10)
	for name, c := range map[string]struct {
		raw     string
		reaches int // requests that may reach the upstream; the second of two is one of its own
	}{
		"length and chunks":          {"POST /fhir/Patient HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /fhir/smuggled HTTP/1.1\r\nHost: h\r\n\r\n", 2},
		"folded chunks":              {"POST /fhir/Patient HTTP/1.1\r\nHost: h\r\nTransfer-Encoding:\r\n chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n", 1},
		"chunks twice":               {"POST /fhir/Patient HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n", 0},
		"odd coding":                 {"POST /fhir/Patient HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 0},
		"space before colon":         {"POST /fhir/Patient HTTP/1.1\r\nHost: h\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n", 0},
		"two lengths":                {"POST /fhir/Patient HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\nContent-Length: 40\r\n\r\nGET /fhir/smuggled HTTP/1.1\r\nHost: h\r\n\r\n", 0},
		"signed length":              {"POST /fhir/Patient HTTP/1.1\r\nHost: h\r\nContent-Length: +1\r\n\r\nx", 0},
		"bare line feeds":            {"GET /fhir/Patient/1 HTTP/1.1\nHost: h\nX: a\n\n", 1},
		"carriage return in header":  {"GET /fhir/Patient/1 HTTP/1.1\r\nHost: h\r\nX: a\rGET /fhir/smuggled HTTP/1.1\r\n\r\n", 0},
		"NUL in header":              {"GET /fhir/Patient/1 HTTP/1.1\r\nHost: h\r\nX: a\x00b\r\n\r\n", 0},
		"line end in path":           {"GET /fhir/Patient/1%0d%0aX:%20y HTTP/1.1\r\nHost: h\r\n\r\n", 1},
		"space in path":              {"GET /fhir/Patient/1 x HTTP/1.1\r\nHost: h\r\n\r\n", 0},
		"bad chunk size":             {"POST /fhir/Patient HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nx\r\n0\r\n\r\n", 1},
		"huge chunk size":            {"POST /fhir/Patient HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nx", 1},
		"no host":                    {"GET /fhir/Patient/1 HTTP/1.1\r\n\r\n", 0},
		"two hosts":                  {"GET /fhir/Patient/1 HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 0},
		"other host in line":         {"GET http://other.example/fhir/Patient/1 HTTP/1.1\r\nHost: h\r\n\r\n", 1},
		"hidden identity":            {"GET /fhir/Patient/1 HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer x\r\nConnection: close, Authorization\r\n\r\n", 0},
		"hidden X-Audit":             {"GET /fhir/Patient/1 HTTP/1.1\r\nHost: h\r\nX-Audit: e30=\r\nConnection: X-Audit\r\n\r\n", 0},
		"hidden length":              {"POST /fhir/Patient HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nConnection: Content-Length\r\n\r\nx", 0},
		"two identities":             {"GET /fhir/Patient/1 HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer a\r\nAuthorization: Bearer b\r\n\r\n", 0},
		"tunnel":                     {"CONNECT inner:80 HTTP/1.1\r\nHost: inner:80\r\n\r\n", 0},
		"whole server":               {"OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", 1},
		"huge X-Audit":               {"GET /fhir/Patient/1 HTTP/1.1\r\nHost: h\r\nX-Audit: " + long + "\r\n\r\n", 1},
		"dots":                       {"GET /fhir/Patient/../../admin HTTP/1.1\r\nHost: h\r\n\r\n", 1},
		"two slashes":                {"GET //evil.example/fhir/Patient/1 HTTP/1.1\r\nHost: h\r\n\r\n", 1},
		"HTTP/2 preface":             {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 0},
		"hidden user":                {"GET /fhir/Patient/1 HTTP/1.1\r\nHost: h\r\nX-User: root\r\nConnection: X-User\r\n\r\n", 0},
		"hidden request id":          {"GET /fhir/Patient/1 HTTP/1.1\r\nHost: h\r\nConnection: x-request-id\r\n\r\n", 0},
		"hidden forwarder":           {"GET /fhir/Patient/1 HTTP/1.1\r\nHost: h\r\nConnection: X-Forwarded-For, close\r\n\r\n", 1},
		"user in host":               {"GET /fhir/Patient/1 HTTP/1.1\r\nHost: user:s3cr3t@h\r\n\r\n", 0},
		"user in line":               {"GET http://user:s3cr3t@h/fhir/Patient/1 HTTP/1.1\r\nHost: h\r\n\r\n", 1},
		"path in host":               {"GET /fhir/Patient/1 HTTP/1.1\r\nHost: h/fhir/smuggled?\r\n\r\n", 0},
		"two hosts in one":           {"GET /fhir/Patient/1 HTTP/1.1\r\nHost: a, b\r\n\r\n", 0},
		"chunk extension":            {"POST /fhir/Patient HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1;a=\"\r\nx\r\n0\r\n\r\n", 1},
		"chunk extension, line feed": {"POST /fhir/Patient HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n2;\nxx\r\n10\r\n\r\nGET /fhir/smuggled HTTP/1.1\r\nHost: h\r\n\r\n0\r\n\r\n", 1},
		"chunk without its end":      {"POST /fhir/Patient HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nxy\r\n0\r\n\r\n", 1},
		"huge chunk extension":       {"POST /fhir/Patient HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1;" + long + "\r\nx\r\n0\r\n\r\n", 1},
		"trailer for the length":     {"POST /fhir/Patient HTTP/1.1\r\nHost: h\r\nTrailer: Content-Length\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: 9\r\n\r\n", 0},
		"trailer for identity":       {"POST /fhir/Patient HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nAuthorization: Bearer a\r\n\r\nGET /fhir/Patient/2 HTTP/1.1\r\nHost: h\r\n\r\n", 2},
		"chunks in 1.0":              {"POST /fhir/Patient HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /fhir/smuggled HTTP/1.1\r\nHost: h\r\n\r\n", 1},
		"vertical tab":               {"POST /fhir/Patient HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: \vchunked\r\n\r\n0\r\n\r\n", 0},
		"length with spaces":         {"POST /fhir/Patient HTTP/1.1\r\nHost: h\r\nContent-Length: 1 1\r\n\r\nx", 0},
		"length in list":             {"POST /fhir/Patient HTTP/1.1\r\nHost: h\r\nContent-Length: 1, 1\r\n\r\nx", 0},
		"space before the line":      {" GET /fhir/Patient/1 HTTP/1.1\r\nHost: h\r\n\r\n", 0},
		"folded host":                {"GET /fhir/Patient/1 HTTP/1.1\r\nHost: h\r\n evil\r\n\r\n", 0},
		"header before folded":       {"GET /fhir/Patient/1 HTTP/1.1\r\n X: y\r\nHost: h\r\n\r\n", 0},
		"upgrade that is refused":    {"GET /fhir/ws HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 777\r\n\r\nGET /fhir/Patient/2 HTTP/1.1\r\nHost: h\r\n\r\n", 2},
		"length and no body":         {"HEAD /fhir/Patient/1 HTTP/1.1\r\nHost: h\r\nContent-Length: 40\r\n\r\nGET /fhir/smuggled HTTP/1.1\r\nHost: h\r\n\r\n", 1},
		"odd expectation":            {"POST /fhir/Patient HTTP/1.1\r\nHost: h\r\nExpect: 200-ok\r\nContent-Length: 1\r\n\r\nx", 0},
		"expectation, then another":  {"POST /fhir/Patient HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nxGET /fhir/Patient/2 HTTP/1.1\r\nHost: h\r\n\r\n", 2},
		"method":                     {"GE\x00T /fhir/Patient/1 HTTP/1.1\r\nHost: h\r\n\r\n", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			seen := make(chan string, 10)
			s := start(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				io.Copy(io.Discard, r.Body)
				seen <- r.Method + " " + r.RequestURI
			}))
			s.front.Config.ErrorLog = quiet()
			s.upstream.Config.ErrorLog = quiet()
			conn, err := net.Dial("tcp", s.front.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			io.WriteString(conn, c.raw)
			answers, first := 0, 300*time.Millisecond
			if c.reaches > 0 { // and on a busy machine that takes its time
				first = time.Minute
			}
			conn.SetReadDeadline(time.Now().Add(first))
			for in := bufio.NewReader(conn); ; answers++ {
				resp, err := http.ReadResponse(in, nil)
				if err != nil {
					break
				}
				conn.SetReadDeadline(time.Now().Add(300 * time.Millisecond)) // a HEAD's is without end
				io.Copy(io.Discard, resp.Body)
				if c.reaches == 0 && resp.StatusCode < 400 {
					t.Errorf("answered %s", resp.Status)
				}
			}
			conn.Close()
			all := s.exchanges()
			s.upstream.Close()
			close(seen)
			recorded := map[string]int{}
			for _, x := range all {
				uri := x.Path
				if x.RawQuery != "" {
					uri += "?" + x.RawQuery
				}
				recorded[x.Method+" "+uri]++
				if strings.Contains(fmt.Sprint(x), "s3cr3t") {
					t.Errorf("recorded %+v", x)
				}
			}
			n := 0
			for uri := range seen {
				n++
				if recorded[uri]--; recorded[uri] < 0 {
					t.Errorf("the upstream saw %s, recorded is %v", uri, recorded)
				}
			}
			if n > c.reaches || answers == 0 && c.reaches > 0 {
				t.Errorf("%d requests reached the upstream, %d answers", n, answers)
			}
			if c.reaches == 0 && n > 0 {
				t.Error("it reached the upstream")
			}
		})
	}
}
