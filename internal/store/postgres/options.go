package postgres

import (
	"log/slog"
	"time"

	"vigil/internal/store"
)

// Options says which database a store is in and how much it may take.
type Options struct {
	// URL is a connection string, postgres://… or key=value pairs. Its user needs
	// the roles vigil_writer and vigil_reader, which [Migrate] grants.
	URL string
	// Guard is the directory of the rollback guard; empty is none. Once a store was
	// opened with one it is opened for reading only where its guard is missing.
	Guard string
	// Unsigned says that the store is opened by what signs nothing, such as a
	// command on another machine than the server's: a missing guard is no matter.
	Unsigned bool
	// KeepRaw keeps the received bytes of logserver documents, and has the log
	// commit to them. Without it the text of the row is the document, which anybody
	// can hash again with SQL. Those of other formats are always kept.
	KeepRaw bool
	// Readers bounds the connections for reading; 0 is 16. Writing has one of its
	// own, and so has listening.
	Readers int
	// ReadTimeout ends a statement that finds no row for so long, whatever its
	// reader does meanwhile; 0 is no end.
	ReadTimeout time.Duration
	// QueueBytes and QueueLen bound what waits for a commit; 0 is 64 MiB and 4096 batches.
	QueueBytes int64
	QueueLen   int
	// Resolve is how long a group whose commit broke off waits for the database to
	// say what became of it; 0 is 30 s.
	Resolve time.Duration
	// OnFatal is called once, in a goroutine of its own, when the store stops
	// taking events for good: the process should end, and look again at its next start.
	OnFatal func(error)

	takingOver bool // the rows of a logserver are being moved by this store
}

const (
	defaultReaders = 16
	defaultQueue   = 64 << 20
	defaultLen     = 4096
	defaultResolve = 30 * time.Second
	groupBytes     = 4 << 20 // of events in a commit, unless one batch is larger
)

func (o Options) withDefaults() Options {
	if o.Readers <= 0 {
		o.Readers = defaultReaders
	}
	if o.QueueBytes <= 0 {
		o.QueueBytes = defaultQueue
	}
	if o.QueueLen <= 0 {
		o.QueueLen = defaultLen
	}
	if o.Resolve <= 0 {
		o.Resolve = defaultResolve
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
