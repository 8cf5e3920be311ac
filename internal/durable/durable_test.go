package durable

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
)

func names(t *testing.T, dir string) (all []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestWriteFile writes over nothing, over a file that others may read, and over a
// link, whose target stays as it is.
func TestWriteFile(t *testing.T) {
	dir := t.TempDir()
	other := filepath.Join(t.TempDir(), "other")
	if err := os.WriteFile(other, []byte("other"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, prepare := range map[string]func(path string) error{
		"nothing": func(string) error { return nil },
		"file":    func(path string) error { return os.WriteFile(path, []byte("a longer one"), 0o644) },
		"link":    func(path string) error { return os.Symlink(other, path) },
	} {
		path := filepath.Join(dir, name)
		if err := prepare(path); err != nil {
			t.Fatal(err)
		}
		if err := WriteFile(path, []byte("new")); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		st, err := os.Lstat(path)
		if err != nil || st.Mode() != 0o600 || read(t, path) != "new" {
			t.Errorf("%s: %q, mode %v, %v", name, read(t, path), st.Mode(), err)
		}
	}
	if read(t, other) != "other" {
		t.Error("the target of a link was written")
	}
	if got := names(t, dir); !slices.Equal(got, []string{"file", "link", "nothing"}) {
		t.Errorf("the directory has %v", got)
	}
}

// TestCreateFile makes a file once, whoever else tries at the same time.
func TestCreateFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "key")
	var mu sync.Mutex
	var made []string
	var wg sync.WaitGroup
	for _, text := range []string{"a", "b", "c", "d"} {
		wg.Go(func() {
			err := CreateFile(path, []byte(text))
			if err != nil && !errors.Is(err, fs.ErrExist) {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				made = append(made, text)
			}
		})
	}
	wg.Wait()
	if len(made) != 1 || read(t, path) != made[0] {
		t.Errorf("%q was made, by %q", read(t, path), made)
	}
	if got := names(t, dir); !slices.Equal(got, []string{"key"}) {
		t.Errorf("the directory has %v", got)
	}
}

// TestWhole reads a file that is written all the time: it is always a whole one.
func TestWhole(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	var wg sync.WaitGroup
	for _, c := range []byte("abc") {
		wg.Go(func() {
			for range 30 {
				if err := WriteFile(path, bytes.Repeat([]byte{c}, 64<<10)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { defer close(done); wg.Wait() }()
	for reading := true; reading; {
		select {
		case <-done:
			reading = false
		default:
		}
		b, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) && reading {
			continue // not written yet
		}
		if err != nil || len(b) != 64<<10 || bytes.Count(b, b[:1]) != len(b) {
			t.Fatalf("%d bytes, %v", len(b), err)
		}
	}
}

// TestRefused writes where nothing can be written: what was there stays, and
// nothing comes to it.
func TestRefused(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "directory"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := WriteFile(filepath.Join(dir, "directory"), nil); err == nil {
		t.Error("a directory was replaced")
	}
	if err := CreateFile(filepath.Join(dir, "directory"), nil); !errors.Is(err, fs.ErrExist) {
		t.Errorf("create over a directory: %v", err)
	}
	if err := WriteFile(filepath.Join(dir, "none", "file"), nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("write to no directory: %v", err)
	}
	if err := SyncDir(filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("sync no directory: %v", err)
	}
	if got := names(t, dir); !slices.Equal(got, []string{"directory"}) {
		t.Errorf("the directory has %v", got)
	}
}

// TestSteps looks between the steps: the file has all of its contents and is
// closed before it gets its name; a full disk is told until then, and not after.
func TestSteps(t *testing.T) {
	for name, c := range map[string]struct {
		move   func(from, to string) error
		placed bool
		is     error
		isNot  error
	}{
		"renamed":  {move: os.Rename, placed: true},
		"full":     {move: func(string, string) error { return syscall.ENOSPC }, is: syscall.ENOSPC},
		"unsynced": {move: renameAll, placed: true, isNot: fs.ErrNotExist},
	} {
		dir := filepath.Join(t.TempDir(), "dir")
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, "file")
		err := write(path, []byte("new"), func(f *os.File, path string) error {
			return place(f, path, func(from, to string) error {
				if _, err := f.Stat(); !errors.Is(err, os.ErrClosed) || read(t, from) != "new" || filepath.Dir(from) != dir {
					t.Errorf("%s: %s has %q, %v", name, from, read(t, from), err)
				}
				return c.move(from, to)
			})
		})
		if (err != nil) != (c.is != nil || c.isNot != nil) || c.is != nil && !errors.Is(err, c.is) || c.isNot != nil && errors.Is(err, c.isNot) {
			t.Errorf("%s: %v", name, err)
		}
		if c.isNot != nil {
			path = filepath.Join(dir+".away", "file")
		}
		if _, err := os.Stat(path); c.placed != (err == nil) {
			t.Errorf("%s: the file: %v", name, err)
		}
		if c.is != nil && len(names(t, dir)) > 0 {
			t.Errorf("%s: the directory has %v", name, names(t, dir))
		}
	}
}

// renameAll renames a file, and then its directory, which cannot be synced any more.
func renameAll(from, to string) error {
	return errors.Join(os.Rename(from, to), os.Rename(filepath.Dir(to), filepath.Dir(to)+".away"))
}

// TestPublish gives a file a place that another one has.
func TestPublish(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	for _, text := range []string{"first", "second"} {
		f, err := os.Create(path + ".part")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteString(text); err != nil {
			t.Fatal(err)
		}
		if err := Publish(f, path); err != nil || read(t, path) != text {
			t.Errorf("%q, %v", read(t, path), err)
		}
	}
	if got := names(t, dir); !slices.Equal(got, []string{"file"}) {
		t.Errorf("the directory has %v", got)
	}
}

// TestRemoveAside removes what was begun for a file, and nothing else.
func TestRemoveAside(t *testing.T) {
	dir := t.TempDir()
	f, err := os.CreateTemp(dir, "file.*"+asideSuffix) // as write does
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	others := []string{"file", "file.1", "file.json.123.tmp", "file.tmp", "file.x1.tmp", "files.1.tmp", "other.1.tmp"}
	for _, name := range others {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := RemoveAside(filepath.Join(dir, "file")); err != nil {
		t.Fatal(err)
	}
	if got := names(t, dir); !slices.Equal(got, others) {
		t.Errorf("what stays is %v", got)
	}
	if err := RemoveAside(filepath.Join(dir, "none", "file")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("in no directory: %v", err)
	}
}
