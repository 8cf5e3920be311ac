package main

import (
	"strings"
	"testing"
	"testing/fstest"

	"vigil"
	"vigil/internal/firely"
	"vigil/internal/format/fhir/balp"
)

// batch is an exchange with three entries, of which two read patients.
func batch() *vigil.Exchange {
	return &vigil.Exchange{
		ID: "x-1", Method: "POST", Path: "/fhir", Upstream: "http://fhir.example/fhir", Status: 200, Complete: true, Interaction: "batch",
		Entries: []vigil.Exchange{
			{Method: "GET", Path: "/fhir/Patient/1", Status: 200, Interaction: "read", Type: "Patient", Key: "1"},
			{Method: "PUT", Path: "/fhir/Patient/1", Status: 200, Interaction: "update", Type: "Patient", Key: "1"},
			{Method: "GET", Path: "/fhir/Patient/2", Status: 200, Interaction: "read", Type: "Patient", Key: "2"},
		},
	}
}

// TestExcludedEntriesOfBundles: excluded entries have no AuditEvent and are counted,
// also where no AuditEvents are made at all; with the whole bundle excluded it counts
// once.
func TestExcludedEntriesOfBundles(t *testing.T) {
	for _, c := range []struct {
		settings        string
		events, counted int
	}{
		{`{"Audit": {"ExcludedRequests": [{"UrlPath": "/Patient/*", "Method": "GET"}]}}`, 2, 2},
		{`{"Audit": {"EnableAuditEventLogging": false, "ExcludedRequests": [{"UrlPath": "/Patient/*", "Method": "GET"}]}}`, 0, 2},
		{`{"Audit": {"ExcludedRequests": [{"UrlPath": "/", "Method": "POST"}]}}`, 0, 1},
		{`{"Audit": {"ExcludedRequests": [{"UrlPath": "/Observation*"}]}}`, 4, 0},
	} {
		s, err := firely.Load(fstest.MapFS{"appsettings.json": {Data: []byte(c.settings)}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		p := &peers{firely: s, shape: "firely"}
		events, err := p.auditEvents(balp.Config{})(batch())
		if err != nil || len(events) != c.events || p.excluded.Load() != int64(c.counted) {
			t.Errorf("%s: %d AuditEvents, %d counted, %v", c.settings, len(events), p.excluded.Load(), err)
		}
		for i, e := range events {
			if i > 0 && c.counted > 0 && !strings.Contains(string(e.Doc), `"code":"PUT"`) {
				t.Errorf("%s: %s", c.settings, e.Doc)
			}
		}
	}
}

// TestShapes: each shape that can be set makes the AuditEvents that it says.
func TestShapes(t *testing.T) {
	for shape, want := range map[string]struct {
		format vigil.Format
		firely bool
	}{
		"balp":      {vigil.FormatFHIRR4, false},
		"firely":    {vigil.FormatFHIRR4, true},
		"firely-r5": {vigil.FormatFHIRR5, true},
	} {
		p := &peers{shape: shape}
		events, err := p.auditEvents(balp.Config{})(batch())
		if err != nil || len(events) != 4 {
			t.Fatalf("%s: %d AuditEvents, %v", shape, len(events), err)
		}
		for _, e := range events {
			if firely := strings.Contains(string(e.Doc), "api-diagnostics-requestid"); e.Format != want.format || firely != want.firely {
				t.Errorf("%s: format %s: %s", shape, e.Format, e.Doc)
			}
		}
	}
}
