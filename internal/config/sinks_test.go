package config

import (
	"encoding/csv"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func loadSinks(t *testing.T, yaml string, env ...string) (*Config, error) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "vigil.yaml"), []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	return Load(nil, env, dir)
}

func TestSinks(t *testing.T) {
	c, err := loadSinks(t, `
sinks:
  - type: file
    path: /var/log/audit.log
    rolling-interval: Day
    file-size-limit: 10MiB
    flush-to-disk-interval: 5s
    tables: [exchanges]
    transforms:
      - ev: [w/req]
        dissoc: [w_b]
      - filter: {path: [d], op: min, value: 5}
  - {name: search, type: elasticsearch, url: "https://es.example:9200", api-key: hunter2, nodes: ["https://es2.example:9200"], index: "'audit'-yyyy"}
`)
	if err != nil {
		t.Fatal(err)
	}
	want := []Sink{
		{
			Name: "file", Type: "file", Path: "/var/log/audit.log", RollingInterval: "Day", FileSizeLimit: "10MiB", FlushToDiskInterval: 5 * time.Second,
			Tables:     []string{"exchanges"},
			Transforms: []SinkTransform{{Ev: []string{"w/req"}, Dissoc: []string{"w_b"}}, {Filter: &SinkFilter{Path: []string{"d"}, Op: "min", Value: 5}}},
		},
		{Name: "search", Type: "elasticsearch", URL: "https://es.example:9200", APIKey: "hunter2", Nodes: []string{"https://es2.example:9200"}, Index: "'audit'-yyyy"},
	}
	if diff := cmp.Diff(want, c.Sinks); diff != "" {
		t.Errorf("sinks (-want +got):\n%s", diff)
	}
	if n := c.Sinks[0].FileLimit(1); n != 10<<20 {
		t.Errorf("limit %d", n)
	}
	if s := c.String(); strings.Contains(s, "hunter2") || !strings.Contains(s, "search (elasticsearch)") {
		t.Errorf("shown: %s", s)
	}
}

// TestSinksRefused expects faults to be named, and no value to be repeated.
func TestSinksRefused(t *testing.T) {
	for yaml, want := range map[string]string{
		"sinks: [{path: /x}]":                                                               "no type: want one of datadog",
		"sinks: [{type: fill, path: /x}]":                                                   "unknown type fill; did you mean file?",
		"sinks: [{type: file}]":                                                             "needs path",
		"sinks: [{type: file, path: ''}]":                                                   "needs path",
		"sinks:\n - type: file\n   path: /x\n   rollingInterval: Day":                       "line 4: a sink of type file has no rollingInterval; did you mean rolling-interval?",
		"sinks: [{type: seq, url: 'http://s', path: hunter2}]":                              "a sink of type seq has no path",
		"sinks: [{type: seq, url: 'http://s', timeout: hunter2}]":                           "the value of timeout cannot be read",
		"sinks: [{type: file, path: /x, buffered: [hunter2]}]":                              "the value of buffered cannot be read",
		"sinks: [{type: file, path: /x, transforms: [{drop: [hunter2]}]}]":                  "the value of transforms cannot be read",
		"sinks: {type: file, path: /x}":                                                     "want a list",
		"sinks: [file]":                                                                     "want keys and values",
		"sinks: [{type: stdout}, {type: stdout}]":                                           "two sinks are called so",
		"sinks: [{type: stdout, name: ../x}]":                                               "cannot be called so",
		"sinks: [{type: datadog}]":                                                          "api-key",
		"sinks: [{type: splunk, url: 'http://s', api-key: hunter2, api-key-file: hunter2}]": "not both",
		"sinks: [{type: stdout, from: end}]":                                                "want start or now",
		"sinks: [{type: file, path: /x, file-size-limit: big}]":                             "want a size",
		"sinks: [{type: file, path: /x, max-lines: -3}]":                                    "negative",
	} {
		_, err := loadSinks(t, yaml)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s\n%v\nwant %s", yaml, err, want)
		}
	}
	if _, err := loadSinks(t, "", "VIGIL_SINKS=[{type: stdout}]"); err != nil {
		t.Errorf("from the environment: %v", err)
	}
}

