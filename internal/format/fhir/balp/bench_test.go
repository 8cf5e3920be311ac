package balp_test

import (
	"testing"
)

// BenchmarkEvents makes the events of a read, a search and a bundle.
func BenchmarkEvents(b *testing.B) {
	for _, f := range fixtures(b, "interactions") {
		switch f.name {
		case "read", "search_two_hits", "transaction_5_entries":
		default:
			continue
		}
		for _, s := range shapes[:3] {
			b.Run(f.name+"/"+s.name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if _, err := s.b.Events(f.exchange); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
