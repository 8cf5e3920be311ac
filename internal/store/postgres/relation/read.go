package relation

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strconv"

	"github.com/jackc/pgx/v5/pgconn"

	"vigil/internal/query"
)

// Form is how rows are given.
type Form uint8

// The forms.
const (
	JSON     Form = iota // one cell: the row as an object, as json_agg prints it
	Stripped             // the same without members that are null, and without spaces
	Cells                // a cell for each column, as PostgreSQL prints the value; nil is null
	Number               // one row with one cell: how many rows there are, each of which is computed
)

// Count is how rows beyond the page are counted.
type Count uint8

// The ways to count.
const (
	NoCount Count = iota
	Exact
	Planned // as the planner thinks, which costs nothing
)

// Unknown is a count that was not asked for.
const Unknown = -1

// Read is one question to one table.
type Read struct {
	Table *Table
	Query *query.Query
	Form  Form
	// Count asks how many rows there are beyond the page.
	Count Count
}

// Answer is an answer on its way. It holds a connection until it is closed.
type Answer struct {
	Total int64    // rows beyond the page; [Unknown] where that was not asked for
	Names []string // of the cells

	x      *transaction
	result *pgconn.ResultReader
}

// Read asks. Errors of the question are [*Error]; the caller closes the answer.
// The rows come while the database finds them, so they may end with an error.
func (d *DB) Read(ctx context.Context, s *Session, rd *Read) (*Answer, error) {
	a, err := d.ask(ctx, s, rd)
	if err != nil {
		return nil, d.failure(ctx, err)
	}
	return a, nil
}

func (d *DB) ask(ctx context.Context, s *Session, rd *Read) (*Answer, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	cat := d.catalog.Load()
	r, err := d.role(ctx, cat, s.Role)
	if err != nil {
		return nil, err
	}
	statements, err := readStatements(cat, rd, r.rights[rd.Table.oid].all)
	if err != nil {
		return nil, d.renew(err)
	}
	mode := "begin read only"
	if rd.Count == Exact { // rows and count are of one moment
		mode = "begin isolation level repeatable read read only"
	}
	x, err := d.begin(ctx, s, rd.Table.Schema, r, mode, statements...)
	if err != nil {
		return nil, err
	}
	a := &Answer{Total: Unknown, x: x}
	if err := a.open(rd); err != nil {
		x.end()
		return nil, err
	}
	return a, nil
}

// renew has the catalogue read again where a statement cannot be made from it:
// what is missing may have come since.
func (d *DB) renew(err error) error {
	if e, ok := err.(*Error); ok && stale(e.Code) {
		d.Reload()
	}
	return err
}

// readStatements writes the statements of a read: the count if it is wanted, the
// rows, and the end of the transaction.
func readStatements(cat *catalog, rd *Read, keyed bool) (list []statement, err error) {
	if rd.Count != NoCount {
		w := newWriter(cat, rd.Table, rd.Table.sql())
		text, err := w.count(rd.Query, rd.Table.sql(), rd.Count)
		if err != nil {
			return nil, err
		}
		st, err := w.done(text)
		if err != nil {
			return nil, err
		}
		list = append(list, st)
	}
	w := newWriter(cat, rd.Table, rd.Table.sql())
	text, err := w.rows(rd.Query, rd.Table.sql(), keyed)
	if err != nil {
		return nil, err
	}
	st, err := w.done(rd.Form.wrap(text))
	return append(list, st, statement{text: "commit"}), err
}

// wrap writes the statement that gives the rows of a select in a form.
func (f Form) wrap(rows string) string {
	switch f {
	case JSON:
		return "select row_to_json(" + rowName + ".*) from (" + rows + ") " + rowName
	case Stripped:
		return "select json_strip_nulls(row_to_json(" + rowName + ".*)) from (" + rows + ") " + rowName
	case Number:
		return "select count(" + rowName + ".*) from (" + rows + ") " + rowName
	}
	return rows
}

// open takes the count, and comes to the rows.
func (a *Answer) open(rd *Read) (err error) {
	if rd.Count != NoCount {
		cell, err := a.x.one()
		if err != nil {
			return err
		}
		if a.Total, err = rd.Count.read(cell); err != nil {
			return err
		}
	}
	if a.result, err = a.x.next(); err != nil {
		return err
	}
	a.x.pending = true
	for _, f := range a.result.FieldDescriptions() {
		a.Names = append(a.Names, f.Name)
	}
	return nil
}

// read reads what the statement of a count gave.
func (c Count) read(cell string) (int64, error) {
	if c == Exact {
		return strconv.ParseInt(cell, 10, 64)
	}
	var plans []struct {
		Plan struct {
			Rows float64 `json:"Plan Rows"`
		}
	}
	if err := json.Unmarshal([]byte(cell), &plans); err != nil {
		return 0, fmt.Errorf("read plan: %w", err)
	}
	if len(plans) != 1 {
		return 0, errors.New("read plan: there is none")
	}
	return int64(plans[0].Plan.Rows), nil
}

// Rows gives the rows. The cells are good until the next row. It can be ranged
// over once.
func (a *Answer) Rows() iter.Seq2[[][]byte, error] {
	return func(yield func([][]byte, error) bool) {
		for a.result.NextRow() {
			if !yield(a.result.Values(), nil) {
				return
			}
		}
		a.x.pending = false
		_, err := a.result.Close()
		if err == nil {
			err = a.x.skip() // commit
		}
		if err == nil {
			err = a.x.multi.Close()
		}
		if err != nil {
			yield(nil, a.x.d.failure(a.x.ctx, err))
		}
	}
}

// Close lets go of the connection. What has not been read is not computed.
func (a *Answer) Close() { a.x.end() }
