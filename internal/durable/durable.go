// Package durable changes files and directories so that a loss of power leaves
// the state before or the state after, and nothing between.
//
// What a call has done is on stable storage when it returns nil, as far as the
// file system keeps what fsync(2) promises. Directories are synced as well: a
// file whose name is lost is lost.
package durable

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// asideSuffix ends the name of a file that is being written.
const asideSuffix = ".tmp"

// SyncDir makes stable which names a directory has and what they stand for:
// everything that was made, renamed or removed in it before the call. The
// contents of its files have to be synced on their own.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("sync directory: %w", err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("sync directory: %w", err)
	}
	return nil
}

// WriteFile makes data the whole of the file at path, with mode 0600, whether or
// not there was one. Others see the old file or the new one. With an error the
// old one is there as before, but for an error of [Publish]'s last step.
func WriteFile(path string, data []byte) error {
	return write(path, data, Publish)
}

// CreateFile is [WriteFile] for a file that must not be replaced. Where one is,
// or has come to be meanwhile, it is left alone, and the error is [os.ErrExist].
func CreateFile(path string, data []byte) error {
	return write(path, data, func(f *os.File, path string) error {
		return place(f, path, os.Link)
	})
}

// write writes data aside, in the directory of path so that it can be renamed.
func write(path string, data []byte, publish func(*os.File, string) error) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*"+asideSuffix) // mode 0600
	if err != nil {
		return fmt.Errorf("write aside: %w", err)
	}
	defer os.Remove(f.Name()) // has no effect after a rename; what stays is RemoveAside's
	if _, err := f.Write(data); err != nil {
		return fmt.Errorf("write aside: %w", errors.Join(err, f.Close()))
	}
	return publish(f, path)
}

// Publish gives a file that was written under another name in the same directory
// its place: its contents are made stable, it is closed, and renamed to path,
// over what was there. With an error it is closed too, and still has its old name.
//
// Only when the directory cannot be synced, the last step, the file has its place,
// and it is unknown which of both a loss of power would leave. That error wraps
// nothing, so that nobody takes it for a full disk, which passes.
func Publish(f *os.File, path string) error { return place(f, path, os.Rename) }

func place(f *os.File, path string, move func(from, to string) error) error {
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("sync file: %w", err)
	}
	if err := move(f.Name(), path); err != nil {
		return fmt.Errorf("place file: %w", err)
	}
	if err := SyncDir(filepath.Dir(path)); err != nil {
		return fmt.Errorf("place file: %v", err) // see Publish
	}
	return nil
}

// RemoveAside removes what crashes have left of calls of [WriteFile] and
// [CreateFile] for path. None of them may be under way.
func RemoveAside(path string) error {
	dir, base := filepath.Dir(path), filepath.Base(path)
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		number, isAside := strings.CutSuffix(e.Name(), asideSuffix)
		number, isOurs := strings.CutPrefix(number, base+".")
		if isAside && isOurs && number != "" && strings.Trim(number, "0123456789") == "" {
			err = errors.Join(err, os.Remove(filepath.Join(dir, e.Name())))
		}
	}
	if err != nil {
		return fmt.Errorf("remove unfinished files: %w", err)
	}
	return nil
}
