package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"vigil/internal/format/oracle"
)

// The settings of Oracle's pages: those of 8.1, and the sample of 8.2 with its = in
// the place of a colon.
const (
	hdrProperties = `#audit enabled - true or false

audit.enabled=true

#audit storage type - FILE or DB

audit.datastore.type=FILE

#collect request/response payload message - true or false

audit.savemessagepayload.enabled=false
`
	hdrYAML = `#audit enabled - true or false
audit:
      enabled: true

   #audit storage type - FILE or DB
      datastore_type: DB
      standard: CUSTOM
#collect request/response payload message - true or false
      savemessagepayload_enabled=true
`
)

// record is a line of audit-hdr-fhir.log.
type record struct {
	ID       string          `json:"AUDIT_ID"`
	User     *string         `json:"USER_ID"`
	Type     *string         `json:"RESOURCE_NAME"`
	Method   string          `json:"HTTP_REQ_TYPE"`
	URL      string          `json:"REQUEST_URL"`
	Status   int             `json:"HTTP_RES_CODE"`
	IP       string          `json:"SOURCE_IP_ADDRESS"`
	Millis   *int64          `json:"PROCESSING_TIME_MILLIS"`
	Request  *string         `json:"REQUEST_PAYLOAD"`
	Response *string         `json:"RESPONSE_PAYLOAD"`
	Time     string          `json:"EVENT_TIMESTAMP"`
	Event    json.RawMessage `json:"ATNA_AUDITEVENT"`
}

// records reads the lines of audit-hdr-fhir.log, and expects its columns in order.
func (s *site) records(t *testing.T) (all []record) {
	t.Helper()
	for _, line := range s.lines("audit-hdr-fhir*.log") {
		var r record
		d := json.NewDecoder(strings.NewReader(line))
		d.DisallowUnknownFields()
		if err := d.Decode(&r); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		at := 0
		for c := range oracle.NumColumns {
			i := strings.Index(line[at:], `"`+c.String()+`":`)
			if i < 0 {
				t.Fatalf("no %s, or not in its place: %s", c, line)
			}
			at += i
		}
		all = append(all, r)
	}
	return all
}

// TestOracleFile drops hdr_fhir.properties beside vigil gateway.
func TestOracleFile(t *testing.T) {
	s := newSite(t, fhirAnswers(t).URL, "hdr_fhir.properties", hdrProperties)
	s.open()
	s.visit()
	eventually(t, "audit-hdr-fhir.log", s.process, func() bool { return len(s.lines("audit-hdr-fhir.log")) >= 10 })
	all := s.records(t)
	if len(all) != 10 {
		t.Fatalf("%d lines", len(all))
	}
	ids := map[string]bool{}
	for _, r := range all {
		ids[r.ID] = true
		if r.Request != nil || r.Response != nil || r.IP != "127.0.0.1" || r.Millis == nil || len(r.Time) != len(oracle.Time) || !bytes.HasPrefix(r.Event, []byte(`{"resourceType":"AuditEvent"`)) {
			t.Errorf("%+v", r)
		}
	}
	search, refused := all[1], all[8]
	if search.Method != "GET" || search.URL != "/fhir/Observation?patient=p1&code=a%20b" || search.Status != 200 || *search.User != "user-1" || *search.Type != "Observation" || refused.Status != 401 || refused.User != nil || len(ids) != 10 {
		t.Errorf("%+v\n%+v", search, refused)
	}
	s.stop()
	s.open()
	s.ask("GET", "/fhir/metadata", "")
	eventually(t, "a line after a restart", s.process, func() bool { return len(s.lines("audit-hdr-fhir.log")) >= 11 })
	if all := s.records(t); len(all) != 11 || all[10].URL != "/fhir/metadata" {
		t.Errorf("%d lines after a restart", len(all))
	}
}

