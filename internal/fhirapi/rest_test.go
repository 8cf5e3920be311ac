package fhirapi

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"vigil"
	"vigil/internal/format/fhir"
)

func TestCreateAndRead(t *testing.T) {
	f := newFace(t, openSegment(t))
	doc := sample(t)
	w := f.must(http.StatusCreated, "POST", "/fhir/AuditEvent", doc)
	location := w.Header().Get("Location")
	if !regexp.MustCompile(`^http://vigil\.test/fhir/AuditEvent/[0-9a-f-]{36}/_history/1$`).MatchString(location) {
		t.Errorf("Location %q", location)
	}
	id := idOf(t, location)
	for name, want := range map[string]string{
		"ETag": `W/"1"`, "Last-Modified": "Sun, 22 Nov 2026 09:30:00 GMT", "Content-Type": "application/fhir+json; charset=utf-8",
	} {
		if got := w.Header().Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if !f.access.Write || f.access.Rows != 1 || f.access.Table != vigil.TableAuditEvents || f.access.Principal != "tester" {
		t.Errorf("record of access %+v", f.access)
	}
	if events := f.stored(vigil.TableAuditEvents); len(events) != 1 || string(events[0].Doc) != doc || events[0].Format != vigil.FormatFHIRR4 || events[0].Sender.Listener != "fhir" {
		t.Errorf("stored %+v", events)
	}
	r := f.must(http.StatusOK, "GET", "/fhir/AuditEvent/"+id, "")
	if r.Body.String() != w.Body.String() {
		t.Errorf("read\n%s\ncreated\n%s", r.Body, w.Body)
	}
	if f.access.Write || f.access.Rows != 1 || f.access.Table != vigil.TableAuditEvents {
		t.Errorf("record of access %+v", f.access)
	}
	n := parsed(t, r)
	if n.Child("id").Text() != id || n.Get("meta", "versionId").Text() != "1" || n.Get("meta", "lastUpdated").Text() != "2026-11-22T09:30:00.123456Z" {
		t.Errorf("id and meta: %s", r.Body)
	}
	sameContent(t, doc, n)
	v := f.must(http.StatusOK, "GET", "/fhir/AuditEvent/"+id+"/_history/1", "")
	if v.Body.String() != r.Body.String() {
		t.Error("the version is not the resource")
	}
	head := f.must(http.StatusOK, "HEAD", "/fhir/AuditEvent/"+id, "")
	if head.Body.Len() != 0 || head.Header().Get("Content-Length") != r.Header().Get("Content-Length") || head.Header().Get("ETag") != `W/"1"` {
		t.Errorf("HEAD %v, %d bytes", head.Header(), head.Body.Len())
	}
	h := parsed(t, f.must(http.StatusOK, "GET", "/fhir/AuditEvent/"+id+"/_history", ""))
	if h.Child("type").Text() != "history" || len(h.All("entry")) != 1 || h.Get("entry", "resource", "id").Text() != id {
		t.Error("history")
	}
}

// sameContent wants what was sent, but for id and meta's version, time and tags.
func sameContent(t testing.TB, sent string, got *fhir.Node) {
	t.Helper()
	want, err := fhir.ParseJSON([]byte(sent), fhir.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []*fhir.Node{want, got} {
		n.Remove("id")
		if meta := n.Child("meta"); meta != nil {
			for _, name := range []string{"versionId", "lastUpdated", "tag", "source"} {
				meta.Remove(name)
			}
			if len(meta.Children) == 0 {
				n.Remove("meta")
			}
		}
	}
	if !fhir.Equal(want, got) {
		t.Errorf("sent\n%.2000s\ncame back\n%.2000s", fhir.AppendJSON(nil, want), fhir.AppendJSON(nil, got))
	}
}

// TestRecordedToTheDigit: the text of a time is the sender's.
func TestRecordedToTheDigit(t *testing.T) {
	f := newFace(t, openMemory(t))
	for _, recorded := range []string{"2026-01-02T03:04:05Z", "2026-01-02T03:04:05.0Z", "2026-01-02T03:04:05.120000+01:00", "2026-01-02T03:04:05.123456789-00:00"} {
		id := f.create(edited(t, sample(t), "recorded", recorded))
		for _, accept := range []string{"application/fhir+json", "application/fhir+xml"} {
			n := parsed(t, f.must(http.StatusOK, "GET", "/fhir/AuditEvent/"+id, "", "Accept", accept))
			if got := n.Child("recorded").Text(); got != recorded {
				t.Errorf("%s came back as %s", recorded, got)
			}
		}
	}
}

func TestVersionsAndNotations(t *testing.T) {
	f := newFace(t, openMemory(t))
	doc := sample(t)
	n, err := fhir.ParseJSON([]byte(doc), fhir.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	asXML := string(fhir.AppendXML(nil, n, fhir.R4))
	w := f.must(http.StatusCreated, "POST", "/fhir/AuditEvent", asXML, "Content-Type", "application/fhir+xml")
	if !strings.HasPrefix(w.Header().Get("Content-Type"), "application/fhir+xml") {
		t.Errorf("XML is answered by %s", w.Header().Get("Content-Type"))
	}
	id := idOf(t, w.Header().Get("Location"))
	sameContent(t, doc, parsed(t, f.must(http.StatusOK, "GET", "/fhir/AuditEvent/"+id, "")))

	r5 := sampleR5(t)
	for _, c := range []struct{ path, content string }{
		{"/fhir/AuditEvent", "application/fhir+json; fhirVersion=5.0"},
		{"/fhir/r5/AuditEvent", "application/fhir+json"},
		{"/fhir/r5/AuditEvent", "application/json;fhirVersion=5.0;charset=UTF-8"},
	} {
		w := f.must(http.StatusCreated, "POST", c.path, r5, "Content-Type", c.content)
		if !strings.Contains(w.Header().Get("Content-Type"), "fhirVersion=5.0") {
			t.Errorf("%v answered by %s", c, w.Header().Get("Content-Type"))
		}
		id := idOf(t, w.Header().Get("Location"))
		sameContent(t, r5, parsed(t, f.must(http.StatusOK, "GET", "/fhir/r5/AuditEvent/"+id, "")))
		sameContent(t, r5, parsed(t, f.must(http.StatusOK, "GET", "/fhir/AuditEvent/"+id, "", "Accept", "application/fhir+json; fhirVersion=5.0")))
		as4 := parsed(t, f.must(http.StatusOK, "GET", "/fhir/AuditEvent/"+id, ""))
		if as4.Child("type") == nil || as4.Child("code") != nil {
			t.Errorf("R5 is shown as R4 as %s", fhir.AppendJSON(nil, as4))
		}
	}
	if format := f.stored(vigil.TableAuditEvents)[1].Format; format != vigil.FormatFHIRR5 {
		t.Errorf("stored as %s", format)
	}
	as5 := parsed(t, f.must(http.StatusOK, "GET", "/fhir/r5/AuditEvent/"+id+"?_format=xml", ""))
	if as5.Child("code") == nil {
		t.Error("R4 is not shown as R5")
	}
	if w := f.must(http.StatusUnprocessableEntity, "POST", "/fhir/AuditEvent", r5); len(outcomeOf(t, w)) == 0 {
		t.Error("R5 was taken as R4")
	}
}

func TestTwoContentTypes(t *testing.T) {
	f := newFace(t, openMemory(t))
	r := requestOf(t, "POST", "/fhir/AuditEvent")
	r.Header["Content-Type"] = []string{"application/fhir+json", "application/fhir+xml"}
	r.Header.Set("Authorization", "Bearer "+mint(t, "admin", ""))
	w := httptest.NewRecorder()
	f.ServeHTTP(w, r)
	if outcomeOf(t, w); w.Code != http.StatusUnsupportedMediaType {
		t.Errorf("status %d", w.Code)
	}
}

// TestAnswersInXML: who sends XML is answered in XML, errors included.
func TestAnswersInXML(t *testing.T) {
	f := newFace(t, openMemory(t))
	n, err := fhir.ParseJSON([]byte(sample(t)), fhir.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	asXML := string(fhir.AppendXML(nil, n, fhir.R4))
	if w := f.must(http.StatusCreated, "POST", "/fhir/AuditEvent", asXML, "Content-Type", ""); !strings.HasPrefix(w.Header().Get("Content-Type"), "application/fhir+xml") {
		t.Errorf("XML without a type is answered by %s", w.Header().Get("Content-Type"))
	}
	for name, want := range map[string]string{"application/fhir+xml": "application/fhir+xml", "text/plain": "application/fhir+json"} {
		if w := f.do("POST", "/fhir/AuditEvent", "<x/>", "Content-Type", name); !strings.HasPrefix(w.Header().Get("Content-Type"), want) {
			t.Errorf("what is wrong with %s is told by %s", name, w.Header().Get("Content-Type"))
		}
	}
}

func TestConditionalRead(t *testing.T) {
	f := newFace(t, openMemory(t))
	id := f.create(sample(t))
	for _, c := range []struct {
		name, value string
		status      int
	}{
		{"If-None-Match", `W/"1"`, 304},
		{"If-None-Match", `"1"`, 304},
		{"If-None-Match", `W/"7", W/"1"`, 304},
		{"If-None-Match", "*", 304},
		{"If-None-Match", `W/"2"`, 200},
		{"If-Modified-Since", "Sun, 22 Nov 2026 09:30:00 GMT", 304},
		{"If-Modified-Since", "Sun, 22 Nov 2026 09:29:59 GMT", 200},
		{"If-Modified-Since", "yesterday", 200},
	} {
		w := f.must(c.status, "GET", "/fhir/AuditEvent/"+id, "", c.name, c.value)
		if c.status == 304 && (w.Body.Len() != 0 || w.Header().Get("ETag") == "") {
			t.Errorf("%s: %s: %v %s", c.name, c.value, w.Header(), w.Body)
		}
	}
}

func TestPrefer(t *testing.T) {
	f := newFace(t, openMemory(t))
	for _, c := range []struct{ prefer, want string }{
		{"return=minimal", ""},
		{"return=representation", "AuditEvent"},
		{"return=OperationOutcome", "OperationOutcome"},
		{"respond-sync, return=OperationOutcome; x=y", "OperationOutcome"},
		{"return=nonsense", "AuditEvent"},
	} {
		w := f.must(http.StatusCreated, "POST", "/fhir/AuditEvent", sample(t), "Prefer", c.prefer)
		got := ""
		if w.Body.Len() > 0 {
			got = parsed(t, w).Resource
		}
		if got != c.want || w.Header().Get("Location") == "" {
			t.Errorf("%s: %s", c.prefer, got)
		}
	}
}

// TestRefusals: the status, the code and a word of the text of every refusal.
func TestRefusals(t *testing.T) {
	f := newFace(t, openMemory(t))
	id := f.create(sample(t))
	deep := strings.Repeat(`{"a":`, 100_000) + "1" + strings.Repeat("}", 100_000)
	for _, c := range []struct {
		name, method, path, body string
		headers                  []string
		status                   int
		want                     string // begins an issue
	}{
		{"no JSON", "POST", "/fhir/AuditEvent", `{"resourceType":`, nil, 400, "structure:"},
		{"JSON, no FHIR", "POST", "/fhir/AuditEvent", `{"a":1}`, nil, 400, "structure:"},
		{"no XML", "POST", "/fhir/AuditEvent", `<AuditEvent`, []string{"Content-Type", "application/fhir+xml"}, 400, "structure:"},
		{"empty", "POST", "/fhir/AuditEvent", "", []string{"Content-Type", "application/fhir+json"}, 400, "structure:"},
		{"a member twice", "POST", "/fhir/AuditEvent", `{"resourceType":"AuditEvent","id":"a","id":"b"}`, nil, 400, "structure:"},
		{"NUL", "POST", "/fhir/AuditEvent", `{"resourceType":"AuditEvent","outcomeDesc":"\u0000"}`, nil, 400, "structure:"},
		{"deep JSON", "POST", "/fhir/AuditEvent", deep, nil, 400, "structure:"},
		{"another type", "POST", "/fhir/AuditEvent", `{"resourceType":"Patient"}`, nil, 400, "invalid: this is a resource of type Patient"},
		{"invalid", "POST", "/fhir/AuditEvent", edited(t, sample(t), "recorded", nil), nil, 422, "required:"},
		{"invalid value", "POST", "/fhir/AuditEvent", edited(t, sample(t), "recorded", "yesterday"), nil, 422, "value:"},
		{"an event at the base", "POST", "/fhir", sample(t), nil, 400, "invalid:"},
		{"media type", "POST", "/fhir/AuditEvent", sample(t), []string{"Content-Type", "text/csv"}, 415, "not-supported:"},
		{"charset", "POST", "/fhir/AuditEvent", sample(t), []string{"Content-Type", "application/fhir+json; charset=latin1"}, 415, "not-supported:"},
		{"fhirVersion", "POST", "/fhir/AuditEvent", sample(t), []string{"Content-Type", "application/fhir+json; fhirVersion=3.0"}, 415, "not-supported:"},
		{"Accept of a create", "POST", "/fhir/AuditEvent", sample(t), []string{"Accept", "text/csv"}, 406, "not-supported:"},
		{"Accept", "GET", "/fhir/AuditEvent/" + id, "", []string{"Accept", "text/html"}, 406, "not-supported:"},
		{"Accept of q=0", "GET", "/fhir/AuditEvent/" + id, "", []string{"Accept", "application/fhir+json;q=0"}, 406, "not-supported:"},
		{"Accept of a version", "GET", "/fhir/AuditEvent/" + id, "", []string{"Accept", "application/fhir+json;fhirVersion=3.0"}, 406, "not-supported:"},
		{"_format", "GET", "/fhir/AuditEvent/" + id + "?_format=text/turtle", "", nil, 406, "not-supported:"},
		{"unknown id", "GET", "/fhir/AuditEvent/0198f7a0-0000-7000-8000-000000000000", "", nil, 404, "not-found:"},
		{"no id of ours", "GET", "/fhir/AuditEvent/example", "", nil, 404, "not-found:"},
		{"unknown version", "GET", "/fhir/AuditEvent/" + id + "/_history/2", "", nil, 404, "not-found:"},
		{"unknown type", "GET", "/fhir/Patient/1", "", nil, 404, "not-found: resources of type Patient"},
		{"unknown path", "GET", "/fhir/AuditEvent/" + id + "/x/y/z", "", nil, 404, "not-found:"},
		{"unknown operation", "GET", "/fhir/AuditEvent/$meta", "", nil, 404, "not-found:"},
		{"query", "GET", "/fhir/AuditEvent/" + id + "?%zz", "", nil, 400, "invalid:"},
		{"PUT", "PUT", "/fhir/AuditEvent/" + id, sample(t), nil, 405, "not-supported:"},
		{"PATCH", "PATCH", "/fhir/AuditEvent/" + id, "[]", nil, 405, "not-supported:"},
		{"DELETE", "DELETE", "/fhir/AuditEvent/" + id, "", nil, 405, "not-supported:"},
		{"DELETE of all", "DELETE", "/fhir/AuditEvent", "", nil, 405, "not-supported:"},
		{"POST of an id", "POST", "/fhir/AuditEvent/" + id, sample(t), nil, 405, "not-supported:"},
		{"POST of metadata", "POST", "/fhir/metadata", sample(t), nil, 405, "not-supported:"},
		{"keys", "POST", "/fhir/AuditEvent", sample(t), []string{"Idempotency-Key", strings.Repeat("k", 256)}, 400, "value:"},
		{"empty condition", "POST", "/fhir/AuditEvent", sample(t), []string{"If-None-Exist", "?"}, 400, "invalid:"},
	} {
		for _, xml := range []bool{false, true} {
			headers := c.headers
			if xml && !strings.Contains(strings.Join(headers, ""), "Accept") {
				headers = append([]string{"Accept", "application/fhir+xml"}, headers...)
			}
			w := f.do(c.method, c.path, c.body, headers...)
			if w.Code != c.status {
				t.Errorf("%s: status %d, want %d: %.300s", c.name, w.Code, c.status, w.Body)
				continue
			}
			if issues := outcomeOf(t, w); !strings.HasPrefix(issues[0], c.want) {
				t.Errorf("%s: %q", c.name, issues)
			}
			if (c.status == 405) != (w.Header().Get("Allow") != "") || strings.Contains(w.Header().Get("Allow"), "PUT") {
				t.Errorf("%s: Allow %q", c.name, w.Header().Get("Allow"))
			}
		}
	}
	if n := len(f.stored(vigil.TableAuditEvents)); n != 1 {
		t.Errorf("%d events are stored", n)
	}
}

func TestWhoMay(t *testing.T) {
	f := newFace(t, openMemory(t))
	id := f.create(sample(t))
	paths := []string{"/fhir/AuditEvent/" + id, "/fhir/AuditEvent/" + id + "/_history/1", "/fhir/AuditEvent/" + id + "/$proof", "/fhir/AuditEvent/$verify-integrity"}
	for _, c := range []struct {
		role   string
		status int
	}{{"", 401}, {"web_anon", 403}, {"event_writer", 403}, {"auditor", 200}, {"nobody", 401}} {
		f.role = c.role
		for _, path := range paths[:2] {
			w := f.do("GET", path, "")
			if w.Code != c.status {
				t.Errorf("%s as %q: %d %s", path, c.role, w.Code, w.Body)
			}
			if c.status > 400 {
				outcomeOf(t, w)
				if f.access.Denied == "" || (c.status == 401) != (w.Header().Get("WWW-Authenticate") != "") {
					t.Errorf("%s as %q: %q, %v", path, c.role, f.access.Denied, w.Header())
				}
			}
		}
	}
	for role, status := range map[string]int{"": 401, "auditor": 403, "event_logger": 403} {
		f.role = role
		// It is refused before its body is looked at.
		outcomeOf(t, f.must(status, "POST", "/fhir/AuditEvent", "{"))
		outcomeOf(t, f.must(status, "POST", "/fhir/AuditEvent", "{", "If-None-Exist", "_id=x"))
	}
	for _, role := range []string{"", "log_writer"} { // neither reads nor writes here
		f.role = role
		for _, path := range []string{"/fhir", "/fhir/AuditEvent/$validate"} {
			if w := f.do("POST", path, "{"); w.Code != 401 && w.Code != 403 {
				t.Errorf("POST %s as %q: %d", path, role, w.Code)
			}
		}
	}
	f.role = ""
	// What cannot be is said to everybody, and what is served too.
	for _, method := range []string{"PUT", "PATCH", "DELETE"} {
		f.must(405, method, "/fhir/AuditEvent/"+id, "")
	}
	f.must(200, "GET", "/fhir/metadata", "")
	if f.access.Table != "" {
		t.Errorf("the metadata counts as %+v", f.access)
	}
}

// TestScopes has every scope do everything.
func TestScopes(t *testing.T) {
	f := newFace(t, openMemory(t))
	path := "/fhir/AuditEvent/" + idOf(t, f.must(201, "POST", "/fhir/AuditEvent", sample(t)).Header().Get("Location"))
	f.must(201, "POST", "/fhir/AuditEvent", sample(t))
	f.role = ""
	read := `{"request":{"method":"GET","url":"` + strings.TrimPrefix(path, "/fhir/") + `"}}`
	find := `{"request":{"method":"GET","url":"AuditEvent?_count=1"}}`
	batch := func(entries ...string) string {
		return `{"resourceType":"Bundle","type":"batch","entry":[` + strings.Join(entries, ",") + `]}`
	}
	const c, r, s = 1, 2, 4
	interactions := []struct {
		needs, ok                int
		method, path, body, more string
	}{
		{c, 201, "POST", "/fhir/AuditEvent", sample(t), ""},
		{c, 200, "POST", "/fhir", bundleOf("batch", sample(t)), ""},
		{c, 200, "POST", "/fhir", bundleOf("transaction", sample(t)), ""},
		{c | s, 201, "POST", "/fhir/AuditEvent", sample(t), "_id=11111111-1111-4111-8111-111111111111"},
		{r, 200, "GET", path, "", ""},
		{r, 200, "HEAD", path, "", ""},
		{r, 200, "GET", path + "/_history", "", ""},
		{r, 200, "GET", path + "/_history/1", "", ""},
		{r, 200, "GET", path + "/$validate", "", ""},
		{s, 200, "GET", "/fhir/AuditEvent?action=E", "", ""},
		{s, 200, "GET", "/fhir?_type=AuditEvent", "", ""},
		{s, 200, "POST", "/fhir/AuditEvent/_search", "", ""},
		{s, 200, "GET", "/fhir/AuditEvent/_history", "", ""},
		{s, 200, "GET", "/fhir/_history", "", ""},
		{r | s, 200, "GET", "/fhir/AuditEvent/$verify-integrity", "", ""},
	}
	for scope, has := range map[string]int{
		"AuditEvent.c": c, "AuditEvent.r": r, "AuditEvent.s": s, "AuditEvent.cr": c | r, "AuditEvent.cs": c | s, "AuditEvent.rs": r | s,
		"AuditEvent.cruds": c | r | s, "AuditEvent.rud": r, "AuditEvent.ud": 0, "AuditEvent.d": 0, "AuditEvent.rs?type=rest": 0,
		"AuditEvent.read": r | s, "AuditEvent.write": c, "AuditEvent.*": c | r | s, "*.r": r, "*.s": s, "*.read": r | s, "*.*": c | r | s,
	} {
		token := "Bearer " + mint(t, "nobody", "system/"+scope)
		for _, x := range interactions {
			want := x.ok
			if has&x.needs != x.needs {
				want = http.StatusForbidden
			}
			headers := []string{"Authorization", token}
			if x.more != "" {
				headers = append(headers, "If-None-Exist", x.more)
			}
			w := f.do(x.method, x.path, x.body, headers...)
			if w.Code != want {
				t.Errorf("%s: %s %s: %d, want %d: %s", scope, x.method, x.path, w.Code, want, w.Body)
			}
			if want == http.StatusForbidden && x.method != "HEAD" {
				if issues := outcomeOf(t, w); len(issues) == 0 || w.Header().Get("WWW-Authenticate") != "" {
					t.Errorf("%s: %s %s: %s", scope, x.method, x.path, w.Body)
				}
			}
		}
		// Of a batch each entry is granted by itself.
		w := f.do("POST", "/fhir", batch(read, find), "Authorization", token)
		if has == 0 {
			if w.Code != http.StatusForbidden {
				t.Errorf("%s: a batch of reads: %d", scope, w.Code)
			}
			continue
		}
		var answer struct {
			Entry []struct{ Response struct{ Status string } }
		}
		if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || len(answer.Entry) != 2 {
			t.Fatalf("%s: %d %s", scope, w.Code, w.Body)
		}
		for i, needs := range []int{r, s} {
			want := "403"
			if has&needs != 0 {
				want = "200"
			}
			if !strings.HasPrefix(answer.Entry[i].Response.Status, want) {
				t.Errorf("%s: entry %d of a batch: %s", scope, i, answer.Entry[i].Response.Status)
			}
		}
	}
	// What is about other resources, or not a system's, is as good as none.
	for _, scope := range []string{"user/AuditEvent.rs", "patient/AuditEvent.rs", "system/Patient.rs", "system/AuditEvent.sr"} {
		w := f.must(401, "GET", path, "", "Authorization", "Bearer "+mint(t, "nobody", scope))
		if outcomeOf(t, w); w.Header().Get("WWW-Authenticate") == "" {
			t.Errorf("%s: no challenge", scope)
		}
	}
	// A role counts before scopes.
	f.must(403, "GET", path, "", "Authorization", "Bearer "+mint(t, "audit_writer", "system/AuditEvent.rs"))
}

func TestIdempotencyKey(t *testing.T) {
	f := newFace(t, openSegment(t))
	first := f.must(201, "POST", "/fhir/AuditEvent", sample(t), "Idempotency-Key", "a").Header().Get("Location")
	again := f.must(201, "POST", "/fhir/AuditEvent", sample(t), "Idempotency-Key", "a").Header().Get("Location")
	if first != again {
		t.Errorf("%s and %s", first, again)
	}
	outcomeOf(t, f.must(422, "POST", "/fhir/AuditEvent", edited(t, sample(t), "outcomeDesc", "other"), "Idempotency-Key", "a"))
	batch := bundleOf("batch", sample(t), sample(t))
	one := f.must(200, "POST", "/fhir", batch, "Idempotency-Key", "b").Body.String()
	two := f.must(200, "POST", "/fhir", batch, "Idempotency-Key", "b").Body.String()
	if one != two {
		t.Errorf("%s\nthen\n%s", one, two)
	}
	if n := len(f.stored(vigil.TableAuditEvents)); n != 3 {
		t.Errorf("%d events", n)
	}
}
