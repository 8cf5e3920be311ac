package gateway_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/netip"
	"net/textproto"
	"net/url"
	"slices"
	"strings"
	"testing"

	"vigil"
	"vigil/gateway"
)

// get sends a request through the gateway and returns the answer with its body.
func (s *setup) get(path string, header ...string) (*http.Response, string) {
	s.Helper()
	r, err := http.NewRequestWithContext(s.Context(), http.MethodGet, s.front.URL+path, nil)
	if err != nil {
		s.Fatal(err)
	}
	for _, h := range header {
		name, v, _ := strings.Cut(h, ": ")
		r.Header.Add(name, v)
	}
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		s.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		s.Fatal(err)
	}
	return resp, string(b)
}

// TestForwarding expects the upstream to see what the client sent, and what it
// needs to make links that lead back.
func TestForwarding(t *testing.T) {
	var seen *http.Request
	s := start(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { seen = r }))
	path := "/fhir/Patient/a%2Fb//c;x=1?q=a;b&c=%zz&d=%20+"
	s.get(path, "X-Forwarded-For: 203.0.113.9", "X-Forwarded-Host: evil.example", "X-Real-IP: 203.0.113.9", "Range: bytes=0-1", "User-Agent: test/1", "Accept-Encoding: gzip;q=0.5, br, deflate")
	host := s.front.Listener.Addr().String()
	if seen.RequestURI != path || seen.Host != host {
		t.Errorf("upstream saw %s at %s", seen.RequestURI, seen.Host)
	}
	for name, want := range map[string]string{
		"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Host": host, "X-Forwarded-Proto": "http", "X-Real-Ip": "",
		"Range": "bytes=0-1", "User-Agent": "test/1", "Accept-Encoding": "gzip;q=0.5, deflate",
	} {
		if got := strings.Join(seen.Header[name], "|"); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	x := s.only()
	if x.Path+"?"+x.RawQuery != path || !slices.Equal(x.Peer, []string{"127.0.0.1"}) || !slices.Equal(x.Forwarded, []string{"203.0.113.9"}) {
		t.Errorf("recorded %+v", x)
	}
	if seen.Header.Get("X-Request-Id") != x.RequestID || x.RequestID == "" {
		t.Errorf("request id %s, upstream saw %s", x.RequestID, seen.Header.Get("X-Request-Id"))
	}
}

// TestTrustedProxy believes a chain as far as each of its members is trusted.
func TestTrustedProxy(t *testing.T) {
	var seen http.Header
	s := start(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { seen = r.Header }), func(c *gateway.Config) {
		c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("10.0.0.0/8")}
		c.UserHeader = "X-Forwarded-User"
	})
	s.get("/fhir/metadata", "X-Forwarded-For: 192.0.2.66, 198.51.100.7, 10.1.2.3", "X-Forwarded-Proto: https", "X-Forwarded-Host: ehr.example:8443", "X-Forwarded-User: nurse-1")
	if got := seen.Get("X-Forwarded-For") + " " + seen.Get("X-Forwarded-Proto") + " " + seen.Get("X-Forwarded-Host"); got != "192.0.2.66, 198.51.100.7, 10.1.2.3, 127.0.0.1 https ehr.example:8443" {
		t.Errorf("forwarded %s", got)
	}
	s.get("/fhir/metadata", `Forwarded: for="[2001:db8::1]:4711";proto=https, for=10.9.9.9`)
	all := s.exchanges()
	if x := all[0]; !slices.Equal(x.Peer, []string{"198.51.100.7", "10.1.2.3", "127.0.0.1"}) || !slices.Equal(x.Forwarded, []string{"192.0.2.66"}) {
		t.Errorf("peers %v, claimed %v", x.Peer, x.Forwarded)
	}
	if u := all[0].User; u.Subject != "nurse-1" || u.By != "header" || !u.Verified {
		t.Errorf("user %+v", u)
	}
	if x := all[1]; !slices.Equal(x.Peer, []string{"2001:db8::1", "10.9.9.9", "127.0.0.1"}) {
		t.Errorf("peers %v", x.Peer)
	}
}

