package postgrest

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"vigil/internal/query"
	"vigil/internal/store"
)

// growing is a store to which rows are added while the first page is sent.
type growing struct {
	store.Store
	grow func()
}

func (g *growing) Rows(ctx context.Context, q *query.Query) (*store.Rows, error) {
	rows, err := g.Store.Rows(ctx, q)
	if err != nil || q.Limit == 1 || g.grow == nil {
		return rows, err
	}
	seq := rows.Seq
	rows.Seq = func(yield func([]query.Value, error) bool) {
		for row, err := range seq {
			if g.grow != nil {
				g.grow()
				g.grow = nil
			}
			if !yield(row, err) {
				return
			}
		}
	}
	return rows, nil
}

// TestPagesWhileRowsCome follows the links of long pages, to which rows come while
// the first is sent: every row must be on one of them.
func TestPagesWhileRowsCome(t *testing.T) {
	const had, more = 1200, 40
	for _, tt := range []struct {
		path        string
		first, last int64 // of the rows that are due, every second id
	}{
		{"/events?event->even=eq.true&limit=605", 1, had + more - 1}, // full with those that come alone
		{"/events?event->even=eq.true&limit=600", 1, had + more - 1},
		{"/events?event->even=eq.true&limit=595&offset=10", 21, had + more - 1},
		{"/events?event->even=eq.true&limit=550&order=id.desc", 1, had - 1},
	} {
		t.Run(tt.path, func(t *testing.T) {
			s := big(t, had)
			f := newFace(t, &growing{Store: s, grow: func() {
				docs := make([]string, more)
				for i := range docs {
					docs[i] = fmt.Sprintf(`{"even": %t}`, i%2 == 0)
				}
				fill(t, s, "events", docs...)
			}})
			seen := map[int64]bool{}
			for next, pages := tt.path, 0; next != ""; pages++ {
				if pages == 10 {
					t.Fatal("the pages do not end")
				}
				res, body, err := fetch(t, f, next)
				if err != nil || res.StatusCode != http.StatusOK {
					t.Fatal(res.Status, err)
				}
				var rows []struct{ ID int64 }
				if err := json.Unmarshal([]byte(body), &rows); err != nil {
					t.Fatal(err)
				}
				for _, r := range rows {
					seen[r.ID] = true
				}
				next, _, _ = strings.Cut(strings.TrimPrefix(res.Header.Get("Link"), "<"), ">")
			}
			var missed []int64
			for id := tt.first; id <= tt.last; id += 2 {
				if !seen[id] {
					missed = append(missed, id)
				}
			}
			if missed != nil || len(seen) < int(tt.last-tt.first)/2 {
				t.Errorf("rows %v are on no page", missed)
			}
		})
	}
}
