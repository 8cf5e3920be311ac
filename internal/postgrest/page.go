package postgrest

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"vigil/internal/query"
)

// Paging by key: the next page is the one after the last id of this one, so it
// costs the same however deep it is and nothing shifts while events come in.

// pageKey reports whether the answer is a page that can be followed by its last
// id: rows with an id, in its order, and no more than a limit of them.
func (rd *reading) pageKey() bool {
	q := &rd.query
	if rd.table.Key == "" || !rd.location || rd.asked <= 0 || aggregated(q.Select) {
		return false
	}
	return len(q.Order) == 0 || rd.byKey(q.Order[0])
}

// byKey reports whether o orders by id; what comes behind it changes nothing.
func (rd *reading) byKey(o query.Order) bool {
	return o.Path.Column == rd.table.Key && len(o.Path.Steps) == 0
}

// withKey adds the id to what is selected, as the last column.
func withKey(items []query.Item, key string) []query.Item {
	if len(items) == 0 {
		items = []query.Item{{Star: true}}
	}
	return append(slices.Clip(items), query.Item{Path: query.Path{Column: key}})
}

// more reports whether there may be rows behind a page of n.
func (rd *reading) more(n int64) bool {
	if rd.total != unknown {
		return rd.window.offset+n < rd.total && n > 0
	}
	return n == rd.asked
}

// next returns the Link header (RFC 8288) to the page behind the id last: the
// same query without its offset and with the id as a filter.
func (rd *reading) next(last int64) string {
	op := ".gt."
	if o := rd.query.Order; len(o) > 0 && o[0].Desc {
		op = ".lt."
	}
	after := rd.table.Key + "=" + op[1:]
	parts := []string{after + itoa(last), "limit=" + itoa(rd.asked)}
	for part := range strings.FieldsFuncSeq(rd.rawQuery, func(c rune) bool { return c == '&' || c == ';' }) {
		name, _, _ := strings.Cut(part, "=")
		if n, err := url.QueryUnescape(name); err == nil && (n == "limit" || n == "offset") || isPlainKey(part, after) {
			continue
		}
		parts = append(parts, escapeLink(part))
	}
	return "</" + rd.table.Table + "?" + strings.Join(parts, "&") + `>; rel="next"`
}

// isPlainKey reports whether a parameter is the filter that the next page
// replaces: it starts with after and goes on with a number.
func isPlainKey(part, after string) bool {
	n, ok := strings.CutPrefix(part, after)
	return ok && n != "" && strings.Trim(n, "0123456789") == ""
}

// escapeLink makes a raw parameter fit for a URI in a header.
func escapeLink(s string) string {
	const hex = "0123456789ABCDEF"
	if strings.IndexFunc(s, func(c rune) bool { return c <= ' ' || c >= 0x7f || strings.ContainsRune("<>\"\\^`{|}", c) }) < 0 {
		return s
	}
	var b strings.Builder
	for _, c := range []byte(s) {
		if c <= ' ' || c >= 0x7f || strings.IndexByte("<>\"\\^`{|}", c) >= 0 {
			b.Write([]byte{'%', hex[c>>4], hex[c&15]})
			continue
		}
		b.WriteByte(c)
	}
	return b.String()
}

// maxProbe is the longest page whose end is looked up before it is sent: that
// costs as much as the page itself.
const maxProbe = 10_000

// overflow sends the header of an answer that is longer than what is held, and
// what there is of its rows. What the header should tell is found out first,
// where that costs little or is what the client came for.
func (h *handler) overflow(r *http.Request, a *answer, rd *reading) error {
	if a.sent {
		return a.send(0)
	}
	n := rd.bound
	if n != unknown {
		a.contentRange = contentRange(rd.window.offset, n, rd.total)
	}
	if rd.pageKey() && rd.asked <= maxProbe && (n == unknown || rd.more(n)) {
		last, sure, err := h.lastKey(r.Context(), rd)
		if err != nil {
			return err
		}
		if last != 0 {
			a.link = rd.next(last)
		}
		if sure {
			a.contentRange = contentRange(rd.window.offset, rd.asked, rd.total)
		}
	}
	return a.send(rangeStatus(rd.window.offset, max(n, 0), rd.total))
}

// lastKey returns the id behind which the page after this one begins, 0 where
// this one is not full, and whether it is the id of this one's last row. Rows may
// come while the page is sent, and are not in it: with an id of theirs the next
// page would leave out rows. Where that cannot be told it is the id of a row that
// was written, and the rows behind that one come twice.
func (h *handler) lastKey(ctx context.Context, rd *reading) (last int64, sure bool, err error) {
	q := rd.query
	q.Limit = 1
	if o := q.Order; len(o) > 0 && o[0].Desc {
		q.Offset, q.Where = rd.asked-1, also(q.Where, rd.table.Key, query.Lte, rd.first)
		last, err = h.key(ctx, rd, &q)
		return last, last != 0, err
	}
	q.Offset = add(rd.window.offset, rd.asked-1)
	if rd.table.Column(indexColumn) >= 0 {
		old := q
		old.Where = also(q.Where, indexColumn, query.Lt, rd.size)
		if last, err = h.key(ctx, rd, &old); last != 0 || err != nil {
			return last, last != 0, err
		}
	}
	if last, err = h.key(ctx, rd, &q); last != 0 {
		last = rd.last
	}
	return last, false, err
}

// indexColumn has a row's place in the log.
const indexColumn = "_index"

// also is where with a further condition.
func also(where query.Expr, column string, op query.Op, n int64) query.Expr {
	test := query.Test{Path: query.Path{Column: column}, Op: op, Value: itoa(n)}
	if where == nil {
		return test
	}
	return query.And{where, test}
}

// key returns the id of the one row that q asks for, 0 where there is none.
func (h *handler) key(ctx context.Context, rd *reading, q *query.Query) (id int64, err error) {
	q.Select = []query.Item{{Path: query.Path{Column: rd.table.Key}}}
	rows, err := h.Store.Rows(ctx, q)
	if err != nil {
		return 0, err
	}
	for row, err := range rows.Seq {
		if err != nil {
			return 0, err
		}
		id = row[0].I
	}
	return id, nil
}
