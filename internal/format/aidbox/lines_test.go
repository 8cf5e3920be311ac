package aidbox_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/rogpeppe/go-internal/txtar"

	"vigil"
	"vigil/internal/format"
	"vigil/internal/format/aidbox"
	"vigil/internal/jsonb"
)

var lines = aidbox.Lines(aidbox.Options{Tenant: "samplebox", Mapping: format.New(nil)})

// of returns the lines of an event, each checked to be one line of JSON.
func of(t testing.TB, e *vigil.Event) (out []map[string]any) {
	t.Helper()
	text := lines([]byte("before"), e)
	if !bytes.HasPrefix(text, []byte("before")) || !bytes.HasSuffix(text, []byte{'\n'}) {
		t.Fatalf("%q", text)
	}
	for l := range bytes.Lines(text[len("before"):]) {
		l = bytes.TrimSuffix(l, []byte{'\n'})
		for _, r := range string(l) {
			if unicode.IsControl(r) || r == 0x2028 || r == 0x2029 {
				t.Fatalf("%q holds %U", l, r)
			}
		}
		if err := jsonb.Check(l, jsonb.Limits{}); err != nil {
			t.Fatalf("%s: %v", l, err)
		}
		var v map[string]any
		// A number may be larger than Go's; the rest is read all the same.
		if err := json.Unmarshal(l, &v); err != nil && !errors.As(err, new(*json.UnmarshalTypeError)) {
			t.Fatalf("%s: %v", l, err)
		}
		out = append(out, v)
	}
	return out
}

func exchangeOf(doc string) *vigil.Event {
	return &vigil.Event{Table: vigil.TableExchanges, Format: vigil.FormatExchange, Doc: []byte(doc)}
}

// TestExamples holds exchanges against the lines of the documentation's examples.
func TestExamples(t *testing.T) {
	a, err := txtar.ParseFile("testdata/extending.txtar")
	if err != nil || len(a.Files) < 20 {
		t.Fatal(len(a.Files), err)
	}
	for i := 0; i < len(a.Files); i += 2 {
		name := strings.TrimSuffix(a.Files[i].Name, ".exchange")
		t.Run(name, func(t *testing.T) {
			got := of(t, exchangeOf(string(a.Files[i].Data)))
			want := strings.Split(strings.TrimSpace(string(a.Files[i+1].Data)), "\n")
			if len(got) != len(want) {
				t.Fatalf("%d lines, want %d: %v", len(got), len(want), got)
			}
			for j := range want {
				for name, val := range parse(t, want[j]).(map[string]any) {
					is, there := got[j][name]
					if val == "(none)" && there || val != "(none)" && (!there || !reflect.DeepEqual(is, val)) {
						t.Errorf("line %d: %s is %v (%v), want %v", j, name, is, there, val)
					}
				}
			}
		})
	}
}

// TestSampleLines passes the sample of Aidbox's documentation through, as text.
func TestSampleLines(t *testing.T) {
	b, err := os.ReadFile("../../../../shared/data/aidbox/_logs_sample.ndjson")
	if err != nil {
		t.Skip("without the sample of the documentation: ", err)
	}
	for l := range bytes.Lines(b) {
		got := lines(nil, &vigil.Event{Table: vigil.TableLogs, Format: vigil.FormatAidbox, Doc: bytes.TrimSpace(l)})
		if !bytes.Equal(got, l) {
			t.Errorf("%s became %s", l, got)
		}
	}
}

