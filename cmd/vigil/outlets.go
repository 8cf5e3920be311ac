package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"time"

	"vigil"
	"vigil/internal/config"
	"vigil/internal/format"
	"vigil/internal/postgrest/grammar"
	"vigil/internal/query"
	"vigil/internal/sink"
	httpsink "vigil/internal/sink/remote"
	"vigil/internal/sink/rolling"
	"vigil/internal/store"
)

// outlets opens the configured sinks. What it opened is in list, also after an
// error.
type outlets struct {
	cfg   *config.Config
	std   *stdio
	log   *slog.Logger
	peers *peers
	// setAside keeps what destinations will never take; a sink may name a file instead.
	setAside sink.SetAside
	gap      func(name string, dropped int64) // of a buffer that drops
	key      func(context.Context) string     // names the batch, where events have no UID

	list []*outlet
}

// outlet is a destination with what is to go there.
type outlet struct {
	name    string
	writer  vigil.Writer
	tables  []string
	keep    func(*vigil.Event) (bool, error) // nil: all
	fromNow bool
	linger  time.Duration
	batch   int
	closers []func(context.Context) error // in their order
}

func (o *outlet) close(ctx context.Context) error {
	var err error
	for _, c := range o.closers {
		err = errors.Join(err, c(ctx))
	}
	return err
}

// wants reports whether an event goes there. A filter that cannot be evaluated
// hides nothing.
func (o *outlet) wants(e *vigil.Event) bool {
	if len(o.tables) > 0 && !slices.Contains(o.tables, e.Table) {
		return false
	}
	if o.keep == nil {
		return true
	}
	keep, err := o.keep(e)
	return keep || err != nil
}

// closing makes a closer of a method Close.
func closing(c interface{ Close() error }) func(context.Context) error {
	return func(context.Context) error { return c.Close() }
}

// open opens every sink. What is wrong with one is wrong usage: nobody is served
// before it is right.
func (o *outlets) open() error {
	for _, s := range o.cfg.Sinks {
		if err := o.add(s); err != nil {
			return usageError{fmt.Errorf("sink %s: %w", s.Name, err)}
		}
	}
	return o.openPeers()
}

// any reports whether there is a sink to open.
func (o *outlets) any() bool {
	return len(o.cfg.Sinks) > 0 || o.peers != nil && (o.peers.firely != nil || o.peers.hdr != nil)
}

// close closes what is open.
func (o *outlets) close(ctx context.Context) error {
	var err error
	for _, x := range o.list {
		err = errors.Join(err, x.close(ctx))
	}
	o.list = nil
	return err
}

func (o *outlets) add(s config.Sink) error {
	line, err := o.line(s)
	if err != nil {
		return err
	}
	return o.addLine(s, line)
}

// addLine opens a sink whose lines are made by line.
func (o *outlets) addLine(s config.Sink, line sink.Line) error {
	x := &outlet{name: s.Name, tables: s.Tables, linger: s.BatchTime, batch: s.BatchLines, fromNow: s.From == "now" || s.From == "" && (s.Type == "stdout" || s.Type == "stderr")}
	o.list = append(o.list, x)
	for _, t := range s.Tables {
		if !slices.Contains(o.tables(), t) {
			return fmt.Errorf("there is no table %s", t)
		}
	}
	var err error
	if s.Where != "" {
		if x.keep, err = o.where(s); err != nil {
			return err
		}
	}
	switch s.Type {
	case "stdout":
		x.writer = sink.NewStream(o.std.Out, line)
	case "stderr": // only as the settings of Firely Server's say it
		x.writer = sink.NewStream(o.std.Err, line)
	case "file":
		err = o.file(x, s, line)
	default:
		err = o.remote(x, s, line)
	}
	if err == nil && s.Async != nil && s.Async.BlockWhenFull != nil && !*s.Async.BlockWhenFull {
		a := sink.NewAsync(sink.AsyncConfig{
			Name: s.Name, Writer: x.writer, BufferSize: s.Async.BufferSize, DropWhenFull: true, Logger: o.log,
			Gap: func(n int64) { o.gap(s.Name, n) },
		})
		x.writer = a
		x.closers = append([]func(context.Context) error{a.Close}, x.closers...)
	}
	return err
}

func (o *outlets) tables() []string {
	names := vigil.Tables()
	for _, t := range o.cfg.Tables {
		names = append(names, t.Name)
	}
	return names
}

