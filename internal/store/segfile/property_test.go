package segfile

import (
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"pgregory.net/rapid"
)

// drawRecords draws records as odd as they may come: any UID, any time, empty
// and large documents, many senders.
func drawRecords(t *rapid.T) []Record {
	n := rapid.IntRange(1, 300).Draw(t, "n")
	recs := make([]Record, n)
	id := rapid.Int64Range(-1<<62, 1<<62).Draw(t, "first id")
	huge := rapid.Bool().Draw(t, "huge")
	for i := range recs {
		r := &recs[i]
		id += rapid.OneOf(rapid.Just(int64(1)), rapid.Int64Range(1, 1<<40)).Draw(t, "step")
		r.ID = id
		r.Index = rapid.Int64().Draw(t, "index")
		binary.LittleEndian.PutUint64(r.UID[:], rapid.Uint64().Draw(t, "uid"))
		r.UID[15] = byte(i)
		binary.LittleEndian.PutUint64(r.Salt[4:], rapid.Uint64().Draw(t, "salt"))
		r.Received = rapid.OneOf(rapid.Int64(), rapid.Int64Range(0, 1000)).Draw(t, "received")
		r.Occurred = rapid.OneOf(rapid.Int64(), rapid.Just(int64(0))).Draw(t, "occurred")
		r.SourceID = rapid.OneOf(rapid.Int64(), rapid.Just(int64(0))).Draw(t, "source id")
		r.Epoch = rapid.IntRange(0, 3).Draw(t, "epoch")
		r.Format = rapid.StringN(0, 2, 8).Draw(t, "format")
		r.Sender = rapid.SliceOfN(rapid.Byte(), 0, 2).Draw(t, "sender")
		r.Doc = rapid.SliceOfN(rapid.Byte(), 0, 30).Draw(t, "doc")
		if huge && i%50 == 0 {
			r.Doc = make([]byte, rapid.IntRange(0, 3*blockBytes).Draw(t, "size"))
		}
	}
	return recs
}

func TestAnyRecords(t *testing.T) {
	dir, c := t.TempDir(), newCache(t, 1<<20)
	rapid.Check(t, func(t *rapid.T) {
		recs := drawRecords(t)
		defer os.Remove(filepath.Join(dir, "any"))
		info, err := Write(dir, "any", testMeta, recs)
		if err != nil {
			t.Fatal(err)
		}
		f, err := Open(info.Path, c)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if err := f.Check(); err != nil {
			t.Fatal(err)
		}
		var got []Record
		for i := range f.Blocks() {
			b, err := f.Block(i)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, b...)
		}
		same(t, got, recs)
		if f.Meta() != info.Meta || f.Size() != info.Size {
			t.Fatalf("%+v, written was %+v", f.Meta(), info)
		}
		i := rapid.IntRange(0, len(recs)-1).Draw(t, "which")
		block, pos, ok, err := f.FindUID(recs[i].UID)
		if err != nil || !ok {
			t.Fatalf("record %d is not found: %v", i, err)
		}
		b, err := f.Block(block)
		if err != nil || b[pos].UID != recs[i].UID {
			t.Fatalf("found %x, want %x, %v", b[pos].UID, recs[i].UID, err)
		}
		absent := recs[i].UID
		absent[14] ^= 1
		known := slices.ContainsFunc(recs, func(r Record) bool { return r.UID == absent })
		if _, _, ok, err := f.FindUID(absent); err != nil || ok != known {
			t.Fatalf("found a UID that is not there: %v", err)
		}
	})
}

func TestInts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		vals := rapid.SliceOf(rapid.OneOf(rapid.Int64(), rapid.Int64Range(0, 1))).Draw(t, "vals")
		b := appendInts([]byte("x"), vals)
		b = append(b, "rest"...)
		got := make([]int64, len(vals))
		if rest := readInts(b[1:], got); string(rest) != "rest" || !slices.Equal(got, vals) {
			t.Fatalf("%v came back as %v, rest %q", vals, got, rest)
		}
		differences(got)
		sums(got)
		if !slices.Equal(got, vals) {
			t.Fatalf("differences of %v sum up to %v", vals, got)
		}
	})
}

