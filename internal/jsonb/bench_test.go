package jsonb_test

import (
	"fmt"
	"testing"

	"vigil/internal/jsonb"
)

// event is a document of the size and shape that logserver's clients send.
var event = []byte(`{"asctime": "2025-01-31 00:44:18,512", "name": "sample_logger", "level": "INFO",
"message": "launch of the sample application by a synthetic user", "tags": ["CommunicationRequest", "login", "sample"], "version": "1",
"deployment": "test", "subject": "Patient/12345", "user": "Practitioner/SMART-1992", "clinical-site": "Sample Site",
"agent": {"who": "Practitioner/93", "type": "user", "ip_address": "192.0.2.7", "user_agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36"},
"source": {"observer": "https://app.example.org/sample", "type": "sample-app", "version": "1.2.3"},
"entity": {"detail": {"url": "https://fhir.example.org/Patient/12345/_history/17", "method": "GET", "status": 200, "ms": 12.75}, "query": "name=a&_count=50"},
"outcome": "0", "session": "4a15544d-c5e7-4e8a-8a57-8a8ea9488d99", "flags": [true, false, null], "n": 42}`)

func BenchmarkCheck(b *testing.B) {
	b.SetBytes(int64(len(event)))
	b.ReportAllocs()
	for b.Loop() {
		if err := jsonb.Check(event, jsonb.Limits{Depth: 100, Keys: 100_000}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCanonical(b *testing.B) {
	b.SetBytes(int64(len(event)))
	b.ReportAllocs()
	var dst []byte
	for b.Loop() {
		dst = jsonb.AppendCanonical(dst[:0], event)
	}
}

func BenchmarkGet(b *testing.B) {
	b.SetBytes(int64(len(event)))
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := jsonb.Get(event, "subject"); !ok {
			b.Fatal("no subject")
		}
	}
}

func BenchmarkContains(b *testing.B) {
	want := []byte(`{"tags": ["login"]}`)
	b.ReportAllocs()
	for b.Loop() {
		if !jsonb.Contains(event, want) {
			b.Fatal("not contained")
		}
	}
}

func TestNoAllocation(t *testing.T) {
	doc, login, abc := jsonb.AppendCanonical(nil, event), []byte(`{"tags":["login"]}`), []byte(`"abc"`)
	for name, f := range map[string]func(){
		"Check":    func() { _ = jsonb.Check(event, jsonb.Limits{}) },
		"Get":      func() { jsonb.Get(event, "subject") },
		"Equal":    func() { jsonb.Equal(event, doc) },
		"Contains": func() { jsonb.Contains(event, login) },
		"Plain":    func() { jsonb.Plain(abc) },
	} {
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s allocates %v times", name, n)
		}
	}
}

func ExampleAppendCanonical() {
	fmt.Printf("%s\n", jsonb.AppendCanonical(nil, []byte(`{"bb":1e2,"a":[1.50,-0],"a":"\u00e9"}`)))
	// Output: {"a": "é", "bb": 100}
}