// TestHostileAudit: what a caller sends in X-Audit cannot pass for what the
// gateway saw, and breaks no line.
func TestHostileAudit(t *testing.T) {
	audit := map[string]json.RawMessage{"role": json.RawMessage(`"nurse"`), "deep": json.RawMessage(strings.Repeat("[", 500) + strings.Repeat("]", 500)), "": json.RawMessage(`1`)}
	for _, a := range aidbox.Attributes() {
		audit[a.Name] = json.RawMessage(`"forged"`)
	}
	for _, name := range []string{"severity", "level", "@l", "timestamp", "httpRequest", "operation", "w_new", "table", "a\nb", "\u2028"} {
		audit[name] = json.RawMessage(`"forged"`)
	}
	audit["big"] = json.RawMessage(`"` + strings.Repeat("x\\n", 3<<20) + `"`)
	b, err := json.Marshal(audit)
	if err != nil {
		t.Fatal(err)
	}
	got := of(t, exchangeOf(`{"id":"x","start":"2026-01-02T03:04:05Z","duration":1,"method":"GET","path":"/Patient","status":200,"audit":`+string(b)+`}`))
	if len(got) != 2 {
		t.Fatalf("%d lines", len(got))
	}
	for _, l := range got {
		for name, val := range l {
			if val == "forged" && name != "a\nb" && name != "\u2028" {
				t.Errorf("%s was forged", name)
			}
		}
		kept, _ := l["w_audit"].(map[string]any)
		if l["role"] != "nurse" || len(kept) != len(audit) || kept["lvl"] != "forged" {
			t.Errorf("role %v, %d kept", l["role"], len(kept))
		}
	}
	for _, no := range []string{`[1]`, `"x"`, `1`, `null`, `true`} {
		for _, l := range of(t, exchangeOf(`{"id":"x","start":"2026-01-02T03:04:05Z","audit":`+no+`}`)) {
			if _, ok := l["w_audit"]; ok {
				t.Errorf("%s became %v", no, l)
			}
		}
	}
}

// TestBodies holds kept bodies against w_b.
func TestBodies(t *testing.T) {
	for body, want := range map[string]any{
		`{"mediaType":"application/fhir+json","text":"{ \"a\" : [1, 2.50] }"}`:                           `{"a":[1,2.50]}`,
		`{"mediaType":"application/x-www-form-urlencoded;charset=utf-8","text":"b=2&a=1&a=x%20y&c=%0a"}`: `{"a":["1","x y"],"b":"2","c":"\n"}`,
		`{"mediaType":"application/xml","text":"<a>\n</a>"}`:                                             "<a>\n</a>",
		`{"mediaType":"application/json","text":"{\"a\":","cut":true}`:                                   `{"a": [cut]`,
		`{"mediaType":"application/json","text":"{\"a\":"}`:                                              `{"a":`,
		`{"mediaType":"image/png","binary":"AAAA"}`:                                                      nil,
		`null`: nil,
	} {
		got := of(t, exchangeOf(`{"id":"x","start":"2026-01-02T03:04:05Z","requestBody":`+body+`}`))
		if got[0]["w_b"] != want {
			t.Errorf("%s: %q, want %q", body, got[0]["w_b"], want)
		}
		if _, ok := got[len(got)-1]["w_b"]; ok {
			t.Errorf("%s: the response has it, too", body)
		}
	}
	long := of(t, exchangeOf(`{"id":"x","requestBody":{"text":"`+strings.Repeat("é", 1<<20)+`"}}`))[0]["w_b"].(string)
	if len(long) > 70<<10 || !strings.HasSuffix(long, "é [cut]") {
		t.Errorf("%d bytes of a long body", len(long))
	}
}

