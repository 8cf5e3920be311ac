package oracle

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	"vigil"
)

func sample() *vigil.Exchange {
	return &vigil.Exchange{
		ID: "0192f0c1-0000-7000-8000-000000000001", Start: time.Date(2026, 3, 1, 12, 0, 0, 250e6, time.UTC),
		Duration: 15*time.Millisecond + 900*time.Microsecond, Method: "GET", Path: "/fhir/Patient", RawQuery: "name=Test",
		Status: 200, Peer: []string{"192.0.2.7", "192.0.2.1"}, Type: "Patient", Interaction: "search-type",
		User:         vigil.User{Subject: "nurse-1", Name: "Synthetic Nurse", Client: "app"},
		RequestBody:  &vigil.Body{Text: "name=Test"},
		ResponseBody: &vigil.Body{Binary: []byte{0, 1, 2}},
	}
}

func eventOf(t testing.TB, x *vigil.Exchange) *vigil.Event {
	t.Helper()
	doc, err := json.Marshal(x)
	if err != nil {
		t.Fatal(err)
	}
	return &vigil.Event{Table: vigil.TableExchanges, Format: vigil.FormatExchange, Doc: doc}
}

func TestLine(t *testing.T) {
	o := &Options{Payloads: true, AuditEvents: func(*vigil.Exchange) ([]*vigil.Event, error) {
		return []*vigil.Event{{Doc: []byte(`{"resourceType":"AuditEvent"}`)}, {Doc: []byte(`{}`)}}, nil
	}}
	got := string(o.Lines()(nil, eventOf(t, sample())))
	want := `{"AUDIT_ID":"0192f0c1-0000-7000-8000-000000000001","USER_ID":"nurse-1","RESOURCE_NAME":"Patient","HTTP_REQ_TYPE":"GET",` +
		`"REQUEST_URL":"/fhir/Patient?name=Test","HTTP_RES_CODE":200,"SOURCE_IP_ADDRESS":"192.0.2.7","PROCESSING_TIME_MILLIS":15,` +
		`"REQUEST_PAYLOAD":"name=Test","RESPONSE_PAYLOAD":"base64:AAEC","EVENT_TIMESTAMP":"2026-03-01T12:00:00.250Z",` +
		`"ATNA_AUDITEVENT":{"resourceType":"AuditEvent"}}` + "\n"
	if got != want {
		t.Errorf("got  %swant %s", got, want)
	}
}

// TestPayloadsAreAskedFor: bodies that another policy kept are not Oracle's to show.
func TestPayloadsAreAskedFor(t *testing.T) {
	line := new(Options).Lines()(nil, eventOf(t, sample()))
	var row map[string]any
	if err := json.Unmarshal(line, &row); err != nil {
		t.Fatal(err)
	}
	if len(row) != int(NumColumns) || row["REQUEST_PAYLOAD"] != nil || row["RESPONSE_PAYLOAD"] != nil || row["ATNA_AUDITEVENT"] != nil {
		t.Errorf("%s", line)
	}
}

func TestNulls(t *testing.T) {
	line := new(Options).Lines()(nil, eventOf(t, &vigil.Exchange{ID: "x", Method: "GET", Path: "/"}))
	var row map[string]any
	if err := json.Unmarshal(line, &row); err != nil {
		t.Fatal(err)
	}
	for _, c := range []Column{UserID, ResourceName, HTTPResCode, SourceIPAddress} {
		if v, ok := row[c.String()]; !ok || v != nil {
			t.Errorf("%s: %v", c, v)
		}
	}
}

func TestPayloadBounds(t *testing.T) {
	o := &Options{Payloads: true, MaxPayload: 10}
	for _, c := range []struct {
		body *vigil.Body
		want string
	}{
		{nil, ""},
		{&vigil.Body{Text: "0123456789"}, "0123456789"},
		{&vigil.Body{Text: "0123456789a"}, "0123456789" + CutMark},
		{&vigil.Body{Text: "012345678é"}, "012345678" + CutMark},
		{&vigil.Body{Text: "short", Cut: true}, "short" + CutMark},
		{&vigil.Body{Binary: bytes.Repeat([]byte{0xff}, 100)}, "base64:" + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{0xff}, 6)) + CutMark},
	} {
		if got := o.payload(c.body); got != c.want {
			t.Errorf("%+v: %q, want %q", c.body, got, c.want)
		}
	}
}

// TestOneLine: whatever a request had in it, an event is one line of JSON that
// says it again.
func TestOneLine(t *testing.T) {
	hostile := rapid.StringOf(rapid.RuneFrom([]rune("a\n\r\t\x00\x1b\x7f\u2028\u202e\u061c\ufeff\"\\é😀")))
	lines := (&Options{Payloads: true}).Lines()
	rapid.Check(t, func(t *rapid.T) {
		s := hostile.Draw(t, "s")
		x := sample()
		x.User.Subject, x.Path, x.Type, x.Peer, x.RequestBody = "u"+s, "/"+s, "t"+s, []string{"p" + s}, &vigil.Body{Text: "b" + s}
		doc, err := json.Marshal(x)
		if err != nil {
			t.Fatal(err)
		}
		line := string(lines(nil, &vigil.Event{Format: vigil.FormatExchange, Doc: doc}))
		if strings.Count(line, "\n") != 1 || strings.ContainsAny(line, "\r\x00\x1b\x7f\u2028\u202e\u061c\ufeff") || !utf8.ValidString(line) {
			t.Fatalf("%q", line)
		}
		var row map[string]any
		if err := json.Unmarshal([]byte(line), &row); err != nil {
			t.Fatal(err)
		}
		if row["USER_ID"] != "u"+s || row["REQUEST_PAYLOAD"] != "b"+s || row["SOURCE_IP_ADDRESS"] != "p"+s {
			t.Fatalf("%q says something else than %q", line, s)
		}
	})
}

func TestOtherEvents(t *testing.T) {
	lines := new(Options).Lines()
	for _, e := range []*vigil.Event{
		{Format: vigil.FormatLogserver, Doc: []byte(`{"id":"1"}`)},
		{Format: vigil.FormatExchange, Doc: []byte(`[]`)},
	} {
		if got := lines(nil, e); len(got) != 0 {
			t.Errorf("%s: %s", e.Doc, got)
		}
	}
}

func BenchmarkAppendLine(b *testing.B) {
	r, err := new(Options).Of(sample())
	if err != nil {
		b.Fatal(err)
	}
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		dst = r.AppendLine(dst[:0])
	}
}
