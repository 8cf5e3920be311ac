package segfile

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/cespare/xxhash/v2"
)

// checkBytes opens b as a file and checks it.
func checkBytes(path string, c *Cache, b []byte) error {
	if err := os.WriteFile(path, b, 0o600); err != nil {
		return err
	}
	f, err := Open(path, c)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Check()
}

// TestDamage changes every byte of a file in turn, cuts it at every length, and
// lengthens it. All of it is found, in the right section.
func TestDamage(t *testing.T) {
	recs := newGenerator(6).records(blockRecords + 5)
	for i := range recs {
		recs[i].Doc = recs[i].Doc[:5+i%5]
	}
	f, info := write(t, recs)
	whole, err := os.ReadFile(info.Path)
	if err != nil {
		t.Fatal(err)
	}
	c, path := newCache(t, 1<<20), filepath.Join(t.TempDir(), "damaged")
	step := 1
	if testing.Short() {
		step = 11
	}
	for at := 0; at < len(whole); at += step {
		b := bytes.Clone(whole)
		b[at] ^= 0x04
		bad, ok := errors.AsType[*CorruptError](checkBytes(path, c, b))
		if !ok || bad.Offset > int64(at) {
			t.Fatalf("byte %d of %d changed: %v", at, len(whole), bad)
		}
		want := "footer"
		if at < headerSize {
			want = "header"
		}
		for _, s := range f.sections {
			if s.off <= int64(at) && int64(at) < s.off+s.length {
				want = s.kind.String()
			}
		}
		if bad.Section != want {
			t.Fatalf("byte %d changed: it says %q, want %q", at, bad.Section, want)
		}
		if at%7 == 0 {
			if _, ok := errors.AsType[*CorruptError](checkBytes(path, c, whole[:at])); !ok {
				t.Fatalf("cut at %d: not found", at)
			}
		}
	}
	if err := checkBytes(path, c, append(bytes.Clone(whole), 0)); err == nil {
		t.Error("a byte more: not found")
	}
	if err := checkBytes(path, c, whole); err != nil {
		t.Error(err)
	}
}

// TestDamagedBlock reads the sound blocks beside a damaged one.
func TestDamagedBlock(t *testing.T) {
	recs := newGenerator(7).records(500)
	f, info := write(t, recs)
	w, err := os.OpenFile(info.Path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	e := f.blocks[1].docs
	if _, err := w.WriteAt([]byte("damage"), e.off+e.length/2); err != nil {
		t.Fatal(err)
	}
	for i := range f.Blocks() {
		_, err := f.Block(i)
		bad, ok := errors.AsType[*CorruptError](err)
		if ok != (i == 1) || err != nil && (bad.Offset != e.off || bad.Section != "docs" || bad.File != info.Path) {
			t.Errorf("block %d: %v", i, err)
		}
	}
	if _, err := f.Heads(1); err != nil {
		t.Errorf("the columns of the block: %v", err)
	}
}

// TestLater refuses what a later version may write, by name.
func TestLater(t *testing.T) {
	_, info := write(t, newGenerator(8).records(3))
	whole, err := os.ReadFile(info.Path)
	if err != nil {
		t.Fatal(err)
	}
	c, path := newCache(t, 1<<20), filepath.Join(t.TempDir(), "later")
	footer := int(le.Uint64(whole[len(whole)-trailerSize:]))
	first := footer + metaSize + len(testMeta.Table) + 4
	for name, change := range map[string]func(b []byte){
		"version":   func(b []byte) { b[len(b)-trailerSize+12]++ },
		"codec":     func(b []byte) { b[first+2] = 9 },
		"encrypted": func(b []byte) { b[first+4] = 1 },
		"no docs":   func(b []byte) { b[first] = 99 },
		"overlap":   func(b []byte) { b[first+entrySize+8]-- },
		"huge":      func(b []byte) { b[first+24+7] = 0x7f },
	} {
		b := bytes.Clone(whole)
		change(b)
		makeSum(b)
		if _, ok := errors.AsType[*CorruptError](checkBytes(path, c, b)); !ok {
			t.Errorf("%s: taken", name)
		}
	}
}

// makeSum makes the sums of sections and footer right where they can be found.
func makeSum(b []byte) {
	if len(b) < headerSize+trailerSize {
		return
	}
	t := b[len(b)-trailerSize:]
	n := int(le.Uint32(t[8:]))
	at := len(b) - trailerSize - n
	if at < headerSize {
		return
	}
	footer := b[at : at+n]
	if _, rest := decodeMeta(footer); len(rest) > 4 {
		for rest = rest[4:]; len(rest) >= entrySize; rest = rest[entrySize:] {
			s := decodeSection(rest)
			if s.off >= 0 && s.length >= 0 && s.off <= int64(at) && s.length <= int64(at)-s.off {
				le.PutUint64(rest[32:], xxhash.Sum64(b[s.off:s.off+s.length]))
			}
		}
	}
	le.PutUint64(t[16:], xxhash.Sum64(append(bytes.Clone(footer), t[:16]...)))
}

// FuzzOpen opens and reads arbitrary bytes. Where resum is set the checksums of
// sections and footer are made right first, so that lies get further.
func FuzzOpen(f *testing.F) {
	for _, n := range []int{1, 3} {
		recs := newGenerator(9).records(n)
		for i := range recs {
			recs[i].Doc = []byte(`{"a":1}`)
		}
		_, info := write(f, recs)
		whole, err := os.ReadFile(info.Path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(whole, false)
		f.Add(whole, true)
	}
	c, path := newCache(f, 1<<20), filepath.Join(f.TempDir(), "fuzz")
	f.Fuzz(func(t *testing.T, b []byte, resum bool) {
		if resum {
			b = bytes.Clone(b)
			makeSum(b)
		}
		err := checkBytes(path, c, b)
		if _, ok := errors.AsType[*CorruptError](err); err != nil && !ok {
			t.Fatalf("not said to be damaged: %v", err)
		}
		file, err := Open(path, c)
		if err != nil {
			return
		}
		defer file.Close()
		for i := range min(file.Blocks(), 1000) {
			if recs, err := file.Block(i); err == nil {
				_, _, _, _ = file.FindUID(recs[0].UID)
			}
		}
	})
}

// FuzzParts reads arbitrary bytes as the parts that checksums guard.
func FuzzParts(f *testing.F) {
	recs := newGenerator(9).records(3)
	var formats, senders codes
	head := appendHead(nil, recs, &formats, &senders, make([]int64, 3))
	f.Add(head, 3)
	f.Add(senders.append(nil), 3)
	f.Add(appendDocs(nil, recs, make([]int64, 3)), 3)
	f.Add(appendDirectory(nil, []block{newBlock(recs)}), 3)
	f.Fuzz(func(t *testing.T, b []byte, n int) {
		n = max(0, min(n, len(b)))
		readHead(b, n, &names{formats: []string{"a"}, senders: [][]byte{nil, nil}})
		setDocs(b, make([]Record, n))
		readValues(b, n)
		readDirectory(b, &section{off: headerSize, length: 1000, raw: 5000}, &section{off: 2000, length: 500}, n)
		decodeMeta(b)
	})
}
