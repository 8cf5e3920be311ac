package main

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"vigil"
	"vigil/internal/config"
	"vigil/internal/firely"
	"vigil/internal/format/fhir/balp"
	"vigil/internal/hdr"
	"vigil/internal/store"
)

// peers are the settings of the systems whose outputs Vigil writes in their
// place. The zero value is none.
type peers struct {
	firely   *firely.Settings // nil: not configured
	hdr      *hdr.Settings    // nil: not configured
	shape    string           // of AuditEvents
	excluded atomic.Int64     // exchanges and entries of bundles without AuditEvents and lines, since the start
	log      *slog.Logger
}

// loadPeers reads the settings where the configuration says that they lie. What
// is wrong with them is wrong usage: nobody is served before it is right.
func loadPeers(cfg *config.Config, std *stdio, log *slog.Logger) (*peers, error) {
	p := &peers{shape: cfg.Peers.Shape, log: log}
	if dir := cfg.Peers.Firely; dir != "" {
		s, err := firely.Load(os.DirFS(dir), std.Env)
		if err != nil {
			return nil, usageError{fmt.Errorf("settings of Firely Server in %s: %w", dir, err)}
		}
		if s.Configured {
			p.firely = s
			for _, w := range s.Warnings {
				log.Warn(w)
			}
			log.Info("auditing as Firely Server's settings say", "files", s.Files, "lines", s.File.String(), "audit_events", s.Events.String(), "excluded", len(s.Excluded))
		}
	}
	if dir := cfg.Peers.HDR; dir != "" {
		s, err := hdr.Load(os.DirFS(dir))
		if err != nil {
			return nil, usageError{fmt.Errorf("settings of Oracle HDR in %s: %w", dir, err)}
		}
		if p.hdr = s; s != nil {
			log.Info("auditing as Oracle HDR's settings say", "file", s.File, "enabled", s.Enabled, "store", s.Store, "payloads", s.Payloads)
		}
	}
	return p, nil
}

// peerDir returns the directory that a setting names; empty for none. The variable
// counts over the default.
func peerDir(dir string, std *stdio, variable string) string {
	if dir == "off" {
		return ""
	}
	if dir == "." && variable != "" {
		for _, v := range std.Env {
			if value, ok := strings.CutPrefix(v, variable); ok && value != "" {
				dir = value
			}
		}
	}
	if !filepath.IsAbs(dir) {
		dir = filepath.Join(std.Dir, dir)
	}
	return dir
}

// auditEvents returns what makes the AuditEvents of exchanges: in the shape that is
// configured, and none of what Firely's settings leave out.
func (p *peers) auditEvents(c balp.Config) func(*vigil.Exchange) ([]*vigil.Event, error) {
	c.Firely, c.R5 = p.shape == "firely" || p.shape == "firely-r5", p.shape == "firely-r5"
	if p.firely == nil {
		return balp.New(c).Events
	}
	c.Excluded = p.excludesEntry
	builder := balp.New(c)
	return func(x *vigil.Exchange) ([]*vigil.Event, error) {
		if p.firely.Excludes(x) {
			p.excluded.Add(1)
			return nil, nil
		}
		if !p.firely.Audits(x) {
			for i := range x.Entries { // which may be counted all the same: the file does without them
				p.excludesEntry(x, &x.Entries[i])
			}
			return nil, nil
		}
		return builder.Events(x)
	}
}

// excludesEntry reports whether an entry of a bundle is excluded, and counts it.
func (p *peers) excludesEntry(whole, entry *vigil.Exchange) bool {
	if !p.firely.ExcludesEntry(whole, entry) {
		return false
	}
	p.excluded.Add(1)
	return true
}

// payloads reports whether Oracle's settings ask for bodies.
func (p *peers) payloads() bool { return p.hdr != nil && p.hdr.Enabled && p.hdr.Payloads }

// auditHeaders are the headers that gateways record: those that are configured, and
// the one of the correlation id that Firely Server's settings name.
func (p *peers) auditHeaders(configured []string) []string {
	if p.firely == nil || p.firely.CorrelationHeader == "" || strings.EqualFold(p.firely.CorrelationHeader, "X-Correlation-Id") {
		return configured // that one is recorded anyway
	}
	return append(slices.Clone(configured), p.firely.CorrelationHeader)
}

// oracleViews is Oracle's table, unless its settings say that nothing is audited.
// It shows the payloads that exchanges have where the settings say so, and where
// there are none. Settings that cannot be read are told of where they are needed.
func oracleViews(cfg *config.Config) []store.View {
	if cfg.Peers.HDR == "" {
		return []store.View{oracleView(true)}
	}
	s, err := hdr.Load(os.DirFS(cfg.Peers.HDR))
	switch {
	case err != nil:
		return []store.View{oracleView(false)}
	case s == nil:
		return []store.View{oracleView(true)}
	case !s.Enabled:
		return nil
	}
	return []store.View{oracleView(s.Payloads)}
}

// exclusions writes down the excluded requests, for the record of their change.
func (p *peers) exclusions() string {
	if p.firely == nil {
		return ""
	}
	var list []string
	for _, x := range p.firely.Excluded {
		list = append(list, x.String())
	}
	return strings.Join(list, ", ")
}

// metrics offers what was excluded.
func (p *peers) metrics(reg prometheus.Registerer) error {
	if p.firely == nil {
		return nil
	}
	return reg.Register(prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "vigil_firely_excluded_total", Help: "Exchanges, and entries of batches and transactions, without AuditEvents and lines, because Firely Server's settings exclude them.",
	}, func() float64 { return float64(p.excluded.Load()) }))
}
