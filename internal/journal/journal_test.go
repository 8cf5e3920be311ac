package journal

import (
	"bytes"
	"testing"
)

func reopen(t *testing.T, dir string, o Options) (*Journal, [][]byte, []Position) {
	t.Helper()
	j, err := Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	var frames [][]byte
	var at []Position
	if err := j.Replay(func(p Position, b []byte) error {
		frames = append(frames, bytes.Clone(b))
		at = append(at, p)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return j, frames, at
}

func TestAppendReplay(t *testing.T) {
	dir := t.TempDir()
	o := Options{StoreID: [16]byte{1}, FileSize: 64 << 10}
	var want [][]byte
	var places []Position
	for round := range 5 {
		j, got, at := reopen(t, dir, o)
		if len(got) != len(want) {
			t.Fatalf("round %d: %d frames, want %d", round, len(got), len(want))
		}
		for i := range want {
			if !bytes.Equal(got[i], want[i]) || at[i] != places[i] {
				t.Fatalf("round %d: frame %d differs: %v %v", round, i, at[i], places[i])
			}
		}
		for i := range 10 {
			b := bytes.Repeat([]byte{byte(round), byte(i)}, i*i*i*20)
			p, err := j.Append(b)
			if err != nil {
				t.Fatal(err)
			}
			want, places = append(want, b), append(places, p)
		}
		if round%2 == 0 {
			if err := j.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
}
