package fhirapi

import (
	"context"
	"crypto/sha256"
	"iter"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"vigil"
	"vigil/internal/format/fhir"
	"vigil/internal/ledger"
	"vigil/internal/store"
)

func TestValidateOperation(t *testing.T) {
	f := newFace(t, openMemory(t), func(c *Config) { c.Profiles = fhir.Ignore })
	broken := strings.Replace(sample(t), `"action":"R"`, `"action":"E"`, 1)
	id := f.create(broken)
	const profile = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit.Create"
	for _, c := range []struct{ name, method, path, body, want string }{
		{"all is well", "POST", "/fhir/AuditEvent/$validate", sample(t), "dom-6"},
		{"a profile", "POST", "/fhir/AuditEvent/$validate", broken, "IHE.BasicAudit"},
		{"FHIR itself", "POST", "/fhir/AuditEvent/$validate", edited(t, sample(t), "recorded", nil), "required"},
		{"another profile", "POST", "/fhir/AuditEvent/$validate?profile=" + profile, sample(t), profile},
		{"Parameters", "POST", "/fhir/AuditEvent/$validate", `{"resourceType":"Parameters","parameter":[{"name":"profile","valueUri":"` + profile + `"},{"name":"resource","resource":` + sample(t) + `}]}`, profile},
		{"a stored one", "GET", "/fhir/AuditEvent/" + id + "/$validate", "", "IHE.BasicAudit"},
		{"a stored one by POST", "POST", "/fhir/AuditEvent/" + id + "/$validate", "", "IHE.BasicAudit"},
	} {
		w := f.must(http.StatusOK, c.method, c.path, c.body)
		if issues := strings.Join(outcomeOf(t, w), "\n"); !strings.Contains(issues, c.want) {
			t.Errorf("%s: %s", c.name, issues)
		}
	}
	outcomeOf(t, f.must(400, "POST", "/fhir/AuditEvent/$validate", `{"resourceType":"Patient"}`))
	outcomeOf(t, f.must(400, "POST", "/fhir/AuditEvent/$validate", `{`))
	outcomeOf(t, f.must(405, "GET", "/fhir/AuditEvent/$validate", ""))
	if n := len(f.stored(vigil.TableAuditEvents)); n != 1 {
		t.Errorf("%d events: $validate stores", n)
	}
}

// sign publishes a checkpoint of all there is, and returns the verifier key.
func sign(t testing.TB, l *ledger.Log) string {
	t.Helper()
	key, err := ledger.LoadOrCreateKey(t.TempDir()+"/key", l.Origin())
	if err != nil {
		t.Fatal(err)
	}
	size, root := l.Published()
	note, err := ledger.SignCheckpoint(ledger.Checkpoint{Origin: l.Origin(), Size: size, Root: root}, key)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.SetCheckpoint(note); err != nil {
		t.Fatal(err)
	}
	return key.Verifier()
}

