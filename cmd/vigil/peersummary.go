package main

import (
	"fmt"
	"path/filepath"
	"strings"

	"vigil/internal/config"
	"vigil/internal/firely"
	"vigil/internal/format/oracle"
	"vigil/internal/hdr"
)

// describe says for people what the settings of the other systems come to; nothing
// where there are none. Keys and passwords are not in it.
func (p *peers) describe(cfg *config.Config) []string {
	var out []string
	add := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	if f := p.firely; f != nil {
		add("")
		add("Firely Server's settings in %s:", cfg.Peers.Firely)
		add("  read: %s", firstOf(strings.Join(f.Files, ", "), "variables of the environment"))
		add("  audit lines: %s; AuditEvents: %s; user names in lines: %s", f.File, f.Events, yesNo(f.UserNames))
		for _, k := range f.Sinks {
			add("  writes to: %s (%s)", describeSink(cfg, k), k.At)
		}
		if f.File != firely.None && len(f.Sinks) == 0 {
			add("  writes to: nothing, since no audit.logsettings file has a sink in WriteTo")
		}
		for _, x := range f.Excluded {
			add("  excluded: %s", x)
		}
		for _, w := range f.Warnings {
			add("  note: %s", w)
		}
	}
	if h := p.hdr; h != nil {
		add("")
		add("Oracle HDR's settings in %s:", cfg.Peers.HDR)
		add("  read: %s", h.File)
		switch {
		case !h.Enabled:
			add("  audit.enabled is false: neither %s nor %s; exchanges are recorded all the same", hdr.LogFile, oracle.Table)
		case h.Store == hdr.ToFile:
			add("  writes to: %s; read it as /%s, too", filepath.Join(cfg.Peers.HDR, hdr.LogFile), oracle.Table)
		default:
			add("  table: /%s", oracle.Table)
		}
		if h.Enabled {
			add("  payloads: %s", yesNo(h.Payloads))
		}
	}
	return out
}

// describeSink says where lines go.
func describeSink(cfg *config.Config, k firely.Sink) string {
	text := string(k.Kind)
	switch k.Kind {
	case firely.KindFile:
		path := k.File.Path
		if !filepath.IsAbs(path) {
			path = filepath.Join(cfg.Peers.Firely, path)
		}
		text = "file " + path + ", a new one: " + strings.ToLower(k.File.Interval)
		if k.File.SizeLimit > 0 {
			text += fmt.Sprintf(", and at %d bytes", k.File.SizeLimit)
		}
	case firely.KindSeq:
		text = "Seq " + config.Redact(k.Seq.ServerURL)
	case firely.KindElasticsearch:
		text = "Elasticsearch " + config.Redact(k.Elasticsearch.Nodes[0])
		for _, node := range k.Elasticsearch.Nodes[1:] {
			text += " or " + config.Redact(node)
		}
		text += ", index " + k.Elasticsearch.IndexFormat
	}
	if k.Async != nil && k.Async.Drop {
		text += fmt.Sprintf(", through a buffer of %d that drops", k.Async.BufferSize)
	}
	return text
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