// TestOthers: every other event is a line as well, with what it says of itself.
func TestOthers(t *testing.T) {
	at := time.Date(2026, 2, 3, 4, 5, 6, 789_000_000, time.UTC)
	uid := vigil.NewUID(at, [10]byte{1})
	for _, tt := range []struct {
		e    vigil.Event
		want map[string]any
	}{
		{
			vigil.Event{Format: vigil.FormatLogserver, Doc: []byte(`{"severity":"critical","action":"read","agent":{"who":"sample","ip_address":"192.0.2.1"},"subject":"Patient/7","occurred":"2026-01-01T00:00:00Z"}`)},
			map[string]any{"ev": "log", "lvl": "panic", "op": "read", "w_uid": "sample", "w_addr": "192.0.2.1", "rtp": "Patient", "rid": "7", "ts": "2026-01-01T00:00:00.000Z", "type": "logserver", "ctx": uid.String()},
		},
		{
			vigil.Event{Format: vigil.FormatCLEF, Doc: []byte(`{"@t":"2026-01-01T00:00:00Z","@l":"Warning","@mt":"x"}`)},
			map[string]any{"ev": "log", "lvl": "warn", "message": map[string]any{"@t": "2026-01-01T00:00:00Z", "@l": "Warning", "@mt": "x"}},
		},
		{vigil.Event{Format: vigil.FormatSyslog, Doc: []byte("<34>1 - host \x1b[2J\n")}, map[string]any{"ev": "log", "message": "<34>1 - host \x1b[2J\n", "ts": "2026-02-03T04:05:06.789Z"}},
		{vigil.Event{Format: vigil.FormatAidbox, Doc: []byte("{\"ev\":\"x\",\n \"msg\":\"\u2028\"}")}, map[string]any{"ev": "x", "msg": "\u2028"}},
		{vigil.Event{Format: vigil.FormatAidbox, Doc: []byte(`"text"`)}, map[string]any{"ev": "log", "message": "text"}},
		{vigil.Event{Format: vigil.FormatExchange, Doc: []byte(`[]`)}, map[string]any{"ev": "log"}},
		{
			vigil.Event{Table: vigil.TableSystem, Format: vigil.FormatSystem, Doc: []byte(`{"severity":"info","action":"read","occurred":"2026-02-03T04:05:06.789Z","agent":{"who":"auditor-1","ip_address":"192.0.2.16"},"entity":{"query":"events?limit=3"},"outcome":"200","message":"read"}`)},
			map[string]any{"ev": "db/q", "sql": "events?limit=3", "w_uid": "auditor-1", "w_ip": "192.0.2.16", "w_st": 200.0, "msg": "read", "ts": "2026-02-03T04:05:06.789Z"},
		},
		{
			vigil.Event{Table: vigil.TableSystem, Format: vigil.FormatSystem, Doc: []byte(`{"severity":"error","action":"execute","message":"gap"}`)},
			map[string]any{"ev": "log", "lvl": "error", "op": "execute", "msg": "gap"},
		},
	} {
		tt.e.UID, tt.e.Received = uid, at
		got := of(t, &tt.e)
		if len(got) != 1 {
			t.Fatalf("%s: %v", tt.e.Doc, got)
		}
		for name, val := range tt.want {
			if !reflect.DeepEqual(got[0][name], val) {
				t.Errorf("%s: %s is %v, want %v", tt.e.Doc, name, got[0][name], val)
			}
		}
	}
}

// TestReadBack: the facts of the lines of an exchange are those of the exchange.
func TestReadBack(t *testing.T) {
	m := format.New(nil)
	doc := `{"id":"x","correlation":"c","start":"2026-01-02T03:04:05.678Z","duration":1000,"method":"GET","route":"GET /Patient/?","path":"/fhir/Patient/7","status":403,"peer":["192.0.2.1","192.0.2.2"],"user":{"sub":"sample","client":"app"}}`
	e := exchangeOf(doc)
	want, got := m.Facts(e.Format, e.Doc), vigil.Facts{}
	for l := range bytes.Lines(lines(nil, e)) {
		f := m.Facts(vigil.FormatAidbox, l)
		if got.Occurred.IsZero() {
			got.Occurred = f.Occurred
		}
		for i, v := range f.Values {
			if len(got.Values[i]) == 0 {
				got.Values[i] = v
			}
		}
	}
	if !got.Occurred.Equal(want.Occurred) {
		t.Errorf("occurred %v, want %v", got.Occurred, want.Occurred)
	}
	for _, f := range []vigil.Fact{vigil.FactAgent, vigil.FactClient, vigil.FactIP, vigil.FactEntity, vigil.FactCorrelation, vigil.FactAction} {
		if !reflect.DeepEqual(got.Values[f], want.Values[f]) && !reflect.DeepEqual(got.Values[f][:1], want.Values[f][:1]) {
			t.Errorf("%v: %v, want %v", f, got.Values[f], want.Values[f])
		}
	}
}