func TestProofOperation(t *testing.T) {
	f := newFace(t, openSegment(t))
	id := f.create(sample(t))
	f.create(sample(t))
	key := sign(t, f.store.Log())
	w := f.must(200, "GET", "/fhir/AuditEvent/"+id+"/$proof", "")
	p, err := ledger.ParseProof(w.Body.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	record := store.LeafOf(f.stored(vigil.TableAuditEvents)[0]).AppendText(nil)
	if _, err := p.Check(record, key); err != nil {
		t.Error(err)
	}
	n := parsed(t, f.must(200, "GET", "/fhir/AuditEvent/"+id+"/$proof", "", "Accept", "application/fhir+json"))
	if n.Resource != "Binary" || n.Child("data").Text() == "" {
		t.Errorf("%s", fhir.AppendJSON(nil, n))
	}
	f.must(200, "GET", "/fhir/AuditEvent/"+id+"/$proof", "", "Accept", "text/plain")
	outcomeOf(t, f.must(404, "GET", "/fhir/AuditEvent/x/$proof", ""))
}

// tampered shows one event otherwise than it was logged.
type tampered struct {
	store.Store
	index int64
}

func (s *tampered) Entries(ctx context.Context, from int64) iter.Seq2[*vigil.Event, error] {
	return func(yield func(*vigil.Event, error) bool) {
		for e, err := range s.Store.Entries(ctx, from) {
			if e != nil && e.Index == s.index {
				changed := *e
				changed.Doc = []byte(strings.Replace(string(e.Doc), "R", "X", 1))
				e = &changed
			}
			if !yield(e, err) {
				return
			}
		}
	}
}

func TestVerifyIntegrity(t *testing.T) {
	s := &tampered{Store: openSegment(t), index: -1}
	f := newFace(t, s)
	var ids []string
	for range 3 {
		ids = append(ids, f.create(sample(t)))
	}
	f.create(edited(t, sample(t), "recorded", "2020-01-01T00:00:00Z"))
	sign(t, f.store.Log())
	w := f.must(http.StatusAccepted, "GET", "/fhir/AuditEvent/$verify-integrity?date=lt2021", "", "Prefer", "respond-async")
	outcomeOf(t, w)
	where := strings.TrimPrefix(w.Header().Get("Content-Location"), address)
	if !strings.HasPrefix(where, "/fhir/AuditEvent/$verify-integrity-status?_id=") {
		t.Fatalf("Content-Location %q", where)
	}
	other := mint(t, "auditor", "")
	outcomeOf(t, f.must(404, "GET", where, "", "Authorization", "Bearer "+other)) // somebody else's
	deadline := time.Now().Add(10 * time.Second)
	for w = f.do("GET", where, ""); w.Code == http.StatusAccepted && time.Now().Before(deadline); w = f.do("GET", where, "") {
		if w.Header().Get("X-Progress") == "" {
			t.Error("no X-Progress")
		}
		time.Sleep(5 * time.Millisecond)
	}
	text := strings.Join(outcomeOf(t, w), "\n")
	for _, want := range []string{"1 Audit Event processed", "Transaction time: 2026-11-22T09:30:00", "Original Request: " + address + "/fhir/AuditEvent/$verify-integrity?date=lt2021", "from its 4 entries and compared with the checkpoint of 4"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in %s", want, text)
		}
	}
	if w.Code != http.StatusOK || strings.Contains(text, "Signature") {
		t.Errorf("%d %s", w.Code, text)
	}
	f.must(http.StatusAccepted, "DELETE", where, "")
	outcomeOf(t, f.must(http.StatusNotFound, "GET", where, ""))

	s.index = 1
	n := parsed(t, f.must(200, "GET", "/fhir/AuditEvent/$verify-integrity", ""))
	text = string(fhir.AppendJSON(nil, n))
	if !strings.Contains(text, `"AuditEvent/`+ids[1]+`"`) || strings.Contains(text, ids[0]) || !strings.Contains(text, "4 Audit Event processed") || !strings.Contains(text, "do not make the root of the checkpoint") {
		t.Errorf("an event was changed: %s", text)
	}
	if err := f.store.Write(t.Context(), []*vigil.Event{{Table: vigil.TableEvents, Format: vigil.FormatLogserver, Doc: []byte(`{"action":"Read"}`)}}); err != nil {
		t.Fatal(err)
	}
	sign(t, f.store.Log())
	hidden := f.stored(vigil.TableEvents)[0]
	s.index = hidden.Index
	asks := "Bearer " + mint(t, "nobody", "system/AuditEvent.rs") // not events
	for _, token := range []string{asks, "Bearer " + mint(t, "auditor", "")} {
		w := f.must(200, "GET", "/fhir/AuditEvent/$verify-integrity", "", "Authorization", token)
		text := w.Body.String()
		if strings.Contains(text, hidden.UID.String()) != (token != asks) || !strings.Contains(text, "The log is not what was signed") {
			t.Errorf("an event of another table was changed: %s", text)
		}
	}
	outcomeOf(t, f.must(400, "GET", "/fhir/AuditEvent/$verify-integrity?date=never", ""))
}

