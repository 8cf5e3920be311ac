package journal

import (
	"fmt"
	"log/slog"
	"sync"
)

const (
	defaultFileSize = 64 << 20
	minFileSize     = 64 << 10
	fillStep        = 4 << 20
	maxFree         = 2 // old files kept for their blocks
)

// Options is what a journal is opened with.
type Options struct {
	// StoreID is in every file: a file of another store is refused.
	StoreID [16]byte
	// FileSize is the size of a file in bytes; 0 is 64 MiB. It may differ from
	// one opening to the next.
	FileSize int64
	// Reserve only reserves the blocks of a file, instead of filling it with
	// zeros, and removes files without overwriting them. The first round through
	// a file is synced more slowly then, and writing costs half: for a journal
	// that is written faster than it is synced, and erased by nobody.
	Reserve bool
	Log     *slog.Logger // nil discards

	folder folder // tests only
}

// Journal is an open journal. Its methods may be called by several goroutines;
// the order of frames is the order in which Write or Append got hold of it.
type Journal struct {
	dir      folder
	store    [16]byte
	fileSize int64
	step     int64
	reserve  bool
	log      *slog.Logger

	// syncing is held while a file is synced or changed for another, so that a
	// failed sync is seen by whoever would rely on it. It is taken before mu.
	syncing sync.Mutex

	mu       sync.Mutex
	kept     []*stored // released from the front; the last is being written once replayed
	void     []string  // files whose frames were copied into a later one
	temps    []string
	free     []string
	nextGen  uint64
	released Position
	cur      *active // nil until replayed
	buf      []byte
	replayed bool
	err      error // why nothing more is taken
}

// stored is a file with frames.
type stored struct {
	name   string
	head   header
	end    int64    // where its frames end
	sum    uint64   // of the last frame, or of the header
	last   Position // of the last frame, zero if there is none
	synced int64    // frames before this offset are stable
	frames int
}

// active is the file that is being written.
type active struct {
	*stored
	f      file
	filled int64 // bytes that have been allocated
}

// Open opens the journal in dir, which is made if it is not there, and verifies
// every frame in it. It changes nothing. Damage is a [*CorruptError]; a write
// that a crash cut short is none.
func Open(dir string, o Options) (*Journal, error) {
	j := newJournal(o)
	if j.dir == nil {
		d, err := makeFolder(dir)
		if err != nil {
			return nil, fmt.Errorf("open journal: %w", err)
		}
		j.dir = d
	}
	if err := j.scan(); err != nil {
		return nil, fmt.Errorf("open journal: %w", err)
	}
	return j, nil
}

func newJournal(o Options) *Journal {
	j := &Journal{dir: o.folder, store: o.StoreID, fileSize: o.FileSize, reserve: o.Reserve, log: o.Log}
	if j.fileSize == 0 {
		j.fileSize = defaultFileSize
	}
	j.fileSize = max(j.fileSize, minFileSize) &^ (blockSize - 1)
	j.step = min(fillStep, j.fileSize/4) &^ (blockSize - 1)
	if j.log == nil {
		j.log = slog.New(slog.DiscardHandler)
	}
	return j
}

// usable says why nothing can be written. The caller holds mu.
func (j *Journal) usable() error {
	if j.err == nil && j.cur == nil {
		return errNotReplayed
	}
	return j.err
}

// fail makes err the answer to everything from now on, unless it is a full disk
// that only this one frame met. The caller holds mu.
func (j *Journal) fail(err error) error {
	if j.err == nil && !IsFull(err) {
		j.err = err
		j.log.Error("journal takes nothing more until it is opened again", "err", err)
	}
	return err
}

// End returns the position after the last frame written: that of the next one,
// unless it goes to a new file. Every frame so far comes before it.
func (j *Journal) End() Position {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.cur == nil {
		return Position{}
	}
	return Position{j.cur.head.gen, j.cur.end}
}

// Size returns the bytes that the journal takes on the disk, old files that wait
// to be used again included.
func (j *Journal) Size() int64 {
	names, err := j.dir.List()
	if err != nil {
		return 0
	}
	var sum int64
	for _, name := range names {
		if _, _, ok := parseName(name); !ok {
			continue
		}
		if f, err := j.dir.Open(name, false); err == nil {
			n, _ := f.Size() // a file that cannot be asked counts as nothing
			sum += n
			f.Close()
		}
	}
	return sum
}

// Close syncs what was written and lets go of the files.
func (j *Journal) Close() error {
	j.syncing.Lock()
	defer j.syncing.Unlock()
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.cur == nil {
		j.err = ErrClosed
		return nil
	}
	var err error
	if j.err == nil {
		err = j.syncCurrent()
	}
	if cerr := j.cur.f.Close(); err == nil && cerr != nil {
		err = fmt.Errorf("close journal: %w", cerr)
	}
	j.cur, j.err = nil, ErrClosed
	return err
}
