package ingest

import (
	"bytes"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"vigil"
	"vigil/internal/auth"
	"vigil/internal/web"
)

// Logs returns the face of GET /_logs: lines as they are stored, without end.
//
//	format   json (default), pretty, event-stream, ui
//	tables   names between commas; default is every table that may be read
//	others   filters: the attribute of that name has one of the given values, of
//	         which * at the end stands for anything
func (a *API) Logs() http.Handler { return web.Handle(a.logs, a.writer(plainError)) }

// stream is one reader.
type stream struct {
	api     *API
	w       http.ResponseWriter
	format  format
	tables  []bool // that it reads, by the hub's number
	derived bool   // it reads what gateways made of exchanges, too
	filter  filter
	rows    int64
	buf     []byte
}

// format is how a stream shows lines.
type format struct {
	contentType string
	line        func(a *API, dst, line []byte) []byte // nil: as they are
}

var formats = map[string]format{
	"json":   {contentType: "application/x-ndjson"},
	"pretty": {"text/plain; charset=utf-8", func(a *API, dst, line []byte) []byte { return append(a.Pretty(dst, line), '\n') }},
	"event-stream": {"text/event-stream", func(_ *API, dst, line []byte) []byte {
		return append(append(append(dst, "data: "...), line...), "\n\n"...)
	}},
}

func (a *API) logs(w http.ResponseWriter, r *http.Request) error {
	if err := only(w, r, http.MethodGet, http.MethodHead); err != nil {
		return err
	}
	query := r.URL.Query()
	name := formatOf(r, query.Get("format"))
	if name == "ui" {
		return a.page(w, r)
	}
	shape, ok := formats[name]
	if !ok {
		return &vigil.Error{Kind: vigil.Invalid, Message: "There is no such format", Hint: "format is json, pretty, event-stream or ui."}
	}
	access := web.AccessOf(r.Context())
	access.Table, access.Query = "_logs", web.Readable(r.URL.RawQuery)
	p, err := a.authenticate(r)
	if err != nil {
		return err
	}
	s := &stream{api: a, w: w, format: shape}
	if err := s.choose(p, query["tables"]); err != nil {
		return err
	}
	delete(query, "format")
	delete(query, "tables")
	if s.filter, err = newFilter(query); err != nil {
		return err
	}
	w.Header().Set("Content-Type", shape.contentType)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Accel-Buffering", "no")
	if r.Method == http.MethodHead {
		return nil
	}
	return s.run(r, p)
}

// formatOf returns the format that is asked for: of a browser the page.
func formatOf(r *http.Request, name string) string {
	accept := r.Header.Get("Accept")
	switch {
	case name != "":
		return name
	case strings.Contains(accept, "text/event-stream"):
		return "event-stream"
	case strings.Contains(accept, "text/html"):
		return "ui"
	}
	return "json"
}

// choose chooses the tables. Those that were named must all be readable;
// otherwise it is whatever is. What gateways made of exchanges is shown only
// where its table is named, for the exchanges say it.
func (s *stream) choose(p *auth.Principal, named []string) error {
	s.tables = make([]bool, len(s.api.Tables)+1)
	for _, list := range named {
		for name := range strings.SplitSeq(list, ",") {
			table := s.api.hub.tables[name]
			if table == 0 {
				return vigil.Errorf(vigil.NotFound, "There is no such table")
			}
			if err := s.api.Allow(p, name, auth.Select); err != nil {
				return err
			}
			s.tables[table] = true
			s.derived = s.derived || name == vigil.TableAuditEvents
		}
	}
	if len(named) > 0 {
		return nil
	}
	for i, name := range s.api.Tables {
		s.tables[i+1] = name != vigil.TableQuarantine && s.api.Allow(p, name, auth.Select) == nil
	}
	if !slices.Contains(s.tables, true) {
		return s.api.Allow(p, vigil.TableLogs, auth.Select)
	}
	return nil
}

