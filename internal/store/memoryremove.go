package store

import (
	"context"
	"slices"
	"time"

	"vigil"
)

var _ Remover = (*Memory)(nil)

// Erase implements [Remover].
func (m *Memory) Erase(ctx context.Context, uids []vigil.UID, r Removal) (int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	what := Removed{Tables: map[string]int64{}}
	for _, uid := range uids {
		switch row := m.byUID[uid]; {
		case row == nil:
			return 0, ErrNoUID()
		case !row.Stored.Erased && !slices.Contains(what.UIDs, uid):
			what.Tables[row.Stored.Table]++
			what.UIDs = append(what.UIDs, uid)
		}
	}
	return m.remove(ctx, what, time.Time{}, r)
}

// Prune implements [Remover].
func (m *Memory) Prune(ctx context.Context, table string, before time.Time, r Removal) (int64, error) {
	t, view, err := m.Catalog.Lookup(table)
	if err == nil && view != nil {
		err = ErrNoTable(table)
	}
	if err != nil {
		return 0, err
	}
	before = before.Truncate(time.Microsecond)
	m.mu.Lock()
	defer m.mu.Unlock()
	what := Removed{Tables: map[string]int64{}, Before: before}
	var uids []vigil.UID
	for _, row := range m.rows[t.Number] {
		if row.Stored.Received.Before(before) {
			uids = append(uids, row.Stored.UID)
		}
	}
	if len(uids) > 0 {
		what.Tables[table] = int64(len(uids))
	}
	what.UIDs = uids
	return m.remove(ctx, what, before, r)
}

// remove takes the documents of the named rows away and records it. The caller
// holds mu.
func (m *Memory) remove(ctx context.Context, what Removed, before time.Time, r Removal) (int64, error) {
	if err := r.Check(before, m.now()); err != nil || len(what.UIDs) == 0 {
		return 0, err
	}
	uids := what.UIDs
	if !before.IsZero() {
		what.UIDs = nil // a table is recorded, not its rows
	}
	e, err := r.Event(what, m.now())
	if err != nil {
		return 0, err
	}
	p, err := Prepare(m.Catalog, &Batch{Events: []*vigil.Event{e}})
	if err != nil {
		return 0, err
	}
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	if _, err := m.append(p); err != nil {
		return 0, err
	}
	m.all = slices.Clone(m.all) // readers hold the old one
	removed := map[int][]*Row{}
	for _, uid := range uids {
		row := m.byUID[uid]
		t := m.Catalog.Named(row.Stored.Table).Number
		gone := &Row{Stored: *Remains(&row.Stored, LeafOfRow(row).Commitment)}
		m.all[row.Stored.Index], m.byUID[uid] = gone, gone
		removed[t] = append(removed[t], row)
	}
	for t, rows := range removed {
		m.rows[t] = slices.DeleteFunc(slices.Clone(m.rows[t]), func(x *Row) bool { return slices.Contains(rows, x) })
	}
	return int64(len(uids)), nil
}
