package main

import (
	"bufio"
	"bytes"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// tools is where scripts/tools.sh puts what the tests use.
func tools(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("../../.tools")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// client runs a client program and wants it to print ok.
func client(t *testing.T, program string, args ...string) {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%s is missing: scripts/tools.sh installs it", program)
		}
		t.Skipf("left out: %s is missing: make tools installs it", program)
	}
	cmd := exec.CommandContext(t.Context(), program, args...)
	out, err := cmd.CombinedOutput()
	if err != nil || strings.TrimSpace(string(out)) != "ok" {
		t.Fatalf("%v:\n%s", err, out)
	}
}

func TestPythonClients(t *testing.T) {
	p := newProcess(t, filepath.Join(t.TempDir(), "store"))
	p.mustStart()
	client(t, filepath.Join(tools(t), "py", "bin", "python"), "testdata/clients/client.py", "http://"+p.addr, secret)
	p.stop()
	verify(t, p.dir)
}

func TestJavaScriptClient(t *testing.T) {
	p := newProcess(t, filepath.Join(t.TempDir(), "store"))
	p.mustStart()
	client(t, "node", "testdata/clients/client.mjs", "http://"+p.addr, token(t, "event_logger"), filepath.Join(tools(t), "node_modules"))
}

// TestCapturedRequests replays, byte for byte, what unmodified clients of a
// logserver sent.
func TestCapturedRequests(t *testing.T) {
	files, err := filepath.Glob("../../../shared/data/logserver/captured/*.http")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Skip("left out: the captured requests are not beside the project")
	}
	p := newProcess(t, filepath.Join(t.TempDir(), "store"))
	p.env = []string{"PGRST_JWT_SECRET=" + strings.Repeat("x", 32)}
	p.mustStart()
	for _, file := range files {
		request, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if status := replay(t, p.addr, request); status != http.StatusCreated {
			t.Errorf("%s: status %d", filepath.Base(file), status)
		}
	}
}

// replay writes the bytes to a connection of their own and returns the answer's status.
func replay(t *testing.T, addr string, request []byte) int {
	t.Helper()
	conn, err := net.DialTimeout("tcp", addr, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write(request); err != nil {
		t.Fatal(err)
	}
	if err := conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	return resp.StatusCode
}

// TestDocumentedQueries asks what logserver's README prints, as printed.
func TestDocumentedQueries(t *testing.T) {
	p := newProcess(t, filepath.Join(t.TempDir(), "store"))
	p.env = []string{"PGRST_DB_ANON_ROLE=web_anon"}
	p.mustStart()
	body := `[
		{"event": {"asctime": "2020-04-26 00:33:26,731", "name": "sof_wrapper", "levelname": "INFO", "tags": ["auth", "login"], "subject": "Patient/41703", "user": "Practitioner/SMART-1234"}},
		{"event": {"asctime": "2023-04-18 10:00:00,000", "tags": ["mme-calc"], "patient": "marcus aurelius", "message": "m", "Twilio messages": {"sid": "S1"}, "version": "1"}},
		{"event": {"asctime": "2026-05-07T01:00:00.000Z", "tags": ["patient-summary-front-end", "authSessionStarted"], "agent": {"who": "Practitioner/1"}, "authSessionID": "a", "subject": "Patient/2"}},
		{"event": {"occurred": "2025-01-31T00:00:00Z", "source": {"type": "shl-ltt-server"}, "severity": "info"}}]`
	if status, text, err := p.do(t.Context(), http.MethodPost, "/events", "event_logger", body); err != nil || status != http.StatusCreated {
		t.Fatalf("%d %s %v", status, text, err)
	}
	for _, c := range []struct{ path, want string }{
		{`/events?event.tags=cs.{login}`, `[{"id":1,`},
		{`/events?select=event&event-%3E%3Epatient=eq.marcus%20aurelius`, `[{"event":{"tags": ["mme-calc"]`},
		{`/events?select=event&event.tags=cs.{mme-calc}&event-%3E%3Epatient=eq.marcus%20aurelius`, `[{"event":{"tags": ["mme-calc"]`},
		{`/events?select=event->>asctime,event->>message&event->>asctime=gte.2023-04-01&limit=25`, "[{\"asctime\":\"2023-04-18 10:00:00,000\",\"message\":\"m\"}, \n {\"asctime\":\"2026-05-07T01:00:00.000Z\",\"message\":null}]"},
		{
			`/events?select=event-%3E%3Easctime,event-%3E%3Ename,event-%3E%3Emessage,event-%3E%3Eversion,event-%3E%3Elevelname,event-%3E%3ETwilio%20messages,event-%3E%3ECommunicationRequest&event-%3E%3Easctime=gte.2023-04-18&limit=1`,
			`[{"asctime":"2023-04-18 10:00:00,000","name":null,"message":"m","version":"1","levelname":null,"Twilio messages":"{\"sid\": \"S1\"}","CommunicationRequest":null}]`,
		},
		{
			`/events?select=id,event->>asctime,event->>message,event->agent,event->>authSessionID,event->>subject,event->tags&event->tags=cs.["patient-summary-front-end","authSessionStarted"]&event->>asctime=gt.2026-05-06`,
			`[{"id":3,"asctime":"2026-05-07T01:00:00.000Z","message":null,"agent":{"who": "Practitioner/1"},"authSessionID":"a","subject":"Patient/2","tags":["patient-summary-front-end", "authSessionStarted"]}]`,
		},
		{`/events?select=event&event->source->>type=eq.shl-ltt-server`, `[{"event":{"source": {"type": "shl-ltt-server"}, "occurred": "2025-01-31T00:00:00Z", "severity": "info"}}]`},
		{`/events?select=event->occurred&event->source->>type=eq.shl-ltt-server&event->>occurred=gt.2025-01-30&limit=10`, `[{"occurred":"2025-01-31T00:00:00Z"}]`},
	} {
		var request bytes.Buffer
		request.WriteString("GET " + strings.ReplaceAll(c.path, " ", "%20") + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		conn, err := net.Dial("tcp", p.addr)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Write(request.Bytes()); err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		var got bytes.Buffer
		_, err = got.ReadFrom(resp.Body)
		conn.Close()
		if err != nil || resp.StatusCode != http.StatusOK || !strings.HasPrefix(got.String(), c.want) {
			t.Errorf("%s\n got %d %s %v\nwant %s", c.path, resp.StatusCode, got.String(), err, c.want)
		}
	}
}