func FuzzLines(f *testing.F) {
	a, err := txtar.ParseFile("testdata/extending.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range a.Files {
		f.Add(file.Data, uint8(0))
		f.Add(file.Data, uint8(1))
	}
	f.Add([]byte(`{"peer":["a",1,{}],"user":[],"entries":{"a":1},"audit":{"a":"`+"\u2028"+`"},"requestBody":{"text":"a=%zz&\u0000"},"status":1e3,"start":"x"}`), uint8(0))
	formats := []vigil.Format{vigil.FormatExchange, vigil.FormatAidbox, vigil.FormatSystem, vigil.FormatLogserver, vigil.FormatCLEF}
	f.Fuzz(func(t *testing.T, doc []byte, n uint8) {
		if jsonb.Check(doc, jsonb.Limits{Depth: 100}) != nil {
			return
		}
		e := &vigil.Event{Format: formats[int(n)%len(formats)], Doc: doc}
		of(t, e)
		for l := range bytes.Lines(aidbox.Google(lines)(nil, e)) {
			if err := jsonb.Check(l, jsonb.Limits{}); err != nil {
				t.Fatalf("%s: %v", l, err)
			}
		}
		text := aidbox.Pretty(lines)(nil, e)
		if bytes.Count(text, []byte{'\n'}) != len(of(t, e)) {
			t.Fatalf("%q", text)
		}
		colours := strings.NewReplacer("\x1b[0;32m", "", "\x1b[0;37m", "", "\x1b[0;33m", "", "\x1b[0;36m", "", "\x1b[0;31m", "", "\x1b[m", "", "\n", "")
		for _, r := range colours.Replace(string(text)) {
			if unicode.IsControl(r) {
				t.Fatalf("%q holds %U", text, r)
			}
		}
	})
}

// BenchmarkExchange makes the two lines of an exchange.
func BenchmarkExchange(b *testing.B) {
	e := exchangeOf(`{"id":"0190","correlation":"c1","start":"2026-01-02T03:04:05.678901Z","duration":15400000,"method":"POST","route":"POST /Patient/_search","path":"/fhir/Patient/_search","query":"a=b","status":200,"peer":["192.0.2.1","192.0.2.9"],"userAgent":"Sample/1","user":{"sub":"admin","client":"web","by":"bearer","verified":true},"interaction":"search-type","type":"Patient","gateway":"gw","returned":["Patient/1","Patient/2"],"patients":["Patient/1","Patient/2"]}`)
	for name, line := range map[string]func([]byte, *vigil.Event) []byte{"json": lines, "google": aidbox.Google(lines), "pretty": aidbox.Pretty(lines)} {
		b.Run(name, func(b *testing.B) {
			var dst []byte
			b.ReportAllocs()
			for b.Loop() {
				dst = line(dst[:0], e)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(2*b.N), "ns/line")
		})
	}
}

// TestSizes reads the lines of sizes back.
func TestSizes(t *testing.T) {
	at := time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC)
	got := aidbox.Sizes(aidbox.Options{Tenant: "samplebox"}, at, 1000, map[string]int64{"b": 2, "a": 1})
	want := []string{
		`{"ev":"db/db-size","ts":"2026-02-03T04:05:06.000Z","tn":"samplebox","w":"vigil","db-size":1000}`,
		`{"ev":"db/rel-size","ts":"2026-02-03T04:05:06.000Z","tn":"samplebox","w":"vigil","rel":"a","rel-size":1}`,
		`{"ev":"db/rel-size","ts":"2026-02-03T04:05:06.000Z","tn":"samplebox","w":"vigil","rel":"b","rel-size":2}`,
	}
	for i := range want {
		if len(got) != len(want) || string(got[i]) != want[i] || !aidbox.IsLine(got[i]) {
			t.Errorf("%s", got)
		}
	}
}