func TestSpans(t *testing.T) {
	recs := newGenerator(3).records(300)
	recs[5].Occurred, recs[200].Received = 0, recs[0].Received-7
	f, _ := write(t, recs)
	m := f.Meta()
	at := 0
	for i := range f.Blocks() {
		s := f.BlockSpan(i)
		var want Span
		for _, r := range recs[at : at+s.Count] {
			if want.Count == 0 || r.Received < want.MinReceived {
				want.MinReceived = r.Received
			}
			want.MaxReceived = max(want.MaxReceived, r.Received)
			want.MaxOccurred = max(want.MaxOccurred, r.Occurred)
			if r.Occurred != 0 && (want.MinOccurred == 0 || r.Occurred < want.MinOccurred) {
				want.MinOccurred = r.Occurred
			}
			want.Count++
		}
		if s != want {
			t.Errorf("block %d: %+v, want %+v", i, s, want)
		}
		at += s.Count
	}
	if at != m.Count || m.MinReceived != recs[0].Received-7 || m.FirstIndex != recs[0].Index || m.LastIndex != recs[299].Index ||
		m.Table != "events" || m.Mapping != 7 || m.StoreID != testMeta.StoreID {
		t.Errorf("%+v", m)
	}
	if got := f.Search(m.LastID + 1); got != f.Blocks() {
		t.Errorf("behind the end: block %d", got)
	}
	if got := f.Search(m.FirstID - 1); got != 0 {
		t.Errorf("before the beginning: block %d", got)
	}
}

// TestSize holds the promise of 250 bytes for an event of 900.
func TestSize(t *testing.T) {
	_, info := write(t, newGenerator(4).records(10000))
	each := float64(info.Size) / float64(info.Meta.Count)
	if doc := float64(info.RawDocs) / float64(info.Meta.Count); doc < 900 {
		t.Errorf("the documents have %.0f bytes", doc)
	}
	if each > 250 {
		t.Errorf("%.1f bytes an event", each)
	}
}

func TestRefused(t *testing.T) {
	dir := t.TempDir()
	rec := func(id int64) Record { return Record{ID: id, Epoch: 1, Doc: []byte("{}")} }
	if err := os.WriteFile(filepath.Join(dir, "there"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		file string
		recs []Record
	}{
		"no records": {"a", nil},
		"same id":    {"a", []Record{rec(1), rec(1)}},
		"wrong way":  {"a", []Record{rec(2), rec(1)}},
		"epoch":      {"a", []Record{{ID: 1, Epoch: -1}}},
		"exists":     {"there", []Record{rec(1)}},
		"no folder":  {"no/a", []Record{rec(1)}},
	} {
		if _, err := Write(dir, tt.file, testMeta, tt.recs); err == nil {
			t.Errorf("%s: written", name)
		}
	}
	if names, _ := filepath.Glob(filepath.Join(dir, "*")); len(names) != 1 {
		t.Errorf("left over: %v", names)
	}
	if b, _ := os.ReadFile(filepath.Join(dir, "there")); string(b) != "x" {
		t.Error("a file was overwritten")
	}
	if err := os.WriteFile(filepath.Join(dir, "b"+TempSuffix), make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	info, err := Write(dir, "b", testMeta, []Record{rec(1)})
	if err != nil {
		t.Fatal(err)
	}
	if st, err := os.Stat(info.Path); err != nil || st.Mode() != 0o600 || st.Size() != info.Size {
		t.Errorf("%v, %v", st, err)
	}
	if _, err := Open(filepath.Join(dir, "none"), newCache(t, 0)); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

// TestCache reads at random from several goroutines through a small cache.
func TestCache(t *testing.T) {
	recs := newGenerator(5).records(4000)
	f, info := write(t, recs)
	c := newCache(t, 3<<20)
	f2, err := Open(info.Path, c)
	if err != nil {
		t.Fatal(err)
	}
	f.cache = c
	var group sync.WaitGroup
	for g := range 4 {
		group.Go(func() {
			for i := range 200 {
				which := (i*7919 + g*1009) % len(recs)
				file := []*File{f, f2}[i%2]
				block, pos, ok, err := file.FindUID(recs[which].UID)
				if err != nil || !ok {
					t.Errorf("record %d is not found: %v", which, err)
					return
				}
				b, err := file.Block(block)
				if err != nil || string(b[pos].Doc) != string(recs[which].Doc) {
					t.Errorf("record %d differs: %v", which, err)
					return
				}
				if n := c.Size(); n > 3<<20 {
					t.Errorf("the cache has %d bytes", n)
				}
			}
		})
	}
	group.Wait()
	if hits, misses := c.Counts(); hits == 0 || misses == 0 {
		t.Errorf("%d hits, %d misses", hits, misses)
	}
	if err := errors.Join(f2.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
	if n := c.Size(); n != 0 || len(c.byKey) != 0 {
		t.Errorf("%d bytes of closed files are kept", n)
	}
	if _, err := f2.Block(0); !errors.Is(err, os.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}
