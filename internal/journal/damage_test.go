package journal

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
)

// everything reads all frames of a disk without changing it.
func everything(d *disk) (frames [][]byte, err error) {
	j, err := Open("", on(d.cut(func() bool { return true })))
	if err != nil {
		return nil, err
	}
	err = j.Replay(func(_ Position, b []byte) error {
		frames = append(frames, bytes.Clone(b))
		return nil
	})
	return frames, err
}

// written returns a disk with three files of frames, and where the frames are.
func written(t *testing.T) (*disk, []Position) {
	t.Helper()
	d := newDisk()
	j, err := Open("", on(d))
	if err != nil {
		t.Fatal(err)
	}
	if err := j.Replay(nil); err != nil {
		t.Fatal(err)
	}
	var places []Position
	for i := range 9 {
		p, err := j.Append(bytes.Repeat([]byte{byte('a' + i)}, 18000))
		if err != nil {
			t.Fatal(err)
		}
		places = append(places, p)
	}
	if n := len(d.files(extJournal)); n != 3 {
		t.Fatalf("%d files, want 3", n)
	}
	return d, places
}

// TestDamage changes one byte in every part of every frame and header.
func TestDamage(t *testing.T) {
	d, places := written(t)
	whole, err := everything(d)
	if err != nil {
		t.Fatal(err)
	}
	flip := func(name string, off int64) ([][]byte, error) {
		n := d.names[name]
		n.stable[off] ^= 0x10
		defer func() { n.stable[off] ^= 0x10 }()
		return everything(d)
	}
	for i, p := range places {
		name := fileName(p.Generation, extJournal)
		for _, at := range []int64{0, 5, 9, 17, 25, 33, 41, 49, 57, 65, 71, 72, 5000, 72 + 17999} {
			frames, err := flip(name, p.Offset+at)
			if i == len(places)-1 { // cannot be told from a torn write
				if err != nil || len(frames) != i {
					t.Errorf("last frame, byte %d: %d frames, %v", at, len(frames), err)
				}
				continue
			}
			bad, ok := errors.AsType[*CorruptError](err)
			if !ok || bad.File != name || bad.Offset != p.Offset {
				t.Errorf("frame %d at %v, byte %d: %v", i, p, at, err)
			}
		}
		if frames, err := flip(name, p.Offset+paddedSize(18000)-1); err != nil || !slices.EqualFunc(frames, whole, bytes.Equal) {
			t.Errorf("frame %d, padding: %v", i, err)
		}
	}
	for _, name := range d.files(extJournal) {
		for at := range int64(fileHead) {
			_, err := flip(name, at)
			if bad, ok := errors.AsType[*CorruptError](err); !ok || bad.File != name || bad.Offset != 0 {
				t.Errorf("%s, header byte %d: %v", name, at, err)
			}
		}
	}
}

