package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"vigil"
	"vigil/internal/ledger"
	"vigil/internal/store"
)

var _ store.Remover = (*Store)(nil)

// removal is what vigil.remove is called with for one table.
type removal struct {
	table         int // number
	name          string
	uids          [][16]byte // nil: every row between the times
	since, before time.Time
	count         int64
}

func (r *removal) queue(b *pgx.Batch) {
	b.Queue("select vigil.remove($1, $2, $3, $4, $5)", r.name, r.uids, r.since, r.before, r.count)
}

// Erase implements [store.Remover].
func (s *Store) Erase(ctx context.Context, uids []vigil.UID, why store.Removal) (int64, error) {
	if err := why.Check(time.Time{}, s.cfg.Now()); err != nil {
		return 0, err
	}
	what := store.Removed{Tables: map[string]int64{}}
	byTable := map[int]*removal{}
	seen := map[vigil.UID]bool{}
	for _, uid := range uids {
		if seen[uid] {
			continue
		}
		seen[uid] = true
		e, err := s.ByUID(ctx, uid)
		if _, gone := errors.AsType[*store.ErasedError](err); gone {
			continue
		} else if err != nil {
			return 0, err
		}
		t := s.Catalog.Named(e.Table)
		r := byTable[t.Number]
		if r == nil {
			r = &removal{table: t.Number, name: t.Name, since: e.Received, before: e.Received}
			byTable[t.Number] = r
		}
		r.uids, r.count = append(r.uids, uid), r.count+1
		if e.Received.Before(r.since) {
			r.since = e.Received
		}
		if !e.Received.Before(r.before) {
			r.before = e.Received.Add(time.Microsecond)
		}
		what.Tables[t.Name]++
		what.UIDs = append(what.UIDs, uid)
	}
	var takes []removal
	for _, r := range byTable {
		takes = append(takes, *r)
	}
	return s.remove(ctx, what, takes, why)
}

// Prune implements [store.Remover].
func (s *Store) Prune(ctx context.Context, table string, before time.Time, why store.Removal) (int64, error) {
	if err := why.Check(before, s.cfg.Now()); err != nil {
		return 0, err
	}
	t, view, err := s.Catalog.Lookup(table)
	if err == nil && view != nil {
		err = store.ErrNoTable(table)
	}
	if err != nil {
		return 0, err
	}
	r := removal{table: t.Number, name: t.Name, since: time.Unix(0, 0), before: before.Truncate(time.Microsecond)}
	err = s.pool.QueryRow(ctx, "select count(*) from "+s.tables[t.Number].events.name.Sanitize()+" where _received >= $1 and _received < $2", r.since, r.before).Scan(&r.count)
	if err != nil {
		return 0, readError(ctx, err)
	}
	return s.remove(ctx, store.Removed{Tables: map[string]int64{table: r.count}, Before: before}, []removal{r}, why)
}

// remove has the sequencer take rows away in the commit that records it.
func (s *Store) remove(ctx context.Context, what store.Removed, takes []removal, why store.Removal) (int64, error) {
	n := what.Count()
	if n == 0 {
		return 0, nil
	}
	if s.citus { // the triggers on its workers cannot see what lets rows go
		return 0, &vigil.Error{Kind: vigil.NotAllowed, Message: "events cannot be removed from a database that Citus distributes: nothing was removed"}
	}
	e, err := why.Event(what, s.cfg.Now())
	if err != nil {
		return 0, err
	}
	if _, err := s.put(ctx, &store.Batch{Events: []*vigil.Event{e}}, takes); err != nil {
		if vigil.KindOf(err) == vigil.Invalid { // vigil.remove counts again
			err = &vigil.Error{Kind: vigil.Conflict, Message: "the events have changed meanwhile: nothing was removed", Hint: "Try again.", Err: err}
		}
		return 0, err
	}
	return n, nil
}

// erasedColumns are those of vigil.erased that an event is made of.
const erasedColumns = "select index, tbl, id, uid, received, format, epoch, canonical, commitment from vigil.erased "

// erased returns what is left of the removed entries of a part of the log, by place.
func (s *Store) erased(ctx context.Context, from, to int64) (map[int64]*vigil.Event, error) {
	rows, err := s.pool.Query(ctx, erasedColumns+"where index >= $1 and index < $2", from, to)
	if err != nil {
		return nil, readError(ctx, err)
	}
	found := map[int64]*vigil.Event{}
	for rows.Next() {
		e, err := scanErased(rows)
		if err != nil {
			rows.Close()
			return nil, err
		}
		found[e.Index] = e
	}
	return found, readError(ctx, rows.Err())
}

func scanErased(row pgx.Row) (*vigil.Event, error) {
	e := &vigil.Event{Erased: true}
	var uid [16]byte
	var format string
	var commitment []byte
	if err := row.Scan(&e.Index, &e.Table, &e.ID, &uid, &e.Received, &format, &e.Epoch, &e.Canonical, &commitment); err != nil {
		return nil, err
	}
	if len(commitment) != ledger.HashSize {
		return nil, errDecode
	}
	e.UID, e.Format, e.Commitment, e.Received = uid, vigil.Format(format), [32]byte(commitment), e.Received.UTC()
	return e, nil
}

// notFound says whether an event without a row has been removed or never was.
func (s *Store) notFound(ctx context.Context, uid vigil.UID) error {
	e, err := scanErased(s.pool.QueryRow(ctx, erasedColumns+"where uid = $1", [16]byte(uid)))
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return store.ErrNoUID()
	case err != nil:
		return readError(ctx, err)
	}
	return store.ErrErased(e)
}
