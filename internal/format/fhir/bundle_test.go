package fhir

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
)

const bundle = `{"entry":[{"request":{"method":"POST","url":"AuditEvent"},"resource":{"resourceType":"AuditEvent","id":"a"}},{"resource":{"resourceType":"Patient","id":"b","active":true}}],` +
	`"resourceType":"Bundle","type":"transaction","total":2,"link":[{"relation":"self","url":"https://example.org"}]}`

func TestParseBundle(t *testing.T) {
	asXML := AppendXML(nil, parse(t, []byte(bundle), R4), R4)
	want := `<Bundle xmlns="http://hl7.org/fhir"><type value="transaction"/><total value="2"/><link><relation value="self"/><url value="https://example.org"/></link>` +
		`<entry><resource><AuditEvent><id value="a"/></AuditEvent></resource><request><method value="POST"/><url value="AuditEvent"/></request></entry>` +
		`<entry><resource><Patient><id value="b"/><active value="true"/></Patient></resource></entry></Bundle>`
	if string(asXML) != want {
		t.Errorf("printed as %s", asXML)
	}
	for _, doc := range []string{bundle, string(asXML)} {
		var entries []string
		head, err := ParseBundle([]byte(doc), R4, Limits{}, func(e *Node) error {
			entries = append(entries, string(AppendJSON(nil, e.Child("resource"))))
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if got := string(AppendJSON(nil, head)); got != `{"resourceType":"Bundle","type":"transaction","total":2,"link":[{"relation":"self","url":"https://example.org"}]}` {
			t.Errorf("head %s", got)
		}
		if got := strings.Join(entries, " "); got != `{"resourceType":"AuditEvent","id":"a"} {"resourceType":"Patient","id":"b","active":true}` {
			t.Errorf("entries %s", got)
		}
		stop := errors.New("stop")
		if _, err := ParseBundle([]byte(doc), R4, Limits{}, func(*Node) error { return stop }); err != stop { //nolint:errorlint // as it is
			t.Errorf("%v instead of the callback's error", err)
		}
	}
	if _, err := ParseBundle([]byte(bundle[:len(bundle)-9]), R4, Limits{}, func(*Node) error { return nil }); err == nil {
		t.Error("a Bundle that is cut off was taken")
	}
}

// TestLargeBundle: entries do not add up in memory.
func TestLargeBundle(t *testing.T) {
	const n = 100_000
	entry := `{"resource":{"resourceType":"AuditEvent","agent":[` + strings.Repeat(`{"who":{"display":"x"}},`, 10) + `{}]}}`
	doc := []byte(`{"resourceType":"Bundle","entry":[` + strings.Repeat(entry+",", n-1) + entry + `]}`)
	var before, now runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	count, most := 0, uint64(0)
	if _, err := ParseBundle(doc, R4, Limits{}, func(*Node) error {
		if count++; count%20_000 == 0 {
			runtime.GC()
			runtime.ReadMemStats(&now)
			most = max(most, now.HeapAlloc)
		}
		return nil
	}); err != nil || count != n {
		t.Fatalf("%d entries: %v", count, err)
	}
	if limit := before.HeapAlloc + uint64(len(doc)) + 8<<20; most > limit {
		t.Errorf("%d bytes for a Bundle of %d", most-before.HeapAlloc, len(doc))
	}
	if _, err := ParseJSON(doc, Limits{}); err == nil {
		t.Error("as one tree it was taken too")
	}
}

// TestResources: what a server answers with has its XML too.
func TestResources(t *testing.T) {
	for _, doc := range []string{
		`{"resourceType":"OperationOutcome","text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">x</div>"},"issue":[{"severity":"error","code":"invalid","details":{"text":"a"},"diagnostics":"b","expression":["AuditEvent.agent[0]"]}]}`,
		`{"resourceType":"Parameters","parameter":[{"name":"a","valueBoolean":true},{"name":"b","part":[{"name":"c","valueInteger":3},{"name":"d","resource":{"resourceType":"OperationOutcome","issue":[{"severity":"warning","code":"value"}]}}]}]}`,
		`{"resourceType":"CapabilityStatement","status":"active","date":"2026-01-02","kind":"instance","software":{"name":"x"},"fhirVersion":"4.0.1","format":["json","xml"],"rest":[{"mode":"server","security":{"cors":true},"resource":[{"type":"AuditEvent","interaction":[{"code":"read"}],"searchParam":[{"name":"date","type":"date"}]}]}]}`,
	} {
		for _, v := range []Version{R4, R5} {
			n := parse(t, []byte(doc), v)
			if issues := Validate(n, Options{Version: v}); Failed(issues) {
				t.Errorf("%v: %v", v, issues)
			}
			back := AppendJSON(nil, parse(t, AppendXML(nil, n, v), v))
			if !Equal(n, parse(t, back, v)) {
				t.Errorf("%v: %s", v, differ(doc, string(back)))
			}
		}
	}
}

func TestNativeReferences(t *testing.T) {
	n := parse(t, []byte(`{"resourceType":"AuditEvent","contained":[{"resourceType":"Patient","id":"p"}],"agent":[{"who":{"resourceType":"User","id":"admin","display":"x"}}],`+
		`"entity":[{"what":{"id":"p","resourceType":"Patient"}},{"what":{"id":"element","reference":"Patient/1"}}]}`), R4)
	if count := NativeReferences(n, R4); count != 2 {
		t.Errorf("%d references, not 2", count)
	}
	want := `{"resourceType":"AuditEvent","contained":[{"resourceType":"Patient","id":"p"}],"agent":[{"who":{"reference":"User/admin","display":"x"}}],` +
		`"entity":[{"what":{"reference":"Patient/p"}},{"what":{"id":"element","reference":"Patient/1"}}]}`
	if got := string(AppendJSON(nil, n)); got != want {
		t.Errorf("became %s", got)
	}
	path := "../../../../shared/data/aidbox/external_repository_bundle.json"
	if !present(path) {
		return
	}
	count := 0
	if _, err := ParseBundle(read(t, path), R4, Limits{}, func(e *Node) error {
		event := e.Child("resource")
		count += NativeReferences(event, R4)
		if issues := Validate(event, Options{}); Failed(issues) {
			return fmt.Errorf("%v", issues)
		}
		return nil
	}); err != nil || count == 0 {
		t.Errorf("%d references: %v", count, err)
	}
}
