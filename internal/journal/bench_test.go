package journal

import (
	"fmt"
	"testing"
)

// BenchmarkAppend is one frame for each sync, on the disk that holds the
// temporary directory, in files that have been used before.
func BenchmarkAppend(b *testing.B) {
	for _, size := range []int{1 << 10, 64 << 10, 1 << 20} {
		b.Run(fmt.Sprintf("%dKiB", size>>10), func(b *testing.B) {
			j, frame := warm(b), make([]byte, size)
			b.SetBytes(int64(size))
			for b.Loop() {
				p, err := j.Append(frame)
				if err != nil {
					b.Fatal(err)
				}
				if err := j.Release(p); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "appends/s")
		})
	}
}

// BenchmarkWrite is what the spool costs a request.
func BenchmarkWrite(b *testing.B) {
	j, frame := warm(b), make([]byte, 1<<10)
	for b.Loop() {
		p, err := j.Write(frame)
		if err != nil {
			b.Fatal(err)
		}
		if err := j.Release(p); err != nil {
			b.Fatal(err)
		}
	}
}

// warm returns a journal whose two files have been filled once.
func warm(b *testing.B) *Journal {
	j, err := Open(b.TempDir(), Options{FileSize: 8 << 20})
	if err != nil {
		b.Fatal(err)
	}
	if err := j.Replay(nil); err != nil {
		b.Fatal(err)
	}
	for range 24 {
		p, err := j.Write(make([]byte, 1<<20-frameHead))
		if err == nil {
			err = j.Release(p)
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	return j
}
