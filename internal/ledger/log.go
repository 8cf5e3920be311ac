package ledger

import (
	"fmt"
	"math"
	"sync"
	"sync/atomic"
)

const (
	tileWidth  = 256 // hashes in a full tile
	tileShift  = 8   // its logarithm: levels of the tree within a tile
	tileBytes  = tileWidth * HashSize
	tileLevels = 8 // 256^8 events are enough
)

// Tiles is where full tiles are kept: 256 hashes, 8192 bytes each. Methods may
// be called concurrently, WriteTile by one goroutine at a time.
type Tiles interface {
	// ReadTile returns a tile that was written. The caller does not change it.
	ReadTile(level int, n int64) ([]byte, error)
	// WriteTile keeps a full tile. Each is written once, in order within a level,
	// but a tile may come again after a crash or an aborted commit. It does not
	// keep data.
	WriteTile(level int, n int64, data []byte) error
}

// Log is one Merkle log: a writer appends hashes, readers see what has been
// published. Append, Truncate, State and Head belong to the writer, one
// goroutine at a time; everything else is safe for concurrent use.
type Log struct {
	origin string
	tiles  Tiles

	// The writer's half.
	appended atomic.Int64
	peaks    [64]Hash          // peaks[b]: root of the perfect subtree of 2^b leaves, if bit b of the size is set
	current  [tileLevels]*tile // the tile being filled at each level, nil before its first hash

	onDamage func(error) // nil: nobody listens

	flushing sync.Mutex // held while tiles are written, and by whatever takes tiles back

	mu         sync.RWMutex
	published  int64
	memory     map[tileID]*tile // tiles that are not full, not flushed or not wholly published
	pending    []*tile          // full, not flushed, in order of completion
	kept       []*tile          // flushed, not wholly published yet
	root       Hash             // of rootSize
	rootSize   int64            // -1: none
	checkpoint []byte
	signed     Checkpoint // what checkpoint says
	changed    chan struct{}
}

type tileID struct {
	level int
	n     int64
}

// start and end return the first leaf under the tile and the one after its last.
func (id tileID) start() int64 { return id.n << (tileShift * (id.level + 1)) }
func (id tileID) end() int64   { return (id.n + 1) << (tileShift * (id.level + 1)) }

// tile is a tile in memory. The writer fills hashes in order; a reader looks
// only at those below the published size, so that both may go on at once.
type tile struct {
	tileID
	hashes [tileWidth]Hash
}

// bytes returns the first width hashes, in a slice of their own.
func (t *tile) bytes(width int) []byte {
	b := make([]byte, 0, width*HashSize)
	for i := range width {
		b = append(b, t.hashes[i][:]...)
	}
	return b
}

// NewLog returns an empty log. origin names it in checkpoints.
func NewLog(origin string, t Tiles) *Log {
	return &Log{
		origin: origin, tiles: t, memory: map[tileID]*tile{}, rootSize: -1,
		changed: make(chan struct{}),
	}
}

// OnDamage has f called, in any goroutine, whenever tiles are met that are
// damaged, or lost. It is called before the log is shared.
func (l *Log) OnDamage(f func(error)) { l.onDamage = f }

// damaged tells about damage, and returns err.
func (l *Log) damaged(err error) error {
	if l.onDamage != nil {
		l.onDamage(err)
	}
	return err
}

// Origin returns the log's name.
func (l *Log) Origin() string { return l.origin }

// Append adds a leaf hash. Readers do not see it before [Log.Publish].
func (l *Log) Append(h Hash) {
	n := l.appended.Load()
	for bit := 0; ; bit++ {
		if bit%tileShift == 0 {
			l.put(bit/tileShift, n>>bit, &h)
		}
		if n>>bit&1 == 0 {
			l.peaks[bit] = h
			break
		}
		h = hashNode(&l.peaks[bit], &h)
	}
	l.appended.Store(n + 1)
}

// put stores hash i of a level.
func (l *Log) put(level int, i int64, h *Hash) {
	at := i % tileWidth
	if at == 0 {
		t := &tile{tileID: tileID{level, i / tileWidth}}
		l.current[level] = t
		l.mu.Lock()
		l.memory[t.tileID] = t
		l.mu.Unlock()
	}
	t := l.current[level]
	t.hashes[at] = *h
	if at == tileWidth-1 {
		l.mu.Lock()
		l.pending = append(l.pending, t)
		l.mu.Unlock()
	}
}

// Head returns the size and the root with everything appended: what the log
// will be when it is published. The writer's.
func (l *Log) Head() (int64, Hash) {
	n := l.appended.Load()
	return n, foldPeaks(&l.peaks, n)
}

// Pending returns how many full tiles wait for [Log.Flush].
func (l *Log) Pending() int {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return len(l.pending)
}

