package store

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"vigil"
)

// Remover is a store that can let go of documents: when their retention has
// ended, or because a law says so. Nothing of the log goes: what is left of an
// event is its leaf, so that every proof and checkpoint still holds.
type Remover interface {
	// Erase removes the documents, senders and salts of the events with these
	// UIDs, all or none. Events that are erased already are passed over; one that
	// never was is [vigil.NotFound].
	Erase(ctx context.Context, uids []vigil.UID, r Removal) (int64, error)

	// Prune does so with all events of a table that were received before a time,
	// which must have passed.
	Prune(ctx context.Context, table string, before time.Time, r Removal) (int64, error)
}

// Removal says why events are removed and who does it. It is recorded in the
// table system, in the same commit, unless nothing is removed.
type Removal struct {
	Reason string // must not be empty, and name no patient
	Sender *vigil.Sender
}

// Removed counts the events that a removal is about to take away, by table.
type Removed struct {
	Tables map[string]int64
	Before time.Time // of a Prune; zero otherwise
	UIDs   []vigil.UID
}

// Count returns how many events there are.
func (r *Removed) Count() (n int64) {
	for _, k := range r.Tables {
		n += k
	}
	return n
}

// maxRecordedUIDs bounds how many of the erased events are named one by one.
const maxRecordedUIDs = 1000

// Event returns the event that records the removal, in logserver's recommended schema.
func (r Removal) Event(what Removed, now time.Time) (*vigil.Event, error) {
	detail := []map[string]any{}
	for table, n := range what.Tables {
		detail = append(detail, map[string]any{"table": table, "rows": n})
	}
	doc := map[string]any{
		"severity": "warning", "version": "1", "action": "delete", "occurred": now.UTC().Format(time.RFC3339Nano),
		"agent":  map[string]any{"who": senderName(r.Sender), "type": "user"},
		"source": map[string]any{"observer": "vigil", "type": "vigil"},
		"entity": map[string]any{"detail": detail}, "outcome": "200", "reason": r.Reason,
		"message": removalMessage + strconv.FormatInt(what.Count(), 10),
	}
	if !what.Before.IsZero() {
		doc["before"] = what.Before.UTC().Format(time.RFC3339Nano)
	}
	if n := len(what.UIDs); n > 0 && n <= maxRecordedUIDs {
		uids := make([]string, n)
		for i, uid := range what.UIDs {
			uids[i] = uid.String()
		}
		doc["uids"] = uids
	}
	b, err := json.Marshal(doc)
	return &vigil.Event{Table: vigil.TableSystem, Format: vigil.FormatSystem, Doc: b, Sender: r.Sender}, err
}

// removalMessage begins the message of the event that records a removal.
const removalMessage = "documents of events were removed: "

// RecordedRemoval returns how many events of each table doc, a document of the
// table system, says were removed; nil where it records no removal.
func RecordedRemoval(doc []byte) map[string]int64 {
	var d struct {
		Action, Message, Reason string
		Entity                  struct {
			Detail []struct {
				Table string
				Rows  any // a number; a text in what other events tell
			}
		}
	}
	if json.Unmarshal(doc, &d) != nil || d.Action != "delete" || d.Reason == "" || !strings.HasPrefix(d.Message, removalMessage) {
		return nil
	}
	tables := map[string]int64{}
	for _, x := range d.Entity.Detail {
		if n, ok := x.Rows.(float64); ok {
			tables[x.Table] += int64(n)
		}
	}
	return tables
}

func senderName(s *vigil.Sender) string {
	if s == nil || s.Subject == "" {
		return "vigil"
	}
	return s.Subject
}

// Check fails where a removal may not be done at all.
func (r Removal) Check(before, now time.Time) error {
	if r.Reason == "" {
		return vigil.Errorf(vigil.Invalid, "a reason is needed: it is recorded in the log")
	}
	if before.After(now) {
		return vigil.Errorf(vigil.Invalid, "events can be removed that were received before a time in the past")
	}
	return nil
}

// ErasedError is what is said of an event whose document was removed.
type ErasedError struct {
	Event *vigil.Event // what is left of it
}

// Error implements error.
func (e *ErasedError) Error() string {
	return "the event was received " + e.Event.Received.UTC().Format(time.RFC3339)
}

// ErrErased is what ByUID answers for such an event. It wraps an [*ErasedError].
func ErrErased(e *vigil.Event) error {
	return &vigil.Error{
		Kind: vigil.NotFound, Message: "the document of this event was erased", Err: &ErasedError{e},
		Hint: "Its place in the log can still be proved: see /log/proof/{uid}; the table system has the reason.",
	}
}

// ErrNoTable is what Prune answers for a view.
func ErrNoTable(name string) error {
	return vigil.Errorf(vigil.NotAllowed, "%s is a view: the events of the table that it is over can be removed", name)
}

// Remains returns what is left of a stored event once its document is removed.
func Remains(e *vigil.Event, commitment [32]byte) *vigil.Event {
	return &vigil.Event{
		Table: e.Table, Format: e.Format, ID: e.ID, Index: e.Index, Epoch: e.Epoch, UID: e.UID,
		Received: e.Received, Canonical: e.Canonical, Erased: true, Commitment: commitment,
	}
}
