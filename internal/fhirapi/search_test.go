package fhirapi

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"vigil"
	"vigil/internal/format/fhir"
)

// linkOf returns a link of a Bundle, as a path.
func linkOf(n *fhir.Node, relation string) string {
	for _, l := range n.All("link") {
		if l.Child("relation").Text() == relation {
			return strings.TrimPrefix(l.Child("url").Text(), address)
		}
	}
	return ""
}

func TestSearch(t *testing.T) {
	f := newFace(t, openSegment(t))
	var ids []string
	for i := range 7 {
		ids = append(ids, f.create(edited(t, sample(t), "recorded", "2026-01-0"+strconv.Itoa(i+1)+"T00:00:00Z")))
	}
	n := parsed(t, f.must(200, "GET", "/fhir/AuditEvent?date=ge2026-01-03&date=lt2026-01-06&_total=accurate", ""))
	if n.Child("type").Text() != "searchset" || n.Child("total").Text() != "3" || len(n.All("entry")) != 3 {
		t.Errorf("%s", fhir.AppendJSON(nil, n))
	}
	e := n.Child("entry")
	if e.Child("fullUrl").Text() != address+"/fhir/AuditEvent/"+e.Get("resource", "id").Text() || e.Get("search", "mode").Text() != "match" {
		t.Errorf("entry %s", fhir.AppendJSON(nil, e))
	}
	if f.access.Rows != 3 || !strings.Contains(f.access.Query, "date=ge2026-01-03") {
		t.Errorf("record of access %+v", f.access)
	}
	f.must(200, "GET", "/fhir/AuditEvent?patient=Patient%2F1&agent:identifier=urn%3Ax%7Ca+b", "")
	if want := "patient=Patient/1&agent:identifier=urn:x|a b"; f.access.Query != want {
		t.Errorf("recorded as %q, want %q", f.access.Query, want)
	}
	for path, want := range map[string]string{
		"/fhir/AuditEvent/" + ids[0]: "AuditEvent/" + ids[0], "/fhir/r5/AuditEvent/" + ids[0] + "/_history/1?_pretty=true": "AuditEvent/" + ids[0] + "/_history/1?_pretty=true",
	} {
		if f.must(200, "GET", path, ""); f.access.Query != want {
			t.Errorf("%s is recorded as %q", path, f.access.Query)
		}
	}
	// By POST the same, with parameters of address and form together.
	post := f.must(200, "POST", "/fhir/AuditEvent/_search?date=ge2026-01-03", "date=lt2026-01-06&_total=accurate", "Content-Type", "application/x-www-form-urlencoded")
	if got := parsed(t, post); got.Child("total").Text() != "3" {
		t.Errorf("by POST: %s", post.Body)
	}
	outcomeOf(t, f.must(http.StatusUnsupportedMediaType, "POST", "/fhir/AuditEvent/_search", "{}"))
	// Pages forward and back, while events arrive.
	var seen []string
	path, back := "/fhir/AuditEvent?_count=3", ""
	for path != "" {
		n := parsed(t, f.must(200, "GET", path, ""))
		for _, e := range n.All("entry") {
			seen = append(seen, e.Get("resource", "id").Text())
		}
		f.create(sample(t))
		back, path = linkOf(n, "previous"), linkOf(n, "next")
	}
	if len(seen) != 7 || seen[0] != ids[6] || seen[6] != ids[0] {
		t.Errorf("pages %v of %v", seen, ids)
	}
	if n := parsed(t, f.must(200, "GET", back, "")); len(n.All("entry")) != 3 || n.Get("entry", "resource", "id").Text() != seen[3] {
		t.Errorf("back: %s", fhir.AppendJSON(nil, n))
	}
	if n := parsed(t, f.must(200, "GET", "/fhir/AuditEvent?_summary=count", "")); n.Child("total") == nil || n.Child("entry") != nil {
		t.Error("count")
	}
	if n := parsed(t, f.must(200, "GET", "/fhir?_id="+ids[0], "")); len(n.All("entry")) != 1 {
		t.Error("search of the system")
	}
	if w := f.must(200, "HEAD", "/fhir/AuditEvent", ""); w.Body.Len() != 0 || w.Header().Get("Content-Length") == "" {
		t.Error("HEAD of a search")
	}
	for _, history := range []string{"/fhir/_history", "/fhir/AuditEvent/_history"} {
		n := parsed(t, f.must(200, "GET", history+"?_count=2&_since=2026-11-22", ""))
		if n.Child("type").Text() != "history" || len(n.All("entry")) != 2 || n.Get("entry", "request", "method").Text() != "POST" || n.Child("total").Text() != strconv.Itoa(len(f.stored(vigil.TableAuditEvents))) {
			t.Errorf("%s: %s", history, fhir.AppendJSON(nil, n))
		}
		if n := parsed(t, f.must(200, "GET", linkOf(n, "next"), "")); len(n.All("entry")) != 2 {
			t.Errorf("%s: second page", history)
		}
		if n := parsed(t, f.must(200, "GET", history+"?_since=2027", "")); len(n.All("entry")) != 0 {
			t.Error("_since")
		}
	}
}

