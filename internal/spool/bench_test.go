package spool_test

import (
	"context"
	"testing"

	"vigil"
	"vigil/internal/spool"
)

// BenchmarkExchange is what a request waits for: the beginning and the end of a
// record of usual size.
func BenchmarkExchange(b *testing.B) {
	s, err := spool.Open(spool.Config{
		Dir: b.TempDir(), Events: asEvent,
		Writer: vigil.WriterFunc(func(context.Context, []*vigil.Event) error { return nil }),
	})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			n, err := s.Begin(b.Context(), make([]byte, 700))
			if err != nil {
				b.Fatal(err)
			}
			if _, err := s.End(b.Context(), n, make([]byte, 3000)); err != nil {
				b.Fatal(err)
			}
		}
	})
}