// TestStreaming expects each part of an answer as soon as the upstream flushes it.
func TestStreaming(t *testing.T) {
	step := make(chan struct{})
	s := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for i := range 3 {
			fmt.Fprintf(w, "part %d\n", i)
			http.NewResponseController(w).Flush()
			<-step
		}
	}))
	resp, err := http.Get(s.front.URL + "/fhir/metadata")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	for i := range 3 {
		if !lines.Scan() || lines.Text() != fmt.Sprintf("part %d", i) {
			t.Fatalf("line %q", lines.Text())
		}
		step <- struct{}{}
	}
	if x := s.only(); !x.Complete || x.ResponseBytes != 21 {
		t.Errorf("recorded %+v", x)
	}
}

// TestInformational passes 103 on and records the answer that follows.
func TestInformational(t *testing.T) {
	s := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Link", "</style>")
		w.WriteHeader(http.StatusEarlyHints)
		w.WriteHeader(http.StatusTeapot)
	}))
	var hints []int
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{Got1xxResponse: func(code int, _ textproto.MIMEHeader) error {
		hints = append(hints, code)
		return nil
	}})
	r, _ := http.NewRequestWithContext(ctx, http.MethodGet, s.front.URL+"/fhir/metadata", nil)
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if x := s.only(); !slices.Equal(hints, []int{103}) || x.Status != http.StatusTeapot || resp.StatusCode != x.Status {
		t.Errorf("hints %v, recorded %d, got %d", hints, x.Status, resp.StatusCode)
	}
}

// TestExpect sends the body only after 100, and not at all where the upstream
// refuses before it.
func TestExpect(t *testing.T) {
	s := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Expect") != "100-continue" {
			t.Error("upstream was not asked")
		}
		if r.URL.Path == "/fhir/Observation" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		b, _ := io.ReadAll(r.Body)
		w.Write(b)
	}))
	for _, c := range []struct{ path, status string }{{"Patient", "100"}, {"Observation", "401"}} {
		conn, err := net.Dial("tcp", s.front.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		fmt.Fprintf(conn, "POST /fhir/%s HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n", c.path)
		in := bufio.NewReader(conn)
		line, err := in.ReadString('\n')
		if err != nil || !strings.HasPrefix(line, "HTTP/1.1 "+c.status) {
			t.Fatalf("%s: %q, %v", c.path, line, err)
		}
		if c.status == "100" {
			io.WriteString(conn, "12345")
			if rest, _ := io.ReadAll(in); !bytes.HasSuffix(rest, []byte("12345")) {
				t.Errorf("answer %q", rest)
			}
		}
	}
	all := s.exchanges()
	if all[0].RequestBytes != 5 || all[0].Status != 200 || all[1].RequestBytes != 0 || all[1].Status != 401 {
		t.Errorf("recorded %+v", all)
	}
}

// TestTrailers passes trailers both ways.
func TestTrailers(t *testing.T) {
	s := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		w.Header().Set("Trailer", "X-Sum")
		w.Write(b)
		w.Header().Set("X-Sum", r.Trailer.Get("X-Check"))
	}))
	r, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, s.front.URL+"/fhir/Patient", io.MultiReader(strings.NewReader("body")))
	r.Trailer = http.Header{"X-Check": {"checked"}}
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil || string(b) != "body" || resp.Trailer.Get("X-Sum") != "checked" {
		t.Errorf("%q, trailer %v, %v", b, resp.Trailer, err)
	}
	if x := s.only(); x.RequestBytes != 4 || x.ResponseBytes != 4 || !x.Complete {
		t.Errorf("recorded %+v", x)
	}
}

