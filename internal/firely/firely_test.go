package firely

import (
	"os"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"vigil"
	"vigil/internal/format/template"
)

func files(kv ...string) fstest.MapFS {
	m := fstest.MapFS{}
	for i := 0; i < len(kv); i += 2 {
		m[kv[i]] = &fstest.MapFile{Data: []byte(kv[i+1])}
	}
	return m
}

func load(t *testing.T, fsys fstest.MapFS, environ ...string) *Settings {
	t.Helper()
	s, err := Load(fsys, environ)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestDefaults(t *testing.T) {
	s := load(t, files())
	if s.File != All || s.Events != All || !s.UserNames || !s.MachineName || len(s.Sinks) != 0 || len(s.Files) != 0 {
		t.Errorf("%+v", s)
	}
}

// TestLayers: each file counts over the one before, variables over all, without
// case, arrays by their numbers.
func TestLayers(t *testing.T) {
	s := load(t, files(
		"audit.logsettings.default.json", `{"AuditLog": {"WriteTo": [{"Name": "File", "Args": {"path": "default.log", "rollingInterval": "Day"}}]}}`,
		"audit.logsettings.json", "\ufeff"+`{ // our own
			"auditlog": {"WriteTo": [{"Args": {"PATH": "site.log", "shared": true,},},]}, /* more */
		}`,
		"audit.logsettings.instance.json", `{"AuditLog": {"WriteTo": {"0": {"Args": {"rollingInterval": "hour"}}, "Second": "Console"}}}`,
	), "VONKAUDITLOG_AuditLog__WriteTo__0__Args__path=env.log", "VonkAuditLog_AuditLog:Properties:Application=Test Server", "VONK_x=y", "HOME=/nowhere")
	if len(s.Sinks) != 2 || s.Sinks[1].Kind != KindConsole {
		t.Fatalf("%+v", s.Sinks)
	}
	f := s.Sinks[0].File
	if f.Path != "env.log" || f.Interval != "Hour" || !f.Shared || f.SizeLimit != 1<<30 {
		t.Errorf("%+v", f)
	}
	if got := strings.Join(s.Files, " "); got != "audit.logsettings.default.json audit.logsettings.json audit.logsettings.instance.json" {
		t.Errorf("files: %s", got)
	}
	if len(s.Properties) != 1 {
		t.Errorf("%+v", s.Properties)
	}
}

func TestAsync(t *testing.T) {
	s := load(t, files("audit.logsettings.json", `{"AuditLog": {"WriteTo": [
		{"Name": "Async", "Args": {"bufferSize": 500, "configure": [{"Name": "File", "Args": {"path": "a", "fileSizeLimitBytes": ""}}, {"Name": "Console"}]}},
		{"Name": "Async", "Args": {"blockWhenFull": false, "configure": [{"Name": "File", "Args": {"path": "b", "fileSizeLimitBytes": null}}]}},
		{"Name": "File", "Args": {"path": "c", "fileSizeLimitBytes": 4096, "retainedFileCountLimit": 7, "retainedFileTimeLimit": "7.00:00:00", "flushToDiskInterval": "00:00:01.5", "encoding": "System.Text.Encoding::Unicode, System.Runtime"}}
	]}}`))
	if len(s.Sinks) != 4 {
		t.Fatalf("%d sinks", len(s.Sinks))
	}
	a, b, c := s.Sinks[0], s.Sinks[2], s.Sinks[3]
	if a.Async == nil || a.Async.BufferSize != 500 || a.Async.Drop || a.File.SizeLimit != 0 || s.Sinks[1].Async != a.Async {
		t.Errorf("blocking: %+v %+v", a.Async, a.File)
	}
	if !b.Async.Drop || b.Async.BufferSize != 10_000 || b.File.SizeLimit != 0 || len(s.Warnings) != 1 || !strings.Contains(s.Warnings[0], "blockWhenFull") {
		t.Errorf("dropping: %+v, warnings %q", b.Async, s.Warnings)
	}
	f := c.File
	if c.Async != nil || f.SizeLimit != 4096 || f.RetainCount != 7 || f.RetainTime != 7*24*time.Hour || f.FlushInterval != 1500*time.Millisecond || f.Encoding != "utf-16" {
		t.Errorf("file: %+v", f)
	}
}

func TestPipeline(t *testing.T) {
	for _, c := range []struct {
		app          string
		file, events Scope
		names        bool
	}{
		{`{"PipelineOptions": {"Branches": [{"Include": ["Vonk.Core", "Vonk.Plugin.Audit"]}]}}`, All, All, true},
		{`{"PipelineOptions": {"Branches": [{"Include": ["Vonk.Plugins.Audit"]}]}}`, All, All, true},
		{`{"PipelineOptions": {"Branches": [{"Include": ["vonk.plugin.audit.AuditEventConfiguration"]}]}}`, None, All, false},
		{`{"PipelineOptions": {"Branches": [{"Include": ["Vonk.Core"]}, {"Include": ["Vonk.Plugin.Audit.AuditTransactionConfiguration", "Vonk.Plugin.Audit.UsernameLoggingConfiguration"]}]}}`, Transactions, None, true},
		{`{"PipelineOptions": {"Branches": [{"Include": ["Vonk"], "Exclude": ["Vonk.Plugin.Audit.UsernameLoggingConfiguration"]}]}}`, All, All, false},
		{`{"PipelineOptions": {"Branches": [{"Include": ["Vonk.Core", "Vonk.Plugin.Aud"]}]}}`, None, None, false},
		{`{"Audit": {"EnableAuditFileLogging": false}}`, None, All, true},
		{`{"Audit": {"EnableAuditEventLogging": false, "EnableAuditFileLogging": true}}`, All, None, true},
	} {
		s := load(t, files("appsettings.json", c.app))
		if s.File != c.file || s.Events != c.events || s.UserNames != c.names {
			t.Errorf("%s: file %s, events %s, names %v", c.app, s.File, s.Events, s.UserNames)
		}
	}
	if s := load(t, files(), "VONK_Audit__EnableAuditEventLogging=false"); s.Events != None {
		t.Error("the variable does not count")
	}
}

// TestAudits: AuditEvents have a scope of their own, and the same exclusions.
func TestAudits(t *testing.T) {
	s := load(t, files("appsettings.json", `{"Audit": {"ExcludedRequests": [{"UrlPath": "/metadata"}]},
		"PipelineOptions": {"Branches": [{"Include": ["Vonk.Plugin.Audit.AuditEventTransactionConfiguration"]}]}}`))
	if !s.Configured || load(t, files("appsettings.json", `{"Logging": {}}`)).Configured {
		t.Error("what is configured")
	}
	for interaction, want := range map[string]bool{"read": false, "batch": true, "transaction": true} {
		if got := s.Audits(&vigil.Exchange{Method: "POST", Path: "/", Interaction: interaction}); got != want {
			t.Errorf("%s: %v", interaction, got)
		}
	}
	s = load(t, files("appsettings.json", `{"Audit": {"ExcludedRequests": [{"UrlPath": "/metadata", "Method": "GET|HEAD"}]}}`))
	if s.Audits(&vigil.Exchange{Method: "GET", Path: "/fhir/metadata", Upstream: "http://fhir.example/fhir"}) {
		t.Error("an excluded request is audited")
	}
	if got := s.Excluded[0].String(); got != "GET|HEAD /metadata" {
		t.Errorf("written down: %s", got)
	}
}

func TestExcluded(t *testing.T) {
	s := load(t, files("appsettings.json", `{"Audit": {"ExcludedRequests": [
		{"UrlPath": "/Patient", "Method": "GET"}, {"UrlPath": "/Patient/*", "Method": "get|head"},
		{"UrlPath": "/Medication*", "Method": "*"}, {"UrlPath": "/$*", "Method": ""}, {"UrlPath": "/*/*/$validate", "Method": null}
	]}}`))
	x := func(method, path string) *vigil.Exchange {
		return &vigil.Exchange{Method: method, Path: "/base/r4" + path, Upstream: "http://fhir.example/base/r4/"}
	}
	for _, c := range []struct {
		method, path string
		want         bool
	}{
		{"GET", "/Patient", true},
		{"GET", "/Patient/", true},
		{"GET", "/patient", true},
		{"POST", "/Patient", false},
		{"GET", "/PatientX", false},
		{"HEAD", "/Patient/1/_history/2", true},
		{"DELETE", "/MedicationRequest/1", true},
		{"GET", "/Med", false},
		{"POST", "/$reindex", true},
		{"POST", "/Patient/1/$validate", true},
		{"POST", "/Patient/$validate", false},
		{"GET", "", false},
	} {
		if got := s.Excludes(x(c.method, c.path)); got != c.want {
			t.Errorf("%s %s: %v", c.method, c.path, got)
		}
	}
	// Without the server's address the base is what the route leaves over.
	if !s.Excludes(&vigil.Exchange{Method: "GET", Path: "/a/b/Patient/7", Route: "GET /Patient/?"}) {
		t.Error("a path below an unknown base")
	}
}

// TestExcludedEntries: an entry of a bundle is excluded by its own method and its
// path below the base, however the gateway knows the base; the bundle is not for it.
func TestExcludedEntries(t *testing.T) {
	s := load(t, files("appsettings.json", `{"Audit": {"ExcludedRequests": [{"UrlPath": "/Patient*", "Method": "GET"}, {"UrlPath": "/$reindex"}]}}`))
	known := &vigil.Exchange{Method: "POST", Path: "/base/r4", Upstream: "http://fhir.example/base/r4/", Interaction: "batch"}
	unknown := &vigil.Exchange{Method: "POST", Path: "/base/r4", Route: "POST /", Interaction: "batch"}
	for _, c := range []struct {
		whole *vigil.Exchange
		entry vigil.Exchange
		want  bool
	}{
		{known, vigil.Exchange{Method: "GET", Path: "/base/r4/Patient/1"}, true},
		{known, vigil.Exchange{Method: "GET", Path: "Patient/1"}, true},
		{known, vigil.Exchange{Method: "GET", Path: "/base/r4/Patient", RawQuery: "_id=1"}, true},
		{known, vigil.Exchange{Method: "PUT", Path: "/base/r4/Patient/1"}, false},
		{known, vigil.Exchange{Method: "GET", Path: "/base/r4/Observation/1"}, false},
		{known, vigil.Exchange{Method: "POST", Path: "/base/r4/$reindex"}, true},
		{known, vigil.Exchange{Method: "POST", Path: "/base/r4/Patient/$reindex"}, false},
		{unknown, vigil.Exchange{Method: "GET", Path: "/base/r4/Patient/1", Route: "GET /Patient/?"}, true},
		{unknown, vigil.Exchange{Method: "GET", Path: "/base/r4/Encounter/1", Route: "GET /Encounter/?"}, false},
	} {
		if got := s.ExcludesEntry(c.whole, &c.entry); got != c.want {
			t.Errorf("%s %s: %v", c.entry.Method, c.entry.Path, got)
		}
		if s.Excludes(c.whole) || !s.Audits(c.whole) {
			t.Errorf("%s: the bundle is excluded", c.whole.Path)
		}
	}
}

// TestRefused: what is wrong is named with its place, all of it at once.
func TestRefused(t *testing.T) {
	sink := func(s string) string { return `{"AuditLog": {"WriteTo": [` + s + `]}}` }
	for _, c := range []struct{ name, text, want string }{
		{"audit.logsettings.json", "{\n  \"AuditLog\": {\n    \"WriteTo\" [\n", "audit.logsettings.json:3:15: "},
		{"audit.logsettings.json", "{\n  \"AuditLog\": {", "audit.logsettings.json:2:16: the file ends too early"},
		{"audit.logsettings.json", "[]", "audit.logsettings.json:1:1: want an object"},
		{"audit.logsettings.json", "", "the file ends too early"},
		{"audit.logsettings.json", "{} x", "audit.logsettings.json:1:"},
		{"audit.logsettings.json", "{ /* never", "1:3: the comment is not closed"},
		{"audit.logsettings.json", `{"a": 1, "A": 2}`, `1:10: "A" is there twice`},
		{"audit.logsettings.json", strings.Repeat(`{"a":`, 100), "nested deeper"},
		{"audit.logsettings.json", strings.Repeat(`{"a":[`, 100), "nested deeper"},
		{"audit.logsettings.json", sink(`{"Name": "Splunk"}`), `audit.logsettings.json:1:27: there is no sink "Splunk"`},
		{"audit.logsettings.json", sink(`{"Args": {}}`), "has no Name"},
		{"audit.logsettings.json", sink(`{"Name": "File"}`), "has no path"},
		{"audit.logsettings.json", sink(`{"Name": "File", "Args": {"path": "a", "rolingInterval": "Day"}}`), `the sink File has no "rolingInterval"`},
		{"audit.logsettings.json", sink(`{"Name": "File", "Args": {"path": "a", "rollingInterval": "Week"}}`), `no rollingInterval "Week"`},
		{"audit.logsettings.json", sink(`{"Name": "File", "Args": {"path": "a", "fileSizeLimitBytes": 0}}`), "from 1 on"},
		{"audit.logsettings.json", sink(`{"Name": "File", "Args": {"path": "a", "shared": "yes"}}`), "want true or false"},
		{"audit.logsettings.json", sink(`{"Name": "File", "Args": {"path": "a", "shared": true, "buffered": true}}`), "shared and buffered"},
		{"audit.logsettings.json", sink(`{"Name": "File", "Args": {"path": "a", "retainedFileTimeLimit": "soon"}}`), "want a time"},
		{"audit.logsettings.json", sink(`{"Name": "File", "Args": {"path": "a", "encoding": "EBCDIC"}}`), "no encoding"},
		{"audit.logsettings.json", sink(`{"Name": "File", "Args": {"path": "a", "outputTemplate": "{Ip {Path}"}}`), `"{Ip {Path}" in the outputTemplate is no property`},
		{"audit.logsettings.json", sink(`{"Name": "File", "Args": {"path": "a", "outputTemplate": "{IpAddress}"}}`), `names "IpAddress"`},
		{"audit.logsettings.json", sink(`{"Name": "File", "Args": {"path": "a", "outputTemplate": "{Timestamp:Q}"}}`), "no format of a time"},
		{"audit.logsettings.json", sink(`{"Name": "Async"}`), "nothing behind it"},
		{"audit.logsettings.json", sink(`{"Name": "Async", "Args": {"configure": [{"Name": "Async"}]}}`), "one queue is enough"},
		{"audit.logsettings.json", sink(`{"Name": "Seq", "Args": {"serverUrl": "localhost:5341"}}`), "serverUrl is no address"},
		{"audit.logsettings.json", sink(`{"Name": "Elasticsearch"}`), "no nodeUris"},
		{"audit.logsettings.json", `{"AuditLog": {"MinimumLevel": {"Default": "Warning"}}}`, "would write no audit line"},
		{"audit.logsettings.json", `{"AuditLog": {"Enrich": ["WithMagic"]}}`, `no enricher "WithMagic"`},
		{"audit.logsettings.json", `{"AuditLog": {"WriteTwo": []}}`, `AuditLog has no "WriteTwo"`},
		{"appsettings.json", `{"Audit": {"ExcludedRequests": [{"Method": "GET"}]}}`, "no UrlPath"},
		{"appsettings.json", `{"Audit": {"ExcludedRequests": [{"UrlPath": "/a", "Method": "FETCH"}]}}`, `no method "FETCH"`},
		{"appsettings.json", `{"Audit": {"EnableAuditEventLogging": "maybe"}}`, "want true or false"},
		{"appsettings.json", `{"Audit": {"EnableAuditEventLogging": [false]}}`, "want one value"},
		{"appsettings.json", `{"Audit": {"ExcludedRequests": [{"UrlPath": "/a", "Method": ["GET"]}]}}`, "Method is an object or a list"},
		{"audit.logsettings.json", sink(`{"Name": "File", "Args": {"path": "a", "rollingInterval": {"a": 1}}}`), "rollingInterval is an object or a list"},
		{"audit.logsettings.json", sink(`{"Name": "File", "Args": {"path": "a", "retainedFileCountLimit": [7]}}`), "want one value"},
		{"audit.logsettings.json", sink(`{"Name": "File", "Args": {"path": "a", "flushToDiskInterval": ["00:00:01"]}}`), "want one value"},
		{"audit.logsettings.json", sink(`{"Name": "Seq", "Args": {"serverUrl": "http://localhost", "apiKey": ["x"]}}`), "apiKey is an object or a list"},
	} {
		_, err := Load(files(c.name, c.text), nil)
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), c.name+":") {
			t.Errorf("%s: %v, want %s", c.text, err, c.want)
		}
	}
	_, err := Load(files("audit.logsettings.json", sink(`{"Name": "X"}, {"Name": "Y"}`)), []string{"VONKAUDITLOG_AuditLog__WriteTo__1__Name=Z"})
	if err == nil || !strings.Contains(err.Error(), `"X"`) || !strings.Contains(err.Error(), `"Z"`) || !strings.Contains(err.Error(), "VONKAUDITLOG_") && !strings.Contains(err.Error(), "1:") {
		t.Errorf("two wrong sinks: %v", err)
	}
}

