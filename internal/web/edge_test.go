package web

import (
	"crypto/tls"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestRequestID(t *testing.T) {
	for _, s := range []string{"a", "0198f7a0-0000-7000-8000-000000000000", "a.b:c/d+e=@_", strings.Repeat("x", 128)} {
		if got := RequestID(s); got != s {
			t.Errorf("%q became %q", s, got)
		}
	}
	for _, s := range []string{"", "a b", "a\r\nb", "ä", `a"b`, "<a>", strings.Repeat("x", 129), "a;b", "a,b", "\x1b[31m"} {
		if got := RequestID(s); got == s || len(got) != 32 || got == RequestID(s) {
			t.Errorf("%q became %q", s, got)
		}
	}
}

func TestPeer(t *testing.T) {
	both := EdgeConfig{Proxies: []string{"10.0.0.0/8", "192.0.2.7", "fd00::/8"}}
	std, xff := both, both
	std.Header, xff.Header = "forwarded", "X-Forwarded-For"
	sock := EdgeConfig{Proxies: []string{"unix"}}
	const f, x = "Forwarded", "X-Forwarded-For"
	for _, tt := range []struct {
		name   string
		c      EdgeConfig
		remote string
		header [][2]string
		want   string
	}{
		{"no proxy", EdgeConfig{}, "198.51.100.1:99", nil, "198.51.100.1"},
		{"IPv6", EdgeConfig{}, "[2001:db8::1%eth0]:99", nil, "2001:db8::1"},
		{"IPv4 in IPv6", EdgeConfig{}, "[::ffff:198.51.100.1]:99", nil, "198.51.100.1"},
		{"forged, nobody trusted", EdgeConfig{}, "198.51.100.1:99", [][2]string{{x, "1.2.3.4"}, {f, "for=1.2.3.4"}}, "198.51.100.1"},
		{"forged, others trusted", both, "198.51.100.1:99", [][2]string{{x, "1.2.3.4"}}, "198.51.100.1"},
		{"one proxy", both, "10.1.1.1:99", [][2]string{{x, "1.2.3.4"}}, "1.2.3.4"},
		{"one address trusted", both, "192.0.2.7:99", [][2]string{{x, "1.2.3.4"}}, "1.2.3.4"},
		{"its neighbour not", both, "192.0.2.8:99", [][2]string{{x, "1.2.3.4"}}, "192.0.2.8"},
		{"client forges through a proxy", both, "10.1.1.1:99", [][2]string{{x, "6.6.6.6, 1.2.3.4"}}, "1.2.3.4"},
		{"client forges an inner hop", both, "10.1.1.1:99", [][2]string{{x, "6.6.6.6, 10.9.9.9, 1.2.3.4"}}, "1.2.3.4"},
		{"two proxies", both, "10.1.1.1:99", [][2]string{{x, "1.2.3.4, 10.2.2.2"}}, "1.2.3.4"},
		{"two headers", both, "10.1.1.1:99", [][2]string{{x, "1.2.3.4"}, {x, "10.2.2.2"}}, "1.2.3.4"},
		{"only proxies", both, "10.1.1.1:99", [][2]string{{x, "10.3.3.3, 10.2.2.2"}}, "10.3.3.3"},
		{"nothing said", both, "10.1.1.1:99", nil, "10.1.1.1"},
		{"nonsense", both, "10.1.1.1:99", [][2]string{{x, "1.2.3.4, <script>"}}, "10.1.1.1"},
		{"nonsense before a proxy", both, "10.1.1.1:99", [][2]string{{x, "evil, 10.2.2.2"}}, "10.2.2.2"},
		{"with ports", both, "10.1.1.1:99", [][2]string{{x, "[2001:db8::5]:12, 10.2.2.2:80"}}, "2001:db8::5"},
		{"Forwarded", both, "10.1.1.1:99", [][2]string{{f, `for=1.2.3.4;proto=https, For="[fd00::1]:80"`}}, "1.2.3.4"},
		{"Forwarded, quoted comma", both, "10.1.1.1:99", [][2]string{{f, `by="a,b";for=1.2.3.4`}}, "1.2.3.4"},
		{"Forwarded, obfuscated", both, "10.1.1.1:99", [][2]string{{f, "for=_hidden"}}, "10.1.1.1"},
		{"Forwarded, unknown", both, "10.1.1.1:99", [][2]string{{f, "for=unknown"}}, "10.1.1.1"},
		{"the second counts only without the first", both, "10.1.1.1:99", [][2]string{{f, "for=6.6.6.6"}, {x, "1.2.3.4"}}, "1.2.3.4"},
		{"Forwarded alone", std, "10.1.1.1:99", [][2]string{{x, "6.6.6.6"}, {f, "for=1.2.3.4"}}, "1.2.3.4"},
		{"Forwarded alone, absent", std, "10.1.1.1:99", [][2]string{{x, "6.6.6.6"}}, "10.1.1.1"},
		{"X-Forwarded-For alone", xff, "10.1.1.1:99", [][2]string{{f, "for=6.6.6.6"}}, "10.1.1.1"},
		{"socket", both, "@", [][2]string{{x, "1.2.3.4"}}, ""},
		{"trusted socket", sock, "@", [][2]string{{x, "1.2.3.4"}}, "1.2.3.4"},
	} {
		e, err := NewEdge(tt.c)
		if err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = tt.remote
		for _, h := range tt.header {
			r.Header.Add(h[0], h[1])
		}
		if got := e.Peer(r); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestBaseURL(t *testing.T) {
	proxies := []string{"10.0.0.1"}
	for _, tt := range []struct {
		name   string
		c      EdgeConfig
		remote string
		tls    bool
		header [][2]string
		want   string
	}{
		{"plain", EdgeConfig{}, "10.0.0.1:1", false, nil, "http://log.example:3000"},
		{"TLS", EdgeConfig{}, "10.0.0.1:1", true, nil, "https://log.example:3000"},
		{"configured", EdgeConfig{BaseURL: "https://a.example/vigil/"}, "10.0.0.1:1", false, nil, "https://a.example/vigil"},
		{"not trusted", EdgeConfig{}, "10.0.0.1:1", false, [][2]string{{"X-Forwarded-Host", "evil.example"}, {"X-Forwarded-Proto", "https"}}, "http://log.example:3000"},
		{"trusted", EdgeConfig{Proxies: proxies}, "10.0.0.1:1", false, [][2]string{{"X-Forwarded-Host", "a.example"}, {"X-Forwarded-Proto", "HTTPS"}}, "https://a.example"},
		{"the nearest counts", EdgeConfig{Proxies: proxies}, "10.0.0.1:1", false, [][2]string{{"X-Forwarded-Host", "evil.example, a.example"}}, "http://a.example"},
		{"Forwarded", EdgeConfig{Proxies: proxies}, "10.0.0.1:1", false, [][2]string{{"Forwarded", `for=1.2.3.4;host="a.example:8";proto=https`}}, "https://a.example:8"},
		{"nonsense", EdgeConfig{Proxies: proxies}, "10.0.0.1:1", false, [][2]string{{"X-Forwarded-Host", `a"><script>`}, {"X-Forwarded-Proto", "javascript"}}, "http://log.example:3000"},
	} {
		e, err := NewEdge(tt.c)
		if err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr, r.Host = tt.remote, "log.example:3000"
		if tt.tls {
			r.TLS = &tls.ConnectionState{}
		}
		for _, h := range tt.header {
			r.Header.Add(h[0], h[1])
		}
		if got := e.BaseURL(r); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
	var none *Edge
	if got := none.BaseURL(httptest.NewRequest("GET", "/", nil)); got != "http://example.com" {
		t.Error(got)
	}
}

func TestEdgeRefused(t *testing.T) {
	for _, c := range []EdgeConfig{
		{Proxies: []string{"10.0.0.0/33"}},
		{Proxies: []string{"proxy.example"}},
		{Header: "X-Real-IP"},
		{BaseURL: "log.example"},
		{BaseURL: "ftp://log.example"},
		{BaseURL: "https://log.example/?q"},
	} {
		if _, err := NewEdge(c); err == nil {
			t.Errorf("%+v: no error", c)
		}
	}
}

// FuzzForwarded gives the headers anything; what comes out is an address or nothing.
func FuzzForwarded(f *testing.F) {
	f.Add("1.2.3.4, 10.0.0.2", `for="[::1]:80";host=a, for=_x`, "a.example")
	e, err := NewEdge(EdgeConfig{Proxies: []string{"10.0.0.0/8", "::1"}})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, xff, forwarded, host string) {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = "10.0.0.1:1"
		r.Header["X-Forwarded-For"] = []string{xff}
		peer := func() {
			if _, ok := hostAddr(e.Peer(r)); !ok {
				t.Fatalf("peer %q", e.Peer(r))
			}
			_, host, ok := strings.Cut(e.BaseURL(r), "://")
			if !ok || host == "" || strings.ContainsAny(host, "/?#<>\"' \r\n") {
				t.Fatalf("base URL %q", e.BaseURL(r))
			}
		}
		peer()
		delete(r.Header, "X-Forwarded-For")
		r.Header["Forwarded"], r.Header["X-Forwarded-Host"] = []string{forwarded}, []string{host}
		peer()
	})
}
