package segment

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"vigil/internal/durable"
	"vigil/internal/journal"
	"vigil/internal/ledger"
	"vigil/internal/query"
	"vigil/internal/store"
	"vigil/internal/store/segfile"
)

// Store is the embedded store. It is made by [Open].
type Store struct {
	*store.Reader
	opts    Options
	cfg     store.Config
	log     *slog.Logger
	dir     layout
	lock    *os.File
	metrics *metrics

	journal *journal.Journal
	tree    *ledger.Log
	tiles   *ledger.TileFiles
	cache   *segfile.Cache
	guard   *ledger.Guard
	growth  store.Growth
	queue   *queue

	seq      sequencer // the sequencer's
	manifest *manifest // the sealer's

	mu      sync.RWMutex
	segs    [][]*seg // by table, then by id; slices are replaced, never changed
	leaves  []*seg   // what is left of removed events; replaced, never changed
	frozen  []*head  // oldest first
	active  *head
	counts  []int64   // rows of each table
	last    []int64   // last stable id of each table
	froze   time.Time // when a head was last frozen
	sealErr error     // why the oldest frozen head could not be sealed: a full disk

	failure  atomic.Pointer[error] // why nothing more is taken
	full     atomic.Pointer[error] // what the last commit was refused with, where the disk is full
	rollback error                 // why the store is read-only since it was opened
	guarded  ledger.GuardState     // what the guard knew then
	damage   damage                // what reading has met
	id       string
	epoch    int
	// journalLost says that the journal was missing or set aside in recovery, and
	// salvaged what came of that.
	journalLost bool
	salvaged    *salvaged

	cutAsked  atomic.Pointer[cut] // by the sealer, of the sequencer
	jobs      chan *job           // for the sealer
	sealerEnd chan struct{}       // closed when it takes no more of them

	toSeal   chan struct{} // one token when a head was frozen
	sealed   chan struct{} // one token when the sealer got on, or gave up
	stop     chan struct{}
	running  sync.WaitGroup     // the sequencer
	sealing  sync.WaitGroup     // the sealer
	reached  func(point string) // tests only: called between the steps of sealing and merging
	closing  sync.Once
	closeErr error
}

var _ store.Store = (*Store)(nil)

// Open opens the store in o.Dir and makes it where there is none. What is in
// the journal is read back, checked against the log's roots and made stable
// again before Open returns.
//
// A store that is damaged is not opened: the error names the file. One that is
// older than what was signed for it, or whose rollback guard is missing, is opened
// for reading only, and Err says so.
func Open(o Options, c store.Config) (*Store, error) {
	s, err := open(o, c, toServe)
	if err != nil {
		return nil, fmt.Errorf("open store %s: %w", o.Dir, err)
	}
	s.start()
	return s, nil
}

// start begins to take events. A store that is open for reading only stays as it is.
func (s *Store) start() {
	if s.rollback == nil {
		s.sealing.Go(s.seal)
		s.running.Go(s.sequence)
	}
}

// purpose is what a store is opened for.
type purpose int

const (
	toServe purpose = iota
	// toRecover takes a store that [Open] would refuse or open for reading only.
	toRecover
	// toCheck changes nothing but the journal, whose replay makes what it gives stable.
	toCheck
)

// open does everything but to start.
func open(o Options, c store.Config, why purpose) (*Store, error) {
	cat, err := store.NewCatalog(c)
	if err != nil {
		return nil, err
	}
	o, c = o.withDefaults(), configDefaults(c)
	s := &Store{
		opts: o, cfg: c, log: c.Log, dir: layout(o.Dir),
		queue:  newQueue(o.QueueBytes, o.QueueLen),
		toSeal: make(chan struct{}, 1), sealed: make(chan struct{}, 1), stop: make(chan struct{}),
		jobs: make(chan *job), sealerEnd: make(chan struct{}),
		reached: func(string) {},
	}
	s.Reader = &store.Reader{
		Catalog: cat, Now: c.Now,
		Source: func(t *store.Table) query.Source { return source{s, t} },
		Size:   s.size,
	}
	if s.cache, err = segfile.NewCache(o.CacheBytes); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, err
	}
	if err := syncParents(o.Dir); err != nil {
		return nil, err
	}
	if s.lock, err = lockDir(s.dir); err != nil {
		return nil, err
	}
	if err := s.load(why); err != nil {
		return nil, errors.Join(err, s.release())
	}
	return s, nil
}

// load reads everything that is on the disk.
func (s *Store) load(why purpose) error {
	var err error
	if s.manifest, err = s.findManifest(why); err != nil {
		return err
	}
	if s.guard, err = ledger.OpenGuard(s.opts.Guard); err != nil {
		return err
	}
	for _, e := range slices.Concat(s.manifest.Segments, s.manifest.Removed) {
		s.Catalog.Retain(e.Table)
	}
	for table := range s.manifest.LastIDs {
		s.Catalog.Retain(table)
	}
	for table := range s.manifest.Floors {
		s.Catalog.Retain(table)
	}
	frames, err := s.readJournal(why)
	if err != nil {
		return err
	}
	if err := s.settleRecovery(why, frames); err != nil {
		return err
	}
	if s.manifest.State == stateNew {
		// Before the store is ready: a ready one without a guard has lost it.
		if err := s.firstGuard(); err != nil {
			return err
		}
		s.manifest.State = stateReady
		if err := s.manifest.write(s.dir.manifest()); err != nil {
			return err
		}
	}
	if s.metrics, err = newMetrics(s.cfg.Metrics, s.Catalog.Tables(), s.opts.Dir); err != nil {
		return fmt.Errorf("register metrics: %w", err)
	}
	if err := s.loadSealed(); err != nil {
		return err
	}
	if err := s.loadLog(frames, why); err != nil {
		return err
	}
	if err := s.apply(frames); err != nil {
		return err
	}
	s.raiseIDs()
	s.checkGuard(why)
	if why == toCheck {
		return nil
	}
	if err := s.settleRemoval(); err != nil {
		return err
	}
	return s.clean() // last: a start that is refused changes as little as it can
}