func TestSeqAndElasticsearch(t *testing.T) {
	s := load(t, files("audit.logsettings.json", `{"AuditLog": {"Using": ["Serilog.Sinks.Seq"], "MinimumLevel": "Verbose", "WriteTo": [
		{"Name": "Seq", "Args": {"serverUrl": "http://localhost:5341", "apiKey": "secret-key", "period": "00:00:05", "bufferBaseFilename": "x"}},
		{"Name": "Elasticsearch", "Args": {"nodeUris": "http://one.example:9200;http://two.example:9200", "indexFormat": "audit-{0:yyyy.MM}"}}]}}`))
	q, e := s.Sinks[0].Seq, s.Sinks[1].Elasticsearch
	if q.ServerURL != "http://localhost:5341" || q.APIKey != "secret-key" || q.Period != 5*time.Second || q.BatchLimit != 1000 || q.BodyLimit != 262144 {
		t.Errorf("%+v", q)
	}
	if len(e.Nodes) != 2 || e.IndexFormat != "audit-{0:yyyy.MM}" || e.BatchLimit != 50 {
		t.Errorf("%+v", e)
	}
	if len(s.Warnings) != 1 || strings.Contains(strings.Join(s.Warnings, ""), "secret-key") {
		t.Errorf("warnings: %q", s.Warnings)
	}
}

