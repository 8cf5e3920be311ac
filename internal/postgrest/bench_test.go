package postgrest

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"vigil"
	"vigil/internal/auth"
	"vigil/internal/store"
)

// sink is a store that takes everything and keeps nothing, to measure the face alone.
type sink struct{ store.Store }

func (sink) Append(_ context.Context, b *store.Batch) (store.Receipt, error) {
	for i, e := range b.Events {
		e.ID = int64(i + 1)
	}
	return store.Receipt{Count: len(b.Events)}, nil
}

// discard is a ResponseWriter that forgets.
type discard struct {
	header http.Header
	status int
}

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(b []byte) (int, error) { return len(b), nil }
func (d *discard) WriteHeader(status int)      { d.status = status }

// benchmarkPost measures one POST without net/http and store, the token cached.
func benchmarkPost(b *testing.B, body string) {
	a, err := auth.New(auth.Config{Secrets: []string{secret}, AnonRole: "web_anon"})
	if err != nil {
		b.Fatal(err)
	}
	h := New(Config{Store: sink{openMemory(b, store.Config{})}, Authenticate: a.Authenticate, Allow: a.Grants().Check})
	src := bytes.NewReader(nil)
	r, err := http.NewRequest(http.MethodPost, "/events", nil)
	if err != nil {
		b.Fatal(err)
	}
	r.RemoteAddr = "192.0.2.7:4711"
	r.Header.Set("Authorization", token(b, "event_logger"))
	r.Header.Set("Content-Type", "application/json")
	r.ContentLength = int64(len(body))
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		src.Reset([]byte(body))
		r.Body = io.NopCloser(src)
		w := &discard{header: http.Header{}}
		h.ServeHTTP(w, r)
		if w.status != http.StatusCreated {
			b.Fatal(w.status)
		}
	}
}

// event900 is an event of about 900 bytes.
func event900() string {
	return `{"event":{"asctime":"2026-11-22 04:14:31,590","name":"sof_wrapper","levelname":"INFO","tags":["auth","login"],` +
		`"message":"` + strings.Repeat("lorem ipsum ", 60) + `","subject":"Patient/1","version":"1"}}`
}

func BenchmarkPostOne(b *testing.B) { benchmarkPost(b, event900()) }

func BenchmarkPostThousand(b *testing.B) {
	benchmarkPost(b, "["+strings.Repeat(event900()+",", 999)+event900()+"]")
}

// BenchmarkGet measures an answer of 1,000 rows of the memory store.
func BenchmarkGet(b *testing.B) {
	s := openMemory(b, store.Config{})
	events := make([]*vigil.Event, 1000)
	doc := strings.TrimSuffix(strings.TrimPrefix(event900(), `{"event":`), "}")
	for i := range events {
		events[i] = &vigil.Event{Table: "events", Format: vigil.FormatLogserver, Doc: []byte(doc)}
	}
	if err := s.Write(context.Background(), events); err != nil {
		b.Fatal(err)
	}
	f := newFace(b, s)
	r, err := http.NewRequest(http.MethodGet, "/events", nil)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(1000 * len(doc)))
	for b.Loop() {
		f.ServeHTTP(&discard{header: http.Header{}}, r)
	}
}
