package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"vigil/internal/jsonb"
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
		return printTable(std.Out, res.Body)
	}
	out := io.Writer(std.Out)
	if width(std.Out) > 0 {
		out = &harmless{w: std.Out}
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

// printTable prints rows of NDJSON as an aligned table.
func printTable(w io.Writer, rows io.Reader) error {
	t := newTable(w)
	n := 0
	for line, err := range linesOf(rows) {
		if err != nil {
			return errors.Join(t.flush(), err)
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
				return err
			}
		}
	}
	return t.flush()
}

// linesOf yields the lines of an NDJSON answer. One that is not whole is an error.
func linesOf(r io.Reader) func(func([]byte, error) bool) {
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