// where compiles the filters of a sink for each of its tables.
func (o *outlets) where(s config.Sink) (func(*vigil.Event) (bool, error), error) {
	tables := s.Tables
	if len(tables) == 0 {
		tables = o.tables()
	}
	programs := map[string]*query.Program{}
	for _, t := range tables {
		req, err := grammar.Parse(t, s.Where, "event")
		if err != nil {
			return nil, fmt.Errorf("where: %w", err)
		}
		if programs[t], err = query.Compile(&query.Query{Table: t, Where: req.Query.Where, Limit: -1}, store.EventSchema(t), time.Now()); err != nil {
			return nil, fmt.Errorf("where: %w", err)
		}
	}
	mapping := format.New(o.cfg.Zone)
	return func(e *vigil.Event) (bool, error) {
		return programs[e.Table].Match(&store.Row{Stored: *e, Sender: store.AppendSender(nil, e.Sender), Mapping: mapping})
	}, nil
}

// path makes a file's name absolute.
func (o *outlets) path(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(o.std.Dir, name)
}

func (o *outlets) file(x *outlet, s config.Sink, line sink.Line) (err error) {
	opts := rolling.Options{
		Path: o.path(s.Path), Line: line, SizeLimit: s.FileLimit(rolling.DefaultSizeLimit),
		RetainCount: s.RetainedFileCountLimit, RetainTime: s.RetainedFileTimeLimit, Shared: s.Shared, Buffered: s.Buffered,
		FlushInterval: s.FlushToDiskInterval, MaxLines: s.MaxLines, Generations: s.Generations, Logger: o.log,
	}
	if s.RollingInterval != "" {
		if opts.Interval, err = rolling.ParseInterval(s.RollingInterval); err != nil {
			return err
		}
	}
	if opts.Encoding, err = rolling.ParseEncoding(s.Encoding); err != nil {
		return err
	}
	if s.MaxLines > 0 && s.FileSizeLimit == "" {
		opts.SizeLimit = 0
	}
	return o.rolling(x, opts)
}

func (o *outlets) rolling(x *outlet, opts rolling.Options) error {
	f, err := rolling.Open(opts)
	if err != nil {
		return err
	}
	x.writer = f
	x.closers = append(x.closers, closing(f))
	return nil
}

// remote opens the sinks over HTTP.
func (o *outlets) remote(x *outlet, s config.Sink, line sink.Line) error {
	password, key, err := s.Secrets(o.std.Dir)
	if err != nil {
		return err
	}
	c := httpsink.Config{
		Name: s.Name, URL: s.URL, Line: line, SetAside: o.setAside, Header: s.Headers, User: s.User, Password: password, CA: s.CA, Gzip: s.Gzip,
		Timeout: s.Timeout, BatchLines: s.BatchLines, BatchBytes: int(s.BatchBytes), Key: o.key, Logger: o.log, Time: o.happened(),
	}
	if s.CA != "" {
		c.CA = o.path(s.CA)
	}
	if s.Refused != "" {
		f, err := sink.OpenRefused(o.path(s.Refused), time.Now)
		if err != nil {
			return err
		}
		c.SetAside = f.SetAside
		x.closers = append(x.closers, closing(f))
	}
	var r *httpsink.Sink
	switch s.Type {
	case "elasticsearch":
		index := s.Index
		if index == "" {
			index = "'vigil'-yyyy-MM-dd"
		}
		r, err = httpsink.NewElasticsearch(c, httpsink.ElasticsearchOptions{Index: index, APIKey: key, Nodes: s.Nodes})
	case "loki":
		r, err = httpsink.NewLoki(c, s.Labels)
	case "datadog":
		r, err = httpsink.NewDatadog(c, httpsink.DatadogOptions{APIKey: key, Site: s.Site, Tags: s.Tags, Source: s.Source, Service: s.Service, Host: s.Host})
	case "splunk":
		r, err = httpsink.NewSplunk(c, httpsink.SplunkOptions{Token: key, Index: s.Index, Source: s.Source, SourceType: s.SourceType, Host: s.Host, Ack: s.Ack})
	case "otlp":
		r, err = httpsink.NewOTLP(c, httpsink.OTLPOptions{Resource: s.Resource})
	case "seq":
		r, err = httpsink.NewSeq(c, httpsink.SeqOptions{APIKey: key, EventLimit: int(s.EventLimit)})
	case "http":
		r, err = httpsink.NewNDJSON(c)
	default:
		err = fmt.Errorf("unknown type %s", s.Type)
	}
	if err != nil {
		return err
	}
	x.writer = r
	x.closers = append(x.closers, closing(r))
	return nil
}

// happened returns when the event of a line happened: as the line says, else as
// the document says, else when it was received.
func (o *outlets) happened() func(*vigil.Event, []byte) time.Time {
	mapping := format.New(o.cfg.Zone)
	return func(e *vigil.Event, line []byte) time.Time {
		if t := httpsink.LineTime(line); !t.IsZero() {
			return t
		}
		if t := mapping.Facts(e.Format, e.Doc).Occurred; !t.IsZero() {
			return t
		}
		return e.Received
	}
}
