package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"unicode/utf8"

	"vigil"
	"vigil/internal/config"
	"vigil/internal/jsonb"
	"vigil/internal/transfer"
	"vigil/internal/web"
)

type importCmd struct {
	reach
	Table   string   `default:"events" help:"Table to import into." placeholder:"NAME"`
	Format  string   `default:"auto" enum:"auto,ndjson,json,csv,sql" help:"Form of the files: ndjson, json, csv or sql (a pg_dump of logserver); auto looks."`
	Refused string   `help:"File for the records that are not taken, with the reason of each; FILE.refused is the default." placeholder:"FILE"`
	Follow  bool     `help:"Go on as the file is written, past its rotation, until interrupted: for log files and for pipes."`
	Cursor  string   `help:"File that remembers how far --follow has come; FILE.follow is the default." placeholder:"FILE"`
	Files   []string `arg:"" name:"file" help:"Files to import; - is standard input; postgres://… is the table api.TABLE of another database."`
}

// Help says what is not added twice.
func (*importCmd) Help() string {
	return `An import may be broken off and run again, and a file that has grown may be
imported again: what is there already is merged, not added twice.

A record with an id is there if the table has the same document under that id, or
under a new one that an import gave it: an id that is taken, or below the last one,
becomes _source_id. Records without ids, and all of them where the token may not
read, are known by where they stand in the file, for seven days; lines may be
appended to it, but not changed or taken out. Two such files that begin with the
same records are taken for one that has grown.

With --follow, lines of a log are imported as they are written, each once, whatever
becomes of the program: the position is kept in FILE.follow. A file that is renamed
(.1, .old, a date) or copied and truncated is read to its end before the next. For
example: vigil import --follow --table logs /var/log/aidbox/devbox`
}

// Run imports the files one after the other.
func (c *importCmd) Run(ctx context.Context, std *stdio) (err error) {
	if c.Refused != "" && len(c.Files) > 1 {
		return usagef("--refused is for one file, and there are %d", len(c.Files))
	}
	target := &destination{importCmd: c, std: std}
	if err := target.open(ctx, false); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, target.close()) }()
	if c.Follow {
		return c.follow(ctx, std, target)
	}
	refused := int64(0)
	for _, name := range c.Files {
		n, err := c.file(ctx, std, target, name)
		if err != nil {
			return fmt.Errorf("%s: %w", config.Redact(name), err)
		}
		refused += n
	}
	if refused > 0 {
		return fmt.Errorf("%s refused", number(refused, "record was", "records were"))
	}
	return nil
}

// file imports one file and says what became of it.
func (c *importCmd) file(ctx context.Context, std *stdio, target *destination, name string) (refused int64, err error) {
	if isDatabase(name) {
		shown, _ := filepath.Abs(filepath.Join(std.Dir, c.Table))
		return c.take(ctx, std, target, source{name: config.Redact(name), beside: shown, records: databaseRecords(ctx, name, c.Table)})
	}
	in, size, name, err := openInput(std, name)
	if err != nil {
		return 0, err
	}
	defer in.Close()
	records, err := c.records(in)
	if err != nil {
		return 0, err
	}
	return c.take(ctx, std, target, source{name: filepath.Base(in.Name()), beside: name, size: size, records: records})
}

// source is where records come from.
type source struct {
	name    string // for people
	beside  string // the path that refusals go beside
	size    int64  // bytes; 0 is unknown
	records iter.Seq2[transfer.Record, error]
}

// take imports the records of a source and says what became of them.
func (c *importCmd) take(ctx context.Context, std *stdio, target *destination, from source) (refused int64, err error) {
	name := from.beside
	if c.Refused != "" {
		name = c.Refused
	} else {
		name += ".refused"
	}
	out := &refusals{path: name}
	shown := newProgress(std.Err, from.size)
	im := transfer.Import{Target: target, Refused: out.add, Progress: func(n transfer.Counts) { shown.step(n.Offset &^ 255) }}
	counts, err := im.Run(ctx, from.records)
	shown.done()
	err = errors.Join(err, out.close())
	fmt.Fprintf(std.Out, "%s: %d taken, %d merged, %d refused\n", from.name, counts.Taken, counts.Merged, counts.Refused)
	if counts.Refused > 0 {
		fmt.Fprintf(std.Err, "vigil: the refused records are in %s, with reasons\n", out.path)
	}
	if target.err != nil { // running it again will not help
		return counts.Refused, target.err
	}
	if err != nil {
		err = fmt.Errorf("%w (run it again to go on: nothing is added twice)", err)
	} else if counts.Taken+counts.Merged+counts.Refused == 0 {
		err = errors.New("there are no records in the file")
	}
	return counts.Refused, err
}

