package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"vigil"
	"vigil/internal/config"
	"vigil/internal/durable"
	"vigil/internal/jsonb"
	"vigil/internal/query"
	"vigil/internal/store"
	"vigil/internal/transfer"
)

type exportCmd struct {
	reach
	Question    string `arg:"" optional:"" default:"events" help:"What to export: TABLE, or TABLE?FILTERS as in a URL of the API." placeholder:"QUERY"`
	Output      string `short:"o" default:"ndjson" enum:"ndjson,csv,sql,parquet" help:"Form: ndjson, csv, parquet, or sql, which psql restores into a logserver."`
	As          string `default:"stored" enum:"stored,logserver" help:"Documents as they are stored, or AuditEvents (QUERY is audit_events) as documents of logserver's schema: stored or logserver."`
	System      bool   `help:"Vigil's own columns too: _uid, _received, _sender and the others."`
	Spreadsheet bool   `help:"Put ' before cells of CSV that a spreadsheet would run as a formula."`
	To          string `help:"File to write; it appears when it is complete. Standard output is the default." placeholder:"FILE"`
}

// page is how many rows are asked for at once: a broken connection costs no
// more, and a server that bounds its answers bounds no export.
const page = 20_000

// Run exports what is there now, in the order of ids.
func (c *exportCmd) Run(ctx context.Context, std *stdio) (err error) {
	table, filters, _ := strings.Cut(c.Question, "?")
	for part := range strings.SplitSeq(filters, "&") {
		switch name, _, _ := strings.Cut(part, "="); name {
		case "select", "order", "limit", "offset":
			return usagef("%s= has no meaning for an export: it takes filters only", name)
		}
	}
	columns := c.columns(table)
	if c.System && (c.Output == "sql" || c.As == "logserver") {
		return usagef("--system: logserver's table has no other columns than id and event")
	}
	e := &exporting{table: table, filters: filters}
	if c.As == "logserver" {
		if table != vigil.TableAuditEvents {
			return usagef("--as logserver: want %s, or %[1]s?FILTERS", vigil.TableAuditEvents)
		}
		own := *std
		_, own.Env = withoutToken(std.Env)
		cfg, err := c.load(&own, nil)
		if err != nil {
			return err
		}
		e.convert = asLogserver(cfg)
		table = vigil.TableEvents // as which a logserver knows them
	}
	f, err := c.open(ctx, std, false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.close()) }()
	e.face = f
	for _, col := range columns {
		e.columns, e.types = append(e.columns, col.Name), append(e.types, col.Type)
	}
	if e.whole = !slices.Contains(e.columns, "id"); !e.whole {
		if err := e.bounds(ctx); err != nil {
			return err
		}
	}
	return c.write(ctx, std, e, table)
}

// columns returns what is exported of a table or a view.
func (c *exportCmd) columns(table string) []query.Column {
	for _, v := range []store.View{eventsView(&config.Config{Zone: time.UTC}), oracleView(true)} {
		if v.Schema.Table == table {
			return v.Schema.Columns
		}
	}
	columns := store.EventSchema(table).Columns
	if !c.System {
		columns = columns[:2] // id and event
	}
	return columns
}

// write writes the rows to the file, or to standard output, as those of a table.
func (c *exportCmd) write(ctx context.Context, std *stdio, e *exporting, table string) error {
	if c.To == "" {
		return c.rows(ctx, std, e, table, std.Out)
	}
	partial := c.To + ".partial"
	f, err := os.OpenFile(partial, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if err := c.rows(ctx, std, e, table, f); err != nil {
		return errors.Join(err, f.Close(), os.Remove(partial))
	}
	err = durable.Publish(f, c.To)
	if err != nil {
		_ = os.Remove(partial) // which may have its place by now
	}
	return err
}

func (c *exportCmd) rows(ctx context.Context, std *stdio, e *exporting, table string, out io.Writer) error {
	w, err := transfer.NewWriter(out, transfer.Format(c.Output), transfer.WriterOptions{
		Columns: e.columns, Types: e.types, Spreadsheet: c.Spreadsheet, Table: table,
	})
	if err != nil {
		return usageError{err}
	}
	shown := newProgress(std.Err, e.newest)
	defer shown.done()
	e.row = func(line []byte) (err error) {
		shown.step(e.last)
		if e.convert != nil {
			if line, err = e.convert(line); err != nil {
				return err
			}
		}
		return w.Row(line)
	}
	if err := e.run(ctx); err != nil {
		return err
	}
	return w.Close()
}

// exporting reads a table in pages that continue from the last id.
type exporting struct {
	*face
	table, filters string
	columns        []string
	types          []query.Type
	whole          bool  // there are no ids to continue from: one answer has it all
	newest         int64 // id of the last row when the export began
	last           int64 // id of the last row that was read
	row            func(line []byte) error
	convert        func(line []byte) ([]byte, error) // of each row; nil leaves them as they are
}

// bounds fixes the end of the export.
func (e *exporting) bounds(ctx context.Context) error {
	for line, err := range e.rows(ctx, e.table+"?select=id&order=id.desc&limit=1") {
		if err != nil {
			return err
		}
		if e.newest, err = idOf(line); err != nil {
			return err
		}
	}
	return nil
}

// run hands over every row up to the end. An answer that breaks off is asked
// for again from where it broke, as long as it gets on at all.
func (e *exporting) run(ctx context.Context) error {
	if e.whole {
		return e.all(ctx)
	}
	broken := false
	for e.last < e.newest {
		before := e.last
		n, err := e.page(ctx)
		switch {
		case err == nil && n == 0:
			return nil
		case err == nil:
			broken = false
		case ctx.Err() != nil, broken && e.last == before, !errors.Is(err, errBroken):
			return err
		default:
			broken = true
		}
	}
	return nil
}

// all reads everything in one answer.
func (e *exporting) all(ctx context.Context) error {
	q := e.table + "?select=" + strings.Join(e.columns, ",")
	if e.filters != "" {
		q += "&" + e.filters
	}
	res, err := e.ask(ctx, q, mediaTypes["ndjson"], nil)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	for line, err := range linesOf(res.Body) {
		if err != nil {
			return fmt.Errorf("%w: %w", errBroken, err)
		}
		if err := e.row(line); err != nil {
			return err
		}
	}
	return nil
}

// errBroken says that an answer ended early.
var errBroken = errors.New("the answer broke off")

// page reads one page.
func (e *exporting) page(ctx context.Context) (rows int, err error) {
	q := fmt.Sprintf("%s?select=%s&order=id.asc&limit=%d&id=gt.%d&id=lte.%d", e.table, strings.Join(e.columns, ","), page, e.last, e.newest)
	if e.filters != "" {
		q += "&" + e.filters
	}
	res, err := e.ask(ctx, q, mediaTypes["ndjson"], nil)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	for line, err := range linesOf(res.Body) {
		if err != nil {
			return rows, fmt.Errorf("%w: %w", errBroken, err)
		}
		id, err := idOf(line)
		if err != nil {
			return rows, err
		}
		if id <= e.last {
			return rows, fmt.Errorf("the server answers with row %d after row %d", id, e.last)
		}
		e.last = id
		if err := e.row(line); err != nil {
			return rows, err
		}
		rows++
	}
	return rows, nil
}

// idOf returns the id of a row.
func idOf(line []byte) (int64, error) {
	cell, ok := jsonb.Get(line, "id")
	if !ok {
		return 0, errors.New("a row of the answer has no id")
	}
	return strconv.ParseInt(string(cell), 10, 64)
}
