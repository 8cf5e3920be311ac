package postgrest

import (
	"bytes"
	"errors"
	"net/http"
	"slices"
	"strconv"

	"vigil/internal/jsonb"
)

// maxRows is how many rows one request may bring: a bound on memory, since the
// shortest row is far smaller than what is kept for it.
const maxRows = 100_000

// maxName is the longest name of a column in PostgreSQL.
const maxName = 63

// row is one row of a POST: the bytes of its document, and its id if it has one.
type row struct {
	id     int64 // 0: none given
	nullID bool  // the id is given as null
	doc    []byte
}

// columns knows what a row of a request may and must have.
type columns struct {
	table  *table
	only   []string // columns=; nil takes every column there is
	needID bool     // a row without an id is one with a null id
	depth  int      // deepest nesting of a document
	keys   int      // most keys of a document
}

// decodeJSON reads one object or an array of objects. The documents of the rows
// point into body.
func decodeJSON(c *columns, body []byte) ([]row, error) {
	switch trimmed := bytes.TrimLeft(body, " \t\r\n"); {
	case len(trimmed) > 0 && trimmed[0] == '{':
		r, err := c.object(body)
		if err != nil {
			return nil, err
		}
		return []row{r}, nil
	case len(trimmed) > 0 && trimmed[0] == '[':
		return c.array(body)
	}
	if err := jsonb.Check(body, jsonb.Limits{Text: jsonb.Printed(body)}); err != nil {
		return nil, err
	}
	return nil, errBody("The body must be a JSON object or an array of objects")
}

// array reads the rows of an array of objects.
func (c *columns) array(body []byte) ([]row, error) {
	if err := jsonb.Check(body, jsonb.Limits{Depth: c.depth + 2, Text: jsonb.Printed(body)}); err != nil {
		return nil, err
	}
	rows := []row{}
	for elem := range jsonb.Elements(body) {
		if jsonb.Kind(elem) != '{' {
			return nil, errBody("The body must be a JSON object or an array of objects")
		}
		r, err := c.members(elem)
		if err != nil {
			return nil, err
		}
		if rows = append(rows, r); len(rows) > maxRows {
			return nil, errTooMany()
		}
	}
	return rows, nil
}

// object reads one row that has not been checked.
func (c *columns) object(text []byte) (row, error) {
	if err := jsonb.Check(text, jsonb.Limits{Depth: c.depth + 1, Text: jsonb.Printed(text)}); err != nil {
		return row{}, err
	}
	if jsonb.Kind(text) != '{' {
		return row{}, errBody("The body must be a JSON object or an array of objects")
	}
	return c.members(text)
}

// members reads the members of a valid object. Of two members with one name the
// last counts, as everywhere in PostgreSQL.
func (c *columns) members(object []byte) (r row, err error) {
	for name, value := range jsonb.Members(object) {
		if err := c.set(&r, name, value); err != nil {
			return r, err
		}
	}
	return r, nil
}

// set gives a row the value of a column, a JSON text. Only for the document it
// need not be valid yet.
func (c *columns) set(r *row, name string, value []byte) (err error) {
	if c.only != nil && !slices.Contains(c.only, name) {
		return nil
	}
	switch name {
	case c.table.doc:
		r.doc = value
		return nil
	case c.table.Key:
		r.id, r.nullID, err = parseID(c.table.Table, value)
		return err
	}
	return c.check(name)
}

// check refuses a column that cannot be given.
func (c *columns) check(name string) error {
	if c.only != nil && !slices.Contains(c.only, name) {
		return nil
	}
	switch i := c.table.Column(name); {
	case len(name) > maxName:
		return errLongColumn(c.table.Table)
	case i < 0:
		return errColumn(c.table.Table, name)
	case !c.table.Columns[i].Insert:
		return &Error{
			Status: http.StatusBadRequest, Code: "428C9", Message: `cannot insert a non-DEFAULT value into column "` + name + `"`,
			Details: `Column "` + name + `" is set by Vigil alone.`,
		}
	}
	return nil
}

// cell returns the JSON text that a cell of a form or of CSV means: itself for
// the document, a string for anything else.
func (c *columns) cell(name, text string) []byte {
	if name == c.table.doc {
		return []byte(text)
	}
	return jsonb.AppendString(nil, text)
}

// finish checks a whole row. checked says that the document is known to be valid.
func (c *columns) finish(r *row, checked bool) error {
	limits := jsonb.Limits{Depth: c.depth, Keys: c.keys, Text: jsonb.Printed(r.doc)}
	const shortestKey = len(`"":0,`)
	switch {
	case r.nullID, r.id == 0 && c.needID:
		return errNull(c.table.Table, c.table.Key)
	case r.doc == nil:
		return errNull(c.table.Table, c.table.doc)
	case !checked, len(r.doc)/shortestKey >= c.keys:
		if err := jsonb.Check(r.doc, limits); err != nil {
			return err
		}
	}
	if jsonb.Kind(r.doc) == 'n' {
		return errNull(c.table.Table, c.table.doc)
	}
	return nil
}

// errLongColumn is of what is no name, but most likely a document that was sent as
// a form.
func errLongColumn(table string) error {
	return &Error{
		Status: http.StatusBadRequest, Code: "PGRST204",
		Message: "Could not find one of the columns of '" + table + "' in the schema cache",
		Hint:    "A body of JSON needs the header Content-Type: application/json.",
	}
}

func errColumn(table, name string) error {
	return &Error{
		Status: http.StatusBadRequest, Code: "PGRST204",
		Message: "Could not find the '" + name + "' column of '" + table + "' in the schema cache",
	}
}

func errNull(table, column string) error {
	return &Error{
		Status: http.StatusBadRequest, Code: "23502",
		Message: `null value in column "` + column + `" of relation "` + table + `" violates not-null constraint`,
	}
}

func errTooMany() error {
	return &Error{
		Status: http.StatusRequestEntityTooLarge, Code: "54000", Message: "The request has too many rows",
		Details: "The limit is " + itoa(maxRows) + " rows.",
	}
}

// parseID reads an id: a whole number, or a string with one. The texts do not
// repeat it: what stands where an id should be may be anything.
func parseID(table string, value []byte) (id int64, null bool, err error) {
	if jsonb.Kind(value) == 'n' {
		return 0, true, nil
	}
	text := string(bytes.TrimSpace(jsonb.AppendText(nil, value)))
	id, err = strconv.ParseInt(text, 10, 64)
	switch {
	case err == nil && id > 0:
		return id, false, nil
	case err == nil:
		return 0, false, &Error{
			Status: http.StatusBadRequest, Code: "23514", Message: `new row for relation "` + table + `" violates check constraint "` + table + `_id_check"`,
			Details: "An id is a positive number.",
		}
	case errors.Is(err, strconv.ErrRange):
		return 0, false, &Error{Status: http.StatusBadRequest, Code: "22003", Message: "value is out of range for type bigint"}
	}
	return 0, false, &Error{Status: http.StatusBadRequest, Code: "22P02", Message: "invalid input syntax for type bigint"}
}

// checkColumns refuses a columns= that names what cannot be given.
func (c *columns) checkColumns() error {
	for _, name := range c.only {
		if err := c.check(name); err != nil {
			return err
		}
	}
	return nil
}
