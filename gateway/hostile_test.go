package gateway_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"vigil/gateway"
)

// line sends a request as it stands and returns the status line of the answer.
func (s *setup) line(request string) string {
	s.Helper()
	conn, err := net.Dial("tcp", s.front.Listener.Addr().String())
	if err != nil {
		s.Fatal(err)
	}
	defer conn.Close()
	io.WriteString(conn, request)
	conn.SetReadDeadline(time.Now().Add(time.Minute))
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		s.Fatalf("%q: %v", request, err)
	}
	return line
}

// TestExclusionTricks asks for what policies leave out in ways that another
// reader might take for something else: each of them is recorded.
func TestExclusionTricks(t *testing.T) {
	s := start(t, http.NotFoundHandler(), func(c *gateway.Config) {
		c.Policies = []gateway.Policy{
			{Methods: []string{"get"}, Route: "/metadata", Level: gateway.None},
			{Route: "/Binary/**", Level: gateway.None},
		}
	})
	tricks := []string{
		"GET /fhir/Binary/../Patient/1", "GET /fhir/Binary/%2e%2e/Patient/1", "GET /fhir/Binary/.%2E/Patient/1",
		"GET /fhir/Binary/..;/Patient/1", "GET /fhir/Binary/..%3b/Patient/1", "GET /fhir/Binary/..%2fPatient/1",
		"GET /fhir/Binary/%252e%252e/Patient/1", "GET /fhir/Binary/..%5cPatient/1", "GET /fhir/Binary/..\\Patient",
		"GET /fhir/Binary/%c0%ae%c0%ae/Patient/1", "GET /fhir/Binary/..%c0%afPatient", "GET /fhir/Binary/x%00/../../Patient/1",
		"GET /fhir/Binary/x%00", "GET /fhir/Binary//../Patient", "GET /fhir/Binary/\xc0\xae\xc0\xae/Patient", "GET /fhir/Binary/%u002e%u002e/Patient",
		"GET /fhir/%62inary/1", "GET /fhir//metadata", "GET //fhir/metadata", "GET /fhir/./metadata", "GET /fhir/metadata/..;x/Patient",
		"get /fhir/metadata", "Get /fhir/metadata", "GET /fhir/METADATA", "GET /fhir/metadata;/../Patient", "GET /fhir/metadata%20",
		"POST /fhir/Binary?_method=DELETE", "POST /fhir/Binary?x=1&%5fmethod=DELETE",
		"GET /fhir/metadata HTTP/1.1\r\nX-HTTP-Method-Override: DELETE\r\nX:", "GET /fhir/metadata HTTP/1.1\r\nX_HTTP_Method_Override: DELETE\r\nX:",
		"GET /fhir/metadata HTTP/1.1\r\nX-Original-URL: /fhir/Patient/1\r\nX:", "GET /fhir/metadata HTTP/1.1\r\nX-Rewrite-Url: /fhir/Patient/1\r\nX:",
	}
	sent := 0
	for _, trick := range tricks {
		if status := s.line(trick + " HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"); !strings.Contains(status, " 400 ") {
			sent++
		} else {
			t.Logf("refused: %s", trick)
		}
	}
	for _, plain := range []string{"GET /fhir/metadata", "GET /fhir/metadata?_format=json", "DELETE /fhir/Binary/1", "GET /fhir/Binary/a-b.c_d~e/_history/1"} {
		s.line(plain + " HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
	}
	all := s.exchanges()
	if len(all) != sent || sent < len(tricks)-3 {
		t.Errorf("%d of %d are recorded", len(all), sent)
		for _, x := range all {
			t.Log(x.Method, x.Path)
		}
	}
	if n := s.g.Stats().Excluded; n != 4 {
		t.Errorf("%d are left out", n)
	}
}

// TestPathsOfServers reads paths as the servers behind it do, so that no spelling
// of an address hides the patient.
func TestPathsOfServers(t *testing.T) {
	s := start(t, http.NotFoundHandler())
	paths := []string{"/fhir/Patient/1;x=y", "/fhir/Patient;a/1;b", "/fhir/Observation/../Patient/1", "/fhir/./Patient/%2e/1", "/fhir//Patient//1", "/fhir/Patient/%31", "/fhir/metadata/..;/Patient/1"}
	for _, path := range paths {
		s.line("GET " + path + " HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
	}
	for i, x := range s.exchanges() {
		if x.Type != "Patient" || x.Key != "1" || len(x.Patients) != 1 || x.Patients[0] != "Patient/1" || x.Path != paths[i] {
			t.Errorf("%s: recorded %+v", paths[i], x)
		}
	}
}

// TestSpoofing has a client that nobody trusts say what only a proxy may say: none
// of it reaches the upstream, so that the record and the upstream cannot differ.
func TestSpoofing(t *testing.T) {
	for _, trusted := range []bool{false, true} {
		var seen http.Header
		s := start(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { seen = r.Header }), func(c *gateway.Config) {
			c.UserHeader = "X-Remote-User"
			if trusted {
				c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
			}
		})
		s.get("/fhir/Patient/1", "X-Remote-User: root", "X_Remote_User: root", "X-Forwarded-User: root", "X_Forwarded_For: 203.0.113.9", "X-Forwarded-Port: 1",
			"X-Forwarded-Prefix: /x", "X-Original-Url: /fhir/Patient/2", "X-Rewrite-URL: /fhir/Patient/2", "Forwarded: for=203.0.113.9", "X-Real-Ip: 203.0.113.9")
		doc := fmt.Sprint(seen)
		if !trusted && (strings.Contains(doc, "root") || strings.Contains(doc, "203.0.113.9") || strings.Contains(doc, "Patient/2") || seen.Get("X-Forwarded-Prefix") != "") ||
			trusted && (seen.Get("X-Remote-User") != "root" || seen.Get("X-Forwarded-Prefix") != "/x" || seen.Get("X-Forwarded-Port") != "1") {
			t.Errorf("trusted %v: the upstream saw %v", trusted, seen)
		}
		if u := s.only().User; trusted != (u.Subject == "root") {
			t.Errorf("trusted %v: user %+v", trusted, u)
		}
	}
}

// TestNoSecretsInOddPlaces puts tokens where they do not belong.
func TestNoSecretsInOddPlaces(t *testing.T) {
	const secret = "s3cr3tvalue"
	var mu sync.Mutex
	var logged bytes.Buffer
	s := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Set-Cookie", "session="+secret)
		w.Header().Set("Location", "https://app.example/cb?access_token="+secret)
		if r.URL.Path == "/fhir/broken" {
			conn, _, _ := http.NewResponseController(w).Hijack()
			io.WriteString(conn, "{\"name\":\""+secret+"\"}\r\n\r\n")
			conn.Close()
		}
	}), func(c *gateway.Config) {
		c.AuditHeaders = []string{"Authorization", "Proxy-Auth", "Cookie", "X-", "Referer"}
		c.Log = slog.New(slog.NewTextHandler(&locked{&mu, &logged}, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	audit := base64.StdEncoding.EncodeToString([]byte(`{"password":"` + secret + `","deep":[{"Access_Token":"` + secret + `"}],"kept":"yes"}`))
	basic := base64.StdEncoding.EncodeToString([]byte(secret)) // no colon: a token
	for _, target := range []string{
		"/fhir/Patient?a=b;access_token=" + secret, "/fhir/Patient?a=b;c&x=1;%74oken=" + secret, "/fhir/Patient?%20access_token=" + secret,
		"/fhir/Patient?access_token[]=" + secret, "/fhir/Patient?jwt=" + secret, "/fhir/Patient/1;jsessionid=" + secret,
		"/fhir/Patient/1;a=b;access_token=" + secret + "/_history/2?x=y", "/fhir/broken", "http://user:" + secret + "@h/fhir/Patient/1",
	} {
		s.line("GET " + target + " HTTP/1.1\r\nHost: h\r\nConnection: close\r\nAuthorization: Basic " + basic + "\r\nProxy-Authorization: Basic " + secret +
			"\r\nCookie: a=" + secret + "\r\nX-Api-Key: " + secret + "\r\nX-Amz-Security-Token: " + secret + "\r\nX-Audit: " + audit +
			"\r\nReferer: https://app.example/p?access_token=" + secret + "&q=1\r\nX-Ward: 7\r\n\r\n")
	}
	all := s.exchanges()
	for _, e := range s.log.all() {
		if strings.Contains(string(e.Doc), secret) || strings.Contains(string(e.Doc), basic) {
			t.Errorf("recorded %s", e.Doc)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if strings.Contains(logged.String(), secret) || !strings.Contains(logged.String(), "no response that could be read") {
		t.Errorf("logged %s", logged.String())
	}
	if len(all) != 9 || all[0].Headers["X-Ward"] != "7" || string(all[0].Audit["kept"]) != `"yes"` || all[0].Headers["Referer"] != "https://app.example/p?access_token=REDACTED&q=1" ||
		all[0].RawQuery != "a=b;access_token=REDACTED" || all[5].Key != "1" {
		t.Errorf("recorded %+v", all)
	}
}

// locked is a Writer for several goroutines.
type locked struct {
	mu *sync.Mutex
	w  io.Writer
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

// TestCodingBombs answers with bodies that are small on the wire: for the record
// they are undone to a bound, and the client gets them as they are.
func TestCodingBombs(t *testing.T) {
	zip := func(b []byte) []byte {
		var out bytes.Buffer
		w := gzip.NewWriter(&out)
		w.Write(b)
		w.Close()
		return out.Bytes()
	}
	bomb := zip(append([]byte(`{"resourceType":"Patient","id":"p","x":"`), bytes.Repeat([]byte{'a'}, 100<<20)...))
	for coding, body := range map[string][]byte{
		"gzip":                               bomb,
		"gzip, gzip":                         zip(bomb),
		strings.Repeat("gzip, ", 9) + "gzip": bomb,
		strings.Repeat("x", 100<<10):         []byte("{}"),
	} {
		s := start(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", coding)
			w.Header().Set("Content-Type", "application/fhir+json")
			w.Write(body)
		}))
		if _, got := s.get("/fhir/Patient/p", "Accept-Encoding: gzip"); got != string(body) {
			t.Errorf("%.20s: the client got %d bytes of %d", coding, len(got), len(body))
		}
		x := s.only()
		if len(x.Notes) == 0 || len(s.log.all()[0].Doc) > 8<<10 {
			t.Errorf("%.20s: recorded in %d bytes, notes %q", coding, len(s.log.all()[0].Doc), x.Notes)
		}
	}
}

// TestStalledClients has many clients that read nothing of long answers: what is
// copied of these stays below its bound, and each of them is recorded when it has
// gone.
func TestStalledClients(t *testing.T) {
	const clients, limit = 100, 4 << 20
	stop := make(chan struct{})
	reached := make(chan struct{}, 2*clients)
	s := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		reached <- struct{}{}
		w.Header().Set("Content-Type", "application/fhir+json")
		for {
			select {
			case <-stop:
				return
			default:
			}
			if _, err := w.Write(bytes.Repeat([]byte("["), 32<<10)); err != nil {
				return
			}
		}
	}), func(c *gateway.Config) { c.MaxMemory = limit })
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	var conns []net.Conn
	for i := range clients {
		conn, err := net.Dial("tcp", s.front.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.(*net.TCPConn).SetReadBuffer(4 << 10)
		fmt.Fprintf(conn, "GET /fhir/Patient/p-%d HTTP/1.1\r\nHost: h\r\n\r\n", i)
		conns = append(conns, conn)
	}
	for range clients { // else some would be gone before anybody had heard of them
		<-reached
	}
	most := int64(0)
	for i := 0; i < 20 || i < 500 && most < limit/2; i++ {
		time.Sleep(20 * time.Millisecond)
		most = max(most, s.g.Stats().Copied)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	grown := int64(after.HeapInuse+after.StackInuse) - int64(before.HeapInuse+before.StackInuse)
	t.Logf("%d clients: %d KiB of copies, %d KiB in all (both servers), %d KiB each", clients, most>>10, grown>>10, grown>>10/clients)
	// A client costs about 200 KiB in both servers, more where races are looked for;
	// what it was sent would be 4 MiB.
	if most > limit || most < limit/2 || grown > limit*2+clients*(1<<20) {
		t.Errorf("%d bytes of copies, %d in all", most, grown)
	}
	for _, conn := range conns {
		conn.Close()
	}
	close(stop)
	if n := len(s.exchanges()); n != clients {
		t.Errorf("%d are recorded", n)
	}
}
