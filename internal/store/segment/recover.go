package segment

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"vigil"
	"vigil/internal/ledger"
	"vigil/internal/store"
)

// firstGuard has the guard know of a new store. It leaves alone what the guard
// knows already: of a first start that ended early, or, if the manifest is an old
// copy, of what has been signed since.
func (s *Store) firstGuard() error {
	m := s.manifest
	if _, err := s.guard.Load(m.StoreID); !errors.Is(err, fs.ErrNotExist) {
		return nil // what cannot be read is found by checkGuard
	}
	return s.guard.Save(ledger.GuardState{
		StoreID: m.StoreID, Epoch: m.Epoch, Root: m.Root, LastIDs: m.LastIDs, Saved: s.cfg.Now().UTC(),
	})
}

// checkGuard compares the store with what was signed for it. What does not
// agree, or cannot be compared because the guard is not there, may be read only.
func (s *Store) checkGuard(why purpose) {
	s.id, s.epoch = s.manifest.StoreID, s.seq.Epoch
	state, err := s.guard.Load(s.id)
	hint := "The operator must put the rollback guard back, or run vigil recover."
	if err == nil {
		err = state.Check(s.tree, s.epoch, s.LastIDs())
		hint = "The operator must put the newest store back, or run vigil recover."
	}
	if err == nil {
		return
	}
	s.guarded = state
	s.rollback = &vigil.Error{
		Kind: vigil.Unavailable, Message: "the store is open for reading only", Err: err, Hint: hint,
		RetryAfter: 30 * time.Second, // senders wait for a person
	}
	if why == toServe {
		s.queue.close(s.rollback)
		s.log.Error("the store is open for reading only", "err", err)
	}
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
	Reason     string    `json:"reason"` // the operator's
	Cause      string    `json:"cause"`  // what was wrong with the store
	Epoch      int       `json:"epoch"`
	Size       int64     `json:"size"`                 // of the log before this event
	SignedSize int64     `json:"signedSize,omitempty"` // of the log that was signed last
	Checkpoint string    `json:"checkpoint,omitempty"` // that was signed last
	Journal    *salvaged `json:"journal,omitempty"`    // where it was damaged
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
// rollback guard is missing or journal damaged, take events again: in a new epoch
// of its log (which has all commits before the damage), whose first entry is an event in the table system with the reason
// and the checkpoint that the store no longer has. Ids that the guard knows of,
// and after a lost journal a million more of each table, are not given again. It
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
	s, err := open(o, c, toRecover)
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

// cause says why the store needs to be recovered.
func (s *Store) cause() string {
	_, unguarded := errors.AsType[*ledger.NoGuardError](s.rollback)
	rolledBack, ok := errors.AsType[*ledger.RollbackError](s.rollback)
	var what []string
	switch {
	case unguarded:
		what = append(what, "the rollback guard was missing")
	case ok:
		what = append(what, rolledBack.Reason)
	case s.rollback != nil:
		what = append(what, "the rollback guard could not be compared with the store")
	}
	if s.journalLost {
		what = append(what, "the journal was missing or damaged")
	}
	return strings.Join(what, "; ")
}

// lostIDs is by how much ids are raised where a journal was lost: more than any
// journal holds.
const lostIDs = 1 << 20

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
	if s.journalLost { // the guard does not know the ids of the last second
		for _, t := range s.Catalog.Tables() {
			m.Floors[t.Name] = max(m.Floors[t.Name], s.seq.Last[t.Number]) + lostIDs
		}
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
		Message: "a new epoch of the log begins", Reason: reason, Cause: s.cause(), Epoch: s.epoch, Size: s.seq.Next,
		SignedSize: g.Size, Checkpoint: string(g.Checkpoint), Journal: s.salvaged,
	})
}
