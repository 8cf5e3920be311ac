package journal

import (
	"bytes"
	"fmt"
	"testing"
)

// TestReserve writes through several files whose blocks are only reserved,
// releases some, and reads the rest back after each opening.
func TestReserve(t *testing.T) {
	dir := t.TempDir()
	o := Options{FileSize: minFileSize, Reserve: true}
	frame := func(i int) []byte { return fmt.Appendf(bytes.Repeat([]byte{byte(i)}, 3000), "%d", i) }
	first, next := 0, 0
	var places []Position
	for range 5 {
		j, err := Open(dir, o)
		if err != nil {
			t.Fatal(err)
		}
		at := -1
		err = j.Replay(func(_ Position, b []byte) error {
			if at < 0 { // files go as a whole
				for at = 0; at < next && !bytes.Equal(b, frame(at)); at++ {
				}
				if at > first {
					t.Fatalf("frame %d comes first, %d was not released", at, first)
				}
			}
			if !bytes.Equal(b, frame(at)) {
				t.Fatalf("frame %d is another one", at)
			}
			at++
			return nil
		})
		if err != nil || next > 0 && at != next {
			t.Fatalf("read to frame %d of %d, %v", at, next, err)
		}
		for range 100 {
			p, err := j.Write(frame(next))
			if err != nil {
				t.Fatal(err)
			}
			places = append(places, p)
			next++
		}
		if err := j.Sync(); err != nil {
			t.Fatal(err)
		}
		first = next - 50
		if err := j.Release(places[first]); err != nil {
			t.Fatal(err)
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if r, err := Check(dir, o); err != nil {
		t.Errorf("%+v, %v", r, err)
	}
}
