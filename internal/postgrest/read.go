package postgrest

import (
	"context"
	"net/http"
	"slices"

	"vigil/internal/auth"
	"vigil/internal/postgrest/grammar"
	"vigil/internal/query"
	"vigil/internal/store"
	"vigil/internal/web"
)

// reading is one read of a table.
type reading struct {
	table    *table
	prefer   preferences
	rawQuery string
	head     bool // headers only
	location bool // the query is in the URL: name it and the next page

	media  *media
	query  query.Query
	window window
	total  int64  // rows that the filter selects, unknown where nobody asked
	asked  int64  // limit before a count narrowed it; negative is none
	since  string // where a live tail begins, empty for now
	bound  int64  // rows of the answer, where that is known beforehand, else unknown
	alive  func() // to be called for each row, see patient

	size        int64 // of the log before the rows were asked for
	first, last int64 // ids of rows that were written, on a page by id
}

// read answers GET and HEAD of a table, and what is asked like them.
func (h *handler) read(w http.ResponseWriter, r *http.Request, p *auth.Principal, rd reading) (err error) {
	web.AccessOf(r.Context()).Query = web.Readable(rd.rawQuery)
	if err := h.prepare(r, p, &rd); err != nil {
		return err
	}
	if rd.media.encode == encodeTail {
		return h.tail(w, r, p, &rd)
	}
	web.AccessOf(r.Context()).Asked = true
	ctx, alive, stop := h.patient(r.Context())
	defer stop()
	defer func() {
		if slow, ok := context.Cause(ctx).(*Error); ok && err != nil {
			err = slow
		}
	}()
	r, rd.alive = r.WithContext(ctx), alive
	hd := w.Header()
	if rd.location {
		if where := contentLocation(rd.table.Table, rd.rawQuery); len(where) <= maxLocation {
			hd.Set("Content-Location", where)
		}
	}
	if a := rd.prefer.readApplied(); a != "" {
		hd.Set("Preference-Applied", a)
	}
	if err = h.count(r.Context(), &rd); err != nil {
		if asError(err).Code == "PGRST103" {
			hd.Set("Content-Range", contentRange(rd.window.offset, 0, rd.total))
		}
		return err
	}
	setContentType(w, r, rd.media)
	if rd.head {
		return h.answerHead(w, r, &rd)
	}
	return h.answerRows(w, r, &rd)
}

// prepare reads the request and checks that it may be asked.
func (h *handler) prepare(r *http.Request, p *auth.Principal, rd *reading) (err error) {
	form, refused := negotiate(r.Header["Accept"], rowMedia)
	live, rawQuery := form == mediaTail, rd.rawQuery
	if live {
		rawQuery, rd.since = cutSince(rawQuery)
	}
	req, err := grammar.Parse(rd.table.Table, rawQuery, rd.table.jsonb...)
	if err != nil {
		return err
	}
	rd.query, rd.total, rd.bound = req.Query, unknown, unknown
	rd.window = window{rd.query.Offset, rd.query.Limit}
	if rng := r.Header["Range"]; len(rng) > 0 && !rd.head && !live {
		if rd.window, err = rd.window.clip(rng[0]); err != nil {
			return err
		}
	}
	if rd.media = form; refused != nil {
		return refused
	}
	if live && r.Method != http.MethodGet {
		return errMedia([]string{"text/event-stream"})
	}
	if err := h.checkSelect(rd.table, req.Query.Select); err != nil {
		return err
	}
	if err := h.Allow(p, rd.table.Table, auth.Select); err != nil {
		return err
	}
	rd.window = rd.window.cap(h.MaxRows)
	rd.asked = rd.window.limit
	return nil
}

// checkSelect refuses embedded relations, of which there are none, and
// aggregates where they are switched off.
func (h *handler) checkSelect(t *table, items []query.Item) error {
	for _, it := range items {
		switch {
		case it.Embed != "":
			return errEmbed(t.Table, it.Embed)
		case it.Agg != query.AggNone && !h.Aggregates:
			return &Error{Status: http.StatusBadRequest, Code: "PGRST123", Message: "Use of aggregate functions is not allowed"}
		}
	}
	return nil
}

// count finds out how many rows there are, where the client asked for it, and
// how many the answer has, where that costs nothing. A table only grows, so an
// answer that is limited to what was counted has exactly that many rows.
func (h *handler) count(ctx context.Context, rd *reading) error {
	groups := aggregated(rd.query.Select)
	if rd.prefer.count == "" && (rd.query.Where != nil || groups || rd.head) {
		return nil
	}
	total, err := h.Store.Count(ctx, &rd.query)
	if err != nil {
		return err
	}
	if rd.prefer.count != "" {
		rd.total = total
		if rangeStatus(rd.window.offset, 0, total) == http.StatusRequestedRangeNotSatisfiable {
			if rd.media.encode == encodeObject {
				return errSingular(0)
			}
			return errOffset(rd.window.offset, total)
		}
	}
	if !groups {
		rd.bound = rd.window.rows(total)
		rd.window.limit = rd.bound
	}
	return nil
}