func TestUnknownParameters(t *testing.T) {
	f := newFace(t, openMemory(t))
	f.create(sample(t))
	n := parsed(t, f.must(200, "GET", "/fhir/AuditEvent?nonsense=1", ""))
	entries := n.All("entry")
	if len(entries) != 2 || entries[1].Get("search", "mode").Text() != "outcome" || strings.Contains(linkOf(n, "self"), "nonsense") {
		t.Errorf("%s", fhir.AppendJSON(nil, n))
	}
	outcomeOf(t, f.must(400, "GET", "/fhir/AuditEvent?nonsense=1", "", "Prefer", "handling=strict"))
	strict := newFace(t, openMemory(t), func(c *Config) { c.StrictSearch, c.DateMandatory = true, true })
	outcomeOf(t, strict.must(400, "GET", "/fhir/AuditEvent?date=2026&nonsense=1", ""))
	outcomeOf(t, strict.must(400, "GET", "/fhir/AuditEvent", ""))
	strict.must(200, "GET", "/fhir/AuditEvent?date=2026&nonsense=1", "", "Prefer", "handling=lenient")
	for _, query := range []string{
		"date=yesterday", "_count=-1", "type:contains=x", "outcome=" + strings.Repeat("1,", 10_000) + "1",
		"agent-name=" + strings.Repeat("x", 100_000), "date=%00", "entity=%ff", "_page=x", "_elements=%7b", "_include=*&_count=zz",
	} {
		outcomeOf(t, f.must(400, "GET", "/fhir/AuditEvent?"+query, ""))
	}
}

