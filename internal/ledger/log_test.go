package ledger

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"slices"
	"sync"
	"testing"

	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"
)

// oracle is the same log made by x/mod: every node, in its storage order.
type oracle struct{ nodes []tlog.Hash }

// failer is a test of either sort: *testing.T or *rapid.T.
type failer interface {
	Helper()
	Fatal(...any)
}

func (o *oracle) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	for i, x := range indexes {
		out[i] = o.nodes[x]
	}
	return out, nil
}

func (o *oracle) append(t failer, n int64, h Hash) {
	t.Helper()
	nodes, err := tlog.StoredHashesForRecordHash(n, tlog.Hash(h), o)
	if err != nil {
		t.Fatal(err)
	}
	o.nodes = append(o.nodes, nodes...)
}

func (o *oracle) root(t failer, size int64) Hash {
	t.Helper()
	h, err := tlog.TreeHash(size, o)
	if err != nil {
		t.Fatal(err)
	}
	return Hash(h)
}

// leafHash is the hash of a synthetic leaf.
func leafHash(i int64) Hash {
	return HashLeaf(binary.BigEndian.AppendUint64([]byte("leaf "), uint64(i)))
}

// fill appends leaves from the published size up to size, flushes and publishes.
func fill(t testing.TB, l *Log, size int64) {
	t.Helper()
	for i := l.appended.Load(); i < size; i++ {
		l.Append(leafHash(i))
	}
	if err := l.Flush(); err != nil {
		t.Fatal(err)
	}
	l.Publish(size)
}

// TestRoots compares the root of every size with x/mod's, the writer's and the
// readers' way.
func TestRoots(t *testing.T) {
	const last = 20_000
	l, o := NewLog("log.example/a", &MemoryTiles{}), &oracle{}
	if l.Root() != o.root(t, 0) {
		t.Fatal("root of the empty log is wrong")
	}
	for i := range int64(last) {
		h := leafHash(i)
		l.Append(h)
		o.append(t, i, h)
		want := o.root(t, i+1)
		if n, got := l.Head(); n != i+1 || got != want {
			t.Fatalf("size %d: Head is %d %s, want %s", i+1, n, got, want)
		}
		if i%7 == 0 || i > last-300 { // so that sizes lag behind, and tiles wait
			if i%3 == 0 {
				if err := l.Flush(); err != nil {
					t.Fatal(err)
				}
			}
			l.Publish(i + 1)
			if got := l.Root(); got != want {
				t.Fatalf("size %d: Root is %s, want %s", i+1, got, want)
			}
		}
	}
	for size := int64(0); size <= last; size += 97 {
		if got, err := l.RootAt(size); err != nil || got != o.root(t, size) {
			t.Fatalf("RootAt(%d) = %s, %v; want %s", size, got, err, o.root(t, size))
		}
	}
}

// TestTiles compares every tile of a log with x/mod's, full and partial.
func TestTiles(t *testing.T) {
	const size = 66_000 // a full tile of level 1 and a partial one of level 2
	l, o := NewLog("log.example/a", &MemoryTiles{}), &oracle{}
	for i := range int64(size) {
		o.append(t, i, leafHash(i))
	}
	fill(t, l, size)
	for _, tile := range tlog.NewTiles(tileShift, 0, size) {
		want, err := tlog.ReadTileData(tile, o)
		if err != nil {
			t.Fatal(err)
		}
		got, err := l.Tile(tile.L, tile.N, tile.W)
		if err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%s differs: %v", tile.Path(), err)
		}
		if tile.W < tileWidth {
			if _, err := l.Tile(tile.L, tile.N, tile.W+1); !errors.Is(err, ErrRange) {
				t.Fatalf("%s: one hash more is given out: %v", tile.Path(), err)
			}
		}
	}
	for _, bad := range [][3]int64{{-1, 0, 1}, {8, 0, 1}, {0, -1, 1}, {0, 0, 0}, {0, 0, 257}, {3, 0, 1}, {0, 1 << 60, 1}, {7, 1 << 62, 256}} {
		if _, err := l.Tile(int(bad[0]), bad[1], int(bad[2])); !errors.Is(err, ErrRange) {
			t.Errorf("Tile%v: %v, want ErrRange", bad, err)
		}
	}
}

