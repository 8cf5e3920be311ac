package gateway_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"vigil"
	"vigil/gateway"
	"vigil/internal/spool"
)

// patient is a resource of 2 KB, as the measurements of peers have it.
var patient = `{"resourceType":"Patient","id":"p-1","meta":{"versionId":"1"},"text":{"status":"generated","div":"` + strings.Repeat("x", 1900) + `"}}`

func static(w http.ResponseWriter, _ *http.Request) {
	w.Header()["Content-Type"] = []string{"application/fhir+json"}
	w.Header()["Etag"] = []string{`W/"1"`}
	io.WriteString(w, patient)
}

// spooled is a gateway over a spool on disk whose destination takes everything.
func spooled(b *testing.B, mode gateway.Mode) *gateway.Gateway {
	b.Helper()
	sink := vigil.WriterFunc(func(context.Context, []*vigil.Event) error { return nil })
	sp, err := spool.Open(spool.Config{Dir: b.TempDir(), Writer: sink, Events: gateway.NewReader(gateway.ReaderConfig{}).Events})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { sp.Close() })
	g, err := gateway.New(gateway.Config{Spool: sp, Mode: func(*http.Request) gateway.Mode { return mode }})
	if err != nil {
		b.Fatal(err)
	}
	return g
}

type nowhere struct{ h http.Header }

func (n nowhere) Header() http.Header         { return n.h }
func (n nowhere) Write(p []byte) (int, error) { return len(p), nil }
func (n nowhere) WriteHeader(int)             {}

// BenchmarkWrap is what recording adds to a small read, without any network.
func BenchmarkWrap(b *testing.B) {
	h := spooled(b, gateway.Spooled).Wrap(http.HandlerFunc(static))
	tok := token(`{"sub":"u-1","name":"Nurse One","iss":"https://idp.example","scope":"user/*.rs"}`)
	for b.Loop() {
		r := httptest.NewRequest(http.MethodGet, "/fhir/Patient/p-1", nil)
		r.Header.Set("Authorization", "Bearer "+tok)
		h.ServeHTTP(nowhere{http.Header{}}, r)
	}
}

// BenchmarkRead makes an exchange of a record: a small read, and a search with
// 100 hits.
func BenchmarkRead(b *testing.B) {
	hit := `{"fullUrl":"http://h/fhir/Patient/p","resource":` + patient + `,"search":{"mode":"match"}}`
	for name, body := range map[string]string{
		"read":   patient,
		"search": `{"resourceType":"Bundle","type":"searchset","total":100,"entry":[` + strings.Repeat(hit+",", 99) + hit + `]}`,
	} {
		b.Run(name, func(b *testing.B) {
			rec := record(b, body)
			reader := gateway.NewReader(gateway.ReaderConfig{})
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := reader.Events(rec); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// record is what the gateway hands over for an answer.
func record(b *testing.B, body string) []byte {
	b.Helper()
	s := &steps{}
	g, err := gateway.New(gateway.Config{Spool: s})
	if err != nil {
		b.Fatal(err)
	}
	g.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/fhir+json")
		io.WriteString(w, body)
	})).ServeHTTP(nowhere{http.Header{}}, httptest.NewRequest(http.MethodGet, "/fhir/Patient?x=y", nil))
	return s.recs[0]
}

// BenchmarkProxy compares a plain ReverseProxy over the same Transport with the
// gateway, by turns, and reports the medians in microseconds.
func BenchmarkProxy(b *testing.B) {
	upstream := httptest.NewServer(http.HandlerFunc(static))
	defer upstream.Close()
	u, _ := url.Parse(upstream.URL + "/fhir")
	plain := &httputil.ReverseProxy{
		Rewrite: func(pr *httputil.ProxyRequest) {
			pr.Out.URL.Scheme, pr.Out.URL.Host, pr.Out.Host = u.Scheme, u.Host, pr.In.Host
		},
		Transport:  gateway.NewTransport(),
		BufferPool: &pool{},
	}
	fronts := map[string]http.Handler{"plain": plain}
	for name, mode := range map[string]gateway.Mode{"spooled": gateway.Spooled, "strict": gateway.Strict} {
		h, err := spooled(b, mode).Proxy(gateway.ProxyConfig{Upstream: u})
		if err != nil {
			b.Fatal(err)
		}
		fronts[name] = h
	}
	for _, clients := range []int{1, 16} {
		b.Run(fmt.Sprintf("clients=%d", clients), func(b *testing.B) {
			took := map[string][]time.Duration{}
			total := map[string]time.Duration{}
			urls := map[string]string{}
			for name, h := range fronts {
				s := httptest.NewServer(h)
				defer s.Close()
				urls[name] = s.URL + "/fhir/Patient/p-1"
			}
			client := &http.Client{Transport: gateway.NewTransport()}
			for b.Loop() {
				for name := range fronts {
					began := time.Now()
					took[name] = append(took[name], load(b, client, urls[name], clients, 20)...)
					total[name] += time.Since(began)
				}
			}
			for name, all := range took {
				slices.Sort(all)
				b.ReportMetric(float64(all[len(all)/2].Microseconds()), name+"-p50-µs")
				b.ReportMetric(float64(len(all))/total[name].Seconds(), name+"-req/s")
			}
		})
	}
}

// load sends n requests from each client and returns how long each took.
func load(b *testing.B, c *http.Client, url string, clients, n int) []time.Duration {
	var mu sync.Mutex
	var all []time.Duration
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			for range n {
				began := time.Now()
				resp, err := c.Get(url)
				if err != nil {
					b.Error(err)
					return
				}
				io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
				d := time.Since(began)
				mu.Lock()
				all = append(all, d)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return all
}

type pool struct{ p sync.Pool }

func (p *pool) Get() []byte {
	if v, ok := p.p.Get().(*[]byte); ok {
		return *v
	}
	return make([]byte, 32<<10)
}

func (p *pool) Put(b []byte) { p.p.Put(&b) }
