package postgrest

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"vigil/internal/auth"
	"vigil/internal/query"
	"vigil/internal/web"
)

// A live tail is GET /{table} with Accept: text/event-stream (server-sent
// events, WHATWG HTML section 9.2): the rows that the query selects, first those
// behind Last-Event-ID or since=, then new ones as they are stored. It reads from
// the store at its client's pace, so a slow one holds up nobody.

// cutSince takes the parameter since off a raw query string.
func cutSince(rawQuery string) (rest, since string) {
	var parts []string
	for part := range strings.FieldsFuncSeq(rawQuery, func(c rune) bool { return c == '&' || c == ';' }) {
		if v, ok := strings.CutPrefix(part, "since="); ok {
			if s, err := url.QueryUnescape(v); err == nil {
				since = s
				continue
			}
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, "&"), since
}

// stream is one live tail.
type stream struct {
	h     *handler
	w     http.ResponseWriter
	rd    *reading
	where query.Expr // of the client
	first query.Expr // holds for what was stored before the tail began, nil for all
	after int64      // id of the last row that was looked at
	left  int64      // rows still to be sent; negative is no bound
	sent  int64
	buf   []byte
}

// tail answers with a live tail. It ends with the request, when the client's
// token expires, and after the limit, if there is one.
func (h *handler) tail(w http.ResponseWriter, r *http.Request, p *auth.Principal, rd *reading) error {
	s := &stream{h: h, w: w, rd: rd, where: rd.query.Where, left: rd.query.Limit}
	if err := s.check(); err != nil {
		return err
	}
	ctx, cancel := p.Limit(r.Context(), h.Now())
	defer cancel()
	go func() { // a tail would keep a server that stops waiting
		select {
		case <-web.Stopping(r.Context()):
			cancel()
		case <-ctx.Done():
		}
	}()
	size := h.Store.Log().Size() // before newest: what comes between is seen twice, never missed
	newest, err := s.newest(ctx)
	if err != nil {
		return err
	}
	if err := s.begin(r, newest); err != nil {
		return err
	}
	// A question that cannot be asked must fail before the answer begins.
	if _, err := query.Compile(s.question(newest), rd.table.Schema, h.Now()); err != nil {
		return err
	}
	defer func() { web.AccessOf(r.Context()).Rows = s.sent }()
	hd := w.Header()
	hd.Set("Content-Type", mediaTail.contentType)
	hd.Set("Cache-Control", "no-store")
	hd.Set("X-Accel-Buffering", "no")
	web.AccessOf(r.Context()).Begun()
	w.WriteHeader(http.StatusOK)
	if err := s.write([]byte(": live\n\n")); err != nil {
		return err
	}
	err = s.run(ctx, size, newest)
	if ctx.Err() != nil {
		return nil // the client, the token or the server has ended it
	}
	return discreet(err)
}

// check refuses what has no meaning for rows that are still to come.
func (s *stream) check() error {
	q, t := &s.rd.query, s.rd.table
	switch {
	case t.Key == "":
		return errMedia([]string{"text/event-stream"})
	case aggregated(q.Select), q.Offset > 0, len(q.Order) > 1,
		len(q.Order) == 1 && (!s.rd.byKey(q.Order[0]) || q.Order[0].Desc):
		return &Error{
			Status: http.StatusBadRequest, Code: "PGRST100", Message: "A live tail has neither aggregates nor offset, and no order but by " + t.Key,
		}
	}
	return nil
}

// begin finds out where the tail starts: behind Last-Event-ID, behind or at what
// since= names, else behind what there is.
func (s *stream) begin(r *http.Request, newest int64) error {
	since := s.rd.since
	if last := r.Header.Get("Last-Event-ID"); last != "" { // a reconnect goes on where it was
		since = last
	}
	s.after = newest
	if since == "" {
		return nil
	}
	if id, err := strconv.ParseInt(since, 10, 64); err == nil && id >= 0 {
		s.after = id
		return nil
	}
	t, err := time.Parse(time.RFC3339Nano, since)
	if err != nil {
		return &Error{
			Status: http.StatusBadRequest, Code: "22023", Message: "The start of a live tail must be an id or a time",
			Hint: "For example since=1200 or since=2026-11-22T09:00:00Z.",
		}
	}
	s.after = 0
	s.first = query.Test{Path: query.Path{Column: "_received"}, Op: query.Gte, Value: t.UTC().Format(time.RFC3339Nano)}
	return nil
}

// run sends what there is up to newest, then waits until the log has more than
// size entries, and so on.
func (s *stream) run(ctx context.Context, size, newest int64) error {
	for {
		if newest > s.after && s.left != 0 {
			if err := s.send(ctx, newest); err != nil {
				return err
			}
		}
		if s.left == 0 {
			return nil
		}
		var err error
		if size, err = s.wait(ctx, size); err != nil {
			return err
		}
		if newest, err = s.newest(ctx); err != nil {
			return err
		}
	}
}

// wait returns when the log has grown, and says meanwhile that the tail lives.
func (s *stream) wait(ctx context.Context, size int64) (int64, error) {
	for {
		short, cancel := context.WithTimeout(ctx, s.h.Heartbeat)
		grown, err := s.h.Store.Wait(short, size)
		cancel()
		if err == nil {
			return grown, nil
		}
		if !errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil {
			return 0, err
		}
		if err := s.write([]byte(":\n\n")); err != nil {
			return 0, err
		}
	}
}

// newest returns the last id of the table, 0 where it is empty.
func (s *stream) newest(ctx context.Context) (id int64, err error) {
	key := query.Path{Column: s.rd.table.Key}
	rows, err := s.h.Store.Rows(ctx, &query.Query{
		Table: s.rd.table.Table, Limit: 1,
		Select: []query.Item{{Path: key}}, Order: []query.Order{{Path: key, Desc: true}},
	})
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

// question asks for the rows behind the last one, up to newest, with their id
// as the last column.
func (s *stream) question(newest int64) *query.Query {
	q := s.rd.query
	key := query.Path{Column: s.rd.table.Key}
	where := query.And{
		query.Test{Path: key, Op: query.Gt, Value: itoa(s.after)},
		query.Test{Path: key, Op: query.Lte, Value: itoa(newest)},
	}
	for _, x := range []query.Expr{s.first, s.where} {
		if x != nil {
			where = append(where, x)
		}
	}
	q.Where, q.Order, q.Limit = where, []query.Order{{Path: key}}, s.left
	q.Select = withKey(q.Select, s.rd.table.Key)
	return &q
}

// send sends the rows up to newest.
func (s *stream) send(ctx context.Context, newest int64) error {
	rows, err := s.h.Store.Rows(ctx, s.question(newest))
	if err != nil {
		return err
	}
	cols := rows.Columns[:len(rows.Columns)-1]
	enc := &encoder{media: mediaTail, cols: cols, zone: s.rd.prefer.zone}
	s.buf = s.buf[:0]
	for row, err := range rows.Seq {
		if err != nil {
			return err
		}
		s.buf = append(s.buf, "id: "...)
		s.buf = strconv.AppendInt(s.buf, row[len(cols)].I, 10)
		s.buf = append(s.buf, "\ndata: "...)
		s.buf = enc.appendRow(s.buf, row[:len(cols)])
		s.buf = append(s.buf, "\n\n"...)
		s.sent++
		if len(s.buf) >= holdAny {
			if err := s.write(s.buf); err != nil {
				return err
			}
			s.buf = s.buf[:0]
		}
	}
	if s.left > 0 {
		s.left -= enc.rows
	}
	s.after, s.first = newest, nil
	if len(s.buf) == 0 {
		return nil
	}
	return s.write(s.buf)
}

// write sends b at once.
func (s *stream) write(b []byte) error {
	if _, err := s.w.Write(b); err != nil {
		return err
	}
	return http.NewResponseController(s.w).Flush()
}