func TestSubsets(t *testing.T) {
	f := newFace(t, openMemory(t))
	f.create(sample(t))
	for query, want := range map[string]string{
		"_summary=true":     "id meta type subtype action recorded outcome agent source entity",
		"_summary=text":     "id meta type recorded agent source",
		"_summary=data":     "id meta type subtype action recorded outcome agent source entity",
		"_elements=outcome": "id meta type recorded outcome agent source",
	} {
		r := parsed(t, f.must(200, "GET", "/fhir/AuditEvent?"+query, "")).Get("entry", "resource")
		var got []string
		for _, c := range r.Children {
			if len(got) == 0 || got[len(got)-1] != c.Name {
				got = append(got, c.Name)
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %v", query, got)
		}
		tags := r.Child("meta").All("tag")
		if len(tags) == 0 || tags[len(tags)-1].Child("code").Text() != "SUBSETTED" {
			t.Errorf("%s: no tag", query)
		}
	}
}

// TestOtherTables: what came as something else is an AuditEvent too, for who may
// read where it is.
func TestOtherTables(t *testing.T) {
	f := newFace(t, openMemory(t))
	e := &vigil.Event{Table: vigil.TableEvents, Format: vigil.FormatLogserver, Doc: []byte(`{"version":"1","action":"read","occurred":"2026-01-02T03:04:05Z","agent":{"who":"Practitioner/7"},"entity":{"detail":[]},"patient":"Patient/9"}`)}
	if err := f.store.Write(t.Context(), []*vigil.Event{e}); err != nil {
		t.Fatal(err)
	}
	n := parsed(t, f.must(200, "GET", "/fhir/AuditEvent/"+e.UID.String(), ""))
	if n.Resource != auditEvent || n.Child("id").Text() != e.UID.String() || f.access.Table != vigil.TableEvents {
		t.Errorf("%s", fhir.AppendJSON(nil, n))
	}
	if n := parsed(t, f.must(200, "GET", "/fhir/AuditEvent?date=2026-01-02", "")); len(n.All("entry")) != 1 {
		t.Errorf("%s", fhir.AppendJSON(nil, n))
	}
	id := f.create(sample(t))
	f.role = "event_logger" // may read events alone
	f.must(200, "GET", "/fhir/AuditEvent/"+e.UID.String(), "")
	f.must(403, "GET", "/fhir/AuditEvent/"+id, "")
	if n := parsed(t, f.must(200, "GET", "/fhir/AuditEvent", "")); len(n.All("entry")) != 1 || n.Get("entry", "resource", "id").Text() != e.UID.String() {
		t.Error("a search shows what may not be read")
	}
	f.role = "event_writer"
	outcomeOf(t, f.must(403, "GET", "/fhir/AuditEvent", ""))
}

func TestProfiles(t *testing.T) {
	broken := strings.Replace(sample(t), `"action":"R"`, `"action":"E"`, 1)
	if broken == sample(t) {
		t.Fatal("the sample's action is not R")
	}
	tag := "_tag=" + url.QueryEscape(tagSystem+"|"+tagBroken)
	t.Run("warn", func(t *testing.T) {
		f := newFace(t, openMemory(t))
		w := f.must(201, "POST", "/fhir/AuditEvent", broken, "Prefer", "return=OperationOutcome")
		if issues := outcomeOf(t, w); !strings.Contains(strings.Join(issues, ""), "IHE.BasicAudit") || w.Header().Get("Warning") == "" {
			t.Errorf("%q, %v", issues, w.Header())
		}
		if doc := string(f.stored(vigil.TableAuditEvents)[0].Doc); doc != broken {
			t.Errorf("stored %s", doc)
		}
		good := f.create(sample(t))
		n := parsed(t, f.must(200, "GET", "/fhir/AuditEvent?"+tag, ""))
		if len(n.All("entry")) != 1 || n.Get("entry", "resource", "id").Text() == good {
			t.Errorf("by tag: %s", fhir.AppendJSON(nil, n))
		}
		if n := parsed(t, f.must(200, "GET", "/fhir/r5/AuditEvent?"+tag, "")); len(n.All("entry")) != 1 {
			t.Errorf("by tag, as R5: %s", fhir.AppendJSON(nil, n))
		}
	})
	t.Run("refuse", func(t *testing.T) {
		f := newFace(t, openMemory(t), func(c *Config) { c.Profiles = fhir.Refuse })
		outcomeOf(t, f.must(422, "POST", "/fhir/AuditEvent", broken))
		f.create(sample(t))
	})
	t.Run("quarantine", func(t *testing.T) {
		f := newFace(t, openMemory(t), func(c *Config) { c.Profiles = fhir.Quarantine })
		outcomeOf(t, f.must(202, "POST", "/fhir/AuditEvent", broken))
		n := parsed(t, f.must(200, "POST", "/fhir", bundleOf("transaction", sample(t), broken)))
		if statuses(t, n) != "201 202" || len(f.stored(vigil.TableQuarantine)) != 2 || len(f.stored(vigil.TableAuditEvents)) != 1 {
			t.Errorf("%s", fhir.AppendJSON(nil, n))
		}
		outcomeOf(t, f.must(422, "POST", "/fhir/AuditEvent", edited(t, broken, "recorded", nil)))
	})
	t.Run("ignore", func(t *testing.T) {
		f := newFace(t, openMemory(t), func(c *Config) { c.Profiles = fhir.Ignore })
		f.create(broken)
	})
}