// TestOracleTable drops hdr_fhir.yaml beside it: the table with payloads, as JSON,
// as CSV and exported, and no file.
func TestOracleTable(t *testing.T) {
	s := newSite(t, fhirAnswers(t).URL, "hdr_fhir.yaml", hdrYAML)
	s.open()
	s.visit()
	s.ask("POST", "/fhir/Binary", "\xff\xfe\x00binary", "Content-Type", "application/octet-stream")
	s.ask("POST", "/fhir/Observation", `{"resourceType":"Observation","note":"`+strings.Repeat("long ", 20_000)+`"}`, "Content-Type", "application/fhir+json")
	var rows []map[string]any
	eventually(t, "the table", s.process, func() bool {
		rows = s.read("ohf_hdr_fhir_audit?order=event_timestamp")
		return len(rows) >= 12
	})
	if len(rows) != 12 || len(rows[0]) != int(oracle.NumColumns) {
		t.Fatalf("%d rows of %d columns", len(rows), len(rows[0]))
	}
	text := func(i int, column string) string { v, _ := rows[i][column].(string); return v }
	if !strings.Contains(text(6, "request_payload"), `"resourceType":"Patient"`) || !strings.Contains(text(6, "response_payload"), `"versionId":"3"`) {
		t.Errorf("payloads: %v", rows[6])
	}
	if got := text(10, "request_payload"); got != "base64://4AYmluYXJ5" {
		t.Errorf("a binary payload: %q", got)
	}
	if got := text(11, "request_payload"); len(got) > 65<<10 || !strings.HasSuffix(got, oracle.CutMark) {
		t.Errorf("a long payload has %d bytes, and ends in %q", len(got), got[max(0, len(got)-10):])
	}
	if event, ok := rows[0]["atna_auditevent"].(map[string]any); !ok || event["resourceType"] != "AuditEvent" {
		t.Errorf("%v", rows[0])
	}
	if got := s.read("ohf_hdr_fhir_audit?http_res_code=eq.401&select=request_url,processing_time_millis"); len(got) != 1 || got[0]["request_url"] != "/fhir/Observation/refused" {
		t.Errorf("%v", got)
	}
	s.csv(t, 12)
	if _, err := os.Stat(filepath.Join(filepath.Dir(s.dir), "audit-hdr-fhir.log")); err == nil {
		t.Error("there is a file, too")
	}
	if status, _, err := s.do(t.Context(), http.MethodPost, "/ohf_hdr_fhir_audit", "event_logger", `{"audit_id":"x"}`); err != nil || status < 400 {
		t.Errorf("the table can be written to: %d %v", status, err)
	}
}

// csv expects n rows of CSV from the API, and the same from vigil export.
func (s *site) csv(t *testing.T, n int) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.addr+"/ohf_hdr_fhir_audit", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token(t, "auditor"))
	r.Header.Set("Accept", "text/csv")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	face, err := csv.NewReader(resp.Body).ReadAll()
	if err != nil || len(face) != n+1 {
		t.Fatalf("%d records of CSV, %v", len(face), err)
	}
	var out, errs bytes.Buffer
	std := &stdio{In: strings.NewReader(""), Out: &out, Err: &errs, Env: []string{"PGRST_JWT_SECRET=" + secret}, Dir: filepath.Dir(s.dir)}
	if code := run(t.Context(), []string{"export", "--store", "dir:" + s.dir, "-o", "csv", "ohf_hdr_fhir_audit"}, std); code != 0 {
		t.Fatalf("export: code %d: %s", code, errs.String())
	}
	exported, err := csv.NewReader(&out).ReadAll()
	if err != nil || len(exported) != n+1 {
		t.Fatalf("%d records exported, %v", len(exported), err)
	}
	for i, record := range exported {
		if i == 0 && strings.Join(record, ",") != strings.Join(face[0], ",") {
			t.Errorf("columns %v and %v", record, face[0])
		}
		if _, err := strconv.Atoi(record[oracle.HTTPResCode]); i > 0 && err != nil {
			t.Errorf("%v", record)
		}
	}
}

// TestOracleOff: audit.enabled=false leaves none of Oracle's products, and
// everything else.
func TestOracleOff(t *testing.T) {
	s := newSite(t, fhirAnswers(t).URL, "hdr_fhir.properties", strings.Replace(hdrProperties, "enabled=true", "enabled=false", 1))
	s.open()
	s.visit()
	eventually(t, "exchanges", s.process, func() bool { return len(s.read("exchanges?select=id")) == 10 })
	s.checkAuditEvents(t, "balp", 12)
	status, body, err := s.do(t.Context(), http.MethodGet, "/ohf_hdr_fhir_audit", "auditor", "")
	if err != nil || status != http.StatusNotFound {
		t.Errorf("%d %s %v", status, body, err)
	}
	s.stop()
	if names, _ := filepath.Glob(filepath.Join(filepath.Dir(s.dir), "audit-hdr-fhir*")); len(names) > 0 {
		t.Errorf("%v", names)
	}
}
