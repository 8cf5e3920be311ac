package postgrest

import (
	"bytes"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"vigil/internal/auth"
	"vigil/internal/jsonb"
	"vigil/internal/postgrest/grammar"
	"vigil/internal/query"
	"vigil/internal/store/postgres/relation"
	"vigil/internal/web"
)

// relationInsertion is one POST of rows to a table beside the store's.
type relationInsertion struct {
	table  *relation.Table
	prefer preferences
	media  *media
	kind   bodyKind
	req    grammar.Request
}

// insertRelation answers POST of rows to a table beside the store's.
func (h *handler) insertRelation(w http.ResponseWriter, r *http.Request, p *auth.Principal, t *relation.Table, prefer preferences) error {
	access := web.AccessOf(r.Context())
	access.Write = true
	in := relationInsertion{table: t, prefer: prefer}
	if err := h.prepareRelationInsert(r, &in); err != nil {
		return err
	}
	body, release, err := h.Bodies.Read(w, r)
	if err != nil {
		return err
	}
	rows, err := h.relationRows(&in, body)
	if err != nil {
		release()
		return err
	}
	add := in.insert(rows)
	a := newAnswer(w)
	defer a.free()
	enc := &relationEncoder{media: in.media}
	a.buf = enc.appendBegin(a.buf)
	inserted, err := h.Relations.Insert(r.Context(), session(r, p, &prefer), add, func(names []string, cells [][]byte) error {
		enc.names = names
		a.buf = enc.appendRow(a.buf, cells)
		return nil
	})
	release()
	if err != nil {
		return relationError(p, err)
	}
	access.Rows = inserted.Count
	return in.answer(w, r, a, enc, inserted)
}

// prepareRelationInsert checks what can be checked before the body is read.
func (h *handler) prepareRelationInsert(r *http.Request, in *relationInsertion) (err error) {
	t := in.table
	switch {
	case in.prefer.resolution == "merge-duplicates":
		return errMethod("POST with resolution=merge-duplicates", relationAllow(t), unchanging)
	case !t.Insertable:
		return errMethod(r.Method, relationAllow(t), "'"+t.Name+"' takes no rows: it is a view that cannot be inserted into.")
	case len(r.Header["Idempotency-Key"]) > 0:
		return &Error{
			Status: http.StatusBadRequest, Code: "0A000", Message: "'" + t.Name + "' takes no Idempotency-Key",
			Details: "It is a table that Vigil did not make, and keys are kept beside its own alone.",
			Hint:    "Give the table a unique key, and use Prefer: resolution=ignore-duplicates.",
		}
	}
	req, err := grammar.Parse(t.Name, r.URL.RawQuery)
	if err != nil {
		return err
	}
	in.req = *req
	if in.media, in.kind, err = insertForms(r); err != nil {
		return err
	}
	if err := in.checkNames(req.Columns); err != nil {
		h.Relations.Reload()
		return err
	}
	if in.prefer.ret == "representation" {
		return h.checkRelationSelect(t, req.Query.Select)
	}
	return nil
}

// checkNames refuses columns that the table does not have.
func (in *relationInsertion) checkNames(names []string) error {
	for _, name := range names {
		if in.table.Column(name) == nil {
			if len(name) > maxName {
				return errLongColumn(in.table.Name)
			}
			return errColumn(in.table.Name, name)
		}
	}
	return nil
}

// relationBody is the rows of a request: an array of objects, and what the
// objects have.
type relationBody struct {
	array   []byte
	rows    int
	columns []string // of all objects, in the order in which they came
	uneven  bool     // some object does not have all of them
}

// insert makes the insert that the request asks for. Columns that an object does
// not have are null where columns= says what counts, as in PostgREST; where the
// objects themselves say it they have their defaults, as in an object alone.
func (in *relationInsertion) insert(b *relationBody) *relation.Insert {
	add := &relation.Insert{
		Table: in.table, Body: b.array, Rows: b.rows, Columns: b.columns, Given: b.columns, Form: relationForm(in.media),
		Defaults: in.prefer.missing == "default" || b.uneven && in.prefer.missing == "" && !in.req.HasColumns,
		Ignore:   in.prefer.resolution != "", Conflict: in.req.OnConflict,
	}
	if in.req.HasColumns {
		add.Columns = in.req.Columns
	}
	switch in.prefer.ret {
	case "representation":
		q := in.req.Query
		add.Return = &query.Query{Select: q.Select, Order: q.Order, Limit: -1}
	case "headers-only":
		add.Key = true
	}
	if in.media.encode == encodeObject {
		add.Check = func(n int64) error {
			if n != 1 {
				return errSingular(n)
			}
			return nil
		}
	}
	return add
}

// relationRows reads the body.
func (h *handler) relationRows(in *relationInsertion, body []byte) (*relationBody, error) {
	b := &relationBody{}
	var err error
	switch in.kind {
	case bodyForm:
		err = in.readForm(b, body)
	case bodyCSV:
		err = in.readCSV(b, body)
	case bodyLines:
		err = h.readObjects(in, b, arrayOfLines(body))
	default:
		if trimmed := bytes.TrimLeft(body, " \t\r\n"); len(trimmed) > 0 && trimmed[0] == '{' {
			body = slices.Concat([]byte{'['}, body, []byte{']'})
		}
		err = h.readObjects(in, b, body)
	}
	switch {
	case err != nil:
		return nil, err
	case b.rows > maxRows:
		return nil, errTooMany()
	}
	if !in.req.HasColumns {
		if err := in.checkNames(b.columns); err != nil {
			h.Relations.Reload()
			return nil, err
		}
	}
	return b, nil
}

