package ledger

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"

	"vigil/internal/durable"
)

// TileFiles keeps the full tiles of each level in one append-only file,
// <level>.tiles, tile n at byte n*8192. It is safe for concurrent use.
type TileFiles struct {
	dir string

	mu    sync.RWMutex
	files [tileLevels]*os.File // nil: no tile at this level yet
	count [tileLevels]int64    // whole tiles
	dirty [tileLevels]bool     // written since the last Sync
	names bool                 // a file was made since the last Sync
}

var _ Tiles = (*TileFiles)(nil)

// OpenTileFiles opens the tiles in a directory, which it makes where there is
// none. A torn last tile, as a crash leaves it, does not count and is written again.
func OpenTileFiles(dir string) (*TileFiles, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open tiles: %w", err)
	}
	t := &TileFiles{dir: dir}
	for level := range tileLevels {
		f, err := os.OpenFile(t.path(level), os.O_RDWR, 0)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err == nil {
			t.files[level] = f
			var st os.FileInfo
			if st, err = f.Stat(); err == nil {
				t.count[level] = st.Size() / tileBytes
			}
		}
		if err != nil {
			return nil, errors.Join(fmt.Errorf("open tiles: %w", err), t.Close())
		}
	}
	return t, nil
}

func (t *TileFiles) path(level int) string {
	return filepath.Join(t.dir, fmt.Sprintf("%d.tiles", level))
}

// Count returns how many tiles a level has.
func (t *TileFiles) Count(level int) int64 {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.count[level]
}

// ReadTile implements [Tiles].
func (t *TileFiles) ReadTile(level int, n int64) ([]byte, error) {
	if level < 0 || level >= tileLevels {
		return nil, fmt.Errorf("no level %d", level)
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	if n < 0 || n >= t.count[level] {
		return nil, fmt.Errorf("tile %d is missing: %s has %d", n, t.path(level), t.count[level])
	}
	b := make([]byte, tileBytes)
	if _, err := t.files[level].ReadAt(b, n*tileBytes); err != nil {
		return nil, fmt.Errorf("%s at byte %d: %w", t.path(level), n*tileBytes, err)
	}
	return b, nil
}

// WriteTile implements [Tiles]. The next tile is appended; one that is there
// must have the same bytes.
func (t *TileFiles) WriteTile(level int, n int64, data []byte) error {
	if level < 0 || level >= tileLevels || len(data) != tileBytes {
		return fmt.Errorf("no tile: level %d, %d bytes", level, len(data))
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case n < 0 || n > t.count[level]:
		return fmt.Errorf("tile %d is not the next: %s has %d", n, t.path(level), t.count[level])
	case n < t.count[level]:
		old := make([]byte, tileBytes)
		if _, err := t.files[level].ReadAt(old, n*tileBytes); err != nil {
			return err
		}
		if !bytes.Equal(old, data) {
			return fmt.Errorf("tile %d of %s is there with other hashes: the log was changed or has forked", n, t.path(level))
		}
		return nil
	}
	if t.files[level] == nil {
		f, err := os.OpenFile(t.path(level), os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			return err
		}
		t.files[level], t.names = f, true
	}
	t.dirty[level] = true
	// At its place, over whatever a crash left of it.
	if _, err := t.files[level].WriteAt(data, n*tileBytes); err != nil {
		return err
	}
	t.count[level]++
	return nil
}

// Truncate forgets the tiles that are not full in a log of the given size. A
// store calls it at start with the size of its last stable state: tiles past
// that may be of events that did not survive, or may not have reached the disk.
func (t *TileFiles) Truncate(size int64) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	for level := range tileLevels {
		keep := size >> (tileShift * (level + 1))
		if t.count[level] <= keep {
			continue
		}
		if err := t.files[level].Truncate(keep * tileBytes); err != nil {
			return fmt.Errorf("truncate tiles: %w", err)
		}
		t.count[level], t.dirty[level] = keep, true
	}
	return nil
}

// Sync makes everything written stable.
func (t *TileFiles) Sync() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	for level, f := range t.files {
		if !t.dirty[level] {
			continue
		}
		if err := f.Sync(); err != nil {
			// Not wrapped: a full disk is waited for, but a second sync may lie
			// about the first, so this one is final.
			return fmt.Errorf("sync tiles: %v", err)
		}
		t.dirty[level] = false
	}
	if t.names {
		if err := durable.SyncDir(t.dir); err != nil {
			return fmt.Errorf("sync tiles: %v", err) // final as well
		}
		t.names = false
	}
	return nil
}

// Close closes the files. It does not sync them.
func (t *TileFiles) Close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	var errs []error
	for level, f := range t.files {
		if f != nil {
			errs = append(errs, f.Close())
			t.files[level], t.count[level] = nil, 0
		}
	}
	return errors.Join(errs...)
}

var _ io.Closer = (*TileFiles)(nil)

// MemoryTiles keeps tiles in memory, for stores that keep nothing and for
// tests. The zero value is empty and ready; it is safe for concurrent use.
type MemoryTiles struct {
	mu    sync.RWMutex
	tiles map[tileID][]byte
}

var _ Tiles = (*MemoryTiles)(nil)

// ReadTile implements [Tiles].
func (m *MemoryTiles) ReadTile(level int, n int64) ([]byte, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	b, ok := m.tiles[tileID{level, n}]
	if !ok {
		return nil, fmt.Errorf("tile %d of level %d is missing", n, level)
	}
	return b, nil
}

// WriteTile implements [Tiles].
func (m *MemoryTiles) WriteTile(level int, n int64, data []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.tiles == nil {
		m.tiles = map[tileID][]byte{}
	}
	m.tiles[tileID{level, n}] = bytes.Clone(data)
	return nil
}