// TestProofs checks proofs of random logs with x/mod.
func TestProofs(t *testing.T) {
	const last = 3_000
	l, o := NewLog("log.example/a", &MemoryTiles{}), &oracle{}
	for i := range int64(last) {
		o.append(t, i, leafHash(i))
	}
	fill(t, l, last)
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.Int64Range(1, last).Draw(t, "size")
		index := rapid.Int64Range(0, size-1).Draw(t, "index")
		old := rapid.Int64Range(1, size).Draw(t, "old")
		root, err := tlog.TreeHash(size, o)
		if err != nil {
			t.Fatal(err)
		}
		p, err := l.Inclusion(index, size)
		if err != nil {
			t.Fatal(err)
		}
		if err := tlog.CheckRecord(theirs(p), size, root, index, tlog.Hash(leafHash(index))); err != nil {
			t.Fatal(err)
		}
		c, err := l.Consistency(old, size)
		if err != nil {
			t.Fatal(err)
		}
		oldRoot, err := tlog.TreeHash(old, o)
		if err != nil {
			t.Fatal(err)
		}
		if err := tlog.CheckTree(theirs(c), size, root, old, oldRoot); err != nil {
			t.Fatal(err)
		}
	})
	if _, err := l.Inclusion(last, last); !errors.Is(err, ErrRange) {
		t.Errorf("proof of a leaf outside: %v", err)
	}
	if _, err := l.Inclusion(0, last+1); !errors.Is(err, ErrRange) {
		t.Errorf("proof in a size outside: %v", err)
	}
	if _, err := l.Consistency(5, 4); !errors.Is(err, ErrRange) {
		t.Errorf("consistency backwards: %v", err)
	}
}

func theirs(in []Hash) []tlog.Hash {
	out := make([]tlog.Hash, len(in))
	for i := range in {
		out[i] = tlog.Hash(in[i])
	}
	return out
}

// TestOperations runs random appends, publications, flushes, truncations and
// restarts, and compares each log with x/mod's.
func TestOperations(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tiles := &MemoryTiles{}
		l := NewLog("log.example/a", tiles)
		o := &oracle{} // what was appended
		var leaves, published int
		next := int64(0)
		t.Repeat(map[string]func(*rapid.T){
			"append": func(t *rapid.T) {
				for range rapid.SampledFrom([]int{1, 3, 200, 256, 700}).Draw(t, "n") {
					h := leafHash(next) // differs after a truncation
					next++
					l.Append(h)
					o.append(t, int64(leaves), h)
					leaves++
				}
			},
			"flush": func(t *rapid.T) {
				if err := l.Flush(); err != nil {
					t.Fatal(err)
				}
			},
			"flush published": func(t *rapid.T) {
				if err := l.FlushTo(int64(published)); err != nil {
					t.Fatal(err)
				}
			},
			"publish": func(t *rapid.T) {
				published = rapid.IntRange(published, leaves).Draw(t, "size")
				l.Publish(int64(published))
			},
			"truncate": func(t *rapid.T) {
				n := rapid.IntRange(published, leaves).Draw(t, "size")
				if err := l.Truncate(int64(n)); err != nil {
					t.Fatal(err)
				}
				leaves = n
				o.nodes = o.nodes[:tlog.StoredHashCount(int64(n))]
			},
			"restart": func(t *rapid.T) {
				if err := l.Flush(); err != nil {
					t.Fatal(err)
				}
				state := l.State()
				l = NewLog("log.example/a", tiles)
				if err := l.SetState(state); err != nil {
					t.Fatal(err)
				}
				published = leaves
			},
			"": func(t *rapid.T) {
				head := o.root(t, int64(leaves))
				if n, got := l.Head(); n != int64(leaves) || got != head {
					t.Fatalf("Head is %d %s, want %d %s", n, got, leaves, head)
				}
				root := o.root(t, int64(published))
				if n, got := l.Published(); n != int64(published) || got != root {
					t.Fatalf("Published is %d %s, want %d %s", n, got, published, root)
				}
				if at, err := l.RootAt(int64(published)); err != nil || at != root {
					t.Fatalf("RootAt(%d) = %s, %v", published, at, err)
				}
				for _, tile := range tlog.NewTiles(tileShift, 0, int64(published)) {
					want, err := tlog.ReadTileData(tile, o)
					if err != nil {
						t.Fatal(err)
					}
					if got, err := l.Tile(tile.L, tile.N, tile.W); err != nil || !bytes.Equal(got, want) {
						t.Fatalf("%s differs: %v", tile.Path(), err)
					}
				}
			},
		})
	})
}

