package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"vigil/internal/format/fhir"
)

var update = flag.Bool("update", false, "write golden files again")

// site is a directory with the settings of another system and a vigil gateway that
// was started in it, with its store.
type site struct {
	*process
	listen   string
	upstream string
}

// newSite makes a site of files, given as name and content.
func newSite(t *testing.T, upstream string, files ...string) *site {
	t.Helper()
	dir := t.TempDir()
	for i := 0; i < len(files); i += 2 {
		if err := os.WriteFile(filepath.Join(dir, files[i]), []byte(files[i+1]), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return &site{process: newProcess(t, filepath.Join(dir, "vigil-data")), listen: freeAddr(t), upstream: upstream}
}

// seedSettings has the settings of Firely's page, as the golden files of the lines
// have them: those with the buffered file, and the excluded requests.
func seedSettings(t *testing.T) []string {
	t.Helper()
	part := func(archive, name string) string {
		a, err := txtar.ParseFile(filepath.Join("..", "..", "internal", "firely", "testdata", archive))
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(a.Files, func(f txtar.File) bool { return f.Name == name })
		if i < 0 {
			t.Fatalf("%s has no %s", archive, name)
		}
		return string(a.Files[i].Data)
	}
	return []string{
		"audit.logsettings.json", part("seed_async.txtar", "audit.logsettings.json"),
		"appsettings.json", part("seed_excluded.txtar", "appsettings.json"),
	}
}

// open starts vigil gateway in the directory and waits until it is ready.
func (s *site) open() {
	s.t.Helper()
	s.launch()
	if !s.up() {
		s.kill()
		s.t.Fatalf("the gateway did not get ready:\n%s", s.out)
	}
}

func (s *site) launch() {
	s.t.Helper()
	args := append([]string{"gateway", "--upstream", s.upstream + "/fhir", "--listen", s.listen, "--api", s.addr, "--admin", s.admin}, s.flags...)
	s.cmd = exec.Command(os.Args[0], args...)
	s.cmd.Env = append(append(os.Environ(), "AS_VIGIL=1", "PGRST_JWT_SECRET="+secret, "TZ=UTC"), s.env...)
	s.cmd.Dir = filepath.Dir(s.dir)
	s.out = &output{}
	s.cmd.Stdout, s.cmd.Stderr = s.out, s.out
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	s.cmd.WaitDelay = time.Second
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.end = make(chan struct{})
	go func(cmd *exec.Cmd, end chan struct{}) {
		s.err = cmd.Wait()
		close(end)
	}(s.cmd, s.end)
	s.t.Cleanup(s.kill)
}

// ask sends a request through the gateway and returns the status.
func (s *site) ask(method, path, body string, header ...string) int {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), method, "http://"+s.listen+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	return resp.StatusCode
}

// read returns the rows of a question to the API.
func (s *site) read(question string) (rows []map[string]any) {
	s.t.Helper()
	status, body, err := s.do(s.t.Context(), http.MethodGet, "/"+question, "auditor", "")
	if err != nil || status != http.StatusOK {
		s.t.Fatalf("%s: %d %v %s", question, status, err, body)
	}
	if err := json.Unmarshal([]byte(body), &rows); err != nil {
		s.t.Fatal(err)
	}
	return rows
}

// lines returns the lines of the files that match, in the order of their names.
func (s *site) lines(glob string) (lines []string) {
	s.t.Helper()
	names, err := filepath.Glob(filepath.Join(filepath.Dir(s.dir), glob))
	if err != nil {
		s.t.Fatal(err)
	}
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			s.t.Fatal(err)
		}
		if len(b) > 0 && b[len(b)-1] != '\n' {
			b = b[:bytes.LastIndexByte(b, '\n')+1] // is being written
		}
		for line := range strings.Lines(string(b)) {
			lines = append(lines, strings.TrimSuffix(line, "\n"))
		}
	}
	return lines
}

// someToken is a token as a client has it, which nobody here can check.
func someToken(claims string) string {
	return "Bearer " + base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".c2ln"
}

