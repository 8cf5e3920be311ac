package main

import (
	"net/http"

	"vigil/internal/fhirapi"
	"vigil/internal/format"
	"vigil/internal/format/convert"
	"vigil/internal/format/fhir"
	"vigil/internal/server"
)

// policies has what the setting fhir.profiles means.
var policies = map[string]fhir.Policy{
	"warn": fhir.Warn, "refuse": fhir.Refuse, "quarantine": fhir.Quarantine, "ignore": fhir.Ignore,
}

// fhir makes the FHIR face.
func (s *serving) fhir(gate *server.Gate, baseURL func(*http.Request) string) http.Handler {
	c := s.cfg.FHIR
	return fhirapi.New(fhirapi.Config{
		Store: s.store, Authenticate: gate.Authenticate, Allow: gate.Allow, Limits: s.limits(), BaseURL: baseURL,
		Convert: convert.New(convert.Config{Zone: s.cfg.Zone, BaseURL: s.cfg.BaseURL}).AuditEvent,
		Mapping: format.New(s.cfg.Zone), DateIndex: s.cfg.IsPostgres(),
		Profiles: policies[c.Profiles], StrictSearch: c.StrictSearch, DateMandatory: c.DateMandatory,
		Count: c.Count, MaxCount: c.MaxCount, QueryTime: s.cfg.Limits.QueryTime,
		CORSOrigins: s.cfg.CORSOrigins, Version: version(), Zone: s.cfg.Zone, Log: s.log,
	}).Handler()
}
