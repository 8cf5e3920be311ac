package relation

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"

	"vigil/internal/query"
)

// Insert is rows to be added to one table, all or none.
type Insert struct {
	Table *Table
	// Body is a JSON array of objects; Rows is how many.
	Body []byte
	Rows int
	// Columns are those of the objects that count.
	Columns []string
	// Given are the columns that some object has.
	Given []string
	// Defaults says that a column which an object does not have gets its default,
	// and not null.
	Defaults bool
	// Ignore says that rows which are there already are left out. Which are is told
	// by Conflict, columns with a unique index; nil is the primary key.
	Ignore   bool
	Conflict []string

	// Return says which rows come back: nil for none, or the query whose Select
	// says what of them.
	Return *query.Query
	Form   Form
	Key    bool // the key of a single row comes back
	// Check is called before the rows are committed; its error takes them back.
	Check func(count int64) error
}

// Inserted is what became of an [Insert].
type Inserted struct {
	Count int64
	Key   []string // the key's values of the one row, where there is one
}

// Insert adds rows. Row is called with each that comes back, before they are
// committed, with the names of its cells; it must copy what it keeps, and its error
// takes them back. Without an error they are committed.
func (d *DB) Insert(ctx context.Context, s *Session, in *Insert, row func(names []string, cells [][]byte) error) (*Inserted, error) {
	out, err := d.insert(ctx, s, in, row)
	if refused, ok := errors.AsType[*callerError](err); ok {
		return nil, refused.error
	}
	if err != nil {
		return nil, d.failure(ctx, err)
	}
	return out, nil
}

// callerError is an error of the caller's, which is given back as it is.
type callerError struct{ error }

func (d *DB) insert(ctx context.Context, s *Session, in *Insert, row func([]string, [][]byte) error) (*Inserted, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	cat := d.catalog.Load()
	r, err := d.role(ctx, cat, s.Role)
	if err != nil {
		return nil, err
	}
	st, err := insertStatement(cat, in)
	if err != nil {
		return nil, d.renew(err)
	}
	x, err := d.begin(ctx, s, in.Table.Schema, r, "begin read write", st)
	if err != nil {
		return nil, err
	}
	defer x.end()
	out, err := x.collect(in, row)
	if err != nil {
		return nil, err
	}
	if in.Check != nil {
		if err := in.Check(out.Count); err != nil {
			return nil, &callerError{err}
		}
	}
	return out, x.commit()
}

// collect takes what comes back of an insert.
func (x *transaction) collect(in *Insert, row func([]string, [][]byte) error) (*Inserted, error) {
	result, err := x.next()
	if err != nil {
		return nil, err
	}
	out := &Inserted{}
	var names []string
	for _, f := range result.FieldDescriptions() {
		names = append(names, f.Name)
	}
	for result.NextRow() {
		cells := result.Values()
		switch {
		case in.Return != nil:
			out.Count++
			if err := row(names, cells); err != nil {
				return nil, &callerError{err}
			}
		default:
			if out.Count, err = strconv.ParseInt(string(cells[0]), 10, 64); err != nil {
				return nil, err
			}
			out.Key = nil
			for _, c := range cells[1:] {
				if c != nil && out.Count == 1 {
					out.Key = append(out.Key, string(c))
				}
			}
		}
	}
	_, err = result.Close()
	return out, err
}

// source is what the rows that were added are called.
const source = `"vigil added"`

// insertStatement writes the statement of an insert.
func insertStatement(cat *catalog, in *Insert) (statement, error) {
	w := newWriter(cat, in.Table, source)
	text, err := w.insert(in)
	if err != nil {
		return statement{}, err
	}
	returning, rows, err := w.returned(in)
	if err != nil {
		return statement{}, err
	}
	return w.done("with " + source + " as (" + text + " returning " + returning + ") " + rows)
}