// Flush hands all full tiles to Tiles; the caller makes them stable. After an
// error the rest stay pending.
func (l *Log) Flush() error { return l.FlushTo(math.MaxInt64) }

// FlushTo is Flush for the tiles that lie wholly below size. A store whose
// Tiles are no part of its commits gives the size that is known to be stable.
func (l *Log) FlushTo(size int64) error {
	l.flushing.Lock()
	defer l.flushing.Unlock()
	for {
		t := l.nextPending(size)
		if t == nil {
			return nil
		}
		if err := l.tiles.WriteTile(t.level, t.n, t.bytes(tileWidth)); err != nil {
			return fmt.Errorf("write tile %d of level %d: %w", t.n, t.level, err)
		}
		l.mu.Lock()
		for i, p := range l.pending {
			if p == t {
				l.pending = append(l.pending[:i], l.pending[i+1:]...)
				break
			}
		}
		l.kept = append(l.kept, t)
		l.evict()
		l.mu.Unlock()
	}
}

func (l *Log) nextPending(size int64) *tile {
	l.mu.RLock()
	defer l.mu.RUnlock()
	for _, t := range l.pending {
		if t.end() <= size {
			return t
		}
	}
	return nil
}

// evict forgets tiles that readers can have from Tiles. A tile that is not
// wholly published stays: the published root is always made from memory.
func (l *Log) evict() {
	kept := l.kept[:0]
	for _, t := range l.kept {
		if t.end() > l.published {
			kept = append(kept, t)
		} else if l.memory[t.tileID] == t {
			delete(l.memory, t.tileID)
		}
	}
	clear(l.kept[len(kept):])
	l.kept = kept
}

// Publish lets readers see the first size leaves. A size that is not above the
// published one, or above what was appended, is cut down to it. It may be called
// from another goroutine than the writer's, after the appends it covers.
func (l *Log) Publish(size int64) {
	size = min(size, l.appended.Load())
	l.mu.Lock()
	defer l.mu.Unlock()
	if size <= l.published {
		return
	}
	l.published = size
	l.evict()
}

// Truncate takes back what was appended after size, for a commit that failed.
// It cannot go below the published size.
func (l *Log) Truncate(size int64) error {
	l.flushing.Lock()
	defer l.flushing.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	if size < l.published || size > l.appended.Load() {
		return fmt.Errorf("truncate log to %d: it is published to %d and has %d entries", size, l.published, l.appended.Load())
	}
	for id := range l.memory {
		if id.start() >= size {
			delete(l.memory, id)
		}
	}
	l.pending = below(l.pending, size)
	l.kept = below(l.kept, size)
	for level := range l.current {
		id := tileID{level, size >> (tileShift * (level + 1))}
		l.current[level] = l.memory[id] // nil where the tile is to be started
	}
	l.appended.Store(size)
	l.fillPeaks(size)
	return nil
}

// below returns the tiles that are full in a log of the given size.
func below(tiles []*tile, size int64) []*tile {
	var out []*tile
	for _, t := range tiles {
		if t.end() <= size {
			out = append(out, t)
		}
	}
	return out
}

// fillPeaks computes the peaks of a log of the given size from its current tiles.
func (l *Log) fillPeaks(size int64) {
	l.peaks = [64]Hash{}
	for level, t := range l.current {
		if t != nil {
			tilePeaks(l.peaks[:], t, level, size)
		}
	}
}

// tilePeaks computes the peaks that lie in the partial tile of one level.
func tilePeaks(peaks []Hash, t *tile, level int, size int64) {
	width := size >> (tileShift * level) % tileWidth
	at := int64(0)
	for b := tileShift - 1; b >= 0; b-- {
		if width>>b&1 == 1 {
			peaks[level*tileShift+b] = subtree(t.hashes[at : at+1<<b])
			at += 1 << b
		}
	}
}

// subtree returns the root over a power of two of hashes, at most a tile's.
func subtree(in []Hash) Hash {
	if len(in) == 1 {
		return in[0]
	}
	var buf [tileWidth / 2]Hash
	n := len(in) / 2
	for i := range n {
		buf[i] = hashNode(&in[2*i], &in[2*i+1])
	}
	for ; n > 1; n /= 2 {
		for i := range n / 2 {
			buf[i] = hashNode(&buf[2*i], &buf[2*i+1])
		}
	}
	return buf[0]
}

// foldPeaks returns the root of a log of the given size.
func foldPeaks(peaks *[64]Hash, size int64) Hash {
	var root Hash
	have := false
	for bit := range 63 {
		if size>>bit&1 == 0 {
			continue
		}
		if have {
			root = hashNode(&peaks[bit], &root)
		} else {
			root, have = peaks[bit], true
		}
	}
	if !have {
		return emptyRoot
	}
	return root
}

// emptyRoot is the SHA-256 of nothing (RFC 6962, section 2.1).
var emptyRoot = Hash{
	0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24,
	0x27, 0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
}