func TestCapabilityStatement(t *testing.T) {
	f := newFace(t, openMemory(t))
	f.role = ""
	for path, v := range map[string]string{
		"/fhir/metadata": "4.0.1", "/fhir/r5/metadata": "5.0.0", "/fhir/metadata?_format=xml": "4.0.1", "/fhir/r4/metadata": "4.0.1",
		"/fhir/metadata?_format=application/fhir%2Bjson;fhirVersion=5.0": "5.0.0",
	} {
		n := parsed(t, f.must(200, "GET", path, ""))
		resource := n.Get("rest", "resource")
		if n.Resource != "CapabilityStatement" || n.Child("fhirVersion").Text() != v || len(resource.All("searchParam")) < 15 {
			t.Errorf("%s: %s", path, fhir.AppendJSON(nil, n))
		}
		if got := len(resource.All("supportedProfile")); (v == "4.0.1") != (got == 19) {
			t.Errorf("%s: %d profiles", path, got)
		}
		if (v == "4.0.1") != strings.Contains(string(fhir.AppendJSON(nil, n)), "IHE.BALP.ATNA.AuditRecordRepository") {
			t.Errorf("%s: what is instantiated", path)
		}
	}
}

func TestCORS(t *testing.T) {
	f := newFace(t, openMemory(t), func(c *Config) { c.CORSOrigins = []string{"https://app.example"} })
	f.role = ""
	w := f.must(http.StatusNoContent, "OPTIONS", "/fhir/AuditEvent", "", "Origin", "https://app.example", "Access-Control-Request-Method", "POST")
	if w.Header().Get("Access-Control-Allow-Origin") != "https://app.example" || !strings.Contains(w.Header().Get("Access-Control-Allow-Headers"), "Authorization") {
		t.Errorf("%v", w.Header())
	}
	if w := f.do("GET", "/fhir/metadata", "", "Origin", "https://other.example"); w.Header().Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("%v", w.Header())
	}
}

// TestHostile: documents that would take memory or reach out, and text that is
// code somewhere else. None is taken but as the text that it is.
func TestHostile(t *testing.T) {
	f := newFace(t, openMemory(t))
	laughs := `<!DOCTYPE x [<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><AuditEvent xmlns="http://hl7.org/fhir"><id value="&b;"/></AuditEvent>`
	external := `<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><AuditEvent xmlns="http://hl7.org/fhir"><id value="&a;"/></AuditEvent>`
	script := `"text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\"><script>alert(1)</script></div>"},`
	for _, c := range []struct {
		name, body, content string
		status              int
	}{
		{"expansion", laughs, "application/fhir+xml", 400},
		{"external entity", external, "application/fhir+xml", 400},
		{"undeclared entity", `<AuditEvent xmlns="http://hl7.org/fhir"><id value="&a;"/></AuditEvent>`, "application/fhir+xml", 400},
		{"deep XML", strings.Repeat("<a>", 100_000), "application/fhir+xml", 400},
		{"deep XML in FHIR", `<AuditEvent xmlns="http://hl7.org/fhir">` + strings.Repeat("<extension>", 100_000), "application/fhir+xml", 400},
		{"processing instruction", `<?xml-stylesheet href="http://example.org/x"?><AuditEvent xmlns="http://hl7.org/fhir"/>`, "application/fhir+xml", 422},
		{"deep JSON", `{"resourceType":"AuditEvent","extension":` + strings.Repeat(`[{"extension":`, 100_000), "", 400},
		{"large number", strings.Replace(sample(t), `{`, `{"extension":[{"url":"urn:x","valueDecimal":1e999999999}],`, 1), "", 400},
		{"script in the narrative", strings.Replace(sample(t), `{`, `{`+script, 1), "", 422},
		{"script in a contained resource", strings.Replace(sample(t), `{`, `{"contained":[{"resourceType":"Patient",`+script+`"id":"p"}],`, 1), "", 422},
		{"BOM", "\ufeff" + sample(t), "", 400},
		{"UTF-16", "\xff\xfe{\x00", "", 400},
		{"bad UTF-8", strings.Replace(sample(t), `"R"`, "\"\xff\"", 1), "", 400},
	} {
		content := c.content
		if content == "" {
			content = "application/fhir+json"
		}
		for _, path := range []string{"/fhir/AuditEvent", "/fhir/AuditEvent/$validate"} {
			if strings.Contains(path, "$") && c.status == 422 {
				continue
			}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			w := f.do("POST", path, c.body, "Content-Type", content)
			runtime.ReadMemStats(&after)
			if w.Code != c.status {
				t.Errorf("%s: %d %.300s", c.name, w.Code, w.Body)
				continue
			}
			if took := after.TotalAlloc - before.TotalAlloc; took > 16<<20+8*uint64(len(c.body)) {
				t.Errorf("%s: %d bytes of memory for %d", c.name, took, len(c.body))
			}
			if issues := outcomeOf(t, w); strings.Contains(strings.Join(issues, ""), "alert(1)") {
				t.Errorf("%s: %q", c.name, issues)
			}
		}
	}
	if events := f.stored(vigil.TableAuditEvents); len(events) != 0 {
		t.Errorf("%d were taken", len(events))
	}
}

