package ledger

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

func TestTileFiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "log")
	files := must(OpenTileFiles(dir))
	l := NewLog("log.example/a", files)
	fill(t, l, 66_000)
	if err := files.Sync(); err != nil {
		t.Fatal(err)
	}
	state, root := l.State(), must(l.RootAt(12_345))
	if err := files.Close(); err != nil {
		t.Fatal(err)
	}
	files = must(OpenTileFiles(dir))
	defer files.Close()
	if files.Count(0) != 257 || files.Count(1) != 1 || files.Count(2) != 0 {
		t.Errorf("counts are %d %d %d", files.Count(0), files.Count(1), files.Count(2))
	}
	l = NewLog("log.example/a", files)
	if err := l.SetState(state); err != nil {
		t.Fatal(err)
	}
	if got := must(l.RootAt(12_345)); got != root {
		t.Error("the old root differs after opening again")
	}
	fill(t, l, 70_000)
	for _, bad := range []error{
		second(files.ReadTile(0, 300)), second(files.ReadTile(9, 0)), second(files.ReadTile(0, -1)),
		files.WriteTile(0, 300, make([]byte, tileBytes)), files.WriteTile(0, 1, make([]byte, tileBytes)),
		files.WriteTile(0, 1, nil), files.WriteTile(-1, 1, make([]byte, tileBytes)),
	} {
		if bad == nil {
			t.Error("something wrong was taken")
		}
	}
	if st := must(os.Stat(filepath.Join(dir, "0.tiles"))); st.Mode().Perm() != 0o600 {
		t.Errorf("mode is %v", st.Mode())
	}
}

// TestTileFilesAfterCrash cuts the file everywhere in its last tile, and has
// the log written again from its last state.
func TestTileFilesAfterCrash(t *testing.T) {
	dir := t.TempDir()
	files := must(OpenTileFiles(dir))
	l := NewLog("log.example/a", files)
	fill(t, l, 500)
	state := l.State()
	fill(t, l, 1_100)
	want := must(os.ReadFile(filepath.Join(dir, "0.tiles")))
	if err := files.Close(); err != nil {
		t.Fatal(err)
	}
	for cut := len(want); cut >= tileBytes; cut -= 1111 {
		garbage := bytes.Clone(want[:cut])
		clear(garbage[tileBytes:]) // what had not reached the disk
		if err := os.WriteFile(filepath.Join(dir, "0.tiles"), garbage, 0o600); err != nil {
			t.Fatal(err)
		}
		files := must(OpenTileFiles(dir))
		if err := files.Truncate(500); err != nil {
			t.Fatal(err)
		}
		l := NewLog("log.example/a", files)
		if err := l.SetState(state); err != nil {
			t.Fatal(err)
		}
		fill(t, l, 1_100)
		if err := files.Close(); err != nil {
			t.Fatal(err)
		}
		if got := must(os.ReadFile(filepath.Join(dir, "0.tiles"))); !bytes.Equal(got, want) {
			t.Fatalf("cut at %d: the tiles differ", cut)
		}
	}
}

// TestTileFilesSyncFails: what went wrong in a sync is no reason to try again, so
// nobody may take it for a full disk, which passes.
func TestTileFilesSyncFails(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "log")
	files := must(OpenTileFiles(dir))
	defer files.Close()
	if err := files.WriteTile(0, 0, make([]byte, tileBytes)); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := files.Sync(); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the directory is gone: %v", err)
	}
}
