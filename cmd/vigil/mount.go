package main

import (
	"fmt"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"

	"vigil/internal/format/logserver"
	"vigil/internal/logapi"
	"vigil/internal/postgrest"
	"vigil/internal/server"
	"vigil/internal/web"
)

// handler mounts the faces.
func (s *serving) handler() (http.Handler, error) {
	edgeConfig := web.EdgeConfig{BaseURL: s.cfg.BaseURL}
	for _, p := range s.cfg.TrustedProxies {
		edgeConfig.Proxies = append(edgeConfig.Proxies, p.String())
	}
	edge, err := web.NewEdge(edgeConfig)
	if err != nil {
		return nil, usageError{err}
	}
	baseURL := edge.BaseURL
	if s.cfg.OpenAPIURL != "" {
		baseURL = func(*http.Request) string { return s.cfg.OpenAPIURL }
	}
	gate := &server.Gate{Auth: s.auth, Admin: "admin"}
	bodies := web.NewBodies(s.limits()) // one for all faces: limits.in-flight is of them together
	if err := s.tel.Registry.Register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "vigil_http_bodies_bytes", Help: "Bytes of request bodies in memory, which limits.in-flight bounds.",
	}, func() float64 { return float64(bodies.Held()) })); err != nil {
		return nil, fmt.Errorf("register metrics: %w", err)
	}
	api := postgrest.New(postgrest.Config{
		Store: server.CountIncomplete(s.store, server.IncompleteConfig{
			Missing: logserver.Missing, Source: logserver.SourceOf, Metrics: s.tel.Registry,
		}), Relations: s.beside(), Authenticate: gate.Authenticate, Allow: gate.Allow,
		Bodies: bodies, Limits: s.limits(), QueryTime: s.cfg.Limits.QueryTime, MaxRows: s.cfg.MaxRows, Aggregates: s.cfg.Aggregates,
		Schemas: s.cfg.Schemas, BaseURL: baseURL, CORSOrigins: s.cfg.CORSOrigins, Log: s.log,
	})
	logs := s.ingest(gate, bodies)
	log := logapi.New(logapi.Config{
		Store: s.store, Authorize: gate.Authorize, Key: s.signer.Verifier(),
		Observe: func(r *http.Request, table, query string, rows int64) {
			a := web.AccessOf(r.Context())
			a.Table, a.Query, a.Rows = table, query, rows
		},
	})
	return server.Handler(server.Config{
		Routes: []server.Route{
			{Path: "/fhir/", Handler: s.fhir(gate, bodies, edge.BaseURL)},
			{Path: "/$loggy", Handler: logs.Loggy()},
			{Path: "/_logs", Handler: logs.Logs()},
			{Path: "/_bulk", Handler: logs.Bulk()},
			{Path: "/api/events/raw", Handler: logs.CLEF()},
			{Path: upkeepPath, Handler: s.upkeep()},
			{Path: "/ingest/clef", Handler: logs.CLEF()},
		},
		API: api, Log: web.Handle(log.Serve, postgrest.ErrorWriter(s.log)),
		Edge: edge, Stall: s.limits().Stall, Trace: s.cfg.TraceHeader, Recorder: s.recorder, Metrics: s.tel.Registry, Logger: s.log,
	}), nil
}

// limits returns the configured bounds.
func (s *serving) limits() web.Limits {
	l := web.DefaultLimits()
	c := s.cfg.Limits
	l.Body, l.Depth, l.Keys, l.InFlight, l.Header = c.Body, c.Depth, c.Keys, c.InFlight, c.HeaderTime
	l.Idle = s.cfg.IdleTime
	return l
}

func firstOf(s ...string) string {
	for _, v := range s {
		if v != "" {
			return v
		}
	}
	return ""
}
