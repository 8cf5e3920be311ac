package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vigil/internal/bench"
)

// BenchmarkFHIR measures a server over HTTP: single creates beside plain posts of
// the same document, and Bundles of 100.
func BenchmarkFHIR(b *testing.B) {
	text, err := os.ReadFile("../../internal/format/fhir/testdata/examples/auditevent-r4-own/balp-read.json")
	if err != nil {
		b.Fatal(err)
	}
	var doc bytes.Buffer
	if err := json.Compact(&doc, text); err != nil {
		b.Fatal(err)
	}
	p := newProcess(b, filepath.Join(b.TempDir(), "store"))
	p.mustStart()
	bearer := token(b, "admin")
	request := func(path, content, body string) [][]byte {
		return [][]byte{fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: %s\r\nPrefer: return=minimal\r\nContent-Length: %d\r\n\r\n%s",
			path, bearer, content, len(body), body)}
	}
	entry := `{"resource":` + doc.String() + `,"request":{"method":"POST","url":"AuditEvent"}}`
	bundle := `{"resourceType":"Bundle","type":"batch","entry":[` + strings.Repeat(entry+",", 99) + entry + `]}`
	for _, c := range []struct {
		name        string
		requests    [][]byte
		connections int
		want, each  int
	}{
		{"plain", request("/events", "application/json", `{"event":`+doc.String()+`}`), 64, 201, 1},
		{"create", request("/fhir/AuditEvent", "application/fhir+json", doc.String()), 64, 201, 1},
		{"bundle", request("/fhir", "application/fhir+json", bundle), 4, 200, 100},
	} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				r, err := bench.Load{Addr: p.addr, Connections: c.connections, Duration: 3 * time.Second, Requests: c.requests, Want: c.want}.Run(b.Context())
				if err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(r.Rate()*float64(c.each), "events/s")
				b.ReportMetric(float64(r.P99.Microseconds())/1000, "p99-ms")
			}
		})
	}
}
