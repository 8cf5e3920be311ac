package segment

import (
	"errors"
	"log/slog"
	"path/filepath"
	"time"

	"vigil/internal/store"
)

// ErrLocked is wrapped by the error of [Open] where another process has the
// directory: it can be reached through the socket in it.
var ErrLocked = errors.New("another process has the store open")

// Options says where a store lies and how much it may take.
type Options struct {
	Dir string
	// Guard is the directory of the rollback guard; empty is Dir + ".guard". It
	// should lie where a restore of Dir does not reach.
	Guard string
	// HeadBytes is how much a head holds before it is sealed; 0 is 24 MiB.
	HeadBytes int64
	// QueueBytes and QueueLen bound what waits for a commit; 0 is 64 MiB and 4096 batches.
	QueueBytes int64
	QueueLen   int
	// CacheBytes bounds the decoded blocks that are kept; 0 is 32 MiB.
	CacheBytes int64
	// JournalFile is the size of a journal file; 0 is 64 MiB.
	JournalFile int64
	// OnFatal is called once, in a goroutine of its own, when the store stops
	// taking events for good: the process should end, and recover at its next start.
	OnFatal func(error)
	// OnResume is called in a goroutine of its own when a commit succeeds after
	// the disk was full, with the number of events that were refused meanwhile.
	OnResume func(refused int64)
}

const (
	defaultHead  = 24 << 20
	defaultQueue = 64 << 20
	defaultLen   = 4096
	defaultCache = 32 << 20
	groupBytes   = 1 << 20 // of events in a commit, unless one batch is larger
	maxFrozen    = 2       // heads that wait to be sealed before writers wait
)

func (o Options) withDefaults() Options {
	set := func(v *int64, d int64) {
		if *v <= 0 {
			*v = d
		}
	}
	set(&o.HeadBytes, defaultHead)
	set(&o.QueueBytes, defaultQueue)
	set(&o.CacheBytes, defaultCache)
	if o.QueueLen <= 0 {
		o.QueueLen = defaultLen
	}
	if o.Guard == "" {
		o.Guard = filepath.Clean(o.Dir) + ".guard"
	}
	return o
}

func configDefaults(c store.Config) store.Config {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}
