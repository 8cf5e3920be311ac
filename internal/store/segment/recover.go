package segment

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"vigil"
	"vigil/internal/ledger"
	"vigil/internal/store"
)

// checkGuard compares the store with what was signed for it.
func (s *Store) checkGuard(recovering bool) error {
	s.id, s.epoch = s.manifest.StoreID, s.seq.Epoch
	var err error
	if s.guard, err = ledger.OpenGuard(s.opts.Guard); err != nil {
		return err
	}
	state, err := s.guard.Load(s.id)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = state.Check(s.tree, s.epoch, s.LastIDs())
	}
	if err == nil {
		return nil
	}
	s.guarded = state
	s.rollback = &vigil.Error{
		Kind: vigil.Unavailable, Message: "the store is open for reading only", Err: err,
		Hint: "The operator must put the newest store back, or run vigil recover.",
	}
	if !recovering {
		s.queue.close(s.rollback)
		s.log.Error("the store is open for reading only", "err", err)
	}
	return nil
}

// recovered is the document of the event that begins an epoch.
type recovered struct {
	Severity   string    `json:"severity"`
	Version    string    `json:"version"`
	Action     string    `json:"action"`
	Occurred   time.Time `json:"occurred"`
	Agent      agent     `json:"agent"`
	Source     observer  `json:"source"`
	Entity     entity    `json:"entity"`
	Outcome    string    `json:"outcome"`
	Message    string    `json:"message"`
	Reason     string    `json:"reason"`
	Epoch      int       `json:"epoch"`
	Size       int64     `json:"size"`                 // of the log before this event
	SignedSize int64     `json:"signedSize,omitempty"` // of the log that was signed last
	Checkpoint string    `json:"checkpoint,omitempty"` // that was signed last
}

type agent struct {
	Who  string `json:"who"`
	Type string `json:"type"`
}

type observer struct {
	Observer string `json:"observer"`
	Type     string `json:"type"`
}

type entity struct {
	Detail []map[string]string `json:"detail"`
}

// Recover lets a store that is older than what was signed for it, or whose
// journal is damaged, take events again: in a new epoch of its log, whose first
// entry is an event in the table system with the reason and the checkpoint that
// the store no longer has. Ids that were given before are not given again. It
// returns the new epoch. A store that is in order is left as it is, with an error.
func Recover(o Options, c store.Config, reason string) (int, error) {
	epoch, err := recoverStore(o, c, reason)
	if err != nil {
		return 0, fmt.Errorf("recover store %s: %w", o.Dir, err)
	}
	return epoch, nil
}

func recoverStore(o Options, c store.Config, reason string) (epoch int, err error) {
	if reason == "" {
		return 0, errors.New("a reason is needed: it is recorded in the log")
	}
	if _, err := os.Stat(layout(o.Dir).manifest()); err != nil {
		return 0, err
	}
	s, err := open(o, c, true)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if s.rollback == nil && !s.journalLost {
		return 0, errors.New("the store is in order: there is nothing to recover from")
	}
	doc, err := s.beginEpoch(reason)
	if err != nil {
		return 0, err
	}
	s.rollback = nil
	s.start()
	err = s.Write(context.Background(), []*vigil.Event{{
		Table: vigil.TableSystem, Format: vigil.FormatSystem, Doc: doc,
		Sender: &vigil.Sender{Listener: "vigil", Authenticated: true},
	}})
	if err != nil {
		return 0, err
	}
	size, root := s.tree.Published()
	return s.epoch, s.guard.Save(ledger.GuardState{
		StoreID: s.id, Epoch: s.epoch, Size: size, Root: root, LastIDs: s.LastIDs(), Saved: s.cfg.Now().UTC(),
	})
}

// raiseIDs makes sure that no id is given that was given in a lost epoch.
func (s *Store) raiseIDs() {
	for table, id := range s.manifest.Floors {
		if t := s.Catalog.Named(table); t != nil { // else the next opening makes it known
			s.seq.Last[t.Number] = max(s.seq.Last[t.Number], id)
			s.last[t.Number] = s.seq.Last[t.Number]
		}
	}
}

// beginEpoch makes the next commit the first of a new epoch, and returns the
// document of its event. The ids that must not be given again are in the manifest
// before that commit is on the disk.
func (s *Store) beginEpoch(reason string) ([]byte, error) {
	g := s.guarded
	s.seq.Epoch = max(s.seq.Epoch, g.Epoch) + 1
	s.epoch = s.seq.Epoch
	m := s.manifest.clone()
	if m.Floors == nil {
		m.Floors = map[string]int64{}
	}
	for table, id := range g.LastIDs {
		m.Floors[table] = max(m.Floors[table], id)
	}
	if err := m.write(s.dir.manifest()); err != nil {
		return nil, err
	}
	s.manifest = m
	s.raiseIDs()
	return json.Marshal(recovered{
		Severity: "critical", Version: "1", Action: "execute", Occurred: s.cfg.Now().UTC(),
		Agent: agent{"vigil recover", "system"}, Source: observer{"vigil", "vigil"},
		Entity: entity{[]map[string]string{{"store": s.id}}}, Outcome: "200",
		Message: "a new epoch of the log begins", Reason: reason, Epoch: s.epoch, Size: s.seq.Next,
		SignedSize: g.Size, Checkpoint: string(g.Checkpoint),
	})
}
