package convert_test

import (
	"testing"

	"vigil/internal/format/convert"
	"vigil/internal/format/fhir"
)

func BenchmarkAuditEvent(b *testing.B) {
	c := convert.New(convert.Config{})
	for _, x := range examples(b) {
		switch x.name {
		case "v0", "v3", "aidbox-response", "exchange", "r4", "system", "embedded", "auditevent-r4-core.auditevent-example-login.json#0", "firely.R4_search.json#0":
		default:
			continue
		}
		for _, v := range []fhir.Version{fhir.R4, fhir.R5} {
			b.Run(x.name+"/"+v.String(), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if _, err := c.AuditEvent(x.event, v); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func BenchmarkLogserver(b *testing.B) {
	c := convert.New(convert.Config{})
	for _, x := range examples(b) {
		if x.name != "v3" && x.name != "firely.R4_search.json#0" {
			continue
		}
		n, err := c.AuditEvent(x.event, fhir.R4)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(x.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.Logserver(n, fhir.R4); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