func TestUnpublishedIsHidden(t *testing.T) {
	l := NewLog("log.example/a", &MemoryTiles{})
	fill(t, l, 300)
	for i := int64(300); i < 600; i++ {
		l.Append(leafHash(i))
	}
	if err := l.Flush(); err != nil {
		t.Fatal(err)
	}
	if l.Size() != 300 {
		t.Fatalf("Size is %d", l.Size())
	}
	for name, err := range map[string]error{
		"tile": second(l.Tile(0, 1, 45)), "full tile": second(l.Tile(0, 1, 256)), "level 1": second(l.Tile(1, 0, 2)),
		"root": second(l.RootAt(301)), "inclusion": second(l.Inclusion(300, 301)), "consistency": second(l.Consistency(1, 301)),
	} {
		if !errors.Is(err, ErrRange) {
			t.Errorf("%s of what is not published: %v, want ErrRange", name, err)
		}
	}
	if _, err := l.Tile(0, 1, 44); err != nil {
		t.Error(err)
	}
}

func second[T any](_ T, err error) error { return err }

// TestAnotherWriter is a shared database: a commit is lost against another
// writer's, and the log goes on from that one's state.
func TestAnotherWriter(t *testing.T) {
	tiles := &MemoryTiles{}
	a, b := NewLog("log.example/a", tiles), NewLog("log.example/a", tiles)
	fill(t, a, 200)
	if err := b.SetState(a.State()); err != nil {
		t.Fatal(err)
	}
	for i := range int64(100) {
		b.Append(leafHash(1_000_000 + i)) // fills tile 0 with what will be lost
	}
	fill(t, a, 700)
	if err := b.SetState(a.State()); err != nil {
		t.Fatal(err)
	}
	if b.Pending() != 0 {
		t.Error("the lost commit's tile is still to be written")
	}
	if an, ar := a.Published(); b.Size() != an || b.Root() != ar {
		t.Error("the logs differ")
	}
	if at, err := b.RootAt(300); err != nil || at != must(a.RootAt(300)) {
		t.Error("old roots differ:", err)
	}
	if err := b.SetState(NewLog("", nil).State()); err == nil {
		t.Error("an older state was taken")
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestRestore(t *testing.T) {
	for _, size := range []int64{0, 256, 512, 65536, 65536 + 256, 3 * 65536} {
		tiles := &MemoryTiles{}
		a := NewLog("log.example/a", tiles)
		fill(t, a, size)
		b := NewLog("log.example/a", tiles)
		if err := b.Restore(size); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(a.State(), b.State()) || a.Root() != b.Root() {
			t.Errorf("size %d: restored log differs", size)
		}
	}
	if err := NewLog("", &MemoryTiles{}).Restore(257); err == nil {
		t.Error("restored a size that is no multiple")
	}
	if err := NewLog("", &MemoryTiles{}).Restore(512); err == nil {
		t.Error("restored without tiles")
	}
}

func TestStateRefusesDamage(t *testing.T) {
	l := NewLog("log.example/a", &MemoryTiles{})
	fill(t, l, 777)
	state := l.State()
	for i := range state {
		bad := slices.Clone(state)
		bad[i] ^= 1
		if err := NewLog("", nil).SetState(bad); err == nil {
			t.Fatalf("byte %d was changed and nobody saw it", i)
		}
	}
	for n := range len(state) {
		if err := NewLog("", nil).SetState(state[:n]); err == nil {
			t.Fatalf("cut to %d bytes and nobody saw it", n)
		}
	}
}

func FuzzState(f *testing.F) {
	l := NewLog("log.example/a", &MemoryTiles{})
	f.Add(l.State())
	fill(f, l, 300)
	f.Add(l.State())
	f.Fuzz(func(t *testing.T, b []byte) {
		l := NewLog("", &MemoryTiles{})
		if l.SetState(b) == nil && !bytes.Equal(l.State(), b) {
			t.Error("state came back different")
		}
	})
}

// TestConcurrent has readers check proofs while the writer goes on; the race
// detector watches.
func TestConcurrent(t *testing.T) {
	l := NewLog("log.example/a", &MemoryTiles{})
	const last = 6_000
	var wg sync.WaitGroup
	for r := range 3 {
		wg.Go(func() {
			for size := int64(0); size < last; {
				var root Hash
				size, root = l.Published()
				if size == 0 {
					continue
				}
				i := (size * int64(r+1) * 31) % size
				p, err := l.Inclusion(i, size)
				if err == nil {
					err = tlog.CheckRecord(theirs(p), size, tlog.Hash(root), i, tlog.Hash(leafHash(i)))
				}
				if err != nil {
					t.Errorf("leaf %d in %d: %v", i, size, err)
					return
				}
			}
		})
	}
	flush := make(chan int64, 100)
	wg.Go(func() {
		for size := range flush {
			if err := l.FlushTo(size); err != nil {
				t.Error(err)
			}
		}
	})
	for i := range int64(last) {
		l.Append(leafHash(i))
		if i%50 == 49 {
			l.Publish(i + 1)
			flush <- i + 1
		}
	}
	l.Publish(last)
	close(flush)
	wg.Wait()
}

func TestAppendDoesNotAllocate(t *testing.T) {
	l := NewLog("log.example/a", &MemoryTiles{})
	fill(t, l, 256*256) // both lower levels start anew
	for range 2 {
		l.Append(leafHash(1))
	}
	h := leafHash(2)
	if n := testing.AllocsPerRun(200, func() { l.Append(h) }); n != 0 {
		t.Errorf("%v allocations for each append", n)
	}
}

func BenchmarkAppend(b *testing.B) {
	l := NewLog("log.example/a", discardTiles{})
	h := leafHash(1)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		l.Append(h)
		if i++; i%4096 == 0 {
			_ = l.Flush()
			l.Publish(int64(i))
		}
	}
}

func BenchmarkState(b *testing.B) {
	l := NewLog("log.example/a", discardTiles{})
	for i := range int64(65536 * 2) {
		l.Append(leafHash(i))
	}
	for i := range int64(65535) {
		l.Append(leafHash(i))
	}
	var buf []byte
	for b.Loop() {
		buf = l.AppendState(buf[:0])
	}
}

func BenchmarkHead(b *testing.B) {
	l := NewLog("log.example/a", discardTiles{})
	for i := range int64(99_999) {
		l.Append(leafHash(i))
	}
	for b.Loop() {
		l.Head()
	}
}

func BenchmarkCommit(b *testing.B) {
	var salt [16]byte
	_, _ = rand.Read(salt[:])
	doc, sender := make([]byte, 1024), make([]byte, 120)
	b.ReportAllocs()
	for b.Loop() {
		Commit(salt, sender, doc)
	}
}