// fhirAnswers is a small FHIR server that answers what the path asks for.
func fhirAnswers(t *testing.T) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/fhir+json")
		parts := strings.Split(strings.TrimPrefix(r.URL.Path, "/fhir"), "/")
		answer := `{"resourceType":"Observation","id":"o1","meta":{"versionId":"2"},"status":"final","code":{"text":"synthetic"},"subject":{"reference":"Patient/p1"}}`
		switch {
		case r.URL.Path == "/fhir" || r.URL.Path == "/fhir/":
			answer = `{"resourceType":"Bundle","type":"transaction-response","entry":[{"response":{"status":"201 Created","location":"Observation/o9/_history/1"}},{"response":{"status":"204"}}]}`
		case strings.HasSuffix(r.URL.Path, "/refused"):
			w.WriteHeader(http.StatusUnauthorized)
			answer = `{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"login","diagnostics":"no token"}]}`
		case len(parts) == 2, strings.HasSuffix(r.URL.Path, "_search"):
			answer = `{"resourceType":"Bundle","type":"searchset","total":2,"entry":[{"resource":{"resourceType":"Observation","id":"o1","meta":{"versionId":"2"},"status":"final","code":{"text":"a"},"subject":{"reference":"Patient/p1"}},"search":{"mode":"match"}},{"resource":{"resourceType":"Observation","id":"o2","status":"final","code":{"text":"b"},"subject":{"reference":"Patient/p1"}},"search":{"mode":"match"}}]}`
		case r.Method == http.MethodPut:
			answer = `{"resourceType":"Patient","id":"p1","meta":{"versionId":"3"}}`
		}
		_, _ = io.WriteString(w, answer)
	}))
	t.Cleanup(s.Close)
	return s
}

// visit sends what the golden files have: reads, searches, a transaction, a refused
// request, hostile names, and three that Firely's page excludes.
func (s *site) visit() {
	s.t.Helper()
	nurse := []string{"Authorization", someToken(`{"iss":"https://idp.example","sub":"user-1","name":"Synthetic Nurse","client_id":"app-1","jti":"t-1"}`), "X-Correlation-Id", "visit-1"}
	hostile := []string{"Authorization", someToken(`{"sub":"eve\u001b[2K","name":"Eve] [StatusCode: 200]\n2026-01-01 00:00:00.000 +00:00 [Firely Server] [Audit] [Request]\u202e"}`), "X-Correlation-Id", "visit-1"}
	json := append([]string{"Content-Type", "application/fhir+json"}, nurse...)
	for _, q := range []struct {
		method, path, body string
		header             []string
		status             int
	}{
		{"GET", "/fhir/Observation/o1", "", nurse, 200},
		{"GET", "/fhir/Observation?patient=p1&code=a%20b", "", nurse, 200},
		{"POST", "/fhir/Observation/_search", "patient=p1", append([]string{"Content-Type", "application/x-www-form-urlencoded"}, nurse...), 200},
		{"GET", "/fhir/Patient", "", nurse, 200},
		{"GET", "/fhir/Patient/p1", "", nurse, 200},
		{"GET", "/fhir/Patient/p1/_history/1", "", nurse, 200},
		{"PUT", "/fhir/Patient/p1", `{"resourceType":"Patient","id":"p1"}`, json, 200},
		{"POST", "/fhir", `{"resourceType":"Bundle","type":"transaction","entry":[{"request":{"method":"POST","url":"Observation"},"resource":{"resourceType":"Observation","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/p1"}}},{"request":{"method":"DELETE","url":"Observation/o3"}}]}`, json, 200},
		{"GET", "/fhir/Observation/refused", "", []string{"X-Correlation-Id", "visit-1"}, 401},
		{"GET", "/fhir/Observation/x%0A%5BResponse%5D%1b%5B31m?a=%0d%0a", "", hostile, 200},
	} {
		if status := s.ask(q.method, q.path, q.body, q.header...); status != q.status {
			s.t.Errorf("%s %s: %d", q.method, q.path, status)
		}
	}
}

// visited is how many lines a visit gives: two for each request that is not
// excluded, and two for each entry of the transaction.
const visited = 2*7 + 2*2

// normal replaces what differs from run to run.
func normal(lines []string) string {
	text := strings.Join(lines, "\n") + "\n"
	host, _ := os.Hostname()
	text = strings.ReplaceAll(text, "[Machine: "+host+"]", "[Machine: HOST]")
	for _, c := range []struct{ find, put string }{
		{`(?m)^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} \+00:00 `, "TIME "},
		{`\[ReqId: [^\]]+\]`, "[ReqId: ID]"},
		{`\[Connection: [^\]]+\]`, "[Connection: ID]"},
	} {
		text = regexp.MustCompile(c.find).ReplaceAllString(text, c.put)
	}
	return text
}

