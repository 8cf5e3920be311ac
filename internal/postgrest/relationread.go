package postgrest

import (
	"context"
	"net/http"
	"strconv"

	"vigil/internal/auth"
	"vigil/internal/postgrest/grammar"
	"vigil/internal/store/postgres/relation"
	"vigil/internal/web"
)

// relationReading is one read of a table beside the store's.
type relationReading struct {
	table    *relation.Table
	prefer   preferences
	rawQuery string
	head     bool // headers only
	location bool // the query is in the URL: name it

	media  *media
	window window
	ask    relation.Read
	alive  func() // to be called for each row, see patient
}

// readRelation answers GET and HEAD of a table beside the store's, and what is
// asked like them.
func (h *handler) readRelation(w http.ResponseWriter, r *http.Request, p *auth.Principal, rd relationReading) (err error) {
	web.AccessOf(r.Context()).Query = web.Readable(rd.rawQuery)
	if err := h.prepareRelation(r, &rd); err != nil {
		return err
	}
	web.AccessOf(r.Context()).Asked = true
	ctx, alive, stop := h.patient(r.Context())
	defer stop()
	defer func() {
		if slow, ok := context.Cause(ctx).(*Error); ok && err != nil {
			err = slow
		}
	}()
	rd.alive = alive
	hd := w.Header()
	if rd.location {
		if where := contentLocation(rd.table.Name, rd.rawQuery); len(where) <= maxLocation {
			hd.Set("Content-Location", where)
		}
	}
	if a := rd.prefer.readApplied(); a != "" {
		hd.Set("Preference-Applied", a)
	}
	answer, err := h.Relations.Read(ctx, session(r, p, &rd.prefer), &rd.ask)
	if err != nil {
		return relationError(p, err)
	}
	defer answer.Close()
	if answer.Total != unknown && rangeStatus(rd.window.offset, 0, answer.Total) == http.StatusRequestedRangeNotSatisfiable {
		if rd.media.encode == encodeObject {
			return errSingular(0)
		}
		hd.Set("Content-Range", contentRange(rd.window.offset, 0, answer.Total))
		return errOffset(rd.window.offset, answer.Total)
	}
	setContentType(w, r, rd.media)
	switch {
	case rd.head:
		return relationError(p, rd.answerHead(w, answer))
	case rd.media.encode == encodeObject:
		return relationError(p, rd.answerSingle(w, r, answer))
	}
	return relationError(p, rd.answerRows(w, r, answer))
}

// prepareRelation reads the request.
func (h *handler) prepareRelation(r *http.Request, rd *relationReading) (err error) {
	form, refused := negotiate(r.Header["Accept"], rowMedia)
	req, err := grammar.Parse(rd.table.Name, rd.rawQuery)
	if err != nil {
		return err
	}
	q := &req.Query
	rd.window = window{q.Offset, q.Limit}
	if rng := r.Header["Range"]; len(rng) > 0 && !rd.head {
		if rd.window, err = rd.window.clip(rng[0]); err != nil {
			return err
		}
	}
	if rd.media = form; refused != nil {
		return refused
	}
	if form.encode == encodeTail {
		return errMedia([]string{"text/event-stream"})
	}
	if err := h.checkRelationSelect(rd.table, q.Select); err != nil {
		return err
	}
	rd.window = rd.window.cap(h.MaxRows)
	q.Offset, q.Limit = rd.window.offset, rd.window.limit
	rd.ask = relation.Read{Table: rd.table, Query: q, Form: relationForm(form), Count: relationCount(rd.prefer.count)}
	if rd.head {
		rd.ask.Form = relation.Number
	}
	return nil
}

// relationCount returns how rows are counted; estimated counts are exact.
func relationCount(prefer string) relation.Count {
	switch prefer {
	case "":
		return relation.NoCount
	case "planned":
		return relation.Planned
	}
	return relation.Exact
}

// relationForm returns in which form rows are asked for.
func relationForm(m *media) relation.Form {
	switch {
	case m.encode == encodeCSV:
		return relation.Cells
	case m.stripped:
		return relation.Stripped
	}
	return relation.JSON
}

