package segment

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"vigil/internal/journal"
	"vigil/internal/ledger"
	"vigil/internal/store/segfile"
)

// salvaged is what came of a damaged journal, as the event that begins the new
// epoch tells it. Places are those of the log.
type salvaged struct {
	Damage   string `json:"damage"`           // file, byte and reason of the first
	SetAside string `json:"setAside"`         // where the damaged journal lies, in the store's directory
	Commits  int64  `json:"commits"`          // that were kept
	Events   int64  `json:"events"`           // of these
	LostFrom int64  `json:"lostFrom"`         // the first place that is not kept
	LostTo   int64  `json:"lostTo,omitempty"` // the last place that is known to have been given; 0: none is
	Behind   int64  `json:"intact,omitempty"` // commits after the damage that are intact in SetAside, but follow ones that are lost
}

// setJournalAside renames a damaged journal, for somebody to look into, and so
// that what is intact of it can be read from there.
func (s *Store) setJournalAside(cause error) error {
	// First of all the manifest says so: a crash from here on must not leave a
	// store that starts on silently less.
	m := s.manifest.clone()
	m.State = stateRecovering
	m.Damage = cause.Error()
	m.Aside = s.asideName()
	// The new epoch must be told from those that the damaged journal has.
	err := journal.Salvage(s.dir.journal(), s.journalOptions(), func(_ journal.Position, b []byte) error {
		if h, err := parseFrameHead(b); err == nil {
			m.Epoch = max(m.Epoch, h.epoch)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := m.write(s.dir.manifest()); err != nil {
		return err
	}
	s.manifest = m
	if err := os.Rename(s.dir.journal(), filepath.Join(string(s.dir), m.Aside)); err != nil {
		return err
	}
	s.log.Warn("the damaged journal was set aside", "as", m.Aside, "err", cause)
	return s.dir.make()
}

// asideName returns a name in the store's directory that nothing has.
func (s *Store) asideName() string {
	base := fmt.Sprintf("%s.damaged-%d", filepath.Base(s.dir.journal()), s.cfg.Now().Unix())
	name := base
	for n := 2; ; n++ {
		if _, err := os.Lstat(filepath.Join(string(s.dir), name)); err != nil {
			return name
		}
		name = fmt.Sprintf("%s-%d", base, n)
	}
}

// recoverJournal prepares the journal of a store that is to be recovered: one
// that is damaged is set aside, and the commits before the damage are written to
// a new one. It can be repeated until the new epoch has begun.
func (s *Store) recoverJournal() error {
	m := s.manifest
	if m.State != stateRecovering || m.Aside == "" {
		j, err := journal.Open(s.dir.journal(), s.journalOptions())
		cause, corrupt := errors.AsType[*journal.CorruptError](err)
		if !corrupt {
			if err == nil {
				err = j.Close()
			}
			return err
		}
		if err := s.setJournalAside(cause); err != nil {
			return err
		}
	}
	aside := filepath.Join(string(s.dir), s.manifest.Aside)
	if _, err := os.Stat(aside); errors.Is(err, os.ErrNotExist) { // a crash came before the rename
		if err := os.Rename(s.dir.journal(), aside); err != nil {
			return err
		}
	}
	begun := false
	if err := s.dir.make(); err != nil {
		return err
	}
	err := journal.Salvage(s.dir.journal(), s.journalOptions(), func(_ journal.Position, b []byte) error {
		h, err := parseFrameHead(b)
		begun = begun || err == nil && h.epoch > s.manifest.Epoch
		return nil
	})
	if err != nil || begun {
		return err
	}
	if err := os.RemoveAll(s.dir.journal()); err != nil {
		return err
	}
	if err := s.dir.make(); err != nil {
		return err
	}
	return s.salvage(aside)
}

// salvage writes to the new journal what is intact in the one set aside: the
// commits that follow each other from the manifest's size on, and whose events
// give the roots that were written with them.
func (s *Store) salvage(aside string) (err error) {
	m := s.manifest
	tree := ledger.NewLog("", new(ledger.MemoryTiles))
	if m.Size > 0 {
		if err := tree.SetState(m.Tree); err != nil {
			return &DamageError{File: s.dir.manifest(), Reason: "the log's state does not fit", Err: err}
		}
	}
	j, err := journal.Open(s.dir.journal(), s.journalOptions())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, j.Close()) }()
	if err := j.Replay(func(journal.Position, []byte) error { return nil }); err != nil {
		return err
	}
	w := &salvaged{Damage: m.Damage, SetAside: m.Aside, LostFrom: m.Size}
	taken, behind := map[journal.Position]bool{}, map[journal.Position]bool{} // replays copy frames
	err = journal.Salvage(aside, s.journalOptions(), func(p journal.Position, b []byte) error {
		h, err := parseFrameHead(b)
		if err != nil || h.end() < m.Size || h.first < m.Size || taken[p] {
			return nil // none of ours, or sealed
		}
		follows := h.first == w.LostFrom
		if follows {
			if follows, err = s.follows(tree, h, b); err != nil {
				return err
			}
		}
		if !follows {
			if h.end() > w.LostFrom && !behind[p] {
				w.Behind++
				w.LostTo = max(w.LostTo, h.end()-1)
				behind[p] = true
			}
			return nil
		}
		taken[p] = true
		if _, err := j.Write(b); err != nil {
			return err
		}
		w.Commits++
		w.Events += int64(h.count)
		w.LostFrom = h.end()
		return nil
	})
	if err != nil {
		return err
	}
	s.salvaged = w
	s.log.Warn("commits were salvaged from the damaged journal", "commits", w.Commits, "events", w.Events, "log_size", w.LostFrom, "intact_behind_the_damage", w.Behind)
	return j.Sync()
}

// follows reports whether the events of a frame give the root that it says, and
// appends them to the tree if so.
func (s *Store) follows(tree *ledger.Log, h frameHead, b []byte) (bool, error) {
	_, at := h.parseKeys(b)
	var e event
	var err error
	for i := range h.count {
		if at, err = parseEvent(b, at, &e); err != nil {
			break
		}
		rec := segfile.Record{
			ID: e.id, Index: h.first + int64(i), UID: e.uid, Salt: e.salt, Received: h.received,
			SourceID: e.sourceID, Epoch: h.epoch, Format: string(e.format), Sender: e.sender, Doc: e.doc,
		}
		tree.Append(s.leafHash(string(e.table), &rec))
	}
	if _, root := tree.Head(); err == nil && at == len(b) && root == h.root {
		return true, nil
	}
	return false, tree.Truncate(h.first)
}