// golden compares with a file of testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", "firely", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s: got\n%swant\n%s", name, got, want)
	}
}

// TestFirely drops the settings of Firely's page beside vigil gateway: the audit
// file, the AuditEvents and what is told of exclusions are as the page says, and a
// restart appends.
func TestFirely(t *testing.T) {
	s := newSite(t, fhirAnswers(t).URL, seedSettings(t)...)
	day := time.Now().UTC().Format("20060102")
	s.open()
	s.visit()
	written := func(n int) func() bool {
		return func() bool { return len(s.lines("audit/AuditLog*.log")) >= n }
	}
	eventually(t, "the audit file", s.process, written(visited))
	golden(t, "audit.golden", normal(s.lines("audit/AuditLog*.log")))
	file := func(day string) error {
		_, err := os.Stat(filepath.Join(filepath.Dir(s.dir), "audit", "AuditLog"+day+".log"))
		return err
	}
	if file(day) != nil && file(time.Now().UTC().Format("20060102")) != nil { // another at midnight
		t.Errorf("Serilog's name of the file: %v", file(day))
	}
	if n := len(s.read("exchanges?select=id")); n != 10 {
		t.Errorf("%d exchanges: exclusions must not reach them", n)
	}
	s.checkAuditEvents(t, "balp", 9)
	s.stop()
	s.env = []string{"VIGIL_AUDIT_EVENT_SHAPE=firely", "VONK_Audit__ExcludedRequests__2__UrlPath=/metadata"}
	s.open()
	s.ask("GET", "/fhir/Observation/o1", "", "Authorization", someToken(`{"iss":"https://idp.example","sub":"user-1","name":"Synthetic Nurse","jti":"t-2"}`))
	eventually(t, "the line after a restart", s.process, written(visited+2))
	if n := len(s.lines("audit/AuditLog*.log")); n != visited+2 {
		t.Errorf("%d lines after a restart", n)
	}
	s.checkAuditEvents(t, "firely", 10)
	s.stop()
	s.env = nil
	s.open()
	for _, want := range []string{
		`"query":"GET /Patient, GET /Patient/*"`, `"Firely Server's settings exclude requests"`, `"detail":[{"count":"3"}]`,
		`exclude other requests than before; before: GET /Patient, GET /Patient/*"`, `exclude other requests than before; before: GET /Patient, GET /Patient/*, * /metadata"`,
	} {
		eventually(t, "system tells "+want, s.process, func() bool {
			told, err := json.Marshal(s.read("system?select=event&order=id"))
			return err == nil && strings.Contains(string(told), want)
		})
	}
}

// checkAuditEvents expects n AuditEvents, every one valid, the last in a shape.
func (s *site) checkAuditEvents(t *testing.T, shape string, n int) {
	t.Helper()
	var rows []map[string]any
	eventually(t, "AuditEvents", s.process, func() bool {
		rows = s.read("audit_events?select=event&order=id")
		return len(rows) >= n
	})
	if len(rows) != n {
		s.t.Errorf("%d AuditEvents, want %d", len(rows), n)
	}
	for _, row := range rows {
		doc, err := json.Marshal(row["event"])
		if err != nil {
			s.t.Fatal(err)
		}
		node, err := fhir.ParseJSON(doc, fhir.Limits{})
		if err != nil {
			s.t.Fatal(err)
		}
		if issues := fhir.Validate(node, fhir.Options{}); fhir.Failed(issues) {
			s.t.Errorf("%v in %s", issues, doc)
		}
	}
	last, err := json.Marshal(rows[len(rows)-1])
	if err != nil {
		s.t.Fatal(err)
	}
	for _, words := range []string{"UserOauthAgent", "110153"} {
		if !strings.Contains(string(last), words) && shape == "firely" {
			s.t.Errorf("no %s in %s", words, last)
		}
	}
	if got := strings.Contains(string(last), "api-diagnostics-connectionid"); got != (shape == "firely") {
		s.t.Errorf("shape %s: %s", shape, last)
	}
}

