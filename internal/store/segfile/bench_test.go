package segfile

import (
	"fmt"
	"testing"
)

func BenchmarkWrite(b *testing.B) {
	recs := newGenerator(1).records(20000)
	dir := b.TempDir()
	var info Info
	n := 0
	for b.Loop() {
		var err error
		if info, err = Write(dir, fmt.Sprint(n), testMeta, recs); err != nil {
			b.Fatal(err)
		}
		n++
	}
	b.ReportMetric(float64(len(recs)*b.N)/b.Elapsed().Seconds(), "events/s")
	each := func(bytes int64) float64 { return float64(bytes) / float64(len(recs)) }
	b.ReportMetric(each(info.RawDocs), "raw-B/event")
	b.ReportMetric(each(info.Size), "B/event")
	b.ReportMetric(each(info.Docs), "docs-B/event")
	b.ReportMetric(each(info.Heads), "heads-B/event")
	b.ReportMetric(each(info.Names+info.Directory), "rest-B/event")
}

func BenchmarkScan(b *testing.B) {
	recs := newGenerator(1).records(20000)
	f, _ := write(b, recs)
	f.cache = newCache(b, 1<<20)
	for b.Loop() {
		for i := range f.Blocks() {
			if _, err := f.Block(i); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(len(recs)*b.N)/b.Elapsed().Seconds(), "events/s")
}

func BenchmarkHeads(b *testing.B) {
	recs := newGenerator(1).records(20000)
	f, _ := write(b, recs)
	f.cache = newCache(b, 1<<16)
	for b.Loop() {
		for i := range f.Blocks() {
			if _, err := f.Heads(i); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(len(recs)*b.N)/b.Elapsed().Seconds(), "events/s")
}

func BenchmarkFindUID(b *testing.B) {
	recs := newGenerator(1).records(20000)
	f, _ := write(b, recs)
	f.cache = newCache(b, 1<<16)
	i := 0
	for b.Loop() {
		if _, _, ok, err := f.FindUID(recs[i%len(recs)].UID); !ok || err != nil {
			b.Fatal(err)
		}
		i += 7919
	}
}