// TestKeysOfEntries: entries of a collection are the same by text, not by Bundle.
func TestKeysOfEntries(t *testing.T) {
	f := newFace(t, openMemory(t))
	c, err := f.api.newCall(requestOf(t, "POST", "/fhir"))
	if err != nil {
		t.Fatal(err)
	}
	c.principal = principal("a")
	one, other := entryKey(c, []byte(`{"id":"x"}`)), entryKey(c, []byte(`{"id":"y"}`))
	if one.Key == other.Key || one.Body != sha256.Sum256([]byte(`{"id":"x"}`)) {
		t.Error("keys")
	}
	c.principal = principal("b")
	if entryKey(c, []byte(`{"id":"x"}`)).Scope == one.Scope {
		t.Error("two senders have one scope")
	}
}

// TestErased: of a document that was removed, the proof is left.
func TestErased(t *testing.T) {
	s := openMemory(t)
	f := newFace(t, s)
	f.must(201, "POST", "/fhir/AuditEvent", sample(t), "Idempotency-Key", "k")
	f.create(sample(t))
	e := f.stored(vigil.TableAuditEvents)[0]
	path := "/fhir/AuditEvent/" + e.UID.String()
	record := store.LeafOf(e).AppendText(nil)
	if n, err := s.(store.Remover).Erase(t.Context(), []vigil.UID{e.UID}, store.Removal{Reason: "a court said so"}); err != nil || n != 1 {
		t.Fatal(n, err)
	}
	key := sign(t, s.Log())
	for _, at := range []string{"", "/_history", "/_history/1", "/$validate"} {
		if issues := outcomeOf(t, f.must(http.StatusGone, "GET", path+at, "")); !strings.HasPrefix(issues[0], "deleted:") {
			t.Errorf("%s: %q", at, issues)
		}
	}
	p, err := ledger.ParseProof(f.must(200, "GET", path+"/$proof", "").Body.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Check(record, key); err != nil {
		t.Error(err)
	}
	if issues := strings.Join(outcomeOf(t, f.must(200, "GET", "/fhir/AuditEvent/$verify-integrity", "")), "\n"); !strings.Contains(issues, "1 Audit Event processed") || strings.Contains(issues, "not what was signed") {
		t.Errorf("%s", issues)
	}
	outcomeOf(t, f.must(http.StatusGone, "POST", "/fhir/AuditEvent", sample(t), "Idempotency-Key", "k"))
	if n := parsed(t, f.must(200, "GET", "/fhir/AuditEvent?_tag:missing=true&_total=accurate&recorded=", "")); len(n.All("entry")) == 0 {
		t.Error("the other one is not found")
	}
	f.role = "event_logger"
	outcomeOf(t, f.must(403, "GET", path, ""))
}