// TestFirelyKilled kills the gateway under load while the files roll: every request
// that was answered has its two lines, no line is torn, and twice is what the last
// moments before a kill may be.
func TestFirelyKilled(t *testing.T) {
	up := newFHIR(t)
	s := newSite(t, up.URL, seedSettings(t)...)
	s.env = []string{"VONKAUDITLOG_AuditLog__WriteTo__0__Args__configure__0__Args__fileSizeLimitBytes=20000"}
	answered := map[string]bool{}
	for round := range 3 {
		s.open()
		ctx, cancel := context.WithCancel(t.Context())
		pid := s.cmd.Process.Pid // the next round has another
		go func() {
			time.Sleep(400 * time.Millisecond)
			for end := time.Now().Add(time.Minute); len(s.rolled()) <= round && time.Now().Before(end); {
				time.Sleep(20 * time.Millisecond) // on a slow machine
			}
			_ = syscall.Kill(-pid, syscall.SIGKILL)
		}()
		for id := range load(ctx, s.listen, 4, fmt.Sprint("k", round)) {
			answered[id] = true
		}
		cancel()
		<-s.end
	}
	s.open()
	whole := regexp.MustCompile(`^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} \+00:00 \[Firely Server\] \[Audit\] (\[Request\]|\[Response\]) .*\[Path: /fhir/Patient/([^\]]*)\] .*\[StatusCode: (-1|200|0)\] $`)
	var seen map[string]int
	eventually(t, "the lines of all that was answered", s.process, func() bool {
		seen = map[string]int{}
		for _, line := range s.lines("audit/AuditLog*.log") {
			if m := whole.FindStringSubmatch(line); m != nil {
				seen[m[1]+m[2]]++
			}
		}
		for id := range answered {
			if seen["[Request]"+id] == 0 || seen["[Response]"+id] == 0 {
				return false
			}
		}
		return true
	})
	twice := 0
	for _, line := range s.lines("audit/AuditLog*.log") {
		if !whole.MatchString(line) {
			t.Errorf("torn: %q", line)
		}
	}
	for id, n := range seen {
		if n > 1 {
			twice++
		}
		if n > 4 {
			t.Errorf("%s has %d lines", id, n)
		}
	}
	files := s.rolled()
	if len(files) < 2 || len(answered) == 0 {
		t.Errorf("%d files, %d answered", len(files), len(answered))
	}
	t.Logf("%d requests answered, %d of %d lines twice, %d files", len(answered), twice, len(seen), len(files)+1)
}

// rolled returns the files of audit lines but for the first of each day.
func (s *site) rolled() []string {
	names, _ := filepath.Glob(filepath.Join(filepath.Dir(s.dir), "audit", "AuditLog*_*.log")) // the pattern is right
	return names
}

// TestFirelyForward does the same without a store: the lines and what is told of
// exclusions come through spools.
func TestFirelyForward(t *testing.T) {
	p := newProcess(t, filepath.Join(t.TempDir(), "store"))
	p.mustStart()
	s := newSite(t, fhirAnswers(t).URL, seedSettings(t)...)
	api := s.addr
	s.flags = []string{"--forward", "http://" + p.addr}
	s.env = []string{"VIGIL_TOKEN=" + token(t, "gateway")}
	s.launchForward()
	s.visit()
	eventually(t, "the audit file", s.process, func() bool { return len(s.lines("audit/AuditLog*.log")) >= visited })
	golden(t, "audit.golden", normal(s.lines("audit/AuditLog*.log")))
	s.stop()
	s.addr = p.addr
	defer func() { s.addr = api }()
	told, err := json.Marshal(s.read("system?select=event&order=id"))
	if err != nil || !strings.Contains(string(told), `GET /Patient, GET /Patient/*`) || !strings.Contains(string(told), `{"count":"3"}`) {
		t.Errorf("%s %v", told, err)
	}
}

// launchForward starts a gateway without a store.
func (s *site) launchForward() {
	s.t.Helper()
	s.addr = ""
	s.launch()
	if !s.up() {
		s.t.Fatalf("the gateway did not get ready:\n%s", s.out)
	}
}

