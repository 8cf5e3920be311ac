package ledger

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// world is a signed log with its events, for tests to damage.
type world struct {
	entries    []*Entry
	tiles      *MemoryTiles
	log        *Log
	signer     *Signer
	checkpoint []byte
}

func sampleEntry(i int64) *Entry {
	return &Entry{
		Index: i, Salt: [16]byte{byte(i), byte(i >> 8), 7}, Sender: fmt.Appendf(nil, `{"sub":"app-%d","authenticated":true}`, i%3),
		Doc: fmt.Appendf(nil, `{"n":%d, "who":"Sample Person"}`, i),
		Leaf: Leaf{
			Epoch: 1, Table: []string{"events", "logs"}[i%2], ID: i/2 + 1,
			UID: fmt.Sprintf("0198f7a0-0000-7000-8000-%012x", i), Form: FormRaw,
			Received: time.Date(2026, 1, 1, 0, 0, 0, int(i)*1000, time.UTC),
		},
	}
}

func newWorld(t testing.TB, size int64) *world {
	w := &world{tiles: &MemoryTiles{}, signer: newSigner(t, "log.example/a")}
	w.log = NewLog("log.example/a", w.tiles)
	for i := range size {
		w.entries = append(w.entries, sampleEntry(i))
		w.log.Append(HashLeaf(w.entries[i].Record(nil)))
	}
	if err := w.log.Flush(); err != nil {
		t.Fatal(err)
	}
	w.log.Publish(size)
	w.checkpoint = must(w.signer.Sign("log.example/a", size, w.log.Root()))
	return w
}

// verify does what the command does with a store.
func (w *world) verify() []Problem {
	c, err := OpenCheckpoint(w.checkpoint, w.signer.Verifier())
	if err != nil {
		return []Problem{{Index: -1, Text: err.Error()}}
	}
	size, root := w.log.Published()
	v := NewVerifier(VerifierConfig{
		Tile: w.log.Tile, Size: size,
		Expect: []Expect{{"checkpoint", c.Size, c.Root}, {"tree", size, root}},
	})
	for _, e := range w.entries {
		v.AddEntry(e)
	}
	return v.Finish()
}

func TestVerifierPasses(t *testing.T) {
	for _, size := range []int64{0, 1, 2, 255, 256, 257, 1_000, 66_000} {
		w := newWorld(t, size)
		if got := w.verify(); len(got) != 0 {
			t.Errorf("size %d: %v", size, got)
		}
	}
}

