package rolling

import (
	"context"
	"path/filepath"
	"testing"

	"vigil"
	"vigil/internal/sink"
)

func sample() *vigil.Event {
	e := event(`{"version":"3.0","severity":"info","action":"read","occurred":"2026-01-02T03:04:05.678Z","subject":"Patient/example","agent":{"ip_address":"192.0.2.7","type":"user","who":"Practitioner/example","user_agent":"synthetic"},"source":{"observer":"example","type":"bench"},"entity":{"detail":{"url":"/Patient/example","method":"GET"}},"outcome":"200","message":"example patient read in a benchmark, nobody real"}`)
	e.Table, e.Format = vigil.TableEvents, vigil.FormatLogserver
	return e
}

func benchmark(b *testing.B, o Options, batch int) {
	o.Path, o.Line = filepath.Join(b.TempDir(), "log"), sink.Document
	f, err := Open(o)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	events := make([]*vigil.Event, batch)
	for i := range events {
		events[i] = sample()
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := f.Write(context.Background(), events); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N*batch)/b.Elapsed().Seconds(), "lines/s")
}

func BenchmarkSynchronous(b *testing.B) {
	benchmark(b, Options{Interval: Day, SizeLimit: DefaultSizeLimit}, 1)
}

func BenchmarkBatch(b *testing.B) {
	benchmark(b, Options{Interval: Day, SizeLimit: DefaultSizeLimit}, 1000)
}
func BenchmarkBuffered(b *testing.B) { benchmark(b, Options{Buffered: true}, 1000) }
func BenchmarkShared(b *testing.B)   { benchmark(b, Options{Shared: true}, 1000) }

// BenchmarkDevice is everything but the write to a disk.
func BenchmarkDevice(b *testing.B) {
	f, err := Open(Options{Path: "/dev/null", Interval: Infinite, Line: sink.Document})
	if err != nil {
		b.Fatal(err)
	}
	events := []*vigil.Event{sample()}
	b.ReportAllocs()
	for b.Loop() {
		if err := f.Write(context.Background(), events); err != nil {
			b.Fatal(err)
		}
	}
}

// TestAllocations expects writing lines to allocate nothing that grows with them.
func TestAllocations(t *testing.T) {
	f := open(t, Options{Path: filepath.Join(t.TempDir(), "log"), Line: sink.Document})
	events := []*vigil.Event{sample(), sample(), sample(), sample()}
	if n := testing.AllocsPerRun(200, func() {
		if err := f.Write(context.Background(), events); err != nil {
			t.Fatal(err)
		}
	}); n > 1 { // the look whether the file is still there, once a second
		t.Errorf("%v allocations for %d lines", n, len(events))
	}
}

// BenchmarkAsync is BenchmarkSynchronous behind the buffer that Firely's page
// advises.
func BenchmarkAsync(b *testing.B) {
	f, err := Open(Options{Path: filepath.Join(b.TempDir(), "log"), Interval: Day, SizeLimit: DefaultSizeLimit, Line: sink.Document})
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	a := sink.NewAsync(sink.AsyncConfig{Writer: f})
	events := []*vigil.Event{sample()}
	b.ReportAllocs()
	for b.Loop() {
		if err := a.Write(context.Background(), events); err != nil {
			b.Fatal(err)
		}
	}
	if err := a.Close(context.Background()); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "lines/s")
}
