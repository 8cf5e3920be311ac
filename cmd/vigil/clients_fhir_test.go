package main

import (
	"bytes"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vigil/internal/auth"
)

func TestFHIRPythonClients(t *testing.T) {
	p := newProcess(t, filepath.Join(t.TempDir(), "store"))
	p.mustStart()
	client(t, filepath.Join(tools(t), "py", "bin", "python"), "testdata/clients/fhir.py", "http://"+p.addr, token(t, "admin"))
	p.stop()
	verify(t, p.dir)
}

func TestFHIRJavaScriptClient(t *testing.T) {
	p := newProcess(t, filepath.Join(t.TempDir(), "store"))
	p.mustStart()
	client(t, "node", "testdata/clients/fhir.mjs", "http://"+p.addr, token(t, "admin"), filepath.Join(tools(t), "node_modules"))
}

// TestHAPISenders drives HAPI FHIR's BALP interceptor, with both of its sinks, and
// its generic client.
func TestHAPISenders(t *testing.T) {
	if testing.Short() {
		t.Skip("HAPI takes half a minute: not with -short")
	}
	dir := hapi(t)
	p := newProcess(t, filepath.Join(t.TempDir(), "store"))
	p.mustStart()
	client(t, "java", "-Xmx1g", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", dir+"/classes:"+dir+"/lib/*",
		"Senders", "http://"+p.addr+"/fhir", scoped(t, "system/AuditEvent.crs"))
	p.stop()
	verify(t, p.dir)
}

// hapi returns the folder of the Java client, built under .tools if it is not yet,
// and leaves the test out where that cannot be.
func hapi(t *testing.T) string {
	t.Helper()
	need := []string{"javac"}
	dir := filepath.Join(tools(t), "fhir-senders")
	if _, err := os.Stat(dir + "/lib"); err != nil {
		need = append(need, "mvn")
	}
	for _, program := range need {
		if _, err := exec.LookPath(program); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatalf("%s is missing: scripts/tools.sh installs it", program)
			}
			t.Skipf("left out: %s is missing: make tools installs it", program)
		}
	}
	const source = "testdata/clients/hapi/"
	class, err := os.ReadFile(source + "Senders.java")
	if err != nil {
		t.Fatal(err)
	}
	if built, err := os.ReadFile(dir + "/Senders.java"); err == nil && bytes.Equal(built, class) {
		if _, err := os.Stat(dir + "/classes/Senders.class"); err == nil {
			return dir
		}
	}
	pom, err := os.ReadFile(source + "pom.xml")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{"Senders.java": class, "pom.xml": pom} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	build := exec.CommandContext(t.Context(), "sh", "-c", "{ test -d lib || mvn -q -B dependency:copy-dependencies -DoutputDirectory=lib -DincludeScope=runtime; } && javac -cp 'lib/*' -d classes Senders.java")
	build.Dir = dir
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the Java client: %v\n%s", err, out)
	}
	return dir
}

// scoped returns a token of an authorization server that knows no roles of ours:
// it may do what the scopes of SMART App Launch say, with AuditEvents alone.
func scoped(t *testing.T, scope string) string {
	t.Helper()
	s, err := auth.Mint(secret, "some-system", time.Time{}, map[string]any{"scope": scope, "sub": "hapi"})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestFHIRExchange reads what a gateway saw as an AuditEvent, as BALP has it.
func TestFHIRExchange(t *testing.T) {
	p := newProcess(t, filepath.Join(t.TempDir(), "store"))
	p.mustStart()
	x := `{"event":{"id":"0198f7a0-0000-7000-8000-000000000000","start":"2026-01-02T03:04:05Z","duration":1,"method":"GET","path":"/Patient/1","status":200,
		"requestBytes":0,"responseBytes":2,"complete":true,"interaction":"read","type":"Patient","key":"1","patients":["Patient/1"]}}`
	if status, text, err := p.do(t.Context(), http.MethodPost, "/exchanges", "admin", x); err != nil || status != http.StatusCreated {
		t.Fatal(status, text, err)
	}
	_, text, err := p.do(t.Context(), http.MethodGet, "/exchanges?select=_uid", "admin", "")
	if err != nil {
		t.Fatal(err)
	}
	uid := strings.Trim(strings.TrimPrefix(strings.TrimSpace(text), `[{"_uid":`), `"}]`)
	status, text, err := p.do(t.Context(), http.MethodGet, "/fhir/AuditEvent/"+uid, "admin", "")
	if err != nil || status != http.StatusOK || !strings.Contains(text, "IHE.BasicAudit.PatientRead") || !strings.Contains(text, `"id":"`+uid+`"`) {
		t.Errorf("%d %s %v", status, text, err)
	}
}