// TestTampering changes one thing at a time. Each must be found, and named.
func TestTampering(t *testing.T) {
	const size, at = 1_000, 567
	flip := func(b []byte) { b[len(b)/2] ^= 1 }
	where := fmt.Sprintf("index %d, table logs, id %d", at, at/2+1)
	for name, c := range map[string]struct {
		do   func(t *testing.T, w *world)
		want string // of the first problem
	}{
		"doc":     {func(_ *testing.T, w *world) { flip(w.entries[at].Doc) }, where},
		"doc cut": {func(_ *testing.T, w *world) { e := w.entries[at]; e.Doc = e.Doc[:len(e.Doc)-1] }, where},
		"sender":  {func(_ *testing.T, w *world) { flip(w.entries[at].Sender) }, where},
		"boundary": {func(_ *testing.T, w *world) {
			e := w.entries[at]
			e.Doc, e.Sender = slices.Concat(e.Sender[len(e.Sender)-1:], e.Doc), e.Sender[:len(e.Sender)-1]
		}, where},
		"salt": {func(_ *testing.T, w *world) { w.entries[at].Salt[15] ^= 1 }, where},
		"received": {func(_ *testing.T, w *world) {
			e := w.entries[at]
			e.Leaf.Received = e.Leaf.Received.Add(time.Microsecond)
		}, where},
		"epoch": {func(_ *testing.T, w *world) { w.entries[at].Leaf.Epoch++ }, where},
		"uid":   {func(_ *testing.T, w *world) { w.entries[at].Leaf.UID = w.entries[at+1].Leaf.UID }, where},
		"id":    {func(_ *testing.T, w *world) { w.entries[at].Leaf.ID += 1000 }, fmt.Sprintf("index %d, table logs, id %d", at, at/2+1001)},
		"table": {func(_ *testing.T, w *world) { w.entries[at].Leaf.Table = "events" }, fmt.Sprintf("index %d, table events", at)},
		"first": {func(_ *testing.T, w *world) { flip(w.entries[0].Doc) }, "index 0, table events, id 1"},
		"last":  {func(_ *testing.T, w *world) { flip(w.entries[size-1].Doc) }, "index 999, table logs, id 500"},
		"row deleted": {func(_ *testing.T, w *world) {
			w.entries = slices.Delete(w.entries, at, at+1)
		}, "index 567: the entry is missing"},
		"row deleted, the rest renumbered": {func(_ *testing.T, w *world) {
			w.entries = slices.Delete(w.entries, at, at+1)
			for i, e := range w.entries {
				e.Index = int64(i)
			}
		}, "index 567, table events, id 285"},
		"rows swapped": {func(_ *testing.T, w *world) {
			a, b := w.entries[at], w.entries[at+2]
			a.Doc, b.Doc, a.Salt, b.Salt, a.Sender, b.Sender = b.Doc, a.Doc, b.Salt, a.Salt, b.Sender, a.Sender
		}, where},
		"row added": {func(_ *testing.T, w *world) {
			w.entries = append(w.entries, sampleEntry(size))
		}, "index 1000, table events, id 501: the log should end"},
		"row doubled":    {func(_ *testing.T, w *world) { w.entries = slices.Insert(w.entries, at, w.entries[at]) }, where + ": the entry comes out of order"},
		"tail cut":       {func(_ *testing.T, w *world) { w.entries = w.entries[:900] }, "index 900: the log ends here"},
		"everything cut": {func(_ *testing.T, w *world) { w.entries = nil }, "index 0: the log ends here"},
		"leaf in tile": {func(_ *testing.T, w *world) {
			w.tiles.tiles[tileID{0, 2}][(at-512)*HashSize] ^= 1
		}, where + ": the tile has another hash"},
		"leaf in partial tile": {func(_ *testing.T, w *world) {
			w.log.memory[tileID{0, 3}].hashes[800-768][0] ^= 1
			w.log.rootSize = -1
		}, "index 800, table events, id 401: the tile has another hash"},
		"upper tile": {func(_ *testing.T, w *world) {
			w.log.memory[tileID{1, 0}].hashes[1][0] ^= 1
			w.log.rootSize = -1
		}, "the root at 1000 is not that of the tree, though events"},
		"tile lost":       {func(_ *testing.T, w *world) { delete(w.tiles.tiles, tileID{0, 1}) }, "index 256: the tile of this"},
		"checkpoint root": {func(_ *testing.T, w *world) { flip(w.checkpoint[:60]) }, "open checkpoint"},
		"signed anew by another key": {func(_ *testing.T, w *world) {
			flip(w.entries[at].Doc)
			w.rebuild(t)
			w.checkpoint = must(newSigner(t, "log.example/a").Sign("log.example/a", size, w.log.Root()))
		}, "open checkpoint"},
		"log made anew": {func(t *testing.T, w *world) {
			flip(w.entries[at].Doc)
			w.rebuild(t)
		}, "the root at 1000 is not that of the checkpoint, though events"},
		"log made anew and cut": {func(t *testing.T, w *world) {
			w.entries = w.entries[:900]
			w.rebuild(t)
		}, "index 900: the log ends here, but the checkpoint is of 1000 entries"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, size)
			if got := w.verify(); len(got) != 0 {
				t.Fatalf("before: %v", got)
			}
			c.do(t, w)
			got := w.verify()
			if len(got) == 0 {
				t.Fatal("not found")
			}
			if !strings.Contains(got[0].String(), c.want) {
				t.Errorf("first problem is %q, want %q; all: %v", got[0], c.want, got)
			}
		})
	}
}

// rebuild makes the log again from the entries, as somebody with all the rights
// on the machine, but not the key, can do.
func (w *world) rebuild(t *testing.T) {
	w.tiles = &MemoryTiles{}
	w.log = NewLog("log.example/a", w.tiles)
	for _, e := range w.entries {
		w.log.Append(HashLeaf(e.Record(nil)))
	}
	if err := w.log.Flush(); err != nil {
		t.Fatal(err)
	}
	w.log.Publish(int64(len(w.entries)))
}

// TestUpperTile changes a full tile above the leaves, which no root shows as
// long as the frontier is sound.
func TestUpperTile(t *testing.T) {
	w := newWorld(t, 66_000)
	w.tiles.tiles[tileID{1, 0}][77*HashSize] ^= 1
	got := w.verify()
	if len(got) != 1 || !strings.Contains(got[0].String(), "tile 0 of level 1") {
		t.Errorf("problems are %v", got)
	}
}

