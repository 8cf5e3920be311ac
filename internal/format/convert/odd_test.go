package convert_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"

	"vigil"
	"vigil/internal/format"
	"vigil/internal/format/convert"
	"vigil/internal/format/fhir"
	"vigil/internal/jsonb"
)

// detailsOf returns the values of the details in the record of the original.
func detailsOf(n *fhir.Node) map[string]string {
	out := map[string]string{}
	for _, e := range n.All("entity") {
		for _, d := range e.All("detail") {
			kind := d.Child("type").Text()
			if kind == "" {
				kind = d.Get("type", "text").Text()
			}
			for _, name := range []string{"valueString", "valueBase64Binary"} {
				if val := d.Child(name); val != nil {
					out[kind] = val.Text()
				}
			}
		}
	}
	return out
}

// TestDetails: what no element has a place for is there, by its place in the document.
func TestDetails(t *testing.T) {
	c := convert.New(convert.Config{BaseURL: "https://vigil.example.org"})
	e := event(vigil.FormatLogserver, []byte(`{"a/b":{"c~d":[1,{"x":true}]},"message":"line one\nline two","ctrl":"\u0001","level":"INFO","subject":"Patient/1","empty":"","none":null,"zero":0}`))
	for _, v := range []fhir.Version{fhir.R4, fhir.R5} {
		n, err := c.AuditEvent(e, v)
		if err != nil {
			t.Fatal(err)
		}
		got := detailsOf(n)
		for kind, want := range map[string]string{
			"/a~1b/c~0d/0": "1", "/a~1b/c~0d/1/x": "true", "/message": "line one\nline two", "/ctrl": base64.StdEncoding.EncodeToString([]byte{1}), "/level": "INFO", "/zero": "0",
			"/subject": "", "/empty": "", "/none": "", // a fact as it is, and nothing
			"vigil:raw": "https://vigil.example.org/raw/" + e.UID.String(),
		} {
			if got[kind] != want {
				t.Errorf("%v: %s is %q, want %q", v, kind, got[kind], want)
			}
		}
		if len(got) != 7 {
			t.Errorf("%v: %v", v, got)
		}
	}
}

