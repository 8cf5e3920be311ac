package main

import (
	"net/http"

	"vigil"
	"vigil/internal/config"
	"vigil/internal/fhirapi"
	"vigil/internal/format"
	"vigil/internal/format/convert"
	"vigil/internal/format/fhir"
	"vigil/internal/format/fhir/balp"
	"vigil/internal/server"
	"vigil/internal/store"
	"vigil/internal/web"
)

// policies has what the setting fhir.profiles means.
var policies = map[string]fhir.Policy{
	"warn": fhir.Warn, "refuse": fhir.Refuse, "quarantine": fhir.Quarantine, "ignore": fhir.Ignore,
}

// fhir makes the FHIR face of a server.
func (s *serving) fhir(gate *server.Gate, bodies *web.Bodies, baseURL func(*http.Request) string) http.Handler {
	c := fhirConfig(s.cfg, s.store)
	c.Authenticate, c.Allow, c.BaseURL, c.Log = gate.Authenticate, gate.Allow, baseURL, s.log
	c.Bodies, c.Limits = bodies, s.limits()
	return fhirapi.New(c).Handler()
}

// fhirConfig returns what the FHIR face over a store is made of, but for who asks.
func fhirConfig(cfg *config.Config, s store.Store) fhirapi.Config {
	return fhirapi.Config{
		Store: s, Convert: convert.New(convert.Config{Zone: cfg.Zone, BaseURL: cfg.BaseURL, Exchange: exchangeEvents()}).AuditEvent,
		Mapping: format.New(cfg.Zone), DateIndex: cfg.IsPostgres(), MaxLooks: maxLooks,
		Profiles: policies[cfg.FHIR.Profiles], StrictSearch: cfg.FHIR.StrictSearch, DateMandatory: cfg.FHIR.DateMandatory,
		Count: cfg.FHIR.Count, MaxCount: cfg.FHIR.MaxCount, QueryTime: cfg.Limits.QueryTime,
		CORSOrigins: cfg.CORSOrigins, Version: version(), Zone: cfg.Zone,
	}
}

// maxLooks bounds what one FHIR search may convert: some seconds of a processor.
const maxLooks = 200_000

// exchangeEvents returns what makes AuditEvents of an exchange.
func exchangeEvents() func(*vigil.Exchange) ([]*fhir.Node, error) {
	builder := balp.New(balp.Config{})
	return func(x *vigil.Exchange) ([]*fhir.Node, error) {
		events, err := builder.Events(x)
		if err != nil {
			return nil, err
		}
		nodes := make([]*fhir.Node, len(events))
		for i, e := range events {
			if nodes[i], err = fhir.ParseJSON(e.Doc, fhir.Limits{}); err != nil {
				return nil, err
			}
		}
		return nodes, nil
	}
}
