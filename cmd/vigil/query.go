package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"strings"

	"vigil/internal/format/logserver"
	"vigil/internal/jsonb"
	"vigil/internal/postgrest/grammar"
	"vigil/internal/query"
	"vigil/internal/store"
)

type queryCmd struct {
	reach
	Question string `arg:"" help:"What to ask, as in a URL of the API: TABLE?FILTERS&select=…&order=…&limit=…" placeholder:"QUERY"`
	Output   string `short:"o" default:"table" enum:"table,json,ndjson,csv" help:"Form of the answer: table, json, ndjson or csv."`
}

// mediaTypes has what is asked of the server for each form of an answer.
var mediaTypes = map[string]string{
	"table": "application/x-ndjson", "ndjson": "application/x-ndjson", "json": "application/json", "csv": "text/csv",
}

// Run asks a server or a store and prints the answer.
func (c *queryCmd) Run(ctx context.Context, std *stdio) (err error) {
	f, err := c.open(ctx, std, false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.close()) }()
	res, err := f.ask(ctx, c.Question, mediaTypes[c.Output], nil)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if c.Output == "table" {
		n, err := printTable(std.Out, res.Body)
		if err != nil || n > 0 {
			return err
		}
		return printNone(std, c.Question)
	}
	out := io.Writer(std.Out)
	if width(std.Out) > 0 {
		out = &harmless{w: std.Out, csv: c.Output == "csv"}
	}
	if _, err := io.Copy(out, res.Body); err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	if c.Output != "ndjson" { // these do not end in a line end
		_, err = fmt.Fprintln(std.Out)
	}
	return err
}

// sample is how many rows a table's columns are measured by.
const sample = 200

// printNone says that no row was found, under the names of the columns as far
// as the question tells them.
func printNone(std *stdio, question string) error {
	name, raw, _ := strings.Cut(question, "?")
	name = strings.TrimPrefix(name, "/")
	req, err := grammar.Parse(name, encodeQuery(raw), "event")
	if err != nil {
		return err
	}
	var names []string
	items := req.Query.Select
	if len(items) == 0 {
		items = []query.Item{{Star: true}}
	}
	for _, it := range items {
		if !it.Star {
			names = append(names, it.Name())
			continue
		}
		if name == "events_view" {
			names = append(names, logserver.ViewColumns()...)
			continue
		}
		for _, col := range store.EventSchema(name).Columns {
			if !col.System {
				names = append(names, col.Name)
			}
		}
	}
	t := newTable(std.Out)
	if len(names) > 0 {
		t.add(names)
	}
	if err := t.flush(); err != nil {
		return err
	}
	_, err = fmt.Fprintln(std.Err, "(0 rows)")
	return err
}

// printTable prints rows of NDJSON as an aligned table and returns how many there are.
func printTable(w io.Writer, rows io.Reader) (n int, err error) {
	t := newTable(w)
	for line, err := range linesOf(rows) {
		if err != nil {
			return n, errors.Join(t.flush(), err)
		}
		var names, cells []string
		for name, cell := range jsonb.Members(line) {
			names = append(names, name)
			switch jsonb.Kind(cell) {
			case 'n':
				cells = append(cells, "")
			case '"':
				cells = append(cells, string(jsonb.AppendText(nil, cell)))
			default:
				cells = append(cells, string(cell))
			}
		}
		if n++; n == 1 {
			t.add(names)
		}
		if t.add(cells); n == sample {
			if err := t.flush(); err != nil {
				return n, err
			}
		}
	}
	return n, t.flush()
}

// rows yields the rows that answer a question, each a line of JSON that holds
// until the next one. An error is the last.
func (f *face) rows(ctx context.Context, question string) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		res, err := f.ask(ctx, question, mediaTypes["ndjson"], nil)
		if err != nil {
			yield(nil, err)
			return
		}
		defer res.Body.Close()
		linesOf(res.Body)(yield)
	}
}

// linesOf yields the lines of an NDJSON answer. One that is not whole is an error.
func linesOf(r io.Reader) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		in := bufio.NewReaderSize(r, 64<<10)
		var line []byte
		for {
			part, err := in.ReadSlice('\n')
			line = append(line, part...)
			switch {
			case errors.Is(err, bufio.ErrBufferFull):
				continue
			case errors.Is(err, io.EOF) && len(strings.TrimSpace(string(line))) == 0:
				return
			case errors.Is(err, io.EOF):
				err = io.ErrUnexpectedEOF
				fallthrough
			case err != nil:
				yield(nil, fmt.Errorf("read the answer: %w", err))
				return
			}
			if !yield(line[:len(line)-1], nil) {
				return
			}
			line = line[:0]
		}
	}
}

// tailHeader asks for the events behind the one with this id.
func tailHeader(last string) http.Header {
	if last == "" {
		return nil
	}
	return http.Header{"Last-Event-Id": {last}}
}
