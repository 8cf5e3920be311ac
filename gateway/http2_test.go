package gateway_test

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"vigil/gateway"
)

// h2frame is a frame of HTTP/2 (RFC 9113, 4.1).
func h2frame(kind, flags byte, stream uint32, payload []byte) string {
	b := []byte{byte(len(payload) >> 16), byte(len(payload) >> 8), byte(len(payload)), kind, flags}
	return string(append(binary.BigEndian.AppendUint32(b, stream), payload...))
}

// h2fields writes fields as they are, without an index and without Huffman's
// code (RFC 7541, 6.2.2): names and values may hold what no client would send.
func h2fields(fields []string) []byte {
	var b []byte
	text := func(s string) {
		if n := len(s) - 127; n < 0 {
			b = append(b, byte(len(s)))
		} else {
			b = binary.AppendUvarint(append(b, 127), uint64(n))
		}
		b = append(b, s...)
	}
	for _, f := range fields {
		name, value, _ := strings.Cut(f, "=")
		b = append(b, 0)
		text(name)
		text(value)
	}
	return b
}

// h2ask sends one request with those fields, and a body if it is not empty, and
// returns the kind of the frame that answers it: headers (1), reset (3) or goaway
// (7); 0 for none.
func h2ask(t *testing.T, addr string, fields []string, body string) byte {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	flags := byte(4) // END_HEADERS
	if body == "" {
		flags |= 1 // END_STREAM
	}
	out := "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + h2frame(4, 0, 0, nil) + h2frame(1, flags, 1, h2fields(fields))
	if body != "" {
		out += h2frame(0, 1, 1, []byte(body))
	}
	io.WriteString(conn, out)
	conn.SetReadDeadline(time.Now().Add(30 * time.Second))
	for {
		var head [9]byte
		if _, err := io.ReadFull(conn, head[:]); err != nil {
			return 0
		}
		n := int64(head[0])<<16 | int64(head[1])<<8 | int64(head[2])
		if _, err := io.CopyN(io.Discard, conn, n); err != nil {
			return 0
		}
		if head[3] == 1 || head[3] == 3 || head[3] == 7 {
			return head[3]
		}
	}
}

