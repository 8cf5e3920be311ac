package segment

import (
	"fmt"
	"sync"
)

// damage remembers the damaged files that readers have met since the start. It
// is safe for concurrent use.
type damage struct {
	mu    sync.Mutex
	files map[string]bool
	first error
}

// Damage returns nil as long as every file could be read, else the first damage
// that was met since the start. Reading the rest goes on, and so does writing.
func (s *Store) Damage() error {
	d := &s.damage
	d.mu.Lock()
	defer d.mu.Unlock()
	if n := len(d.files); n > 1 {
		return fmt.Errorf("%d files are damaged, the first: %w", n, d.first)
	}
	return d.first
}

// damaged counts e and has the log name the file, once. It returns e.
func (s *Store) damaged(e *DamageError) error {
	select {
	case <-s.stop: // files are closed under readers
		return e
	default:
	}
	if s.metrics != nil { // nil while opening, which fails with e
		s.metrics.damage.Inc()
	}
	d := &s.damage
	d.mu.Lock()
	known := d.files[e.File]
	if !known {
		if d.files == nil {
			d.files, d.first = map[string]bool{}, e
		}
		d.files[e.File] = true
	}
	d.mu.Unlock()
	if !known {
		s.log.Error("a file is damaged: reading the rest goes on", "file", e.File, "err", e)
	}
	return e
}

// damagedTiles is told by the log.
func (s *Store) damagedTiles(err error) {
	_ = s.damaged(&DamageError{File: s.dir.log(), Reason: "tiles are not what was logged", Err: err})
}

// damagedBlock is the error of a block of a segment that cannot be read.
func (s *Store) damagedBlock(sg *seg, block int, reason string, cause error) error {
	return s.damaged(&DamageError{
		File: sg.file.Path(), Reason: fmt.Sprintf("block %d %s", block, reason), Err: cause,
	})
}