// records reads a file, in the form that it has or is said to have.
func (c *importCmd) records(in input) (iter.Seq2[transfer.Record, error], error) {
	head, format := bufio.NewReaderSize(in, 64<<10), transfer.Format(c.Format)
	b, _ := head.Peek(4096) // an error comes again when it is read
	if err := transfer.Unreadable(b); err != nil {
		return nil, usageError{err}
	}
	if c.Format == "auto" {
		if format = transfer.Detect(in.Name(), b); format == "" {
			return nil, usagef("unknown form of %s: give --format (auto takes CSV with a column event only)", in.Name())
		}
	}
	limits := web.DefaultLimits()
	return transfer.Read(head, format, transfer.Options{
		Limits: jsonb.Limits{Depth: limits.Depth, Keys: limits.Keys},
	}), nil
}

// destination is where an import goes. Where there is no store yet it is made
// for the first good record, and not before.
type destination struct {
	*importCmd
	std  *stdio
	face *face
	transfer.Finder
	err error // why it could not be opened for the first record
}

// open opens what there is; create makes a new store.
func (d *destination) open(ctx context.Context, create bool) error {
	f, err := d.importCmd.open(ctx, d.std, create)
	if errors.Is(err, errNoStore) && !create {
		return nil
	}
	if err != nil {
		return err
	}
	d.face = f
	d.Finder = &transfer.Remote{Client: f.client, Base: f.base, Token: f.token, Table: d.Table}
	if f.store != nil {
		d.Finder = &transfer.Local{Store: f.store, Table: d.Table, Format: vigil.FormatOf(d.Table), Sender: sender()}
	}
	return nil
}

func (d *destination) close() error {
	if d.face == nil {
		return nil
	}
	return d.face.close()
}

// Last implements transfer.Finder. It is what an import begins with.
func (d *destination) Last(ctx context.Context) (int64, error) {
	if d.face == nil {
		if d.err = d.open(ctx, true); d.err != nil {
			return 0, d.err
		}
		fmt.Fprintf(d.std.Err, "vigil: into a new store %s\n", d.face.name)
	}
	return d.Finder.Last(ctx)
}

// input is a file to import.
type input interface {
	io.ReadCloser
	Name() string
}

// stdin is the input that stdio has.
type stdin struct{ io.Reader }

func (stdin) Close() error { return nil }
func (stdin) Name() string { return "-" }

// openInput opens a file, or standard input. The name is where refusals go beside.
func openInput(std *stdio, name string) (in input, size int64, beside string, err error) {
	if name == "-" {
		return stdin{std.In}, 0, filepath.Join(std.Dir, "stdin"), nil
	}
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, 0, "", usageError{err}
	} else if err != nil {
		return nil, 0, "", err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, 0, "", errors.Join(err, f.Close())
	}
	return f, info.Size(), name, nil
}

// refusals is the file with what was not taken; it is made when there is something.
type refusals struct {
	path string
	grow bool // what is in the file stays there
	f    *os.File
	w    *bufio.Writer
}

// refusal is one line of the file.
type refusal struct {
	Line   int64  `json:"line"`
	Offset int64  `json:"offset"`
	Reason string `json:"reason"`
	Text   string `json:"text,omitempty"`
	Bytes  []byte `json:"base64,omitempty"` // of a text that is not UTF-8
}

func (r *refusals) add(b *transfer.BadRecord) (err error) {
	if r.f == nil {
		mode := os.O_TRUNC
		if r.grow {
			mode = os.O_APPEND
		}
		if r.f, err = os.OpenFile(r.path, os.O_CREATE|mode|os.O_WRONLY, 0o600); err != nil {
			return fmt.Errorf("note what is refused: %w", err)
		}
		r.w = bufio.NewWriter(r.f)
	}
	line := refusal{Line: b.Line, Offset: b.Offset, Reason: b.Err.Error(), Text: string(b.Text)}
	if !utf8.Valid(b.Text) {
		line.Text, line.Bytes = "", b.Text
	}
	e := json.NewEncoder(r.w)
	e.SetEscapeHTML(false)
	if err := e.Encode(line); err != nil {
		return fmt.Errorf("note what is refused: %w", err)
	}
	return nil
}

// sync puts what was added on stable storage.
func (r *refusals) sync() error { return errors.Join(r.w.Flush(), r.f.Sync()) }

func (r *refusals) close() error {
	if r.f == nil {
		return nil
	}
	return errors.Join(r.w.Flush(), r.f.Close())
}
