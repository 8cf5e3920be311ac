package postgrest

import (
	"bytes"
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
)

// bodyKind is a form of a request's body.
type bodyKind uint8

const (
	bodyJSON bodyKind = iota
	bodyLines
	bodyCSV
	bodyForm
)

// bodyKinds has the media types that a POST may have. Without a Content-Type a
// body is JSON, as in PostgREST.
var bodyKinds = map[string]bodyKind{
	"":                                  bodyJSON,
	"application/json":                  bodyJSON,
	"application/x-ndjson":              bodyLines,
	"text/csv":                          bodyCSV,
	"application/x-www-form-urlencoded": bodyForm,
}

// kindOf reads the Content-Type of a POST.
func kindOf(r *http.Request) (bodyKind, error) {
	v := r.Header["Content-Type"]
	if len(v) == 0 || v[0] == "application/json" {
		return bodyJSON, nil
	}
	name, _, err := mime.ParseMediaType(v[0])
	if err != nil { // a bad parameter does not make the type unknown
		name, _, _ = strings.Cut(v[0], ";")
		name = strings.ToLower(strings.TrimSpace(name))
	}
	kind, ok := bodyKinds[name]
	if !ok {
		return 0, errBody("Content-Type not acceptable: " + name)
	}
	return kind, nil
}

// decodeForm reads a form, which is one row; of a field that is given twice the
// last counts.
func decodeForm(c *columns, body []byte) ([]row, error) {
	values, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, errBody("The form cannot be read")
	}
	var r row
	for name, list := range values {
		cell := list[len(list)-1]
		if err := c.set(&r, name, c.cell(name, cell)); err != nil {
			return nil, err
		}
	}
	return []row{r}, nil
}

// decodeLines reads NDJSON: one object on each line, empty lines left out.
func decodeLines(c *columns, body []byte) ([]row, error) {
	var rows []row
	for line := range bytes.Lines(body) {
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		r, err := c.object(line)
		if err != nil {
			return nil, err
		}
		if rows = append(rows, r); len(rows) > maxRows {
			return nil, errTooMany()
		}
	}
	return rows, nil
}

// decodeCSV reads a table whose first line names the columns. An unquoted NULL is
// null; a cell of a jsonb column is a JSON text.
func decodeCSV(c *columns, body []byte) ([]row, error) {
	in := csvReader{rest: body}
	names, err := in.record(nil)
	if err == io.EOF {
		return nil, errBody("The CSV has no line that names its columns")
	}
	if err != nil {
		return nil, err
	}
	header := make([]string, len(names))
	for i, n := range names {
		header[i] = string(n.text)
		if err := c.check(header[i]); err != nil {
			return nil, err
		}
	}
	var rows []row
	var cells []csvCell
	for {
		if cells, err = in.record(cells[:0]); err == io.EOF {
			return rows, nil
		}
		if err != nil {
			return nil, err
		}
		if len(cells) != len(header) {
			return nil, errBody("All lines must have same number of fields")
		}
		var r row
		for i, cell := range cells {
			v := c.cell(header[i], string(cell.text))
			if !cell.quoted && string(cell.text) == "NULL" {
				v = []byte("null")
			}
			if err := c.set(&r, header[i], v); err != nil {
				return nil, err
			}
		}
		if rows = append(rows, r); len(rows) > maxRows {
			return nil, errTooMany()
		}
	}
}

// csvCell is one field of a line.
type csvCell struct {
	text   []byte
	quoted bool
}

// csvReader splits CSV (RFC 4180) into records; it takes bare line feeds too.
type csvReader struct{ rest []byte }

// record appends the fields of the next line to cells, or returns io.EOF. Empty
// lines are left out.
func (c *csvReader) record(cells []csvCell) ([]csvCell, error) {
	for len(c.rest) > 0 && (c.rest[0] == '\n' || c.rest[0] == '\r') {
		c.rest = c.rest[1:]
	}
	if len(c.rest) == 0 {
		return cells, io.EOF
	}
	for {
		cell, err := c.cell()
		if err != nil {
			return nil, err
		}
		cells = append(cells, cell)
		if len(c.rest) == 0 || c.rest[0] != ',' {
			return cells, c.endOfLine()
		}
		c.rest = c.rest[1:]
	}
}

// cell takes one field off the text.
func (c *csvReader) cell() (csvCell, error) {
	if len(c.rest) == 0 || c.rest[0] != '"' {
		n := bytes.IndexAny(c.rest, ",\r\n")
		if n < 0 {
			n = len(c.rest)
		}
		text := c.rest[:n]
		c.rest = c.rest[n:]
		if bytes.IndexByte(text, '"') >= 0 {
			return csvCell{}, errBody("A CSV field that has a quote must be quoted")
		}
		return csvCell{text: text}, nil
	}
	c.rest = c.rest[1:]
	text := []byte{}
	for {
		n := bytes.IndexByte(c.rest, '"')
		if n < 0 {
			return csvCell{}, errBody("A quoted CSV field does not end")
		}
		text = append(text, c.rest[:n]...)
		c.rest = c.rest[n+1:]
		if len(c.rest) == 0 || c.rest[0] != '"' {
			return csvCell{text: text, quoted: true}, nil
		}
		text = append(text, '"')
		c.rest = c.rest[1:]
	}
}

// endOfLine takes the line's end off the text.
func (c *csvReader) endOfLine() error {
	if len(c.rest) > 0 && c.rest[0] == '\r' {
		c.rest = c.rest[1:]
	}
	switch {
	case len(c.rest) == 0:
		return nil
	case c.rest[0] != '\n':
		return errBody("A quoted CSV field is followed by more text")
	}
	c.rest = c.rest[1:]
	return nil
}

// queryBody reads the body of POST /{table}/query: the query string that would be
// too long for a URL, as it is (application/x-www-form-urlencoded), or as
// {"query": "…"}.
func (h *handler) queryBody(w http.ResponseWriter, r *http.Request) (rawQuery string, err error) {
	kind, err := kindOf(r)
	if err != nil {
		return "", err
	}
	if r.URL.RawQuery != "" {
		return "", errBody("The query belongs into the body")
	}
	body, release, err := h.Bodies.Read(w, r)
	if err != nil {
		return "", err
	}
	defer release()
	switch kind {
	case bodyForm:
		rawQuery = string(body)
	case bodyJSON:
		var in struct {
			Query *string `json:"query"`
		}
		dec := json.NewDecoder(bytes.NewReader(body))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&in); err != nil || in.Query == nil || dec.More() {
			return "", errBody(`The body must be a JSON object such as {"query": "select=id&limit=5"}`)
		}
		rawQuery = *in.Query
	default:
		return "", errBody("Content-Type not acceptable: " + r.Header.Get("Content-Type"))
	}
	return strings.TrimPrefix(rawQuery, "?"), nil
}
