package ledger

import (
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"
)

// ErrRange is wrapped by errors that say that a size, an index or a tile is
// outside the published log.
var ErrRange = errors.New("outside the published log")

// Size returns how many leaves readers see.
func (l *Log) Size() int64 {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.published
}

// Root returns the root of the published size.
func (l *Log) Root() Hash {
	_, root := l.Published()
	return root
}

// Published returns the published size and its root. It reads no tiles from
// storage, and computes a root once.
func (l *Log) Published() (int64, Hash) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.rootSize == l.published {
		return l.rootSize, l.root
	}
	var peaks [64]Hash
	for level := range tileLevels {
		if partial(l.published, level) > 0 {
			id := tileID{level, l.published >> (tileShift * (level + 1))}
			tilePeaks(peaks[:], l.memory[id], level, l.published)
		}
	}
	l.root, l.rootSize = foldPeaks(&peaks, l.published), l.published
	return l.rootSize, l.root
}

// RootAt returns the root that the log had at a published size.
func (l *Log) RootAt(size int64) (Hash, error) {
	if err := l.covers(size); err != nil {
		return Hash{}, fmt.Errorf("root at %d: %w", size, err)
	}
	if size == 0 {
		return emptyRoot, nil
	}
	h, err := tlog.TreeHash(size, l.reader())
	if err != nil {
		return Hash{}, fmt.Errorf("root at %d: %w", size, err)
	}
	return Hash(h), nil
}

// Inclusion returns the proof that leaf index is in the log of a published
// size: siblings from the leaf up (RFC 6962, section 2.1.1).
func (l *Log) Inclusion(index, size int64) ([]Hash, error) {
	if err := l.covers(size); err != nil {
		return nil, fmt.Errorf("prove inclusion: %w", err)
	}
	if index < 0 || index >= size {
		return nil, fmt.Errorf("prove inclusion of %d in %d: %w", index, size, ErrRange)
	}
	p, err := tlog.ProveRecord(size, index, l.reader())
	if err != nil {
		return nil, fmt.Errorf("prove inclusion: %w", err)
	}
	return ownHashes(p), nil
}

// Consistency returns the proof that the log of one published size extends the
// log of an older one (RFC 6962, section 2.1.2), checked before it is given out.
// From 0 and to itself it is empty.
func (l *Log) Consistency(from, to int64) ([]Hash, error) {
	if err := l.covers(to); err != nil {
		return nil, fmt.Errorf("prove consistency: %w", err)
	}
	if from < 0 || from > to {
		return nil, fmt.Errorf("prove consistency of %d with %d: %w", from, to, ErrRange)
	}
	if from == 0 || from == to {
		return nil, nil
	}
	nodes := l.reader()
	p, err := tlog.ProveTree(to, from, nodes)
	if err != nil {
		return nil, fmt.Errorf("prove consistency: %w", err)
	}
	old, err := tlog.TreeHash(from, nodes)
	if err != nil {
		return nil, fmt.Errorf("prove consistency: %w", err)
	}
	size, root := l.Published() // made from memory, whatever became of the tiles
	if size != to {
		if root, err = l.RootAt(to); err != nil {
			return nil, fmt.Errorf("prove consistency: %w", err)
		}
	}
	if err := tlog.CheckTree(p, to, tlog.Hash(root), from, old); err != nil {
		return nil, l.damaged(fmt.Errorf("prove consistency of %d with %d: the log's tiles are damaged, run vigil verify: %w", from, to, err))
	}
	return ownHashes(p), nil
}

// Tile returns width hashes of a tile (C2SP tlog-tiles): 256 for a full one,
// less for a partial one. The slice is the caller's.
func (l *Log) Tile(level int, n int64, width int) ([]byte, error) {
	if level < 0 || level >= tileLevels || n < 0 || width < 1 || width > tileWidth {
		return nil, fmt.Errorf("tile %d of level %d: %w", n, level, ErrRange)
	}
	l.mu.RLock()
	have := l.published>>(tileShift*level) - n*tileWidth // hashes from the tile's first on
	t := l.memory[tileID{level, n}]
	l.mu.RUnlock()
	if n > 1<<(62-tileShift) || have < int64(width) {
		return nil, fmt.Errorf("tile %d of level %d, width %d: %w", n, level, width, ErrRange)
	}
	if t != nil {
		return t.bytes(width), nil
	}
	b, err := l.readTile(level, n)
	if err != nil {
		return nil, err
	}
	return append([]byte(nil), b[:width*HashSize]...), nil
}

// readTile reads a full tile from storage.
func (l *Log) readTile(level int, n int64) ([]byte, error) {
	b, err := l.tiles.ReadTile(level, n)
	if err != nil {
		return nil, l.damaged(fmt.Errorf("read tile %d of level %d: %w", n, level, err))
	}
	if len(b) != tileBytes {
		return nil, l.damaged(fmt.Errorf("read tile %d of level %d: %d bytes, want %d", n, level, len(b), tileBytes))
	}
	return b, nil
}

func (l *Log) covers(size int64) error {
	if have := l.Size(); size < 0 || size > have {
		return fmt.Errorf("size %d of %d: %w", size, have, ErrRange)
	}
	return nil
}

// reader gives x/mod the nodes of the published tree. Each tile is read once
// for the questions of one proof.
func (l *Log) reader() tlog.HashReader {
	tiles := map[tileID][]byte{}
	return tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		hashes := make([]tlog.Hash, len(indexes))
		for i, x := range indexes {
			t := tlog.TileForIndex(tileShift, x)
			id := tileID{t.L, t.N}
			if len(tiles[id]) < t.W*HashSize {
				b, err := l.Tile(t.L, t.N, t.W)
				if err != nil {
					return nil, err
				}
				tiles[id] = b
			}
			h, err := tlog.HashFromTile(t, tiles[id], x)
			if err != nil {
				return nil, err
			}
			hashes[i] = h
		}
		return hashes, nil
	})
}

func ownHashes(in []tlog.Hash) []Hash {
	out := make([]Hash, len(in))
	for i := range in {
		out[i] = Hash(in[i])
	}
	return out
}
