package ledger

import (
	"fmt"
	"os"
	"path/filepath"
)

// writeFile puts a whole file in place, mode 0600: written aside, fsynced, then
// placed with os.Rename, or with os.Link where a file must not be replaced, and
// the directory fsynced. When it returns nil the file is on stable storage.
func writeFile(path string, data []byte, place func(from, to string) error) error {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, "."+filepath.Base(path)+".*") // mode 0600
	if err != nil {
		return fmt.Errorf("write aside: %w", err)
	}
	defer os.Remove(f.Name()) // gone already after a rename
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return fmt.Errorf("write aside: %w", err)
	}
	if err := place(f.Name(), path); err != nil {
		return err
	}
	return syncDir(dir)
}

// syncDir makes the names in a directory stable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("sync directory: %w", err)
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return fmt.Errorf("sync directory: %w", err)
	}
	return nil
}