// TestExpand: variables of the environment in what sinks are given, as Serilog's
// configuration replaces them.
func TestExpand(t *testing.T) {
	s := load(t, files("audit.logsettings.json", `{"AuditLog": {"WriteTo": [
		{"Name": "Async", "Args": {"configure": [{"Name": "File", "Args": {"path": "%audit_dir%/100%/%AUDIT_DIR%/%nowhere%/a%.log"}}]}},
		{"Name": "File", "Args": {"path": "%temp%/audit.log"}},
		{"Name": "Seq", "Args": {"serverUrl": "http://localhost:5341", "apiKey": "%SEQ_KEY%"}}]}}`),
		"AUDIT_DIR=/var/audit", "SEQ_KEY=k%AUDIT_DIR%", "Temp=/scratch")
	if got := s.Sinks[0].File.Path; got != "/var/audit/100%//var/audit/%nowhere%/a%.log" {
		t.Error(got)
	}
	if got := s.Sinks[1].File.Path; got != "/scratch/audit.log" {
		t.Error(got)
	}
	if got := s.Sinks[2].Seq.APIKey; got != "k%AUDIT_DIR%" {
		t.Error(got)
	}
	if len(s.Warnings) != 1 || !strings.Contains(s.Warnings[0], "audit.logsettings.json:2:") || !strings.Contains(s.Warnings[0], "no variable nowhere") {
		t.Errorf("warnings %q", s.Warnings)
	}
	s = load(t, files("audit.logsettings.json", `{"AuditLog": {"WriteTo": [{"Name": "File", "Args": {"path": "%TMP%/a.log"}}]}}`))
	if got := s.Sinks[0].File.Path; got != strings.TrimSuffix(os.TempDir(), "/")+"/a.log" {
		t.Error(got)
	}
}

