package main

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"vigil"
	"vigil/gateway"
	"vigil/internal/firely"
	"vigil/internal/format/template"
	"vigil/internal/sink"
	"vigil/internal/sink/rolling"
)

// BenchmarkFirelyFile writes the two audit lines of exchanges to a file, as they
// are in the store: with one write(2) a line, and behind the buffer that Firely's
// page has. Its aim is 20,000 lines a second.
func BenchmarkFirelyFile(b *testing.B) {
	t, err := template.Parse(firely.DefaultTemplate)
	if err != nil {
		b.Fatal(err)
	}
	lines := (&firely.Settings{File: firely.All, UserNames: true, MachineName: true}).Liner(time.Local).Lines(t)
	e, err := gateway.ExchangeEvent(&vigil.Exchange{
		ID: "0192f0c1-0000-7000-8000-000000000001", RequestID: "0HMSON8FK36UF:00000002", Connection: "0HMSON8FK36UF", Start: time.Now(), Duration: 15 * time.Millisecond,
		Method: "GET", Route: "GET /Patient/?", Host: "gateway.example:8090", Protocol: "HTTP/1.1", Path: "/fhir/Patient/synthetic-1", Status: 200, ResponseBytes: 2048, Complete: true,
		Peer: []string{"192.0.2.1"}, UserAgent: "synthetic", User: vigil.User{Subject: "user-1", Name: "Synthetic User", Client: "app-1", Issuer: "https://idp.example", By: "bearer"},
		Interaction: "read", Type: "Patient", Key: "synthetic-1", Version: "1", Patients: []string{"Patient/synthetic-1"}, Returned: []string{"Patient/synthetic-1/_history/1"},
		Gateway: "gateway", Upstream: "http://fhir.example/fhir",
	})
	if err != nil {
		b.Fatal(err)
	}
	for _, async := range []bool{false, true} {
		b.Run(map[bool]string{false: "synchronous", true: "async"}[async], func(b *testing.B) {
			f, err := rolling.Open(rolling.Options{Path: filepath.Join(b.TempDir(), "AuditLog.log"), Interval: rolling.Day, Line: lines})
			if err != nil {
				b.Fatal(err)
			}
			defer f.Close()
			var w vigil.Writer = f
			closing := func() error { return nil }
			if async {
				a := sink.NewAsync(sink.AsyncConfig{Writer: f})
				w, closing = a, func() error { return a.Close(context.Background()) }
			}
			events := []*vigil.Event{e}
			b.ReportAllocs()
			for b.Loop() {
				if err := w.Write(context.Background(), events); err != nil {
					b.Fatal(err)
				}
			}
			if err := closing(); err != nil { // the buffer's rest belongs to the measurement
				b.Fatal(err)
			}
			b.ReportMetric(2*float64(b.N)/b.Elapsed().Seconds(), "lines/s")
		})
	}
}