func errOffset(offset, total int64) error {
	return errRange("An offset of " + itoa(offset) + " was requested, but there are only " + itoa(total) + " rows.")
}

// aggregated reports whether the rows of the answer are groups.
func aggregated(items []query.Item) bool {
	return slices.ContainsFunc(items, func(it query.Item) bool { return it.Agg != query.AggNone })
}

// contentLocation names the answer.
func contentLocation(table, rawQuery string) string {
	if c := grammar.Canonical(rawQuery); c != "" {
		return "/" + table + "?" + c
	}
	return "/" + table
}

// answerHead answers HEAD: what GET would, without the rows.
func (h *handler) answerHead(w http.ResponseWriter, r *http.Request, rd *reading) error {
	n, err := h.countAnswer(r.Context(), rd)
	if err != nil {
		return err
	}
	return writeHead(w, rd.media, rd.window.offset, n, rd.total)
}

// writeHead writes the header of an answer of n rows from offset on, of total ones.
func writeHead(w http.ResponseWriter, m *media, offset, n, total int64) error {
	if m.encode == encodeObject && n != 1 {
		return errSingular(n)
	}
	w.Header().Set("Content-Range", contentRange(offset, n, total))
	w.WriteHeader(rangeStatus(offset, n, total))
	return nil
}

// countAnswer returns how many rows the answer has, and fails where its first
// row does.
func (h *handler) countAnswer(ctx context.Context, rd *reading) (n int64, err error) {
	q := rd.query
	q.Offset, q.Limit = rd.window.offset, rd.window.limit
	groups := aggregated(q.Select)
	if !groups && q.Limit != 0 {
		q.Limit = 1
	}
	rows, err := h.Store.Rows(ctx, &q)
	if err != nil {
		return 0, err
	}
	for _, err := range rows.Seq {
		if err != nil {
			return 0, err
		}
		n++
	}
	if groups || n == 0 {
		return n, nil
	}
	total := rd.total
	if total == unknown {
		if total, err = h.Store.Count(ctx, &q); err != nil {
			return 0, err
		}
	}
	return rd.window.rows(total), nil
}

// answerRows computes the rows and sends them.
func (h *handler) answerRows(w http.ResponseWriter, r *http.Request, rd *reading) error {
	q := rd.query
	q.Offset, q.Limit = rd.window.offset, rd.window.limit
	key := rd.pageKey()
	if key {
		q.Select = withKey(q.Select, rd.table.Key)
	}
	rd.size = h.Store.Log().Size()
	rows, err := h.Store.Rows(r.Context(), &q)
	if err != nil {
		return err
	}
	if rd.media.encode == encodeObject {
		return h.answerSingle(w, r, rd, rows, key)
	}
	cols := rows.Columns
	if key {
		cols = cols[:len(cols)-1]
	}
	a := newAnswer(w)
	defer a.free()
	if key {
		a.hold = holdPage
	}
	enc := &encoder{media: rd.media, cols: cols, zone: rd.prefer.zone}
	// Whoever hangs up before the end has read rows all the same.
	defer func() { web.AccessOf(r.Context()).Rows = enc.rows }()
	a.buf = enc.appendBegin(a.buf)
	for row, err := range rows.Seq {
		if err != nil && a.sent { // nobody is answered any more: it is for the server's log
			return discreet(err)
		}
		if err != nil {
			return err
		}
		rd.alive()
		if key {
			if rd.last = row[len(cols)].I; enc.rows == 0 {
				rd.first = rd.last
			}
		}
		a.buf = enc.appendRow(a.buf, row[:len(cols)])
		if a.full() {
			if err := h.overflow(r, a, rd); err != nil {
				return err
			}
		}
	}
	a.buf = enc.appendEnd(a.buf)
	a.contentRange = contentRange(rd.window.offset, enc.rows, rd.total)
	if key && rd.more(enc.rows) {
		a.link = rd.next(rd.last)
	}
	return a.finish(rangeStatus(rd.window.offset, enc.rows, rd.total))
}

// answerSingle answers with the one row there is, or refuses.
func (h *handler) answerSingle(w http.ResponseWriter, r *http.Request, rd *reading, rows *store.Rows, key bool) error {
	cols := rows.Columns
	if key {
		cols = cols[:len(cols)-1]
	}
	a := newAnswer(w)
	defer a.free()
	enc := &encoder{media: rd.media, cols: cols, zone: rd.prefer.zone}
	for row, err := range rows.Seq {
		if err != nil {
			return err
		}
		if enc.rows == 1 { // there are more: say how many
			n, err := h.countAnswer(r.Context(), rd)
			if err != nil {
				return err
			}
			return errSingular(max(n, 2))
		}
		a.buf = enc.appendRow(a.buf, row[:len(cols)])
	}
	if enc.rows == 0 {
		return errSingular(0)
	}
	web.AccessOf(r.Context()).Rows = 1
	a.contentRange = contentRange(rd.window.offset, 1, rd.total)
	return a.finish(rangeStatus(rd.window.offset, 1, rd.total))
}
