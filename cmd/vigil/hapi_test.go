package main

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var updateGolden = flag.Bool("update-hapi", false, "write testdata/hapi/golden.txt again")

// hapiServer is a HAPI FHIR server in memory.
type hapiServer struct {
	base string // ends in /fhir
	in   io.Writer
	out  *bufio.Reader
}

// startHAPI compiles and starts testdata/hapi/Server.java.
func startHAPI(t *testing.T) *hapiServer {
	t.Helper()
	if testing.Short() {
		t.Skip("HAPI takes ten seconds to start: not with -short")
	}
	lib := filepath.Join(tools(t), "fhir-server", "lib")
	_, noLib := os.Stat(lib)
	if _, noJava := exec.LookPath("javac"); noLib != nil || noJava != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("HAPI is missing: scripts/tools.sh brings it")
		}
		t.Skip("left out: HAPI is missing: make tools brings it")
	}
	classes := t.TempDir()
	out, err := exec.CommandContext(t.Context(), "javac", "-nowarn", "-cp", lib+"/*", "-d", classes, "testdata/hapi/Server.java").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, "java", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", classes+":"+lib+"/*", "Server")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	errs := &output{}
	cmd.Stderr = errs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stdin.Close() // it ends
		_ = cmd.Wait()
	})
	h := &hapiServer{in: stdin, out: bufio.NewReader(stdout)}
	if h.base, err = h.out.ReadString('\n'); err != nil {
		t.Fatalf("HAPI did not start: %v\n%s", err, errs)
	}
	h.base = strings.TrimSpace(h.base)
	return h
}

// interactions are what is asked of HAPI, one line each: method, path, and then
// headers or a body. $1 and so on stand for what the answers' Location named.
var interactions = []string{
	`GET metadata`,
	`POST Patient {"resourceType":"Patient","name":[{"family":"Synthetic"}]}`,
	`GET Patient/$1`,
	`HEAD Patient/$1`,
	`PUT Patient/$1 {"resourceType":"Patient","id":"$1","active":true}`,
	`PUT Patient/as-create {"resourceType":"Patient","id":"as-create"}`,
	`GET Patient/$1/_history/1`,
	`GET Patient/$1/_history`,
	`GET Patient/_history`,
	`GET _history`,
	`GET Patient/$1/$everything`,
	`GET Patient?_id=$1`,
	`GET Patient?_id=absent`,
	`GET Patient?_count=1`,
	`POST Patient/_search _id=$1`,
	`POST Observation {"resourceType":"Observation","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/$1"}}`,
	`GET Observation/$2`,
	`POST  {"resourceType":"Bundle","type":"batch","entry":[{"resource":{"resourceType":"Practitioner"},"request":{"method":"POST","url":"Practitioner"}},{"request":{"method":"GET","url":"Patient/$1"}},{"request":{"method":"GET","url":"Patient/absent"}}]}`,
	`POST  {"resourceType":"Bundle","type":"transaction","entry":[{"resource":{"resourceType":"Patient","id":"in-tx"},"request":{"method":"PUT","url":"Patient/in-tx"}},{"request":{"method":"DELETE","url":"Observation/$2"}}]}`,
	`POST  {"resourceType":"Bundle","type":"transaction","entry":[{"request":{"method":"GET","url":"Nothing/1"}}]}`,
	`GET Patient/absent`,
	`GET Nothing/1`,
	`GET Patient?nonsense=1`,
	`POST Patient {"resourceType":`,
	`PUT Patient/other {"resourceType":"Patient","id":"another"}`,
	`GET Patient/$1/$unknown`,
	`DELETE Patient/$1`,
	`GET Patient/$1`,
}

// ask sends one interaction and returns what Location names.
func (h *hapiServer) ask(t *testing.T, base, line string, ids []string) string {
	t.Helper()
	for i, id := range ids {
		line = strings.ReplaceAll(line, fmt.Sprintf("$%d", i+1), id)
	}
	method, rest, _ := strings.Cut(line, " ")
	path, body, _ := strings.Cut(rest, " ")
	r, err := http.NewRequestWithContext(t.Context(), method, strings.TrimSuffix(base+"/"+path, "/"), strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/fhir+json")
	if strings.HasSuffix(path, "_search") {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(b), strings.TrimSuffix(h.base, "/fhir")) {
		t.Errorf("%s: a link leads around the gateway: %s", line, b)
	}
	parts := strings.Split(resp.Header.Get("Location"), "/")
	if method == http.MethodPost && len(parts) > 2 && parts[len(parts)-2] == "_history" {
		return parts[len(parts)-3]
	}
	return ""
}

// TestHAPI asks a real HAPI FHIR server through the gateway, by hand, by HAPI's
// generic client and by fhir-kit-client, and compares what is recorded of the
// first with a golden table.
func TestHAPI(t *testing.T) {
	h := startHAPI(t)
	p := newProcess(t, filepath.Join(t.TempDir(), "store"))
	listen := freeAddr(t)
	p.flags = []string{"--gateways", `[{listen: "` + listen + `", upstream: "` + h.base + `"}]`}
	p.mustStart()
	base := "http://" + listen + "/fhir"
	var ids []string
	for _, line := range interactions {
		if id := h.ask(t, base, line, ids); id != "" {
			ids = append(ids, id)
		}
	}
	got := p.recorded(t, len(interactions))
	golden := filepath.Join("testdata", "hapi", "golden.txt")
	if *updateGolden {
		if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("recorded:\n%s\nwant:\n%s", got, want)
	}
	fmt.Fprintln(h.in, base)
	if said, err := h.out.ReadString('\n'); err != nil || said != "client: done with status 410\n" {
		t.Errorf("HAPI's client says %q, %v", said, err)
	}
	client(t, "node", "testdata/hapi/kit.mjs", base, filepath.Join(tools(t), "node_modules"))
	const byHAPI, byKit = 10, 8
	p.recorded(t, len(interactions)+byHAPI+byKit)
}

// recorded waits for n exchanges and returns a line for each, and below it one
// for each of its AuditEvents.
func (p *process) recorded(t *testing.T, n int) string {
	t.Helper()
	var rows []struct {
		ID, Method, Interaction, Path, Query, Type, Key, Version, Outcome string
		Status                                                            int
		Patients, Returned                                                []string
		Entries                                                           []json.RawMessage
	}
	get := func(question string, into any) {
		status, body, err := p.do(t.Context(), http.MethodGet, question, "auditor", "")
		if err == nil && status == http.StatusOK {
			err = json.Unmarshal([]byte(body), into)
		}
		if err != nil || status != http.StatusOK {
			t.Fatalf("%s: %d, %v", question, status, err)
		}
	}
	var audits []struct{ Event json.RawMessage }
	for range 2400 {
		get("/exchanges?order=id&select=id:event->>id,method:event->>method,interaction:event->>interaction,path:event->>path,query:event->>query,"+
			"type:event->>type,key:event->>key,version:event->>version,outcome:event->>outcome,status:event->status,patients:event->patients,returned:event->returned,entries:event->entries", &rows)
		get("/audit_events?order=id&select=event", &audits)
		events := len(rows)
		for _, r := range rows {
			events += len(r.Entries)
		}
		if len(rows) >= n && len(audits) >= events {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	if len(rows) != n {
		t.Fatalf("%d exchanges of %d requests", len(rows), n)
	}
	var b strings.Builder
	at := 0
	for _, r := range rows {
		fmt.Fprintf(&b, "%s %s?%s: %d %s %s/%s v%s patients=%v returned=%v\n", r.Method, r.Path, r.Query, r.Status, r.Interaction, r.Type, r.Key, r.Version, r.Patients, r.Returned)
		for range 1 + len(r.Entries) {
			b.WriteString("    " + auditLine(t, audits[at].Event) + "\n")
			at++
		}
	}
	return b.String()
}

// auditLine sums up an AuditEvent: action, subtype, outcome, profiles, entities.
func auditLine(t *testing.T, doc []byte) string {
	t.Helper()
	var e struct {
		Action, Outcome string
		Subtype         []struct{ Code string }
		Meta            struct{ Profile []string }
		Entity          []struct{ What struct{ Reference string } }
	}
	if err := json.Unmarshal(doc, &e); err != nil {
		t.Fatal(err)
	}
	line := e.Action + " outcome=" + e.Outcome
	for _, s := range e.Subtype {
		line += " " + s.Code
	}
	for _, p := range e.Meta.Profile {
		line += " " + p[strings.LastIndex(p, "/")+1:]
	}
	for _, x := range e.Entity {
		if x.What.Reference != "" {
			line += " " + x.What.Reference
		}
	}
	return line
}
