package fhirapi

import (
	"strings"
	"testing"
)

// TestReadsInBundles: reading by a batch is recorded as reading.
func TestReadsInBundles(t *testing.T) {
	f := newFace(t, openMemory(t))
	id := f.create(sample(t))
	f.must(200, "POST", "/fhir", bundleOf("batch", sample(t)))
	if !f.access.Write || f.access.Rows != 1 {
		t.Errorf("a batch that adds: %+v", f.access)
	}
	f.must(200, "POST", "/fhir", `{"resourceType":"Bundle","type":"batch","entry":[{"resource":`+sample(t)+`,"request":{"method":"POST","url":"AuditEvent"}},
		{"request":{"method":"GET","url":"AuditEvent/`+id+`"}},{"request":{"method":"GET","url":"AuditEvent?patient=Patient/1"}}]}`)
	if f.access.Write || f.access.Rows != 1 || f.access.Query != "GET AuditEvent/"+id+"\nGET AuditEvent?patient=Patient/1" {
		t.Errorf("a batch that reads: %+v", f.access)
	}
	f.must(200, "POST", "/fhir/AuditEvent", sample(t), "If-None-Exist", "_id="+id)
	if f.access.Write || f.access.Query != "_id="+id {
		t.Errorf("a condition that is met: %+v", f.access)
	}
	f.must(200, "POST", "/fhir/AuditEvent/$validate", sample(t))
	if f.access.Table != "" {
		t.Errorf("$validate: %+v", f.access)
	}
}

// TestLongReadsInBundles: nothing that a Bundle asks is left out of the record,
// however much it asks.
func TestLongReadsInBundles(t *testing.T) {
	f := newFace(t, openMemory(t))
	id := f.create(sample(t))
	padding := "AuditEvent?_id=x" + strings.Repeat("&_id=x", 5000)
	read := func(url string) string { return `{"request":{"method":"GET","url":"` + url + `"}}` }
	f.must(200, "POST", "/fhir", `{"resourceType":"Bundle","type":"batch","entry":[`+read(padding)+`,`+read("AuditEvent/"+id)+`]}`)
	if !strings.HasSuffix(f.access.Query, "\nGET AuditEvent/"+id) || !strings.HasPrefix(f.access.Query, "GET "+padding) {
		t.Errorf("recorded of a long and a short read: %d bytes, … %q", len(f.access.Query), f.access.Query[max(0, len(f.access.Query)-80):])
	}
	conditional := `{"resource":` + sample(t) + `,"request":{"method":"POST","url":"AuditEvent","ifNoneExist":"_id=` + id + `"}}`
	f.must(200, "POST", "/fhir", `{"resourceType":"Bundle","type":"batch","entry":[`+conditional+`,`+conditional+`,`+read("AuditEvent/"+id)+`]}`)
	if want := "_id=" + id + "\n_id=" + id + "\nGET AuditEvent/" + id; f.access.Query != want {
		t.Errorf("recorded of two conditions and a read: %q, want %q", f.access.Query, want)
	}
	more := strings.Repeat(read(padding)+",", maxRecorded/len(padding))
	n := parsed(t, f.must(200, "POST", "/fhir", `{"resourceType":"Bundle","type":"batch","entry":[`+more+read(padding)+`]}`))
	if got := strings.Fields(statuses(t, n)); got[len(got)-1] != "403" || strings.Contains(strings.Join(got[:len(got)-1], " "), "403") {
		t.Errorf("reads of more than %d bytes: %v", maxRecorded, got)
	}
}

// TestCostlyBundles: a Bundle is no way to ask for more than requests may.
func TestCostlyBundles(t *testing.T) {
	f := newFace(t, openMemory(t), func(c *Config) { c.MaxCount = 10 })
	id := f.create(sample(t))
	read := `{"request":{"method":"GET","url":"AuditEvent/` + id + `"}}`
	n := parsed(t, f.must(200, "POST", "/fhir", `{"resourceType":"Bundle","type":"batch","entry":[`+strings.Repeat(read+",", 11)+read+`]}`))
	if got := statuses(t, n); got != strings.Repeat("200 ", 10)+"403 403" {
		t.Errorf("rows: %s", got)
	}
	search := `{"request":{"method":"GET","url":"AuditEvent?_id=x"}}`
	n = parsed(t, f.must(200, "POST", "/fhir", `{"resourceType":"Bundle","type":"batch","entry":[`+strings.Repeat(search+",", 100)+search+`]}`))
	if got := strings.Fields(statuses(t, n)); got[99] != "200" || got[100] != "403" {
		t.Errorf("searches: %v", got)
	}
	n = parsed(t, f.must(200, "POST", "/fhir", `{"resourceType":"Bundle","type":"batch","entry":[{"request":{"method":"GET","url":"AuditEvent/$verify-integrity"}}]}`))
	if got := statuses(t, n); got != "403" {
		t.Errorf("a verification: %s", got)
	}
	f.api.jobs.running = maxRunning
	for _, prefer := range []string{"respond-async", "return=minimal"} {
		outcomeOf(t, f.must(429, "GET", "/fhir/AuditEvent/$verify-integrity", "", "Prefer", prefer))
	}
}
