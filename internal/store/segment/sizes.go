package segment

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"vigil/internal/store"
)

var _ store.Sizer = (*Store)(nil)

// Sizes implements [store.Sizer]: the files of the directory, and the segments
// of each table. What is in the journal alone belongs to no table yet.
func (s *Store) Sizes(context.Context) (store.Sizes, error) {
	out := store.Sizes{Tables: map[string]int64{}}
	s.mu.RLock()
	for n, t := range s.Catalog.Tables() {
		var size int64
		for _, sg := range s.segs[n] {
			size += sg.Bytes
		}
		out.Tables[t.Name] = size
	}
	s.mu.RUnlock()
	err := filepath.WalkDir(string(s.dir), func(_ string, e fs.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() {
			var info fs.FileInfo
			if info, err = e.Info(); err == nil {
				out.Database += info.Size()
			}
		}
		if errors.Is(err, fs.ErrNotExist) { // it was merged meanwhile
			return nil
		}
		return err
	})
	if err != nil {
		return out, fmt.Errorf("measure the store: %w", err)
	}
	return out, nil
}
