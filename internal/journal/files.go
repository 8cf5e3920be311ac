package journal

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"vigil/internal/durable"
)

// zeros is what files are filled and frames are padded with. It is only read.
var zeros [256 << 10]byte

// folder is the directory of a journal. Tests put a disk in its place that
// forgets, tears and fills up.
type folder interface {
	List() ([]string, error)
	Create(name string) (file, error) // empty, even if there was one
	Open(name string, write bool) (file, error)
	Rename(from, to string) error
	Remove(name string) error
	Sync() error // makes creations, renames and removals stable
}

// file is one open file.
type file interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	Size() (int64, error)
	Allocate(off, n int64) error // reserves space; nil where that cannot be done
	Truncate(size int64) error
	Sync() error // makes the contents stable: fdatasync
}

// osFolder is a directory of the operating system.
type osFolder string

// makeFolder returns the directory, made with mode 0700 if it was not there.
func makeFolder(dir string) (osFolder, error) {
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		return osFolder(dir), err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	return osFolder(dir), osFolder(filepath.Dir(dir)).Sync()
}

func (d osFolder) List() ([]string, error) {
	entries, err := os.ReadDir(string(d))
	names := make([]string, 0, len(entries))
	for _, e := range entries {
		if e.Type().IsRegular() {
			names = append(names, e.Name())
		}
	}
	return names, err
}

func (d osFolder) Create(name string) (file, error) {
	return d.open(name, os.O_RDWR|os.O_CREATE|os.O_TRUNC)
}

func (d osFolder) Open(name string, write bool) (file, error) {
	if write {
		return d.open(name, os.O_RDWR)
	}
	return d.open(name, os.O_RDONLY)
}

func (d osFolder) open(name string, flag int) (file, error) {
	f, err := os.OpenFile(filepath.Join(string(d), name), flag, 0o600)
	if err != nil {
		return nil, err
	}
	return &osFile{f}, nil
}

func (d osFolder) Rename(from, to string) error {
	return os.Rename(filepath.Join(string(d), from), filepath.Join(string(d), to))
}

func (d osFolder) Remove(name string) error { return os.Remove(filepath.Join(string(d), name)) }

func (d osFolder) Sync() error { return durable.SyncDir(string(d)) }

type osFile struct{ *os.File }

func (f *osFile) Size() (int64, error) {
	st, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return st.Size(), nil
}

// zeroFill writes zeros to f from offset from up to offset to.
func zeroFill(f file, from, to int64) error {
	for from < to {
		n, err := f.WriteAt(zeros[:min(to-from, int64(len(zeros)))], from)
		if err != nil {
			return fmt.Errorf("fill journal file: %w", err)
		}
		from += int64(n)
	}
	return nil
}
