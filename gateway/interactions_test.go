package gateway_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"vigil"
	"vigil/gateway"
)

var update = flag.Bool("update", false, "rewrite the wanted exchanges")

// log is a Writer that keeps what it is given.
type log struct {
	mu     sync.Mutex
	events []*vigil.Event
}

func (l *log) Write(_ context.Context, events []*vigil.Event) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.events = append(l.events, events...)
	return nil
}

func (l *log) all() []*vigil.Event {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.events)
}

// setup is a proxy in front of a handler, as servers on sockets.
type setup struct {
	*testing.T
	g        *gateway.Gateway
	log      *log
	front    *httptest.Server
	upstream *httptest.Server
}

func start(t *testing.T, upstream http.Handler, change ...func(*gateway.Config)) *setup {
	t.Helper()
	s := &setup{T: t, log: &log{}}
	c := gateway.Config{Writer: s.log}
	for _, f := range change {
		f(&c)
	}
	var err error
	if s.g, err = gateway.New(c); err != nil {
		t.Fatal(err)
	}
	s.upstream = httptest.NewServer(upstream)
	t.Cleanup(s.upstream.Close)
	u, err := url.Parse(s.upstream.URL + "/fhir")
	if err != nil {
		t.Fatal(err)
	}
	h, err := s.g.Proxy(gateway.ProxyConfig{Upstream: u})
	if err != nil {
		t.Fatal(err)
	}
	s.front = httptest.NewServer(h)
	t.Cleanup(s.front.Close)
	return s
}

// exchanges waits for every record and returns the exchanges in their order.
func (s *setup) exchanges() []vigil.Exchange {
	s.Helper()
	s.front.Close() // waits for handlers
	if err := s.g.Close(s.Context()); err != nil {
		s.Fatal(err)
	}
	var out []vigil.Exchange
	for _, e := range s.log.all() {
		if e.Table != vigil.TableExchanges {
			continue
		}
		if e.Format != vigil.FormatExchange || e.Sender == nil || e.Sender.Listener != "gateway" {
			s.Errorf("event %+v", e)
		}
		var x vigil.Exchange
		d := json.NewDecoder(bytes.NewReader(e.Doc))
		d.DisallowUnknownFields()
		if err := d.Decode(&x); err != nil {
			s.Fatal(err)
		}
		out = append(out, x)
	}
	return out
}

// only is exchanges where there must be one.
func (s *setup) only() vigil.Exchange {
	s.Helper()
	all := s.exchanges()
	if len(all) != 1 {
		s.Fatalf("%d exchanges", len(all))
	}
	return all[0]
}

// section returns a part of a case without its last line feed.
func section(a *txtar.Archive, name string) string {
	for _, f := range a.Files {
		if f.Name == name {
			return strings.TrimSuffix(string(f.Data), "\n")
		}
	}
	return ""
}

// TestInteractions sends every kind of interaction through a proxy and compares
// the exchange. Each case is a request, what the server answers, and what is to
// be recorded. search_page2 is a page of search_page1.
func TestInteractions(t *testing.T) {
	files, err := filepath.Glob("testdata/interactions/*.txtar")
	if err != nil || len(files) < 47 {
		t.Fatalf("%d cases, %v", len(files), err)
	}
	var answer string
	s := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		resp, err := http.ReadResponse(bufio.NewReader(strings.NewReader(answer)), r)
		if err != nil {
			t.Error(err)
			return
		}
		for k, v := range resp.Header {
			w.Header()[k] = v
		}
		w.WriteHeader(resp.StatusCode)
		io.Copy(w, resp.Body)
	}))
	cases := make([]*txtar.Archive, len(files))
	for i, file := range files {
		if cases[i], err = txtar.ParseFile(file); err != nil {
			t.Fatal(err)
		}
		body := section(cases[i], "answer")
		answer = strings.ReplaceAll(section(cases[i], "response"), "\n", "\r\n")
		if body != "" {
			answer += "\r\nContent-Length: " + strconv.Itoa(len(body))
		}
		answer += "\r\n\r\n" + body
		s.raw(section(cases[i], "request"), section(cases[i], "body"), body)
	}
	got := s.exchanges()
	if len(got) != len(cases) {
		t.Fatalf("%d exchanges of %d requests", len(got), len(cases))
	}
	for i, file := range files {
		compare(t, file, cases[i], got[i])
	}
}

// raw sends a request as it is written and expects the answer's body.
func (s *setup) raw(head, body, want string) {
	s.Helper()
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(strings.ReplaceAll(head, "\n", "\r\n") + "\r\n\r\n")))
	if err != nil {
		s.Fatal(err)
	}
	r.URL.Scheme, r.URL.Host, r.RequestURI = "http", s.front.Listener.Addr().String(), ""
	if body != "" {
		r.Body, r.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
	}
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		s.Fatal(err)
	}
	defer resp.Body.Close()
	if b, err := io.ReadAll(resp.Body); err != nil || r.Method != http.MethodHead && string(b) != want {
		s.Errorf("%s: answer %q, %v", head, b, err)
	}
}

func compare(t *testing.T, file string, a *txtar.Archive, x vigil.Exchange) {
	t.Helper()
	if x.ID == "" || x.RequestID != x.ID || x.Start.IsZero() || x.Duration <= 0 || x.Connection == "" || len(x.Peer) != 1 || x.Host != "gw.example" {
		t.Errorf("%s: %+v", file, x)
	}
	for i := range x.Entries {
		if x.Entries[i].ID != x.ID || !x.Entries[i].Start.Equal(x.Start) {
			t.Errorf("%s: entry %d is not of its bundle", file, i)
		}
		x.Entries[i].ID = ""
		x.Entries[i].Start = vigil.Exchange{}.Start
	}
	if x.Gateway != "gateway" || !strings.HasPrefix(x.Upstream, "http://127.0.0.1:") || !strings.HasSuffix(x.Upstream, "/fhir") {
		t.Errorf("%s: gateway %q, upstream %q", file, x.Gateway, x.Upstream)
	}
	x.Gateway, x.Upstream = "", ""
	x.ID, x.RequestID, x.Connection, x.Host, x.Protocol, x.UserAgent, x.Peer = "", "", "", "", "", "", nil
	x.Start, x.Duration = vigil.Exchange{}.Start, 0
	doc, err := json.MarshalIndent(x, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		a.Files[len(a.Files)-1].Data = append(doc, '\n')
		if err := os.WriteFile(file, txtar.Format(a), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if want := section(a, "exchange.json"); string(doc) != want {
		t.Errorf("%s: got\n%s\nwant\n%s", file, doc, want)
	}
}