// TestUpgrade opens a WebSocket, and counts what goes through it; an upgrade to
// anything else is not passed on, since nobody would see what goes through.
func TestUpgrade(t *testing.T) {
	s := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") == "" {
			w.WriteHeader(http.StatusUpgradeRequired)
			return
		}
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		rw.WriteString("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: " + r.Header.Get("Upgrade") + "\r\n\r\n")
		rw.Flush()
		io.CopyN(conn, rw, 4)
	}))
	for _, c := range []struct{ upgrade, status, echo string }{{"websocket", "101", "ping"}, {"h2c", "426", ""}} {
		conn, err := net.Dial("tcp", s.front.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(conn, "GET /fhir/ws HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: %s\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n", c.upgrade)
		in := bufio.NewReader(conn)
		resp, err := http.ReadResponse(in, nil)
		if err != nil || !strings.HasPrefix(resp.Status, c.status) {
			t.Fatalf("%s: %v, %v", c.upgrade, resp, err)
		}
		if c.echo != "" {
			io.WriteString(conn, c.echo)
			if b, err := io.ReadAll(in); err != nil || string(b) != c.echo {
				t.Errorf("echo %q, %v", b, err)
			}
		}
		conn.Close()
	}
	all := s.exchanges()
	slices.SortFunc(all, func(a, b vigil.Exchange) int { return a.Start.Compare(b.Start) }) // they may end in another order
	if len(all) != 2 || all[0].Status != 101 || !all[0].Complete || all[0].RequestBytes != 4 || all[0].ResponseBytes < 4 || all[1].Status != 426 {
		t.Errorf("recorded %+v", all)
	}
}

// TestHTTP2 has HTTP/2 in front and behind.
func TestHTTP2(t *testing.T) {
	upstream := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		io.WriteString(w, r.Proto)
	}))
	upstream.EnableHTTP2 = true
	upstream.StartTLS()
	defer upstream.Close()
	l := &log{}
	g, err := gateway.New(gateway.Config{Writer: l})
	if err != nil {
		t.Fatal(err)
	}
	u, _ := url.Parse(upstream.URL)
	tr := gateway.NewTransport()
	tr.TLSClientConfig = upstream.Client().Transport.(*http.Transport).TLSClientConfig
	h, err := g.Proxy(gateway.ProxyConfig{Upstream: u, Transport: tr})
	if err != nil {
		t.Fatal(err)
	}
	front := httptest.NewUnstartedServer(h)
	front.EnableHTTP2 = true
	front.Config.ConnContext = new(gateway.ConnIDs).Context
	front.StartTLS()
	defer front.Close()
	for range 3 {
		resp, err := front.Client().Post(front.URL+"/fhir/Patient", "application/fhir+json", strings.NewReader(`{"resourceType":"Patient","id":"p"}`))
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if string(b) != "HTTP/2.0" || resp.ProtoMajor != 2 {
			t.Errorf("behind %s, in front %s", b, resp.Proto)
		}
	}
	s := &setup{T: t, g: g, log: l, front: front}
	all := s.exchanges()
	if len(all) != 3 || all[0].Protocol != "HTTP/2.0" || all[0].Connection != all[2].Connection || strings.Contains(all[0].Connection, ":") {
		t.Errorf("recorded %+v", all)
	}
}

// TestTLS takes the client certificate as the user.
func TestTLS(t *testing.T) {
	l := &log{}
	g, err := gateway.New(gateway.Config{Writer: l})
	if err != nil {
		t.Fatal(err)
	}
	front := httptest.NewUnstartedServer(g.Wrap(http.NotFoundHandler()))
	front.TLS = &tls.Config{ClientAuth: tls.RequestClientCert}
	front.StartTLS()
	client := front.Client()
	client.Transport.(*http.Transport).TLSClientConfig.Certificates = front.TLS.Certificates
	resp, err := client.Get(front.URL + "/fhir/Patient/p")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	s := &setup{T: t, g: g, log: l, front: front}
	if u := s.only().User; u.By != "certificate" || u.Subject != "O=Acme Co" || u.Verified {
		t.Errorf("user %+v", u)
	}
}

func TestConfigErrors(t *testing.T) {
	if _, err := gateway.New(gateway.Config{}); err == nil {
		t.Error("a gateway without a destination")
	}
	g, err := gateway.New(gateway.Config{Writer: vigil.WriterFunc(func(context.Context, []*vigil.Event) error { return nil })})
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range []*url.URL{nil, {Path: "/fhir"}, {Scheme: "file", Host: "x"}} {
		if _, err := g.Proxy(gateway.ProxyConfig{Upstream: u}); err == nil {
			t.Errorf("upstream %v is taken", u)
		}
	}
}
