package fhirapi

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"vigil/internal/auth"
	"vigil/internal/postgrest"
	"vigil/internal/store"
)

// openAt opens the store of a benchmark: files, with every commit synced.
func openAt(b *testing.B) store.Store {
	b.Helper()
	return openSegment(b)
}

// BenchmarkCreate posts an event of 2.1 KB, to the FHIR face and, as what it is
// compared with, to the plain table, by 64 clients.
func BenchmarkCreate(b *testing.B) {
	doc := sample(b)
	a, err := auth.New(auth.Config{Secrets: []string{secret}, Now: clock})
	if err != nil {
		b.Fatal(err)
	}
	s := openAt(b)
	plain := postgrest.New(postgrest.Config{Store: s, Authenticate: a.Authenticate, Allow: a.Grants().Check, Now: clock})
	f := newFace(b, s)
	for _, c := range []struct {
		name, path, body, content, prefer string
		handler                           http.Handler
	}{
		{"plain", "/audit_events", `{"event":` + doc + `}`, "application/json", "", plain},
		{"fhir/minimal", "/fhir/AuditEvent", doc, "application/fhir+json", "return=minimal", f.Handler},
		{"fhir/representation", "/fhir/AuditEvent", doc, "application/fhir+json", "", f.Handler},
	} {
		b.Run(c.name, func(b *testing.B) {
			token := mint(b, "admin", "")
			b.SetParallelism(32)
			b.SetBytes(int64(len(c.body)))
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					r := httptest.NewRequestWithContext(b.Context(), http.MethodPost, c.path, strings.NewReader(c.body))
					r.Header.Set("Content-Type", c.content)
					r.Header.Set("Authorization", "Bearer "+token)
					if c.prefer != "" {
						r.Header.Set("Prefer", c.prefer)
					}
					w := httptest.NewRecorder()
					c.handler.ServeHTTP(w, r)
					if w.Code != http.StatusCreated {
						b.Fatal(w.Code, w.Body)
					}
				}
			})
		})
	}
}

// BenchmarkBundle posts Bundles of 100 events, one after the other.
func BenchmarkBundle(b *testing.B) {
	const n = 100
	docs := make([]string, n)
	for i := range docs {
		docs[i] = sample(b)
	}
	f := newFace(b, openAt(b))
	for _, kind := range []string{"batch", "transaction", "collection"} {
		b.Run(kind, func(b *testing.B) {
			i := 0
			for b.Loop() {
				if i++; kind == "collection" { // each event is a new one
					b.StopTimer()
					for j := range docs {
						docs[j] = edited(b, docs[j], "id", strings.Repeat("x", 1+j%60)+"-"+strings.Repeat("y", i%50)+string(rune('a'+i/50%26)))
					}
					b.StartTimer()
				}
				w := f.do(http.MethodPost, "/fhir", bundleOf(kind, docs...))
				if w.Code != http.StatusOK {
					b.Fatal(w.Code, w.Body)
				}
			}
			b.ReportMetric(n*float64(b.N)/b.Elapsed().Seconds(), "events/s")
		})
	}
}

// BenchmarkSearch reads a page of 100.
func BenchmarkSearch(b *testing.B) {
	f := newFace(b, openAt(b))
	docs := make([]string, 500)
	for i := range docs {
		docs[i] = sample(b)
	}
	f.must(http.StatusOK, "POST", "/fhir", bundleOf("batch", docs...))
	for b.Loop() {
		f.must(http.StatusOK, "GET", "/fhir/AuditEvent?_count=100&date=ge2000", "")
	}
}