// arrayOfLines returns NDJSON as an array, empty lines left out.
func arrayOfLines(body []byte) []byte {
	array := make([]byte, 0, len(body)+2)
	for line := range bytes.Lines(body) {
		if line = bytes.TrimSpace(line); len(line) > 0 {
			array = append(append(array, ','), line...)
		}
	}
	if len(array) == 0 {
		return []byte("[]")
	}
	array[0] = '['
	return append(array, ']')
}

// readObjects reads an array of objects.
func (h *handler) readObjects(in *relationInsertion, b *relationBody, array []byte) error {
	if err := jsonb.Check(array, jsonb.Limits{Depth: h.Limits.Depth + 2, Text: jsonb.Printed(array)}); err != nil {
		return err
	}
	if jsonb.Kind(array) != '[' {
		return errBody("The body must be a JSON object or an array of objects")
	}
	b.array = array
	seen := map[string]int{}
	for elem := range jsonb.Elements(array) {
		if jsonb.Kind(elem) != '{' {
			return errBody("The body must be a JSON object or an array of objects")
		}
		b.rows++
		for name := range jsonb.Members(elem) {
			last, known := seen[name]
			if !known {
				if b.columns = append(b.columns, name); len(b.columns) > h.Limits.Keys {
					return errTooMany()
				}
				b.uneven = b.uneven || b.rows > 1
			}
			// A column is missed where the row before did not have it.
			b.uneven = b.uneven || known && last < b.rows-1
			seen[name] = b.rows
		}
	}
	for _, last := range seen {
		b.uneven = b.uneven || last < b.rows
	}
	return nil
}

// cell returns the JSON text that a cell of CSV or of a form means: itself for a
// column of JSON, a string, which the column's type reads, for any other.
func (in *relationInsertion) cell(name, text string) ([]byte, error) {
	if c := in.table.Column(name); c != nil && c.Kind == relation.KindJSON {
		return []byte(text), jsonb.Check([]byte(text), jsonb.Limits{Text: jsonb.Printed([]byte(text))})
	}
	return jsonb.AppendString(nil, text), nil
}

// readForm reads a form, which is one row; of a field that is given twice the
// last counts.
func (in *relationInsertion) readForm(b *relationBody, body []byte) error {
	values, err := url.ParseQuery(string(body))
	if err != nil {
		return errBody("The form cannot be read")
	}
	b.rows, b.array = 1, []byte("[{")
	for name, list := range values {
		cell, err := in.cell(name, list[len(list)-1])
		if err != nil {
			return err
		}
		if b.columns = append(b.columns, name); len(b.columns) > 1 {
			b.array = append(b.array, ',')
		}
		b.array = append(append(jsonb.AppendString(b.array, name), ':'), cell...)
	}
	b.array = append(b.array, "}]"...)
	return checkArray(b.array)
}

// checkArray refuses texts that PostgreSQL cannot hold, which are not looked at
// before they are in the array.
func checkArray(array []byte) error {
	return jsonb.Check(array, jsonb.Limits{Text: jsonb.Printed(array)})
}

// readCSV reads a table whose first line names the columns.
func (in *relationInsertion) readCSV(b *relationBody, body []byte) error {
	csv := csvReader{rest: body}
	names, err := csv.record(nil)
	if err == io.EOF {
		return errBody("The CSV has no line that names its columns")
	}
	if err != nil {
		return err
	}
	for _, n := range names {
		if slices.Contains(b.columns, string(n.text)) {
			return errBody("The CSV names a column twice")
		}
		b.columns = append(b.columns, string(n.text))
	}
	b.array = []byte{'['}
	var cells []csvCell
	for {
		if cells, err = csv.record(cells[:0]); err == io.EOF {
			b.array = append(b.array, ']')
			return checkArray(b.array)
		}
		if err != nil {
			return err
		}
		if len(cells) != len(b.columns) {
			return errBody("All lines must have same number of fields")
		}
		if b.rows++; b.rows > maxRows {
			return errTooMany()
		}
		for i, cell := range cells {
			value, err := []byte("null"), error(nil)
			if cell.quoted || string(cell.text) != "NULL" {
				value, err = in.cell(b.columns[i], string(cell.text))
			}
			if err != nil {
				return err
			}
			switch {
			case i > 0:
				b.array = append(b.array, ',')
			case b.rows > 1:
				b.array = append(b.array, ",{"...)
			default:
				b.array = append(b.array, '{')
			}
			b.array = append(append(jsonb.AppendString(b.array, b.columns[i]), ':'), value...)
		}
		b.array = append(b.array, '}')
	}
}

// answer says that the rows are stored.
func (in *relationInsertion) answer(w http.ResponseWriter, r *http.Request, a *answer, enc *relationEncoder, got *relation.Inserted) error {
	hd := w.Header()
	hd["Content-Range"] = none
	if in.prefer.count != "" {
		hd.Set("Content-Range", contentRange(0, 0, got.Count))
	}
	if applied := in.prefer.writeApplied(); applied != "" {
		hd.Set("Preference-Applied", applied)
	}
	if in.prefer.ret == "representation" {
		setContentType(w, r, in.media)
		a.buf = enc.appendEnd(a.buf)
		return a.finish(http.StatusCreated)
	}
	if len(got.Key) > 0 && len(got.Key) == len(in.table.Key) {
		var parts []string
		for i, name := range in.table.Key {
			parts = append(parts, url.QueryEscape(name)+"=eq."+strings.ReplaceAll(url.QueryEscape(got.Key[i]), "+", "%20"))
		}
		hd.Set("Location", "/"+url.PathEscape(in.table.Name)+"?"+strings.Join(parts, "&"))
	}
	w.WriteHeader(http.StatusCreated)
	return nil
}
