package fhirapi

import (
	"bufio"
	"net/http"
	"strings"
	"testing"

	"vigil/internal/format/fhir"
)

// FuzzRequest sends anything to anywhere: the answer is FHIR, and no request that
// reads adds an event.
func FuzzRequest(f *testing.F) {
	f.Add("GET", "/fhir/AuditEvent?date=ge2026&_count=1", "", "", "application/fhir+json;q=0.5, */*;q=0.1")
	f.Add("POST", "/fhir", `{"resourceType":"Bundle","type":"batch","entry":[{"request":{"method":"GET","url":"AuditEvent?_id=x"}}]}`, "application/fhir+json", "")
	f.Add("POST", "/fhir/AuditEvent", `{"resourceType":"AuditEvent"}`, "application/fhir+json; fhirVersion=5.0", "application/fhir+xml")
	f.Add("POST", "/fhir/r5", `<Bundle xmlns="http://hl7.org/fhir"><type value="transaction"/><entry/></Bundle>`, "text/xml", "xml")
	f.Add("POST", "/fhir", `{"resourceType":"Bundle","type":"collection","entry":[{"resource":{"resourceType":"AuditEvent","id":7}},{}]}`, "", "")
	f.Add("POST", "/fhir/AuditEvent/_search", "date=2026&_sort=-date", "application/x-www-form-urlencoded", "")
	f.Add("HEAD", "/fhir/AuditEvent/x/_history/1", "", "", "application/fhir+json; fhirVersion=4.0")
	f.Add("POST", "/fhir/AuditEvent/$validate", `{"resourceType":"Parameters","parameter":[{"name":"resource"}]}`, "json", "")
	f.Add("DELETE", "/fhir/$verify-integrity-status?_id=", "", "", "")
	face := newFace(f, openMemory(f))
	f.Fuzz(func(t *testing.T, method, path, body, content, accept string) {
		wire := bufio.NewReader(strings.NewReader(method + " " + path + " HTTP/1.0\r\n\r\n"))
		if r, err := http.ReadRequest(wire); err != nil || !strings.HasPrefix(r.URL.Path, "/fhir") || r.Method != method || r.RequestURI != path {
			return
		}
		face.t = t
		w := face.do(method, path, body, "Content-Type", content, "Accept", accept)
		if w.Code == http.StatusInternalServerError {
			t.Fatalf("%s %s: %s", method, path, w.Body)
		}
		if w.Body.Len() == 0 || strings.HasPrefix(w.Header().Get("Content-Type"), "text/plain") {
			return
		}
		v := fhir.R4
		if strings.Contains(w.Header().Get("Content-Type"), "fhirVersion=5.0") {
			v = fhir.R5
		}
		n, err := fhir.Parse(w.Body.Bytes(), v, fhir.Limits{Nodes: 10_000_000, Depth: 200})
		if err != nil {
			t.Fatalf("%s %s: %v: %.500s", method, path, err, w.Body)
		}
		if w.Code >= 400 && n.Resource != "OperationOutcome" {
			t.Fatalf("%s %s: %d with a %s", method, path, w.Code, n.Resource)
		}
	})
}