func TestVerifierRecords(t *testing.T) {
	w := newWorld(t, 300)
	v := NewVerifier(VerifierConfig{Size: 300, Expect: []Expect{{"checkpoint", 300, w.log.Root()}}})
	for _, e := range w.entries {
		v.Add(e.Record(nil))
	}
	if got := v.Finish(); len(got) != 0 || v.Root() != w.log.Root() || v.Size() != 300 {
		t.Errorf("%v", got)
	}
	u := NewVerifier(VerifierConfig{Size: 300})
	u.AddEntry(w.entries[0])
	u.Unreadable(errors.New("a bad block"))
	if got := u.Finish(); len(got) != 1 || got[0].Index != 1 || !strings.Contains(got[0].Text, "a bad block") {
		t.Errorf("an entry cannot be read: %v", got)
	}
	v.Add([]byte("no leaf"))
	if got := v.Finish(); len(got) == 0 || got[0].Index != 300 {
		t.Errorf("no leaf is taken: %v", got)
	}
}

func TestEntryJSON(t *testing.T) {
	for i := range int64(20) {
		want := sampleEntry(i)
		line := want.AppendJSON(nil)
		got, err := ParseEntry(line)
		if err != nil || !bytes.Equal(got.AppendJSON(nil), line) || !bytes.Equal(got.Record(nil), want.Record(nil)) {
			t.Fatalf("%s came back different: %v", line, err)
		}
	}
	for _, bad := range []string{"", "{}", `[]`, strings.Replace(string(sampleEntry(1).AppendJSON(nil)), `"raw"`, `"row"`, 1)} {
		if _, err := ParseEntry([]byte(bad)); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

// TestPython runs the second verifier, which shares no code with this one.
func TestPython(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("python3 is not installed, and the second verifier needs it")
		}
		t.Skip("python3 is not installed: the second verifier is not run")
	}
	w := newWorld(t, 700)
	dir := t.TempDir()
	verify := func(entries []*Entry, checkpoint []byte, key string) (string, error) {
		var lines []byte
		for _, e := range entries {
			lines = e.AppendJSON(lines)
		}
		args := []string{filepath.Join("testdata", "verify.py")}
		for name, data := range map[string][]byte{"1-entries": lines, "2-checkpoint": checkpoint, "3-key": []byte(key + "\n")} {
			if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
				t.Fatal(err)
			}
			args = append(args, filepath.Join(dir, name))
		}
		slices.Sort(args[1:])
		out, err := exec.CommandContext(t.Context(), python, args...).CombinedOutput()
		return string(out), err
	}
	key := w.signer.Verifier()
	if out, err := verify(w.entries, w.checkpoint, key); err != nil || !strings.Contains(out, "700 entries are the ones") {
		t.Fatalf("%v: %s", err, out)
	}
	erased := slices.Clone(w.entries)
	erased[5] = &Entry{Index: 5, Leaf: erased[5].Leaf, Erased: true}
	erased[5].Leaf.Commitment = Commit(w.entries[5].Salt, w.entries[5].Sender, w.entries[5].Doc)
	if out, err := verify(erased, w.checkpoint, key); err != nil || !strings.Contains(out, "of 1 were removed") {
		t.Errorf("an erased document: %v: %s", err, out)
	}
	old := must(w.signer.Sign("log.example/a", 299, must(w.log.RootAt(299))))
	if out, err := verify(w.entries, old, key); err != nil {
		t.Errorf("an older checkpoint: %v: %s", err, out)
	}
	if out, err := verify(nil, must(w.signer.Sign("log.example/a", 0, emptyRoot)), key); err != nil {
		t.Errorf("an empty log: %v: %s", err, out)
	}
	changed := slices.Clone(w.entries)
	changed[3] = sampleEntry(3)
	changed[3].Doc[2] ^= 1
	forged := bytes.Replace(w.checkpoint, []byte("\n700\n"), []byte("\n699\n"), 1)
	for name, bad := range map[string]struct {
		entries    []*Entry
		checkpoint []byte
		key, want  string
	}{
		"changed":   {changed, w.checkpoint, key, "were changed"},
		"cut":       {w.entries[:699], w.checkpoint, key, "entry 699 is missing"},
		"deleted":   {w.entries[1:], w.checkpoint, key, "entry 0 is missing"},
		"forged":    {w.entries, forged, key, "signature is wrong"},
		"other key": {w.entries, w.checkpoint, newSigner(t, "log.example/a").Verifier(), "no signature by the key"},
	} {
		out, err := verify(bad.entries, bad.checkpoint, bad.key)
		if err == nil || !strings.Contains(out, bad.want) {
			t.Errorf("%s: %v: %s; want %q", name, err, out, bad.want)
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	w := newWorld(b, 10_000)
	for b.Loop() {
		if got := w.verify(); len(got) != 0 {
			b.Fatal(got)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/10_000, "ns/event")
}