func TestAidboxSinks(t *testing.T) {
	c, err := loadSinks(t, "sinks: [{type: stdout}]",
		"AIDBOX_LOGS=/logs/devbox", "AIDBOX_ES_URL=http://es:9200", "BOX_OBSERVABILITY_ELASTIC_SEARCH_AUTH=u:p:q", "AIDBOX_ES_BATCH_TIMEOUT=60000",
		"AIDBOX_ES_BATCH_SIZE=3", "BOX_OBSERVABILITY_ELASTICSEARCH_BATCH_SIZE=7", // the new name wins
		"AIDBOX_STDOUT_GOOGLE_JSON=off", "AIDBOX_STDOUT_PRETTY=true", "BOX_OBSERVABILITY_LOKI_BATCH_SIZE=5", `AIDBOX_LK_STREAM={"box":"b"}`,
		`BOX_OBSERVABILITY_OTEL_LOGS_REQUEST_HEADERS=A:b\nC: d`, "BOX_OBSERVABILITY_OTEL_LOGS_URL=http://otel:4318/v1/logs", "BOX_DD_API_KEY=k", "AIDBOX_DD_LOGS=/dd.log")
	if err != nil {
		t.Fatal(err)
	}
	want := []Sink{
		{Name: "stdout", Type: "stdout"},
		{Name: "aidbox-file", Type: "file", Format: "aidbox", Tables: aidboxTables, Path: "/logs/devbox", MaxLines: 10000},
		{Name: "aidbox-pretty", Type: "stdout", Format: "aidbox-pretty", Tables: aidboxTables, Level: "true"},
		{Name: "aidbox-elasticsearch", Type: "elasticsearch", Format: "aidbox", Tables: aidboxTables, URL: "http://es:9200", User: "u", Password: "p:q", BatchLines: 7, BatchTime: 10 * time.Second, Index: "'aidbox-logs'-yyyy-MM-dd"},
		{Name: "aidbox-datadog", Type: "datadog", Format: "aidbox", Tables: aidboxTables, APIKey: "k", Refused: "/dd.log", Source: "aidbox", Service: "aidbox"},
		{Name: "aidbox-otel", Type: "otlp", Format: "aidbox", Tables: aidboxTables, URL: "http://otel:4318/v1/logs", Headers: map[string]string{"A": "b", "C": "d"}},
	}
	byName := cmp.Transformer("byName", func(l []Sink) map[string]Sink {
		m := map[string]Sink{}
		for _, s := range l {
			m[s.Name] = s
		}
		return m
	})
	if diff := cmp.Diff(want, c.Sinks, byName); diff != "" {
		t.Errorf("sinks (-want +got):\n%s", diff)
	}
	for _, bad := range []string{"AIDBOX_LOGS_MAX_LINES=x", "AIDBOX_STDOUT_JSON=loud", "AIDBOX_ES_URL=hunter2", "AIDBOX_ES_AUTH=hunter2", "AIDBOX_LK_STREAM=hunter2", "AIDBOX_LOGS=/logs/", "BOX_OBSERVABILITY_OTEL_LOGS_REQUEST_HEADERS=hunter2"} {
		name, _, _ := strings.Cut(bad, "=")
		if _, err := loadSinks(t, "", bad); err == nil || !strings.Contains(err.Error(), name) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

// TestAidboxDotenv reads Aidbox's own way to write it.
func TestAidboxDotenv(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, ".env"), []byte("AIDBOX_LOGS: '/logs/devbox'\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Load(nil, nil, dir)
	if err != nil || len(c.Sinks) != 1 || c.Sinks[0].Path != "/logs/devbox" {
		t.Errorf("%+v %v", c.Sinks, err)
	}
}

// TestAidboxNames compares the table with Aidbox's own list of settings.
func TestAidboxNames(t *testing.T) {
	f, err := os.Open("../../../shared/data/aidbox/settings_logs_audit.tsv")
	if err != nil {
		t.Skip("the list of settings is not here:", err)
	}
	defer f.Close()
	r := csv.NewReader(f)
	r.Comma, r.LazyQuotes, r.FieldsPerRecord = '\t', true, -1
	rows, err := r.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, a := range aidboxAliases() {
		known[a.env] = true
	}
	n := 0
	for _, row := range rows[1:] {
		id := row[0]
		appender := false
		for _, p := range []string{"log-file", "stdout", "loki", "datadog", "elasticsearch", "otel.logs"} {
			appender = appender || strings.HasPrefix(id, "observability."+p)
		}
		if !appender || id == "observability.otel.logs-history-size" { // the size of a status page that Vigil has not
			continue
		}
		for name := range strings.FieldsSeq(row[1] + " " + strings.ReplaceAll(row[5], ",", " ")) {
			n++
			if !known[name] {
				t.Errorf("%s (%s) is no alias", name, id)
			}
		}
	}
	if n < 40 {
		t.Errorf("only %d names in the list", n)
	}
}
