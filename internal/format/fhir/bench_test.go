package fhir

import (
	"bytes"
	"encoding/json"
	"testing"
)

// sample is an event as a client sends it: 2.1 KB without white space.
func sample(b testing.TB) []byte {
	var buf bytes.Buffer
	if err := json.Compact(&buf, read(b, "testdata/examples/auditevent-r4-own/balp-read.json")); err != nil {
		b.Fatal(err)
	}
	return buf.Bytes()
}

func BenchmarkParseJSON(b *testing.B) {
	text := sample(b)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseJSON(text, Limits{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParseXML(b *testing.B) {
	text := AppendXML(nil, parse(b, sample(b), R4), R4)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseXML(text, R4, Limits{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkValidate(b *testing.B) {
	n := parse(b, sample(b), R4)
	b.ReportAllocs()
	for b.Loop() {
		if issues := Validate(n, Options{Profiles: Refuse}); issues != nil {
			b.Fatal(issues)
		}
	}
}

// BenchmarkTake is what a create costs: parse and validate with profiles.
func BenchmarkTake(b *testing.B) {
	asJSON := sample(b)
	for name, text := range map[string][]byte{"JSON": asJSON, "XML": AppendXML(nil, parse(b, asJSON, R4), R4)} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				n, err := Parse(text, R4, Limits{})
				if err != nil || Failed(Validate(n, Options{Profiles: Refuse})) {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkPrint(b *testing.B) {
	n := parse(b, sample(b), R4)
	for name, print := range map[string]func([]byte) []byte{
		"JSON": func(dst []byte) []byte { return AppendJSON(dst, n) },
		"XML":  func(dst []byte) []byte { return AppendXML(dst, n, R4) },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			var dst []byte
			for b.Loop() {
				dst = print(dst[:0])
			}
		})
	}
}