// wants reports whether the reader gets every event of a chunk.
func (s *stream) wants(c *chunk) bool {
	return (s.derived || !c.derived) && !slices.ContainsFunc(c.tables, func(t int) bool { return !s.tables[t] })
}

// run streams until the client, its token or the server ends it.
func (s *stream) run(r *http.Request, p *auth.Principal) error {
	ctx, cancel := p.Limit(r.Context(), s.api.Now())
	defer cancel()
	at := s.api.hub.attach()
	defer s.api.hub.detach()
	access := web.AccessOf(r.Context())
	defer func() { access.Rows = s.rows }()
	access.Begun()
	s.w.WriteHeader(http.StatusOK)
	if err := http.NewResponseController(s.w).Flush(); err != nil {
		return err
	}
	beat := time.NewTicker(s.api.Heartbeat)
	defer beat.Stop()
	for {
		c, missed, more, err := s.api.hub.after(at)
		if err != nil {
			return err
		}
		if c == nil {
			select {
			case <-more:
			case <-beat.C:
				if err := s.alive(); err != nil {
					return nil
				}
			case <-web.Stopping(r.Context()):
				return nil
			case <-ctx.Done():
				return nil
			}
			continue
		}
		if ctx.Err() != nil {
			return nil
		}
		if err := s.send(c, at, missed); err != nil {
			return nil // the client is gone, or takes nothing
		}
		at = c.first + int64(len(c.spans))
	}
}

// alive says to a reader of server-sent events that the stream lives. Lines of
// JSON have no form for that.
func (s *stream) alive() error {
	if s.format.contentType != "text/event-stream" {
		return nil
	}
	return s.write([]byte(":\n\n"))
}

// write sends b at once.
func (s *stream) write(b []byte) error {
	if _, err := s.w.Write(b); err != nil {
		return err
	}
	return http.NewResponseController(s.w).Flush()
}

// send sends what the reader wants of a chunk, from event number at on, and
// before it how many it missed.
func (s *stream) send(c *chunk, at, missed int64) error {
	s.buf = s.buf[:0]
	if missed > 0 {
		s.add(s.note(missed))
	}
	if missed == 0 && at == c.first && s.format.line == nil && s.filter == nil && s.wants(c) {
		s.rows += int64(len(c.spans))
		return s.write(c.bytes)
	}
	from := 0
	for i, sp := range c.spans {
		lines := c.bytes[from:sp.end]
		from = sp.end
		if c.first+int64(i) < at || !s.tables[sp.table] || sp.derived && !s.derived {
			continue
		}
		if s.lines(lines) {
			s.rows++
		}
		if len(s.buf) >= chunkBytes {
			if err := s.write(s.buf); err != nil {
				return err
			}
			s.buf = s.buf[:0]
		}
	}
	if len(s.buf) == 0 {
		return nil
	}
	err := s.write(s.buf)
	if cap(s.buf) > 2*chunkBytes {
		s.buf = nil
	}
	return err
}

// lines adds those lines of an event that pass the filter.
func (s *stream) lines(lines []byte) (some bool) {
	for len(lines) > 0 {
		line, rest, _ := bytes.Cut(lines, []byte{'\n'})
		if s.filter.match(line) {
			s.add(line)
			some = true
		}
		lines = rest
	}
	return some
}

// add adds a line in the stream's format.
func (s *stream) add(line []byte) {
	if s.format.line == nil {
		s.buf = append(append(s.buf, line...), '\n')
		return
	}
	s.buf = s.format.line(s.api, s.buf, line)
}

// note is the line that tells a slow reader what it missed.
func (s *stream) note(missed int64) []byte {
	dst := append([]byte(`{"ev":"log","ts":"`), s.api.Now().UTC().Format("2006-01-02T15:04:05.000Z")...)
	dst = append(dst, `","lvl":"warn","msg":"this reader was too slow and missed events; they are in the store","missed":`...)
	return append(strconv.AppendInt(dst, missed, 10), '}')
}
