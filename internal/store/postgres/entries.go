package postgres

import (
	"context"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"time"

	"vigil"
	"vigil/internal/query"
	"vigil/internal/store"
)

// entriesPart is how many entries of the log are read with one statement, which
// bounds what the server has to sort.
const entriesPart = 5000

// everywhere returns the statement for whole events of all tables, the table's
// name first, where a condition holds that is known text.
func (s *Store) everywhere(where string) string {
	var parts []string
	for i, t := range s.Catalog.Tables() {
		parts = append(parts, "select '"+t.Name+"'::text as tbl, t.* from "+s.tables[i].events.name.Sanitize()+" t where "+where)
	}
	return "select t.tbl, " + recordColumns + " from (" + strings.Join(parts, " union all ") + ") t left join vigil.senders s on s.id = t._sender"
}

// anywhere yields the events that such a statement finds.
func (s *Store) anywhere(ctx context.Context, st query.Statement) iter.Seq2[*vigil.Event, error] {
	return func(yield func(*vigil.Event, error) bool) {
		for b, err := range s.stream(ctx, st, append([]int16{0}, recordFormats...)) {
			var r *store.Row
			var e *vigil.Event
			if err == nil {
				r, err = s.record(string(b[0]), b[1:])
			}
			if err == nil {
				e, err = r.Event()
			}
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
}

// Entries implements [store.Store]. It fails where an entry is missing.
func (s *Store) Entries(ctx context.Context, from int64) iter.Seq2[*vigil.Event, error] {
	size := s.tree.Size()
	return func(yield func(*vigil.Event, error) bool) {
		for at := max(from, 0); at < size; at += entriesPart {
			for e, err := range s.entries(ctx, at, min(at+entriesPart, size)) {
				if !yield(e, err) || err != nil {
					return
				}
			}
		}
	}
}

// entries yields one part of the log. Where there is no row, it is what a removal
// left: such are asked for when the first is met, so that none is removed between
// both questions.
func (s *Store) entries(ctx context.Context, at, end int64) iter.Seq2[*vigil.Event, error] {
	st := query.Statement{
		Text: s.everywhere("_index >= $1::bigint and _index < $2::bigint") + " order by t._index",
		Args: []string{strconv.FormatInt(at, 10), strconv.FormatInt(end, 10)},
	}
	return func(yield func(*vigil.Event, error) bool) {
		var erased map[int64]*vigil.Event
		upTo := func(next int64) bool {
			for ; at < next; at++ {
				var err error
				if erased == nil {
					erased, err = s.erased(ctx, at, end)
				}
				if err == nil && erased[at] == nil {
					err = missing(at)
				}
				if !yield(erased[at], err) || err != nil {
					return false
				}
			}
			return true
		}
		for e, err := range s.anywhere(ctx, st) {
			if err != nil {
				yield(nil, err)
				return
			}
			if !upTo(e.Index) || !yield(e, nil) {
				return
			}
			at++
		}
		upTo(end)
	}
}

func missing(index int64) error { return fmt.Errorf("read the log: entry %d is missing", index) }

// ByUID implements [store.Store]. A UID begins with the millisecond of receipt,
// which an index finds.
func (s *Store) ByUID(ctx context.Context, uid vigil.UID) (*vigil.Event, error) {
	var ms int64
	for _, b := range uid[:6] {
		ms = ms<<8 | int64(b)
	}
	if ms > time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli() {
		return nil, store.ErrNoUID()
	}
	at := func(ms int64) string { return time.UnixMilli(ms).UTC().Format("2006-01-02 15:04:05.000+00") }
	st := query.Statement{
		Text: s.everywhere("_received >= $1::timestamptz and _received < $2::timestamptz and _uid = $3::uuid"),
		Args: []string{at(ms), at(ms + 1), uid.String()},
	}
	var found *vigil.Event
	for e, err := range s.anywhere(ctx, st) {
		if err != nil {
			return nil, err
		}
		found = e
	}
	if found == nil {
		return nil, s.notFound(ctx, uid)
	}
	return found, nil
}