// TestLevels: audit lines are of the level Information.
func TestLevels(t *testing.T) {
	s := load(t, files("audit.logsettings.json", `{"AuditLog": {"MinimumLevel": {"Default": "Error", "Override": {"Microsoft": "Fatal", "Vonk": "Warning", "Vonk.Plugin": "Information", "Vonk.Plu": "Fatal"}}, "WriteTo": [
		{"Name": "Console", "Args": {"restrictedToMinimumLevel": "Warning"}},
		{"Name": "Console", "Args": {"standardErrorFromLevel": "Verbose"}},
		{"Name": "Console", "Args": {"standardErrorFromLevel": "Error", "restrictedToMinimumLevel": "Debug"}}]}}`))
	if len(s.Sinks) != 2 || !s.Sinks[0].Console.Stderr || s.Sinks[1].Console.Stderr || s.Sinks[1].Level != template.Debug {
		t.Errorf("%+v", s.Sinks)
	}
	if len(s.Warnings) != 1 || !strings.Contains(s.Warnings[0], "nothing is written there") {
		t.Errorf("warnings %q", s.Warnings)
	}
}

// TestCorrelation: the header that the enricher names, else what is known, else an
// id that no other request has.
func TestCorrelation(t *testing.T) {
	s := load(t, files("audit.logsettings.json", `{"AuditLog": {"Enrich": [{"Name": "WithCorrelationIdHeader", "Args": {"headerKey": "x-ward"}}], "WriteTo": [{"Name": "Console", "Args": {"outputTemplate": "{CorrelationId}{NewLine}"}}]}}`))
	l := s.Liner(time.UTC)
	for want, x := range map[string]*vigil.Exchange{
		"w": {ID: "i", Correlation: "c", Headers: map[string]string{"X-Ward": "w", "X-Other": "o"}},
		"c": {ID: "i", Correlation: "c", Headers: map[string]string{"X-Other": "o"}},
		"i": {ID: "i"},
	} {
		l.Events(x, func(e *template.Event) {
			if got := string(s.Sinks[0].Console.Template.Append(nil, e)); got != want+"\n" {
				t.Errorf("%s, want %s", got, want)
			}
		})
	}
}

func FuzzParseJSON(f *testing.F) {
	f.Add(`{"a": [1, "x", null, {"b": true,},], // c` + "\n}")
	f.Add(`{/**/}`)
	f.Fuzz(func(t *testing.T, s string) {
		root, err := parseJSON("f", []byte(s))
		if err != nil {
			if !strings.HasPrefix(err.Error(), "f:") {
				t.Fatalf("no place: %v", err)
			}
			return
		}
		again := &node{}
		again.merge(root)
	})
}