// TestHTTP2Smuggling sends by HTTP/2 what would be something else in HTTP/1.1,
// which the upstream speaks (F13).
func TestHTTP2Smuggling(t *testing.T) {
	get := []string{":method=GET", ":scheme=http", ":authority=h", ":path=/fhir/Patient/1"}
	with := func(more ...string) []string { return append(append([]string(nil), get...), more...) }
	instead := func(name, value string) []string {
		fields := append([]string(nil), get...)
		for i, f := range fields {
			if strings.HasPrefix(f, name+"=") {
				fields[i] = name + "=" + value
			}
		}
		return fields
	}
	second := "GET /fhir/smuggled HTTP/1.1\r\nHost: h\r\n\r\n"
	for name, c := range map[string]struct {
		fields  []string
		body    string
		reaches int
	}{
		"plain":                  {get, "", 1},
		"line end in path":       {instead(":path", "/fhir/Patient/1 HTTP/1.1\r\nHost: h\r\n\r\n"+second), "", 0},
		"space in path":          {instead(":path", "/fhir/Patient/1 HTTP/1.1"), "", 1}, // as %20
		"NUL in path":            {instead(":path", "/fhir/Patient/1\x00"), "", 0},
		"no slash":               {instead(":path", "fhir/Patient/1"), "", 0},
		"absolute path":          {instead(":path", "http://other.example/fhir/Patient/1"), "", 1},
		"path twice":             {with(":path=/fhir/Patient/2"), "", 0},
		"pseudo after field":     {append([]string{"a=b"}, get...), "", 0},
		"line end in method":     {instead(":method", "GET /fhir/smuggled HTTP/1.1\r\nHost: h\r\n\r\nGET"), "", 0},
		"space in method":        {instead(":method", "GET /fhir/smuggled"), "", 0},
		"line end in authority":  {instead(":authority", "h\r\nX-Forwarded-For: 1"), "", 0},
		"user in authority":      {instead(":authority", "user:s3cr3t@h"), "", 0},
		"path in authority":      {instead(":authority", "h/fhir/smuggled?"), "", 0},
		"scheme":                 {instead(":scheme", "http://evil/?x="), "", 1},
		"line end in value":      {with("x=a\r\n\r\n" + second), "", 0},
		"line feed in value":     {with("x=a\nauthorization: Basic eDp5"), "", 0},
		"line end in name":       {with("x: a\r\nauthorization=Basic eDp5"), "", 0},
		"colon in name":          {with("x:y=z"), "", 0},
		"space in name":          {with("x y=z"), "", 0},
		"capital in name":        {with("X-Forwarded-For=1"), "", 0},
		"empty name":             {with("=z"), "", 0},
		"unknown pseudo":         {with(":x=z"), "", 0},
		"chunked":                {with("transfer-encoding=chunked"), "0\r\n\r\n" + second, 0},
		"connection":             {with("connection=keep-alive, x-request-id"), "", 0},
		"upgrade":                {with("upgrade=websocket"), "", 0},
		"te":                     {with("te=chunked"), "", 0},
		"other host":             {with("host=other.example"), "", 1},
		"length too short":       {with("content-length=2"), second, 1},
		"length too long":        {with("content-length=400"), second, 1},
		"length twice":           {with("content-length=2", "content-length=0"), second, 1},
		"no body but a length":   {with("content-length=40"), "", 1},
		"tunnel":                 {[]string{":method=CONNECT", ":authority=inner:80"}, "", 0},
		"extended tunnel":        {append([]string{":method=CONNECT", ":protocol=websocket"}, get[1:]...), "", 0},
		"identity twice":         {with("authorization=Bearer a", "authorization=Bearer b"), "", 0},
		"forwarded by nobody":    {with("x-forwarded-for=203.0.113.9", "x_forwarded_for=203.0.113.9", "x-forwarded-user=root"), "", 1},
		"many fields":            {with(manyFields(20_000)...), "", 0},
		"body that looks like 2": {instead(":method", "POST"), second, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			seen := make(chan string, 10)
			s := start(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				io.Copy(io.Discard, r.Body)
				if len(r.Header["X_forwarded_for"]) > 0 || r.Header.Get("X-Forwarded-User") != "" || r.Header.Get("X-Forwarded-For") != "127.0.0.1" {
					t.Errorf("the upstream saw %v", r.Header)
				}
				if len(r.Header["Authorization"]) > 0 {
					t.Errorf("the upstream saw who nobody was")
				}
				seen <- r.Method + " " + r.Host + " " + r.RequestURI
			}))
			h := s.front.Config.Handler
			s.front.Close()
			s.upstream.Config.ErrorLog = quiet()
			s.front = httptest.NewUnstartedServer(h)
			s.front.Config.ErrorLog = quiet()
			s.front.Config.MaxHeaderBytes = 256 << 10
			s.front.Config.Protocols = new(http.Protocols)
			s.front.Config.Protocols.SetHTTP1(true)
			s.front.Config.Protocols.SetUnencryptedHTTP2(true)
			s.front.Start()
			answer := h2ask(t, s.front.Listener.Addr().String(), c.fields, c.body)
			if answer == 0 {
				t.Error("no answer")
			}
			all := s.exchanges()
			s.upstream.Close()
			close(seen)
			recorded := map[string]int{}
			for _, x := range all {
				recorded[x.Method+" "+x.Host+" "+x.Path]++
				if strings.Contains(fmt.Sprint(x), "s3cr3t") {
					t.Errorf("recorded %+v", x)
				}
			}
			n := 0
			for uri := range seen {
				n++
				if recorded[uri]--; recorded[uri] < 0 {
					t.Errorf("the upstream saw %q, recorded is %v", uri, recorded)
				}
			}
			if n > c.reaches || name == "plain" && n != 1 {
				t.Errorf("%d requests reached the upstream", n)
			}
		})
	}
}

func manyFields(n int) []string {
	fields := make([]string, n)
	for i := range fields {
		fields[i] = fmt.Sprintf("x-field-%d=aaaaaaaaaaaaaaaaaaaaaaaa", i)
	}
	return fields
}

// TestH2C speaks HTTP/2 without TLS in front, several requests on one connection.
func TestH2C(t *testing.T) {
	s := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.Proto) }))
	front := httptest.NewUnstartedServer(s.front.Config.Handler)
	front.Config.ConnContext = new(gateway.ConnIDs).Context
	front.Config.Protocols = new(http.Protocols)
	front.Config.Protocols.SetUnencryptedHTTP2(true)
	front.Start()
	s.front.Close()
	s.front = front
	u, _ := url.Parse(front.URL + "/fhir/Patient/p")
	tr := &http.Transport{Protocols: front.Config.Protocols}
	defer tr.CloseIdleConnections()
	for range 3 {
		resp, err := tr.RoundTrip((&http.Request{Method: http.MethodGet, URL: u, Header: http.Header{}}).WithContext(t.Context()))
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.Proto != "HTTP/2.0" || string(b) != "HTTP/1.1" {
			t.Errorf("%s in front, %s behind", resp.Proto, b)
		}
	}
	tr.CloseIdleConnections()
	all := s.exchanges()
	if len(all) != 3 || all[0].Protocol != "HTTP/2.0" || all[0].Connection != all[2].Connection {
		t.Errorf("recorded %+v", all)
	}
}
