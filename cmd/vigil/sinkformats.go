package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"vigil"
	"vigil/internal/config"
	"vigil/internal/firely"
	"vigil/internal/format/aidbox"
	"vigil/internal/format/clef"
	"vigil/internal/format/fhir/balp"
	"vigil/internal/format/oracle"
	"vigil/internal/format/template"
	"vigil/internal/sink"
)

// lineFormats has, for each name, what makes the line format of a sink. Edit goes
// around the lines while they are JSON: levels and transforms.
func lineFormats() map[string]func(*outlets, config.Sink, func(sink.Line) sink.Line) (sink.Line, error) {
	type edit = func(sink.Line) sink.Line
	fixed := func(line sink.Line) func(*outlets, config.Sink, edit) (sink.Line, error) {
		return func(_ *outlets, _ config.Sink, e edit) (sink.Line, error) { return e(line), nil }
	}
	lines := func(o *outlets, e edit) func([]byte, *vigil.Event) []byte {
		return e(aidbox.Lines(aidboxOptions(o.cfg)))
	}
	return map[string]func(*outlets, config.Sink, edit) (sink.Line, error){
		"envelope": fixed(sink.Envelope),
		"document": fixed(sink.Document),
		"aidbox":   func(o *outlets, _ config.Sink, e edit) (sink.Line, error) { return lines(o, e), nil },
		"aidbox-google": func(o *outlets, _ config.Sink, e edit) (sink.Line, error) {
			return aidbox.Google(lines(o, e)), nil
		},
		"aidbox-pretty": func(o *outlets, _ config.Sink, e edit) (sink.Line, error) {
			return aidbox.Pretty(lines(o, e)), nil
		},
		"oracle": func(o *outlets, _ config.Sink, e edit) (sink.Line, error) {
			return e(oracleLines(o.peers == nil || o.peers.hdr == nil || o.peers.hdr.Payloads)), nil
		},
		"clef": func(o *outlets, _ config.Sink, e edit) (sink.Line, error) { return e(clefLines(o.liner())), nil },
		"template": func(o *outlets, s config.Sink, e edit) (sink.Line, error) {
			text := s.Template
			if text == "" {
				text = firely.DefaultTemplate
			}
			t, err := template.Parse(text)
			if err != nil {
				return nil, fmt.Errorf("template: %w", err)
			}
			return e(o.liner().Lines(t)), nil
		},
	}
}

// liner makes Firely Server's audit lines, by its own settings where there are any.
func (o *outlets) liner() *firely.Liner {
	s := &firely.Settings{File: firely.All, UserNames: true, MachineName: true}
	if o.peers != nil && o.peers.firely != nil {
		s = o.peers.firely
	}
	return s.Liner(o.cfg.Zone)
}

// clefLines is the line format of compact events of Serilog's.
func clefLines(l *firely.Liner) sink.Line { return l.Format(clef.Append) }

// oracleLines is the line format of audit-hdr-fhir.log, with the payloads that
// exchanges have or without.
func oracleLines(payloads bool) sink.Line {
	return (&oracle.Options{Payloads: payloads, AuditEvents: balp.New(balp.Config{}).Events}).Lines()
}

// line makes the line format of a sink with its transforms and level.
func (o *outlets) line(s config.Sink) (sink.Line, error) {
	formats := lineFormats()
	name := s.Format
	if name == "" {
		name = "envelope"
	}
	f, ok := formats[name]
	if !ok {
		return nil, fmt.Errorf("unknown format %q: want one of %s", name, strings.Join(slices.Sorted(maps.Keys(formats)), ", "))
	}
	if s.Template != "" && name != "template" {
		return nil, fmt.Errorf("a template is for the format template, not %s", name)
	}
	level := sink.All
	if s.Level != "" {
		var err error
		if level, err = sink.ParseLevel(s.Level); err != nil {
			return nil, err
		}
	}
	var transforms []sink.Transform
	for _, t := range s.Transforms {
		x := sink.Transform{
			Ev: t.Ev, Ignore: t.Ignore, Filter: (*sink.Filter)(t.Filter), Trim: (*sink.Trim)(t.Trim),
			Dissoc: t.Dissoc, SelectKeys: t.SelectKeys,
		}
		if err := x.Check(); err != nil {
			return nil, err
		}
		transforms = append(transforms, x)
	}
	if name == "template" && (len(transforms) > 0 || s.Level != "") {
		return nil, fmt.Errorf("transforms and level are for lines of JSON, not for the format template")
	}
	return f(o, s, func(line sink.Line) sink.Line {
		line = level.Lines(line)
		for _, t := range transforms {
			line = t.Lines(line)
		}
		return line
	})
}
