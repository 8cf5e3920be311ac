package segment_test

import (
	"context"
	"fmt"
	"runtime"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"vigil"
	"vigil/internal/query"
	"vigil/internal/store"
	"vigil/internal/store/segment"
)

// benchDoc returns a synthetic document of about 900 bytes.
func benchDoc(i int) []byte {
	return fmt.Appendf(nil, `{"version":"1","severity":"info","action":"read","occurred":"2026-08-01T%02d:%02d:%02d.%06dZ",`+
		`"agent":{"type":"user","who":"user%d@example.org","ip_address":"192.0.2.%d","role":"clinician"},`+
		`"source":{"observer":"portal.example.org","type":"webserver","version":"4.2.%d"},`+
		`"entity":{"detail":[{"session":"%016x"},{"request":"%016x"}],"query":"Patient/%d/_history?_count=%d","type":"resource"},`+
		`"tags":["patient","read","site-%d"],"outcome":"200","message":"Record of patient %d was opened from the ward list by user %d",`+
		`"note":"%064x%064x%064x","sequence":%d}`,
		i/3600%24, i/60%60, i%60, i%1000000, i%997, i%254, i%9, i*2654435761, i*40503,
		i%41703, i%50, i%12, i%41703, i%997, i, i*7, i*13, i)
}

var benchSender = &vigil.Sender{
	Subject: "loader", Role: "event_logger", Listener: "http", Peer: "192.0.2.1", Authenticated: true,
}

func benchEvents(n, from int) []*vigil.Event {
	events := make([]*vigil.Event, n)
	for i := range events {
		events[i] = &vigil.Event{Table: vigil.TableEvents, Format: vigil.FormatLogserver, Doc: benchDoc(from + i), Sender: benchSender}
	}
	return events
}

func openBench(b *testing.B) *segment.Store {
	b.Helper()
	s, err := segment.Open(segment.Options{Dir: b.TempDir() + "/data"}, store.Config{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := s.Close(); err != nil {
			b.Error(err)
		}
	})
	return s
}

// cpu is the processor time that this process has used.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func report(b *testing.B, events int, start time.Time, used time.Duration) {
	b.Helper()
	b.ReportMetric(float64(events)/time.Since(start).Seconds(), "events/s")
	b.ReportMetric(float64((cpu()-used).Nanoseconds())/1000/float64(events), "cpu-µs/event")
}

// BenchmarkSingle is one event a commit request, from 64 goroutines.
func BenchmarkSingle(b *testing.B) {
	s := openBench(b)
	docs := make([][]byte, 4096)
	for i := range docs {
		docs[i] = benchDoc(i)
	}
	var n atomic.Int64
	// Batches of one event: what a request costs beside the disk.
	b.SetParallelism((64 + runtime.GOMAXPROCS(0) - 1) / runtime.GOMAXPROCS(0))
	start, used := time.Now(), cpu()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			e := vigil.Event{Table: vigil.TableEvents, Format: vigil.FormatLogserver, Doc: docs[n.Add(1)%4096], Sender: benchSender}
			if _, err := s.Append(context.Background(), &store.Batch{Events: []*vigil.Event{&e}}); err != nil {
				b.Error(err)
				return
			}
		}
	})
	report(b, b.N, start, used)
}

// BenchmarkBatch is batches of 1,000 events, one after the other.
func BenchmarkBatch(b *testing.B) {
	s := openBench(b)
	batch := benchEvents(1000, 0)
	start, used := time.Now(), cpu()
	for b.Loop() {
		if _, err := s.Append(context.Background(), &store.Batch{Events: batch}); err != nil {
			b.Fatal(err)
		}
	}
	report(b, b.N*1000, start, used)
}

// BenchmarkScan reads 200,000 events, most of them sealed.
func BenchmarkScan(b *testing.B) {
	s := openBench(b)
	const n = 200_000
	for from := 0; from < n; from += 1000 {
		if err := s.Write(context.Background(), benchEvents(1000, from)); err != nil {
			b.Fatal(err)
		}
	}
	start, used := time.Now(), cpu()
	for b.Loop() {
		rows, err := s.Rows(context.Background(), &query.Query{Table: vigil.TableEvents, Limit: -1})
		if err != nil {
			b.Fatal(err)
		}
		count := 0
		for _, err := range rows.Seq {
			if err != nil {
				b.Fatal(err)
			}
			count++
		}
		if count != n {
			b.Fatalf("%d rows, want %d", count, n)
		}
	}
	report(b, b.N*n, start, used)
}
