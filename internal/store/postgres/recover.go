package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"vigil"
	"vigil/internal/ledger"
	"vigil/internal/store"
)

// recovered is the document of the event that begins an epoch, in logserver's
// recommended schema.
type recovered struct {
	Severity   string         `json:"severity"`
	Version    string         `json:"version"`
	Action     string         `json:"action"`
	Occurred   time.Time      `json:"occurred"`
	Agent      map[string]any `json:"agent"`
	Source     map[string]any `json:"source"`
	Entity     map[string]any `json:"entity"`
	Outcome    string         `json:"outcome"`
	Message    string         `json:"message"`
	Reason     string         `json:"reason"`
	Epoch      int            `json:"epoch"`
	Size       int64          `json:"size"`                 // of the log before this event
	SignedSize int64          `json:"signedSize,omitempty"` // of the log that was signed last
	Checkpoint string         `json:"checkpoint,omitempty"` // that was signed last
}

// Recover lets a store that is older than what was signed for it take events
// again: in a new epoch of its log, whose first entry is an event in the table
// system with the reason and the checkpoint that the store no longer has. That
// entry, the epoch and the ids that must not be given again are one commit. No
// other front end may be open. It returns the new epoch. A store that is in order
// is left as it is, with an error.
func Recover(ctx context.Context, o Options, c store.Config, reason string) (int, error) {
	epoch, err := recoverStore(ctx, o, c, reason)
	if err != nil {
		return 0, fmt.Errorf("recover store in PostgreSQL: %w", err)
	}
	return epoch, nil
}

func recoverStore(ctx context.Context, o Options, c store.Config, reason string) (epoch int, err error) {
	if reason == "" {
		return 0, errors.New("a reason is needed: it is recorded in the log")
	}
	s, err := open(ctx, o, c, true)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if s.rollback == nil {
		return 0, errors.New("the store is in order: there is nothing to recover from")
	}
	doc, err := s.beginEpoch(reason)
	if err != nil {
		return 0, err
	}
	s.rollback = nil
	s.start()
	err = s.Write(ctx, []*vigil.Event{{
		Table: vigil.TableSystem, Format: vigil.FormatSystem, Doc: doc,
		Sender: &vigil.Sender{Listener: "vigil", Authenticated: true},
	}})
	if err != nil {
		return 0, err
	}
	size, root := s.tree.Published()
	return s.epoch, s.guard.Save(ledger.GuardState{
		StoreID: s.StoreID(), Epoch: s.epoch, Size: size, Root: root, LastIDs: s.LastIDs(), Saved: s.cfg.Now().UTC(),
	})
}

// beginEpoch makes the next commit the first of a new epoch, which gives no id
// again that was given before, and returns the document of its event.
func (s *Store) beginEpoch(reason string) ([]byte, error) {
	g := s.guarded
	s.epoch = max(s.seq.Epoch, g.Epoch) + 1
	s.seq.Epoch = s.epoch
	for i, t := range s.Catalog.Tables() {
		s.seq.Last[i] = max(s.seq.Last[i], g.LastIDs[t.Name])
	}
	return json.Marshal(recovered{
		Severity: "critical", Version: "1", Action: "execute", Occurred: s.cfg.Now().UTC(),
		Agent:  map[string]any{"who": "vigil recover", "type": "system"},
		Source: map[string]any{"observer": "vigil", "type": "vigil"},
		Entity: map[string]any{"detail": []map[string]string{{"store": s.StoreID()}}}, Outcome: "200",
		Message: "a new epoch of the log begins", Reason: reason, Epoch: s.epoch, Size: s.seq.Next,
		SignedSize: g.Size, Checkpoint: string(g.Checkpoint),
	})
}