// TestPeersRefused: what is wrong with the settings ends the start with code 2 and
// says where; vigil config says the same.
func TestPeersRefused(t *testing.T) {
	for name, c := range map[string]struct{ file, text, want string }{
		"broken JSON":   {"audit.logsettings.json", "{\n  \"AuditLog\": {\n    \"WriteTo\" [\n", "audit.logsettings.json:3:15: "},
		"sink":          {"audit.logsettings.json", "{\"AuditLog\": {\"WriteTo\": [\n  {\"Name\": \"Fille\"}]}}", `audit.logsettings.json:2:3: there is no sink "Fille"`},
		"template":      {"audit.logsettings.json", `{"AuditLog": {"WriteTo": [{"Name": "File", "Args": {"path": "a", "outputTemplate": "{Username"}}]}}`, "audit.logsettings.json:1:"},
		"path":          {"audit.logsettings.json", `{"AuditLog": {"WriteTo": [{"Name": "File", "Args": {"path": "/proc/none/a.log"}}]}}`, "audit.logsettings.json:1:"},
		"excluded":      {"appsettings.json", `{"Audit": {"ExcludedRequests": [{"Method": "GET"}]}}`, "appsettings.json:1:"},
		"properties":    {"hdr_fhir.properties", "audit.enabled=true\naudit.datastore.type=TAPE\n", "hdr_fhir.properties:2:1: "},
		"YAML":          {"hdr_fhir.yaml", "audit:\n\tenabled: true\n", "hdr_fhir.yaml:2:2: "},
		"unknown in it": {"hdr_fhir.yaml", "audit:\n  enabeld: true\n", "hdr_fhir.yaml:2:3: there is no setting enabeld"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, "http://127.0.0.1:1", c.file, c.text)
			s.launch()
			s.waitEnd()
			if code := s.cmd.ProcessState.ExitCode(); code != 2 || !strings.Contains(s.out.String(), c.want) {
				t.Errorf("code %d, want %s in\n%s", code, c.want, s.out)
			}
			if name == "path" { // only who opens it can know
				return
			}
			var out bytes.Buffer
			std := &stdio{In: strings.NewReader(""), Out: &out, Err: &out, Env: []string{"PGRST_JWT_SECRET=" + secret}, Dir: filepath.Dir(s.dir)}
			if code := run(t.Context(), []string{"config"}, std); code != 2 || !strings.Contains(out.String(), c.want) {
				t.Errorf("vigil config: code %d, want %s in\n%s", code, c.want, out.String())
			}
		})
	}
}

// TestPeersDescribed: vigil config says what settings come to, without secrets.
func TestPeersDescribed(t *testing.T) {
	s := newSite(t, "http://127.0.0.1:1", append(seedSettings(t), "hdr_fhir.properties", "audit.enabled=true\naudit.datastore.type=FILE\n",
		"audit.logsettings.instance.json", `{"AuditLog": {"WriteTo": {"7": {"Name": "Seq", "Args": {"serverUrl": "http://seq.example:5341", "apiKey": "hidden-key"}}}}}`)...)
	var out bytes.Buffer
	std := &stdio{In: strings.NewReader(""), Out: &out, Err: &out, Env: []string{"PGRST_JWT_SECRET=" + secret}, Dir: filepath.Dir(s.dir)}
	if code := run(t.Context(), []string{"config"}, std); code != 0 {
		t.Fatal(out.String())
	}
	for _, want := range []string{
		"read: audit.logsettings.json, audit.logsettings.instance.json, appsettings.json", "audit lines: all; AuditEvents: all; user names in lines: yes",
		"audit/AuditLog.log, a new one: day", "writes to: Seq http://seq.example:5341 (audit.logsettings.instance.json:1:", "excluded: GET /Patient/*",
		"audit-hdr-fhir.log; read it as /ohf_hdr_fhir_audit", "payloads: no",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
	if strings.Contains(out.String(), "hidden-key") {
		t.Error("the key is shown")
	}
	out.Reset()
	std.Dir, std.Env = t.TempDir(), append(std.Env, "VONK_PATH_TO_SETTINGS="+filepath.Dir(s.dir))
	if code := run(t.Context(), []string{"config"}, std); code != 0 || !strings.Contains(out.String(), "Firely Server's settings in "+filepath.Dir(s.dir)) || strings.Contains(out.String(), "Oracle HDR's settings in") {
		t.Errorf("VONK_PATH_TO_SETTINGS: code %d\n%s", code, out.String())
	}
	out.Reset()
	if code := run(t.Context(), []string{"config", "--set", "firely-settings=off"}, std); code != 0 || strings.Contains(out.String(), "Firely Server's settings in") {
		t.Errorf("off: code %d\n%s", code, out.String())
	}
}
