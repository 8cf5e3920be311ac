package main

import (
	"vigil/internal/config"
	"vigil/internal/format"
	"vigil/internal/format/aidbox"
	"vigil/internal/ingest"
	"vigil/internal/server"
	"vigil/internal/web"
)

// aidboxOptions says how lines of Aidbox's log look here.
func aidboxOptions(cfg *config.Config) aidbox.Options {
	c := &cfg.Aidbox
	o := aidbox.Options{Tenant: c.Tenant, W: c.Worker, Mapping: format.New(cfg.Zone)}
	if len(c.TokenRoutes) > 0 {
		o.TokenRoutes = c.TokenRoutes
	}
	return o
}

// ingest makes the faces of other loggers.
func (s *serving) ingest(gate *server.Gate, bodies *web.Bodies) *ingest.API {
	var tables []string
	for _, t := range s.store.Schemas() {
		if !t.ReadOnly {
			tables = append(tables, t.Table)
		}
	}
	return ingest.New(ingest.Config{
		Store: s.store, Tables: tables,
		Size:         s.store.Log().Size,
		Authenticate: gate.Authenticate, Allow: gate.Allow, Anonymous: s.cfg.Aidbox.Anonymous(), Bodies: bodies, Limits: s.limits(),
		Lines: aidbox.Lines(aidboxOptions(s.cfg)), Pretty: aidbox.AppendPretty,
		Tenant: s.cfg.Aidbox.Tenant, Worker: s.cfg.Aidbox.Worker, Index: s.cfg.Aidbox.IndexTable,
		CORSOrigins: s.cfg.CORSOrigins, Log: s.log,
	})
}
