package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"vigil"
	"vigil/internal/config"
	"vigil/internal/firely"
	"vigil/internal/format/clef"
	"vigil/internal/format/template"
	"vigil/internal/hdr"
	"vigil/internal/sink"
)

// openPeers opens the sinks that the settings of other systems ask for.
func (o *outlets) openPeers() error {
	if o.peers == nil {
		return nil
	}
	if f := o.peers.firely; f != nil && f.File != firely.None {
		for i, k := range f.Sinks {
			if err := o.addFirely(fmt.Sprintf("firely-%d-%s", i+1, strings.ToLower(string(k.Kind))), k, f.Liner(o.cfg.Zone)); err != nil {
				return usageError{fmt.Errorf("%s: %w", k.At, err)}
			}
		}
	}
	if h := o.peers.hdr; h != nil && h.Enabled && h.Store == hdr.ToFile {
		s := config.Sink{Name: "hdr-file", Type: "file", Path: filepath.Join(o.cfg.Peers.HDR, hdr.LogFile), Tables: []string{vigil.TableExchanges}}
		if err := o.addLine(s, oracleLines(h.Payloads)); err != nil {
			return usageError{fmt.Errorf("%s: %w", h.File, err)}
		}
	}
	return nil
}

// addFirely opens one sink of Firely Server's settings.
func (o *outlets) addFirely(name string, k firely.Sink, l *firely.Liner) error {
	s := config.Sink{Name: name, Tables: []string{vigil.TableExchanges}}
	if k.Async != nil && k.Async.Drop {
		no := false
		s.Async = &config.SinkAsync{BufferSize: k.Async.BufferSize, BlockWhenFull: &no}
	}
	switch k.Kind {
	case firely.KindFile:
		return o.addFirelyFile(s, k.File, l)
	case firely.KindConsole:
		if s.Type = "stdout"; k.Console.Stderr {
			s.Type = "stderr"
		}
		return o.addLine(s, l.Lines(k.Console.Template))
	case firely.KindSeq:
		s.Type, s.URL, s.APIKey, s.BatchLines, s.BatchTime, s.EventLimit = "seq", seqURL(k.Seq.ServerURL), k.Seq.APIKey, k.Seq.BatchLimit, k.Seq.Period, config.Size(k.Seq.BodyLimit)
		return o.addLine(s, clefLines(l))
	case firely.KindElasticsearch:
		e := k.Elasticsearch
		index, err := javaIndex(e.IndexFormat)
		if err != nil {
			return err
		}
		s.Type, s.URL, s.Index, s.BatchLines, s.BatchTime = "elasticsearch", e.Nodes[0], index, e.BatchLimit, e.Period
		s.User, s.Password, s.APIKey, s.Nodes = e.User, e.Password, e.APIKey, e.Nodes[1:]
		return o.addLine(s, l.Format(func(dst []byte, te *template.Event) []byte { return clef.AppendDocument(dst, te, e.Inline) }))
	}
	return fmt.Errorf("there is no sink %s", k.Kind)
}

func (o *outlets) addFirelyFile(s config.Sink, f *firely.File, l *firely.Liner) error {
	s.Type, s.Path, s.RollingInterval, s.Encoding = "file", f.Path, f.Interval, f.Encoding
	if !filepath.IsAbs(s.Path) { // as Firely Server, beside its settings
		s.Path = filepath.Join(o.cfg.Peers.Firely, s.Path)
	}
	s.FileSizeLimit = "unlimited"
	if f.SizeLimit > 0 {
		s.FileSizeLimit = fmt.Sprint(f.SizeLimit)
	}
	s.RetainedFileCountLimit, s.RetainedFileTimeLimit = f.RetainCount, f.RetainTime
	s.Shared, s.Buffered, s.FlushToDiskInterval = f.Shared, f.Buffered, f.FlushInterval
	return o.addLine(s, l.Lines(f.Template))
}

// seqURL is where a server takes events: Serilog's sink is given the address of the
// server alone. Every version of Seq has this path.
func seqURL(server string) string { return strings.TrimRight(server, "/") + "/api/events/raw" }

// javaIndex turns .NET's composite format of an index's name, such as
// logstash-{0:yyyy.MM.dd}, into Java's pattern. The letters of dates that both
// have mean the same.
func javaIndex(format string) (string, error) {
	var b strings.Builder
	text := func(s string) {
		if s != "" {
			b.WriteString("'" + strings.ReplaceAll(s, "'", "''") + "'")
		}
	}
	for {
		before, rest, found := strings.Cut(format, "{0:")
		if strings.ContainsAny(before, "{}") {
			break
		}
		text(before)
		if !found {
			return b.String(), nil
		}
		date, after, closed := strings.Cut(rest, "}")
		if !closed || strings.Trim(date, "yMdHm.-_") != "" {
			break
		}
		b.WriteString(date)
		format = after
	}
	return "", fmt.Errorf("indexFormat %q cannot be used: want text with a date such as {0:yyyy.MM.dd}", format)
}

// refusedEvents makes events for the table quarantine of what a destination
// refused. What is of that table for the same reason already makes none: it
// would never end.
func refusedEvents(refused []sink.Refused, now time.Time) []*vigil.Event {
	var events []*vigil.Event
	for _, r := range refused {
		if r.Event.Table == vigil.TableQuarantine && r.Event.Sender != nil && r.Event.Sender.Listener == "sink" {
			continue
		}
		events = append(events, &vigil.Event{
			Table: vigil.TableQuarantine, Format: vigil.FormatSystem, Doc: r.Append(nil, now),
			Sender: &vigil.Sender{Listener: "sink", Authenticated: true},
		})
	}
	return events
}
