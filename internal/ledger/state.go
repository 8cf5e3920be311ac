package ledger

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
)

// The state is: four bytes of mark, the size (uint64), for each level the
// hashes of its partial tile from the lowest level on (the counts follow from
// the size), and a CRC-32C of all that. Numbers are big-endian.
const stateMark = "VLS1"

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// State returns everything that is needed to go on from here without reading
// tiles: at most 16 kB in a log of 10^9 entries, 8 kB more for each factor of
// 256. It covers what was appended. The writer's.
func (l *Log) State() []byte { return l.AppendState(nil) }

// AppendState appends [Log.State] to b.
func (l *Log) AppendState(b []byte) []byte {
	from, size := len(b), l.appended.Load()
	b = append(b, stateMark...)
	b = binary.BigEndian.AppendUint64(b, uint64(size))
	for level := range tileLevels {
		for i := range partial(size, level) {
			b = append(b, l.current[level].hashes[i][:]...)
		}
	}
	return binary.BigEndian.AppendUint32(b, crc32.Checksum(b[from:], castagnoli))
}

// partial returns how many hashes the partial tile of a level has.
func partial(size int64, level int) int {
	return int(size >> (tileShift * level) % tileWidth)
}

// StateSize returns the size of the log that a state is of.
func StateSize(state []byte) (int64, error) {
	if len(state) < 16 || string(state[:4]) != stateMark {
		return 0, errors.New("read log state: not a state of a log")
	}
	body := state[:len(state)-4]
	if crc32.Checksum(body, castagnoli) != binary.BigEndian.Uint32(state[len(body):]) {
		return 0, errors.New("read log state: checksum is wrong")
	}
	size := int64(binary.BigEndian.Uint64(state[4:]))
	hashes := 0
	for level := range tileLevels {
		hashes += partial(size, level)
	}
	if size < 0 || len(body) != 12+hashes*HashSize {
		return 0, errors.New("read log state: length is wrong")
	}
	return size, nil
}

// SetState puts the log where it was when state was taken, and publishes that:
// a state comes from stable storage, and all full tiles below its size are in
// Tiles or were pending here and published. A state below the published size is
// refused. The writer's.
func (l *Log) SetState(state []byte) error {
	size, err := StateSize(state)
	if err != nil {
		return err
	}
	var current [tileLevels]*tile
	rest := state[12:]
	for level := range tileLevels {
		n := partial(size, level)
		if n == 0 {
			continue
		}
		t := &tile{tileID: tileID{level, size >> (tileShift * (level + 1))}}
		for i := range n {
			rest = rest[copy(t.hashes[i][:], rest):]
		}
		current[level] = t
	}
	return l.reset(size, current)
}

// Restore puts the log at a size that is a multiple of 256 from tiles alone,
// and publishes that. It reads up to 255 tiles for each level.
func (l *Log) Restore(size int64) error {
	if size < 0 || size%tileWidth != 0 {
		return fmt.Errorf("restore log: size %d is no multiple of %d", size, tileWidth)
	}
	var current [tileLevels]*tile
	for level := 1; level < tileLevels; level++ {
		n := partial(size, level)
		if n == 0 {
			continue
		}
		t := &tile{tileID: tileID{level, size >> (tileShift * (level + 1))}}
		for i := range n {
			below, err := l.readTile(level-1, t.n*tileWidth+int64(i))
			if err != nil {
				return fmt.Errorf("restore log: %w", err)
			}
			t.hashes[i] = subtree(parseHashes(below))
		}
		current[level] = t
	}
	return l.reset(size, current)
}

// reset makes current the partial tiles of a log of the given size.
func (l *Log) reset(size int64, current [tileLevels]*tile) error {
	l.flushing.Lock()
	defer l.flushing.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	if size < l.published {
		return fmt.Errorf("set log state: it is of size %d, but the log is published to %d", size, l.published)
	}
	// Full tiles past the published size may be of a commit that lost against
	// another writer's; only what readers have seen is known to be right.
	l.pending = below(l.pending, l.published)
	l.kept = nil
	l.memory = map[tileID]*tile{}
	for _, t := range l.pending {
		l.memory[t.tileID] = t
	}
	for _, t := range current {
		if t != nil {
			l.memory[t.tileID] = t
		}
	}
	l.current = current
	l.appended.Store(size)
	l.published = size
	l.fillPeaks(size)
	return nil
}

// parseHashes reads hashes that follow each other.
func parseHashes(b []byte) []Hash {
	hashes := make([]Hash, len(b)/HashSize)
	for i := range hashes {
		copy(hashes[i][:], b[i*HashSize:])
	}
	return hashes
}