// findManifest reads the manifest, and makes a new store where nothing is.
func (s *Store) findManifest(why purpose) (*manifest, error) {
	path := s.dir.manifest()
	m, err := readManifest(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if s.dir.used() {
			return nil, &DamageError{File: path, Reason: "it is missing"}
		}
		var id [16]byte
		rand.Read(id[:])
		m = &manifest{StoreID: hex.EncodeToString(id[:]), State: stateNew, Epoch: 1, LastIDs: map[string]int64{}}
		m.Root = ledger.NewLog("", nil).Root()
		if err := m.write(path); err != nil {
			return nil, err
		}
	case err != nil:
		return nil, err
	}
	if m.State != stateNew {
		has, err := s.dir.hasJournal()
		s.journalLost = !has
		if err != nil || !has && why != toRecover {
			return nil, &DamageError{File: s.dir.journal(), Reason: "there is no journal", Err: err}
		}
		return m, s.dir.make()
	}
	if err := s.dir.clear(); err != nil {
		return nil, err
	}
	return m, s.dir.make()
}

// clean removes what crashes left: files that the manifest does not name.
func (s *Store) clean() error {
	if err := durable.RemoveAside(s.dir.manifest()); err != nil {
		return err
	}
	names, err := s.dir.leftovers(s.manifest)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := os.Remove(s.dir.segment(name)); err != nil {
			return err
		}
	}
	if len(names) > 0 {
		s.log.Info("files of unfinished work were removed", "files", len(names))
	}
	return nil
}

// loadSealed opens the segments and reads the keys that the manifest names.
func (s *Store) loadSealed() error {
	n := len(s.Catalog.Tables())
	s.segs, s.counts, s.last = make([][]*seg, n), make([]int64, n), make([]int64, n)
	for _, e := range s.manifest.Segments {
		sg, err := s.openSegment(e, s.manifest.id())
		if err != nil {
			return err
		}
		s.segs[sg.table] = append(s.segs[sg.table], sg)
		s.counts[sg.table] += e.Count
	}
	for _, e := range s.manifest.Removed {
		sg, err := s.openSegment(e, s.manifest.id())
		if err != nil {
			return err
		}
		s.leaves = append(s.leaves, sg)
	}
	s.metrics.segments.Set(float64(len(s.manifest.Segments)))
	now := s.cfg.Now()
	for _, e := range s.manifest.Keys {
		keys, err := s.readKeys(e)
		if err != nil {
			return err
		}
		for _, k := range keys {
			if !k.Expired(now) {
				s.seq.Keys.Add(k)
			}
		}
	}
	for table, id := range s.manifest.LastIDs {
		s.last[s.Catalog.Named(table).Number] = id
	}
	s.seq.Last = append([]int64(nil), s.last...)
	s.seq.Epoch, s.seq.Next = s.manifest.Epoch, s.manifest.Size
	s.active = newHead(s.manifest.Size, n)
	return nil
}

// loadLog puts the tree where the manifest says it was.
func (s *Store) loadLog(frames []savedFrame, why purpose) error {
	var err error
	if s.tiles, err = ledger.OpenTileFiles(s.dir.log()); err != nil {
		return err
	}
	for level, size := 0, s.manifest.Size>>8; size > 0; level, size = level+1, size>>8 {
		if have := s.tiles.Count(level); have < size {
			return &DamageError{
				File:   fmt.Sprintf("%s/%d.tiles", s.dir.log(), level),
				Reason: fmt.Sprintf("it has %d whole tiles, the manifest needs %d", have, size),
			}
		}
	}
	// What lies past the manifest may not have reached the disk whole. It is made
	// again from the journal.
	if why != toCheck {
		if err := s.tiles.Truncate(s.manifest.Size); err != nil {
			return err
		}
	}
	for i := range frames {
		s.seq.Epoch = max(s.seq.Epoch, frames[i].head.epoch)
	}
	s.tree = ledger.NewLog(store.Origin(s.cfg, s.manifest.id(), s.seq.Epoch), s.tiles)
	s.tree.OnDamage(s.damagedTiles)
	if s.manifest.Size > 0 {
		if err := s.tree.SetState(s.manifest.Tree); err != nil {
			return &DamageError{File: s.dir.manifest(), Reason: "the log's state does not fit", Err: err}
		}
	}
	if size, root := s.tree.Published(); size != s.manifest.Size || root != s.manifest.Root {
		return &DamageError{File: s.dir.manifest(), Reason: "the log's state does not give its root"}
	}
	s.growth.Set(s.manifest.Size)
	return nil
}

// size is how many rows a table has.
func (s *Store) size(t *store.Table) int64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.counts[t.Number]
}

// release lets go of everything that open took.
func (s *Store) release() error {
	var errs []error
	if s.journal != nil {
		errs = append(errs, s.journal.Close())
	}
	if s.tiles != nil {
		errs = append(errs, s.tiles.Close())
	}
	for _, list := range append(s.segs, s.leaves) {
		for _, sg := range list {
			errs = append(errs, sg.file.Close())
		}
	}
	if s.metrics != nil && s.cfg.Metrics != nil {
		s.metrics.unregister(s.cfg.Metrics)
	}
	return errors.Join(append(errs, unlockDir(s.lock))...)
}
