package fhirapi

import (
	"bytes"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"vigil"
	"vigil/internal/format/fhir"
)

const oracleLib = "../../.tools/fhir-oracle/lib"

// oracle compiles HAPI's validator as the tests of package fhir have it, and
// returns the class path. The test is left out where it cannot be.
func oracle(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("HAPI's validator takes half a minute: not with -short")
	}
	lib, err := filepath.Abs(oracleLib)
	if err != nil {
		t.Fatal(err)
	}
	_, noLib := os.Stat(lib)
	if _, noJava := exec.LookPath("javac"); noLib != nil || noJava != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("HAPI's validator is missing: scripts/tools.sh brings it")
		}
		t.Skip("left out: HAPI's validator is missing: make tools brings it")
	}
	classes := t.TempDir()
	out, err := exec.CommandContext(t.Context(), "javac", "-cp", lib+"/*", "-d", classes, "../format/fhir/testdata/oracle/Oracle.java").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return classes + ":" + lib + "/*"
}

// notOurs are complaints about what clients sent, or what the oracle does not
// hold: other guides' profiles and other versions' extensions.
var notOurs = regexp.MustCompile(`Profile reference '[^']*' has not been checked|Extension url 'http://hl7.org/fhir/[345]\.0/` +
	`|profiles\.ihe\.net/ITI/BALP|url=https://example\.org/`)

// TestOracle has HAPI's validator judge everything that the face answers.
func TestOracle(t *testing.T) {
	classPath := oracle(t)
	folders := map[fhir.Version]string{fhir.R4: t.TempDir(), fhir.R5: t.TempDir()}
	n := 0
	keep := func(name string, w *httptest.ResponseRecorder) {
		t.Helper()
		if w.Body.Len() == 0 || strings.HasPrefix(w.Header().Get("Content-Type"), "text/plain") {
			return
		}
		v := fhir.R4
		if strings.Contains(w.Header().Get("Content-Type"), "fhirVersion=5.0") {
			v = fhir.R5
		}
		n++
		if err := os.WriteFile(filepath.Join(folders[v], fmt.Sprintf("%03d.%s", n, name)), w.Body.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	answers(t, "/fhir", "application/fhir+json", keep)
	answers(t, "/fhir", "application/fhir+xml", keep)
	answers(t, "/fhir/r5", "application/fhir+json", keep)
	var wg sync.WaitGroup
	for v, folder := range folders {
		wg.Go(func() {
			var stderr bytes.Buffer
			cmd := exec.CommandContext(t.Context(), "java", "-Xmx2g", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", classPath, "Oracle", v.String(), folder)
			cmd.Stderr = &stderr
			out, err := cmd.Output()
			if err != nil {
				t.Errorf("%v: %.2000s", err, &stderr)
				return
			}
			name, judged := "", 0
			for line := range strings.Lines(string(out)) {
				if complaint, ok := strings.CutPrefix(line, "\t"); !ok {
					name, judged = strings.TrimSpace(line), judged+1
				} else if !notOurs.MatchString(complaint) {
					t.Errorf("%v %s: %.400s", v, name, complaint)
				}
			}
			if judged < 20 {
				t.Errorf("%v: %d answers were judged", v, judged)
			}
		})
	}
	wg.Wait()
}

// answers uses a face, and hands over all that it answers.
func answers(t *testing.T, base, accept string, keep func(string, *httptest.ResponseRecorder)) {
	f := newFace(t, openMemory(t))
	doc := sample(t)
	if base == "/fhir/r5" {
		doc = sampleR5(t)
	}
	ask := func(name, method, path, body string, headers ...string) *httptest.ResponseRecorder {
		t.Helper()
		w := f.do(method, base+path, body, append([]string{"Accept", accept}, headers...)...)
		keep(name, w)
		return w
	}
	id := idOf(t, ask("create", "POST", "/AuditEvent", doc).Header().Get("Location"))
	ask("create_outcome", "POST", "/AuditEvent", doc, "Prefer", "return=OperationOutcome")
	ask("read", "GET", "/AuditEvent/"+id, "")
	ask("history", "GET", "/AuditEvent/"+id+"/_history", "")
	ask("history_type", "GET", "/AuditEvent/_history?_count=2", "")
	ask("metadata", "GET", "/metadata", "")
	ask("validate", "POST", "/AuditEvent/$validate", doc)
	ask("validate_broken", "POST", "/AuditEvent/$validate", edited(t, doc, "recorded", nil))
	ask("batch", "POST", "", bundleOf("batch", doc, edited(t, doc, "recorded", nil), `{"resourceType":"Patient"}`))
	ask("transaction", "POST", "", bundleOf("transaction", doc, doc), "Prefer", "return=representation")
	ask("collection", "POST", "", bundleOf("collection", doc, doc, `{"resourceType":"Patient"}`))
	ask("reads", "POST", "", `{"resourceType":"Bundle","type":"batch","entry":[{"request":{"method":"GET","url":"AuditEvent?_count=1"}},{"request":{"method":"GET","url":"metadata"}},{"request":{"method":"GET","url":"AuditEvent/x"}}]}`)
	for _, doc := range []string{`{"version":"1","action":"read","occurred":"2026-01-02T03:04:05Z","agent":{"who":"Practitioner/7"},"patient":"Patient/9"}`, `{"message":"hello"}`, `[1]`} {
		e := &vigil.Event{Table: vigil.TableEvents, Format: vigil.FormatLogserver, Doc: []byte(doc)}
		if err := f.store.Write(t.Context(), []*vigil.Event{e}); err != nil {
			t.Fatal(err)
		}
		ask("other", "GET", "/AuditEvent/"+e.UID.String(), "")
	}
	for _, query := range []string{"", "?_count=2", "?_summary=true", "?_summary=text", "?_summary=count", "?_elements=outcome", "?nonsense=1", "?date=2000"} {
		ask("search", "GET", "/AuditEvent"+query, "")
	}
	sign(t, f.store.Log())
	ask("verify", "GET", "/AuditEvent/$verify-integrity", "")
	ask("verify_async", "GET", "/AuditEvent/$verify-integrity", "", "Prefer", "respond-async")
	ask("proof", "GET", "/AuditEvent/"+id+"/$proof", "")
	for name, path := range map[string]string{"unknown": "/AuditEvent/x", "type": "/Patient/1", "path": "/x/y", "parameter": "/AuditEvent?date=never"} {
		ask("refused_"+name, "GET", path, "")
	}
	ask("refused_method", "PUT", "/AuditEvent/"+id, doc)
	ask("refused_json", "POST", "/AuditEvent", "{")
	ask("refused_event", "POST", "/AuditEvent", edited(t, doc, "recorded", "yesterday"))
	ask("refused_media", "POST", "/AuditEvent", doc, "Content-Type", "text/csv")
	f.role = ""
	ask("refused_nobody", "GET", "/AuditEvent", "")
	f.role = "event_writer"
	ask("refused_role", "GET", "/AuditEvent/"+id, "")
}
