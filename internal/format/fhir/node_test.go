package fhir

import "testing"

func TestNode(t *testing.T) {
	n := parse(t, []byte(`{"resourceType":"AuditEvent","agent":[{"name":"a"},{"name":"b"}],"source":{"site":"s"},"action":"R"}`), R4)
	if got := len(n.All("agent")); got != 2 {
		t.Errorf("%d agents", got)
	}
	if n.Get("source", "site").Text() != "s" || n.Get("source", "nothing", "more").Text() != "" || n.Child("source").Text() != "" {
		t.Error("Get and Text do not find what is there, or find what is not")
	}
	c := n.Clone()
	if !Equal(n, c) {
		t.Error("a clone is not equal")
	}
	c.Put(NewObject("source", NewString("site", "t"), nil)).Put(NewBool("new", true))
	c.All("agent")[1].Put(NewString("name", "c"))
	if removed := c.Remove("action"); len(removed) != 1 || removed[0].Text() != "R" || c.Remove("action") != nil {
		t.Errorf("removed %v", removed)
	}
	c.Add(NewString("list", "x").Listed(), NewString("list", "y").Listed())
	want := `{"resourceType":"AuditEvent","agent":[{"name":"a"},{"name":"c"}],"source":{"site":"t"},"new":true,"list":["x","y"]}`
	if got := string(AppendJSON(nil, c)); got != want {
		t.Errorf("changed to %s", got)
	}
	want = `{"resourceType":"AuditEvent","agent":[{"name":"a"},{"name":"b"}],"source":{"site":"s"},"action":"R"}`
	if got := string(AppendJSON(nil, n)); got != want {
		t.Errorf("the original became %s", got)
	}
}

func TestEqual(t *testing.T) {
	base := `{"resourceType":"A","a":1.0,"b":[{"c":"x"},{"d":true}]}`
	for doc, want := range map[string]bool{
		`{"b":[{"c":"x"},{"d":true}],"a":1.0,"resourceType":"A"}`:   true,
		`{"resourceType":"A","a":1.00,"b":[{"c":"x"},{"d":true}]}`:  false,
		`{"resourceType":"A","a":"1.0","b":[{"c":"x"},{"d":true}]}`: false,
		`{"resourceType":"A","a":1.0,"b":[{"d":true},{"c":"x"}]}`:   false,
		`{"resourceType":"A","a":1.0,"b":[{"c":"x"}]}`:              false,
		`{"resourceType":"B","a":1.0,"b":[{"c":"x"},{"d":true}]}`:   false,
		`{"resourceType":"A","a":[1.0],"b":[{"c":"x"},{"d":true}]}`: false,
	} {
		if got := Equal(parse(t, []byte(base), R4), parse(t, []byte(doc), R4)); got != want {
			t.Errorf("%s: %t", doc, got)
		}
	}
}

func TestGuess(t *testing.T) {
	for doc, want := range map[string]Version{
		`"type":{}`: R4, `"source":{"observer":{}}`: R4, `"outcome":"0"`: R4,
		`"category":[]`: R5, `"code":{}`: R5, `"outcome":{}`: R5, `"authorization":[{}]`: R5,
		`"source":{"identifier":{}}`: R3, `"agent":[{"userId":{}}]`: R3, `"agent":[{"reference":{}}]`: R3,
	} {
		if got := Guess(parse(t, []byte(`{"resourceType":"AuditEvent",`+doc+`}`), R4)); got != want {
			t.Errorf("%s: taken for %v", doc, got)
		}
	}
}

func TestIssueString(t *testing.T) {
	i := Issue{Severity: Warning, Code: "invariant", Location: "AuditEvent.entity[0]", Text: "odd", Rule: "sev-1", Profile: "urn:x"}
	if got := i.String(); got != "warning AuditEvent.entity[0]: odd (sev-1) [urn:x]" {
		t.Error(got)
	}
	if got := (Issue{Severity: Error, Text: "not this type"}).String(); got != "error: not this type" {
		t.Errorf("an issue of the whole: %q", got)
	}
}