// TestMissing takes away a file, cuts one short, and mixes in another store's.
func TestMissing(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(d *disk, names []string)
		file   int
	}{
		"middle missing": {func(d *disk, n []string) { delete(d.stable, n[1]) }, 1},
		"first cut":      {func(d *disk, n []string) { d.stable[n[0]].stable = d.stable[n[0]].stable[:30000] }, 0},
		"last empty":     {func(d *disk, n []string) { d.stable[n[2]].stable = nil }, 2},
		"swapped":        {func(d *disk, n []string) { d.stable[n[0]], d.stable[n[1]] = d.stable[n[1]], d.stable[n[0]] }, 1},
		"renamed":        {func(d *disk, n []string) { d.stable[fileName(9, extJournal)] = d.stable[n[2]] }, -1},
		"other store": {func(d *disk, n []string) {
			h, _ := decodeHeader(d.stable[n[2]].stable)
			h.store[0]++
			copy(d.stable[n[2]].stable, h.encode())
		}, 2},
	} {
		d, _ := written(t)
		names := d.files(extJournal)
		tt.change(d, names)
		_, err := everything(d)
		bad, ok := errors.AsType[*CorruptError](err)
		if !ok || tt.file >= 0 && bad.File != names[tt.file] {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestStale reuses a file that is full of valid old frames. None comes back, be
// the new ones torn or not.
func TestStale(t *testing.T) {
	d, places := written(t)
	j, err := Open("", on(d))
	if err != nil {
		t.Fatal(err)
	}
	if err := j.Replay(func(Position, []byte) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if err := j.Release(Position{places[8].Generation, places[8].Offset + 1}); err != nil {
		t.Fatal(err)
	}
	if n := len(d.files(extFree)); n == 0 {
		t.Fatal("no file was kept for its blocks")
	}
	var want [][]byte
	for i := range 6 { // the same sizes: old frames stand where new ones could
		b := bytes.Repeat([]byte{byte('A' + i)}, 18000)
		if _, err := j.Append(b); err != nil {
			t.Fatal(err)
		}
		want = append(want, b)
		got, err := everything(d)
		if err != nil {
			t.Fatal(err)
		}
		at := slices.IndexFunc(got, func(b []byte) bool { return b[0] == 'A' })
		if at < 0 || !slices.EqualFunc(got[at:], want, bytes.Equal) {
			t.Fatalf("after %d new frames others came back", i+1)
		}
	}
}

func TestPurge(t *testing.T) {
	dir := t.TempDir()
	secret := bytes.Repeat([]byte("a secret that is to be erased. "), 600)
	o := Options{FileSize: minFileSize}
	holds := func() (n int) {
		names, _ := filepath.Glob(filepath.Join(dir, "*"))
		for _, name := range names {
			b, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			n += bytes.Count(b, []byte("secret"))
		}
		return n
	}
	j, _, _ := reopen(t, dir, o)
	for i := range 40 {
		p, err := j.Append(secret)
		if err != nil {
			t.Fatal(err)
		}
		if i == 17 { // some go to free files, and from there under new frames
			if err := j.Release(p); err != nil {
				t.Fatal(err)
			}
		}
		if i == 30 { // a replay copies some and leaves some behind
			j, _, _ = reopen(t, dir, o)
		}
	}
	kept, err := j.Append([]byte("to keep"))
	if err != nil {
		t.Fatal(err)
	}
	if err := j.Release(kept); err != nil {
		t.Fatal(err)
	}
	if holds() == 0 {
		t.Fatal("nothing to purge")
	}
	if err := j.Release(j.End()); err != nil {
		t.Fatal(err)
	}
	if err := j.Purge(); err != nil {
		t.Fatal(err)
	}
	if n := holds(); n != 0 {
		t.Errorf("%d pieces are left", n)
	}
	if _, err := j.Append([]byte("more")); err != nil {
		t.Fatal(err)
	}
	if _, frames, _ := reopen(t, dir, o); len(frames) != 1 || string(frames[0]) != "more" {
		t.Errorf("%q came back", frames)
	}
}

// TestRotate releases everything while more is written: the files of what came
// before go, without waiting for the current one to be full.
func TestRotate(t *testing.T) {
	dir := t.TempDir()
	j, _, _ := reopen(t, dir, Options{FileSize: minFileSize})
	if err := j.Rotate(); err != nil || j.End().Generation != 1 {
		t.Fatalf("an empty file was changed for another: %v, %v", j.End(), err)
	}
	secret := []byte("a secret that is to be erased")
	if _, err := j.Append(secret); err != nil {
		t.Fatal(err)
	}
	if err := j.Rotate(); err != nil {
		t.Fatal(err)
	}
	end := j.End()
	if _, err := j.Append([]byte("more")); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(j.Release(end), j.Purge()); err != nil {
		t.Fatal(err)
	}
	names, _ := filepath.Glob(filepath.Join(dir, "*"))
	for _, name := range names {
		if b, err := os.ReadFile(name); err != nil || bytes.Contains(b, secret) {
			t.Errorf("%s still has it, %v", name, err)
		}
	}
	if _, frames, _ := reopen(t, dir, Options{FileSize: minFileSize}); len(frames) != 1 || string(frames[0]) != "more" {
		t.Errorf("%q came back", frames)
	}
}

// TestSalvage damages one frame after the other: all others come back, those
// behind it too.
func TestSalvage(t *testing.T) {
	for k := range 9 {
		d, places := written(t)
		f := d.names[fileName(places[k].Generation, extJournal)]
		f.data[places[k].Offset+500] ^= 1
		var got []Position
		if err := Salvage("", on(d), func(p Position, b []byte) error {
			got = append(got, p)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if want := slices.Delete(slices.Clone(places), k, k+1); !slices.Equal(got, want) {
			t.Errorf("frame %d is damaged: %v came back, want %v", k, got, want)
		}
	}
}

func TestRestarts(t *testing.T) {
	dir := t.TempDir()
	o := Options{FileSize: minFileSize}
	for i := range 50 {
		j, frames, _ := reopen(t, dir, o)
		if len(frames) != i {
			t.Fatalf("restart %d: %d frames", i, len(frames))
		}
		if _, err := j.Append(make([]byte, 100)); err != nil {
			t.Fatal(err)
		}
	}
	j, _, _ := reopen(t, dir, o)
	if n := j.Size(); n > 12*minFileSize {
		t.Errorf("%d bytes for 50 frames", n)
	}
	files, _ := os.ReadDir(dir)
	for _, f := range files {
		if st, err := f.Info(); err != nil || st.Mode() != 0o600 {
			t.Errorf("%s has mode %v, %v", f.Name(), st.Mode(), err)
		}
	}
}

func TestCheck(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	o := Options{FileSize: minFileSize}
	j, _, _ := reopen(t, dir, o)
	var last Position
	for range 10 {
		var err error
		if last, err = j.Append(make([]byte, 20000)); err != nil {
			t.Fatal(err)
		}
	}
	r, err := Check(dir, o)
	if want := (Report{Files: 4, Frames: 10, Bytes: 10 * 20480, Last: last}); err != nil || r != want {
		t.Fatalf("%+v, %v, want %+v", r, err, want)
	}
	name := filepath.Join(dir, fileName(2, extJournal))
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte{1}, blockSize+20480+1000); err != nil {
		t.Fatal(err)
	}
	_, err = Check(dir, o)
	if bad, ok := errors.AsType[*CorruptError](err); !ok || bad.Offset != blockSize+20480 {
		t.Fatal(err)
	}
	if _, err := Open(dir, o); err == nil {
		t.Fatal("it was opened")
	}
}

// TestTogether writes from several goroutines, as a spool is used.
func TestTogether(t *testing.T) {
	dir := t.TempDir()
	o := Options{FileSize: minFileSize}
	j, _, _ := reopen(t, dir, o)
	var group sync.WaitGroup
	for g := range 4 {
		group.Go(func() {
			for i := range 50 {
				p, err := j.Write(bytes.Repeat([]byte{byte(g), byte(i)}, 700))
				if err == nil && i%5 == 0 {
					err = j.Sync()
				}
				if err == nil && i%20 == 19 {
					err = j.Release(Position{p.Generation - min(p.Generation, 3), 0})
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	end := j.End()
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := j.Append(nil); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	_, frames, at := reopen(t, dir, o)
	next := map[byte]byte{}
	for i, b := range frames {
		if n, ok := next[b[0]]; ok && b[1] != n || !at[i].Before(end) {
			t.Fatalf("frame %d of goroutine %d, want %d", b[1], b[0], n)
		}
		next[b[0]] = b[1] + 1
	}
	if len(next) == 0 {
		t.Error("no frame came back")
	}
	for g, n := range next { // one that was done early may be released altogether
		if n != 50 {
			t.Errorf("goroutine %d: frames up to %d", g, n)
		}
	}
}

func TestMisuse(t *testing.T) {
	j, err := Open("", on(newDisk()))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := j.Append(nil); err == nil {
		t.Error("a frame was taken before the replay")
	}
	if err := j.Replay(nil); err != nil {
		t.Fatal(err)
	}
	if err := j.Replay(nil); err == nil {
		t.Error("a second replay")
	}
	if _, err := j.Write(make([]byte, MaxFrame+1)); !errors.Is(err, ErrTooLarge) {
		t.Error(err)
	}
	if _, err := j.Append(nil); err != nil {
		t.Errorf("an empty frame: %v", err)
	}
}