// answerHead answers HEAD: what GET would, without the rows.
func (rd *relationReading) answerHead(w http.ResponseWriter, answer *relation.Answer) error {
	var n int64
	for cells, err := range answer.Rows() {
		if err != nil {
			return err
		}
		if n, err = strconv.ParseInt(string(cells[0]), 10, 64); err != nil {
			return err
		}
	}
	return writeHead(w, rd.media, rd.window.offset, n, answer.Total)
}

// answerRows sends the rows as the database finds them.
func (rd *relationReading) answerRows(w http.ResponseWriter, r *http.Request, answer *relation.Answer) error {
	a := newAnswer(w)
	defer a.free()
	enc := &relationEncoder{media: rd.media, names: answer.Names}
	defer func() { web.AccessOf(r.Context()).Rows = enc.rows }()
	a.buf = enc.appendBegin(a.buf)
	for cells, err := range answer.Rows() {
		if err != nil {
			return err
		}
		rd.alive()
		a.buf = enc.appendRow(a.buf, cells)
		if a.full() {
			if err := a.send(rd.longStatus(answer.Total, a)); err != nil {
				return err
			}
		}
	}
	a.buf = enc.appendEnd(a.buf)
	a.contentRange = contentRange(rd.window.offset, enc.rows, answer.Total)
	return a.finish(rangeStatus(rd.window.offset, enc.rows, answer.Total))
}

// longStatus returns the status of an answer that is sent before its end is known:
// how many rows it has is known where they were counted.
func (rd *relationReading) longStatus(total int64, a *answer) int {
	if total == unknown || a.sent || rd.ask.Count != relation.Exact {
		return http.StatusOK
	}
	n := rd.window.rows(total)
	a.contentRange = contentRange(rd.window.offset, n, total)
	return rangeStatus(rd.window.offset, n, total)
}

// answerSingle answers with the one row there is, or says how many there are.
func (rd *relationReading) answerSingle(w http.ResponseWriter, r *http.Request, answer *relation.Answer) error {
	a := newAnswer(w)
	defer a.free()
	n := int64(0)
	for cells, err := range answer.Rows() {
		if err != nil {
			return err
		}
		rd.alive()
		if n++; n == 1 {
			a.buf = append(a.buf, cells[0]...)
		}
	}
	if n != 1 {
		return errSingular(n)
	}
	web.AccessOf(r.Context()).Rows = 1
	a.contentRange = contentRange(rd.window.offset, 1, answer.Total)
	return a.finish(rangeStatus(rd.window.offset, 1, answer.Total))
}

// relationEncoder writes rows that the database spelled.
type relationEncoder struct {
	media *media
	names []string
	rows  int64
}

func (e *relationEncoder) appendBegin(b []byte) []byte {
	if e.media.encode == encodeArray {
		return append(b, '[')
	}
	return b
}

func (e *relationEncoder) appendRow(b []byte, cells [][]byte) []byte {
	first := e.rows == 0
	e.rows++
	switch {
	case e.media.encode == encodeCSV:
		if first {
			b = appendNames(b, e.names)
		}
		return appendCells(append(b, '\n'), cells)
	case e.media.encode == encodeLines:
		return append(appendLine(b, cells[0]), '\n')
	case e.media.encode == encodeArray && !first && e.media.stripped:
		b = append(b, ',')
	case e.media.encode == encodeArray && !first:
		b = append(b, ", \n "...)
	}
	return append(b, cells[0]...)
}

func (e *relationEncoder) appendEnd(b []byte) []byte {
	switch {
	case e.media.encode == encodeArray:
		return append(b, ']')
	case e.media.encode == encodeCSV && e.rows == 0:
		return append(b, '\n') // as PostgREST answers
	}
	return b
}

// appendLine appends a JSON text without the line breaks between its tokens,
// which a value of type json may have.
func appendLine(b, text []byte) []byte {
	for _, c := range text {
		if c == '\n' || c == '\r' {
			c = ' '
		}
		b = append(b, c)
	}
	return b
}

// appendCells appends a line of CSV, without its end, see [appendCSVRow].
func appendCells(b []byte, cells [][]byte) []byte {
	for i, c := range cells {
		if i > 0 {
			b = append(b, ',')
		}
		if c != nil {
			b = appendCSVCell(b, c)
		}
	}
	return b
}
