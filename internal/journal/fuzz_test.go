package journal

import (
	"bytes"
	"errors"
	"testing"

	"github.com/cespare/xxhash/v2"
)

// FuzzReplay replays arbitrary bytes as the last of a journal's files. Where
// resum is set the checksums are made right first, so that lies get further.
func FuzzReplay(f *testing.F) {
	d := newDisk()
	j, err := Open("", on(d))
	if err != nil {
		f.Fatal(err)
	}
	if err := j.Replay(nil); err != nil {
		f.Fatal(err)
	}
	for _, n := range []int{0, 10, 300} {
		if _, err := j.Append(bytes.Repeat([]byte{'x'}, n)); err != nil {
			f.Fatal(err)
		}
	}
	name := d.files(extJournal)[0]
	file := d.names[name].data[:4*blockSize]
	f.Add(file, false)
	f.Add(file, true)
	f.Add(file[:5000], true)
	f.Fuzz(func(t *testing.T, b []byte, resum bool) {
		b = bytes.Clone(b)
		if resum {
			makeSums(b)
		}
		d := newDisk()
		n := &inode{data: b, stable: b}
		d.names[name], d.stable[name] = n, n
		salvaged, out := 0, 0
		if err := Salvage("", on(d), func(_ Position, frame []byte) error {
			salvaged, out = salvaged+1, out+len(frame)
			return nil
		}); err != nil || out > len(b) {
			t.Fatalf("%d bytes of %d were salvaged, %v", out, len(b), err)
		}
		first, err := everything(d)
		if err == nil && salvaged < len(first) {
			t.Fatalf("%d frames were salvaged of %d", salvaged, len(first))
		}
		if err != nil {
			if _, ok := errors.AsType[*CorruptError](err); !ok {
				t.Fatalf("not said to be damaged: %v", err)
			}
			return
		}
		var sum int
		for _, b := range first {
			sum += len(b)
		}
		if sum > len(b) {
			t.Fatalf("%d bytes came out of %d", sum, len(b))
		}
		j, err := Open("", on(d))
		if err != nil {
			t.Fatal(err)
		}
		if err := j.Replay(func(Position, []byte) error { return nil }); err != nil {
			t.Fatal(err)
		}
		again, err := everything(d)
		if err != nil || len(again) != len(first) {
			t.Fatalf("replayed again: %d frames, were %d, %v", len(again), len(first), err)
		}
	})
}

// makeSums makes the checksums of headers right, of those payloads that lie
// within b too.
func makeSums(b []byte) {
	if len(b) < blockSize {
		return
	}
	le.PutUint64(b[88:], xxhash.Sum64(b[:88]))
	for at := blockSize; at+frameHead <= len(b); at += blockSize {
		h := b[at : at+frameHead]
		if string(h[:4]) != frameMagic {
			continue
		}
		if n := uint64(le.Uint32(h[4:])); n <= uint64(len(b)-at-frameHead) {
			le.PutUint64(h[56:], xxhash.Sum64(b[at+frameHead:][:n]))
		}
		le.PutUint64(h[64:], seededSum(le.Uint64(b[88:]), h[:64]))
	}
}
