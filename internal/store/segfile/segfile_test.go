package segfile

import (
	"bytes"
	"path/filepath"
	"reflect"
	"testing"

	"pgregory.net/rapid"
)

func newCache(t testing.TB, bytes int64) *Cache {
	t.Helper()
	c, err := NewCache(bytes)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

var testMeta = Meta{StoreID: [16]byte{1, 2, 3}, Table: "events", Mapping: 7}

// write makes a file of the records and opens it.
func write(t testing.TB, recs []Record) (*File, Info) {
	t.Helper()
	info, err := Write(t.TempDir(), "a.seg", testMeta, recs)
	if err != nil {
		t.Fatal(err)
	}
	f, err := Open(info.Path, newCache(t, 8<<20))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f, info
}

func all(t testing.TB, f *File) (recs []Record) {
	t.Helper()
	for i := range f.Blocks() {
		b, err := f.Block(i)
		if err != nil {
			t.Fatal(err)
		}
		first, last := f.BlockRange(i)
		if first != b[0].ID || last != b[len(b)-1].ID {
			t.Errorf("block %d: range %d to %d, want %d to %d", i, first, last, b[0].ID, b[len(b)-1].ID)
		}
		recs = append(recs, b...)
	}
	return recs
}

// same compares records; nil and empty documents and senders are the same.
func same(t rapid.TB, got, want []Record) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d records, want %d", len(got), len(want))
	}
	for i := range got {
		g, w := got[i], want[i]
		equal := bytes.Equal(g.Doc, w.Doc) && bytes.Equal(g.Sender, w.Sender)
		g.Doc, g.Sender, w.Doc, w.Sender = nil, nil, nil, nil
		if !equal || !reflect.DeepEqual(g, w) {
			t.Fatalf("record %d:\n got %+v\nwant %+v", i, got[i], want[i])
		}
	}
}

func TestRoundTrip(t *testing.T) {
	recs := newGenerator(1).records(3000)
	f, info := write(t, recs)
	same(t, all(t, f), recs)
	if err := f.Check(); err != nil {
		t.Fatal(err)
	}
	for _, i := range []int{0, 1, 127, 128, 1234, 2999} {
		block, pos, ok, err := f.FindUID(recs[i].UID)
		if err != nil || !ok {
			t.Fatalf("record %d: not found, %v", i, err)
		}
		b, err := f.Block(block)
		if err != nil || b[pos].ID != recs[i].ID {
			t.Fatalf("record %d: found %d, %v", i, b[pos].ID, err)
		}
		if got := f.Search(recs[i].ID); got != block {
			t.Errorf("Search(%d) = %d, want %d", recs[i].ID, got, block)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(info.Path), "*"+TempSuffix)); left != nil {
		t.Errorf("left over: %v", left)
	}
}