// TestOtherFormats: what no vocabulary is known of is there as a whole.
func TestOtherFormats(t *testing.T) {
	c := convert.New(convert.Config{})
	for text, want := range map[string]string{
		"<85>1 - - - - - - text": "<85>1 - - - - - - text",
		"\xff\x00":               base64.StdEncoding.EncodeToString([]byte("\xff\x00")),
	} {
		n, err := c.AuditEvent(event(vigil.FormatSyslog, []byte(text)), fhir.R4)
		if err != nil || fhir.Failed(fhir.Validate(n, fhir.Options{})) {
			t.Fatal(err)
		}
		if got := detailsOf(n)["vigil:document"]; got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// TestManyValues: a document of very many values becomes an AuditEvent of bounded
// size, which says so.
func TestManyValues(t *testing.T) {
	var b strings.Builder
	b.WriteString(`{"list":[0`)
	const n = 50_000
	for i := 1; i < n; i++ {
		fmt.Fprintf(&b, ",%d", i)
	}
	b.WriteString(`]}`)
	c := convert.New(convert.Config{})
	node, err := c.AuditEvent(event(vigil.FormatLogserver, []byte(b.String())), fhir.R4)
	if err != nil {
		t.Fatal(err)
	}
	got := detailsOf(node)
	if got["vigil:more"] != "49000" || len(got) != 1002 {
		t.Errorf("%d details, %s more", len(got), got["vigil:more"])
	}
}

// TestDeep: nesting is no danger.
func TestDeep(t *testing.T) {
	const depth = 5000
	doc := []byte(strings.Repeat(`{"a":[`, depth) + "1" + strings.Repeat("]}", depth))
	n, err := convert.New(convert.Config{}).AuditEvent(event(vigil.FormatLogserver, doc), fhir.R5)
	if err != nil || fhir.Failed(fhir.Validate(n, fhir.Options{Version: fhir.R5})) {
		t.Error(err)
	}
}

func TestWhatIsNotConverted(t *testing.T) {
	c := convert.New(convert.Config{})
	if _, err := c.AuditEvent(event(vigil.FormatLogserver, []byte(`{}`)), fhir.R3); err == nil {
		t.Error("R3 was written")
	}
	for _, n := range []*fhir.Node{nil, {Resource: "Patient"}} {
		if _, err := c.Logserver(n, fhir.R4); err == nil {
			t.Errorf("%v became a document", n)
		}
	}
	if _, err := c.Logserver(&fhir.Node{Resource: "AuditEvent"}, fhir.R3); err == nil {
		t.Error("R3 became a document")
	}
}

// TestExchange: who makes AuditEvents of exchanges is asked, and says when it fails.
func TestExchange(t *testing.T) {
	doc := []byte(`{"id":"x-1","start":"2026-02-03T04:05:06Z","method":"GET","path":"/Patient/1","status":200,"requestBytes":0,"responseBytes":0,"complete":true,"duration":1}`)
	made := func(x *vigil.Exchange) ([]*fhir.Node, error) {
		if x.ID != "x-1" {
			return nil, errors.New("not asked for")
		}
		n, err := fhir.ParseJSON([]byte(`{"resourceType":"AuditEvent","type":{"code":"rest"},"recorded":"2026-02-03T04:05:06Z","agent":[{"requestor":true}],"source":{"observer":{"display":"gateway"}}}`), fhir.Limits{})
		return []*fhir.Node{n, nil}, err
	}
	c := convert.New(convert.Config{Exchange: made})
	for _, v := range []fhir.Version{fhir.R4, fhir.R5} {
		n, err := c.AuditEvent(event(vigil.FormatExchange, doc), v)
		if err != nil {
			t.Fatal(err)
		}
		if n.Get("source", "observer", "display").Text() != "gateway" || n.Get("meta", "tag", "code").Text() != "exchange" || n.Child("id") == nil {
			t.Errorf("%v: %s", v, fhir.AppendJSON(nil, n))
		}
	}
	if _, err := c.AuditEvent(event(vigil.FormatExchange, []byte(`{"id":"x-2"}`)), fhir.R4); err == nil {
		t.Error("an error was lost")
	}
	n, err := c.AuditEvent(event(vigil.FormatExchange, []byte(`{"id":1}`)), fhir.R4)
	if err != nil || n.Get("meta", "tag", "code").Text() != "exchange" {
		t.Errorf("JSON that is no exchange: %v, %v", n, err)
	}
}

// TestStored: an AuditEvent comes back as it was sent, but for its identity; one
// that is not valid is made anew, with a tag that says so.
func TestStored(t *testing.T) {
	c := convert.New(convert.Config{})
	const valid = `{"resourceType":"AuditEvent","id":"theirs","meta":{"versionId":"7","lastUpdated":"2020-01-01T00:00:00Z","source":"urn:x","tag":[{"code":"t"}]},"type":{"code":"rest"},"recorded":"2026-02-03T04:05:06.100+01:00","agent":[{"requestor":true}],"source":{"observer":{"display":"d"}},"entity":[{"what":{"reference":"Patient/1/_history/2"}}]}`
	n, err := c.AuditEvent(event(vigil.FormatFHIRR4, []byte(valid)), fhir.R4)
	if err != nil {
		t.Fatal(err)
	}
	want := strings.NewReplacer("theirs", "019c21ac-ec65-7102-8300-000000000000", "2020-01-01T00:00:00Z", "2026-02-03T04:05:06.789012Z").Replace(valid)
	if got := string(fhir.AppendJSON(nil, n)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	n, err = c.AuditEvent(event(vigil.FormatFHIRR4, []byte(valid)), fhir.R5)
	if err != nil || n.Get("patient", "reference").Text() != "Patient/1/_history/2" {
		t.Errorf("as R5: %v, %s", err, fhir.AppendJSON(nil, n))
	}
	n, err = c.AuditEvent(event(vigil.FormatFHIRR4, []byte(strings.Replace(valid, `"requestor":true`, `"requestor":"yes"`, 1))), fhir.R4)
	if err != nil || n.Get("meta", "tag", "system").Text() != convert.OriginSystem || detailsOf(n)["/agent/0/requestor"] != "yes" {
		t.Errorf("not valid: %v, %s", err, fhir.AppendJSON(nil, n))
	}
}

// TestImplied: the standard codes, and what they are made of.
func TestImplied(t *testing.T) {
	for code, want := range map[string]string{
		"110114": "[{action login} {action logout}]", "110122": "[{action login}]", "destroy": "[{action delete}]", "rest": "w/req", "create": "resource/create-dup", "vread": "{type vread}",
		"odd": "[]", "": "[]",
	} {
		if got := fmt.Sprint(convert.Implied(code)); !strings.Contains(got, want) {
			t.Errorf("%s: %s, want %s", code, got, want)
		}
	}
}

// FuzzAuditEvent expects that no document breaks a conversion or the law.
func FuzzAuditEvent(f *testing.F) {
	kinds := []vigil.Format{vigil.FormatLogserver, vigil.FormatFHIRR4, vigil.FormatFHIRR5, vigil.FormatAidbox, vigil.FormatExchange, vigil.FormatSystem, vigil.FormatSyslog}
	for i, x := range examples(f) {
		if i%5 == 0 || !strings.Contains(x.name, "#") {
			for j := range kinds {
				f.Add(uint8(j), x.event.Doc)
			}
		}
	}
	c, m := convert.New(convert.Config{}), format.New(nil)
	f.Fuzz(func(t *testing.T, i uint8, doc []byte) {
		e := event(kinds[int(i)%len(kinds)], doc)
		for _, v := range []fhir.Version{fhir.R4, fhir.R5} {
			n, err := c.AuditEvent(e, v)
			if err != nil {
				t.Fatal(err)
			}
			posted, err := c.Logserver(n, v)
			if err != nil {
				t.Fatal(err)
			}
			if jsonb.Check(doc, jsonb.Limits{}) != nil {
				continue
			}
			text := fhir.AppendJSON(nil, n)
			if issues := fhir.Validate(n, fhir.Options{Version: v, Profiles: fhir.Ignore}); fhir.Failed(issues) {
				t.Fatalf("%v: %v\n%s", v, issues, text)
			}
			if err := jsonb.Check(posted, jsonb.Limits{}); err != nil {
				t.Fatalf("%v: %s", err, posted)
			}
			for _, broken := range lawOf(m.Facts(e.Format, doc), m.Facts(formatOf(v), text), e) {
				t.Errorf("%v: %s\n%s", v, broken, text)
			}
		}
	})
}