// insert writes the insert itself. The values are read by json_to_recordset, as
// in PostgREST, so that every type is read as the server reads it.
func (w *writer) insert(in *Insert) (string, error) {
	columns := in.Columns
	if in.Defaults {
		columns = slices.DeleteFunc(slices.Clone(columns), func(name string) bool { return !slices.Contains(in.Given, name) })
	}
	bare := len(columns) == 0 // rows of defaults
	if bare && in.Rows == 1 {
		return w.onConflict("insert into "+in.Table.sql()+" default values", in)
	}
	if bare {
		c := in.Table.fillable()
		if c == nil {
			return "", &Error{Code: "0A000", Message: "no column of '" + in.Table.Name + "' can be given"}
		}
		columns = []string{c.Name}
	}
	var names, values, types []string
	for _, name := range columns {
		c := in.Table.Column(name)
		if c == nil {
			return "", noColumn(in.Table, name)
		}
		value := rowName + "." + quote(name)
		switch {
		case bare && c.Default != "":
			value = c.Default
		case in.Defaults && c.Default != "":
			value = "case when e.value->" + w.typedArg(name, "text") + " is null then " + c.Default + " else " + value + " end"
		}
		names, values, types = append(names, quote(name)), append(values, value), append(types, quote(name)+" "+c.Type)
	}
	body := w.typedArg(string(in.Body), "json")
	from := "json_to_recordset(" + body + ") as " + rowName + "(" + strings.Join(types, ", ") + ")"
	if in.Defaults {
		from = "json_array_elements(" + body + ") e, json_to_record(e.value) as " + rowName + "(" + strings.Join(types, ", ") + ")"
	}
	text := "insert into " + in.Table.sql() + " (" + strings.Join(names, ", ") + ") select " + strings.Join(values, ", ") + " from " + from
	return w.onConflict(text, in)
}

// onConflict adds to an insert what becomes of rows that are there already.
func (w *writer) onConflict(text string, in *Insert) (string, error) {
	if !in.Ignore {
		return text, nil
	}
	conflict := in.Conflict
	if conflict == nil {
		conflict = in.Table.Key
	}
	var keys []string
	for _, name := range conflict {
		if in.Table.Column(name) == nil {
			return "", noColumn(in.Table, name)
		}
		keys = append(keys, quote(name))
	}
	if keys == nil {
		return "", &Error{Code: "42P10", Message: "there is no unique or exclusion constraint matching the ON CONFLICT specification"}
	}
	return text + " on conflict (" + strings.Join(keys, ", ") + ") do nothing", nil
}

// returned writes what an insert returns, and the select over that. No more is
// returned than is asked for, since returning takes the right to select it.
func (w *writer) returned(in *Insert) (returning, rows string, err error) {
	if in.Return == nil {
		if !in.Key || len(in.Table.Key) == 0 {
			return "1", "select count(*) from " + source, nil
		}
		var keys, values []string
		for _, k := range in.Table.Key {
			keys = append(keys, quote(k))
			values = append(values, "min("+source+"."+quote(k)+"::text)")
		}
		return strings.Join(keys, ", "), "select count(*), " + strings.Join(values, ", ") + " from " + source, nil
	}
	columns := map[string]bool{}
	for _, it := range in.Return.Select {
		columns[it.Path.Column] = true
		if it.Star {
			columns = nil
			break
		}
	}
	for _, o := range in.Return.Order {
		if columns != nil {
			columns[o.Path.Column] = true
		}
	}
	returning = "*"
	if len(in.Return.Select) > 0 && columns != nil {
		var list []string
		for _, c := range in.Table.Columns {
			if columns[c.Name] {
				list = append(list, quote(c.Name))
			}
		}
		if returning = strings.Join(list, ", "); returning == "" {
			returning = "1"
		}
	}
	q := query.Query{Select: in.Return.Select, Order: in.Return.Order, Limit: -1}
	text, err := w.rows(&q, source, false)
	return returning, in.Form.wrap(text), err
}
