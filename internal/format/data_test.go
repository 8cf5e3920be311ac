package format_test

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"vigil"
	"vigil/internal/format"
	"vigil/internal/format/logserver"
)

// The recorded samples lie beside the module, where they are at all. The cases
// in testdata have the same shapes with values of our own.
const samples = "../../../shared/data"

func readSample(t *testing.T, path ...string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(append([]string{samples}, path...)...))
	if os.IsNotExist(err) {
		t.Skip("the recorded samples are not here")
	}
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func decode(t *testing.T, text string) []*vigil.Event {
	t.Helper()
	var out []*vigil.Event
	for d := json.NewDecoder(strings.NewReader(text)); d.More(); {
		var docs []json.RawMessage
		var doc json.RawMessage
		if err := d.Decode(&doc); err != nil {
			t.Fatal(err)
		}
		if json.Unmarshal(doc, &docs) != nil { // no array of them
			docs = []json.RawMessage{doc}
		}
		for _, doc := range docs {
			out = append(out, &vigil.Event{Table: vigil.TableEvents, Format: vigil.FormatLogserver, Doc: doc})
		}
	}
	return out
}

// viewRow is a row that logserver's own view gave on PostgreSQL 15.
var viewRow = regexp.MustCompile(`^(\d+)\t([^\t]*)\t([^\t]*)(?:\t([^\t]*))?(?:\t([^\t]*))?$`)

// TestViewOfSamples holds ViewRow against what logserver's view answers, where
// it answers at all.
func TestViewOfSamples(t *testing.T) {
	recorded := string(readSample(t, "logserver", "view_results_pg15.txt"))
	checked := 0
	for section := range strings.SplitSeq(recorded, "## ") {
		title, rows, _ := strings.Cut(section, "\n")
		var docs []*vigil.Event
		switch {
		case strings.HasSuffix(title, "_sample.json"):
			docs = decode(t, string(readSample(t, "logserver", "generations", title)))
		case strings.Contains(title, "without the Quarkus row"):
			for _, e := range decode(t, string(readSample(t, "logserver", "real_events.ndjson"))) {
				if !strings.Contains(string(e.Doc), "loggerClassName") {
					docs = append(docs, e)
				}
			}
		default:
			continue
		}
		for line := range strings.SplitSeq(rows, "\n") {
			want := viewRow.FindStringSubmatch(line)
			if want == nil {
				continue // the other lines of a page that is a message
			}
			id, err := strconv.Atoi(want[1])
			if err != nil || id > len(docs) {
				t.Fatalf("%s: row %s", title, want[1])
			}
			checkRow(t, title+" row "+want[1], docs[id-1], want)
			checked++
		}
	}
	if checked < 16 {
		t.Errorf("%d rows compared", checked)
	}
}

func checkRow(t *testing.T, name string, e *vigil.Event, want []string) {
	t.Helper()
	got := logserver.ViewRow(e.Doc, time.UTC)
	if got.SchemaVersion != want[2] {
		t.Errorf("%s: schema_version %q, want %q", name, got.SchemaVersion, want[2])
	}
	at, err := time.Parse("2006-01-02 15:04:05.999-07", want[3])
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(e.Doc), "realmId") {
		// Logserver's view cuts the milliseconds off and knows neither user nor type.
		if got.OccurredAt.UnixMilli() != 1716625978123 || deref(got.UserID) != "1234-5678-90ab-cdef" || deref(got.EventType) != "LOGIN" {
			t.Errorf("%s: %+v", name, got)
		}
		return
	}
	if !got.OccurredAt.Equal(at) {
		t.Errorf("%s: occurred_at %v, want %v", name, got.OccurredAt, at)
	}
	if deref(got.UserID) != want[4] {
		t.Errorf("%s: user_id %q, want %q", name, deref(got.UserID), want[4])
	}
	if first, _, _ := strings.Cut(deref(got.EventType), "\n"); first != want[5] {
		t.Errorf("%s: event_type %q, want %q", name, first, want[5])
	}
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// TestViewOfLogserversTests holds ViewRow against what logserver's tests expect.
func TestViewOfLogserversTests(t *testing.T) {
	for _, name := range []string{"legacy", "ltt"} {
		docs := decode(t, string(readSample(t, "logserver", "generations", name+"_sample.json")))
		rows, err := csv.NewReader(strings.NewReader(string(readSample(t, "logserver", "expected", name+"_expected.csv")))).ReadAll()
		if err != nil || len(rows) != len(docs)+1 {
			t.Fatal(len(rows), err)
		}
		for i, e := range docs {
			got, want := logserver.ViewRow(e.Doc, time.UTC), rows[i+1]
			// Their comparison is to the second.
			at := got.OccurredAt.Truncate(time.Second).Format("2006-01-02 15:04:05")
			if got.SchemaVersion != want[0] || at != strings.TrimSuffix(want[1], "+00") || deref(got.UserID) != want[2] || deref(got.EventType) != want[3] {
				t.Errorf("%s row %d: %+v, want %v", name, i+1, got, want)
			}
		}
	}
}

// TestFactsOfSamples expects the facts that an auditor asks for of every
// recorded event that has them.
func TestFactsOfSamples(t *testing.T) {
	m := format.New(nil)
	for i, e := range decode(t, string(readSample(t, "logserver", "real_events.ndjson"))) {
		f := m.Facts(e.Format, e.Doc)
		if f.Occurred.IsZero() {
			t.Errorf("event %d: no time", i+1)
		}
		if row := logserver.ViewRow(e.Doc, time.UTC); !row.OccurredAt.Equal(f.Occurred) {
			t.Errorf("event %d: %v here, %v in the view", i+1, f.Occurred, row.OccurredAt)
		}
	}
	n := 0
	for i, e := range decode(t, string(readSample(t, "postgrest", "oracle_seed.ndjson"))) {
		f := m.Facts(e.Format, e.Doc)
		var doc struct {
			Subject  string `json:"subject"`
			Resource struct {
				Entity []struct{ What struct{ Reference string } }
			} `json:"resource"`
		}
		if json.Unmarshal(e.Doc, &doc) != nil {
			continue // not an object
		}
		want := doc.Subject
		if len(doc.Resource.Entity) > 0 {
			want = doc.Resource.Entity[0].What.Reference
		}
		if strings.HasPrefix(want, "Patient/") {
			n++
			if len(f.Values[vigil.FactPatient]) == 0 || f.Values[vigil.FactPatient][0] != want {
				t.Errorf("event %d: patient %v, want %s", i+1, f.Values[vigil.FactPatient], want)
			}
		}
	}
	if n < 20 {
		t.Errorf("%d patients compared", n)
	}
}

// TestFactsOfAuditEvents expects the facts that every FHIR example must have.
func TestFactsOfAuditEvents(t *testing.T) {
	m := format.New(nil)
	for dir, f := range map[string]vigil.Format{
		"auditevent-r4-core": vigil.FormatFHIRR4, "auditevent-r4-ig": vigil.FormatFHIRR4, "auditevent-r4-hapi-balp": vigil.FormatFHIRR4,
		"auditevent-r5-converted": vigil.FormatFHIRR5,
	} {
		files, err := filepath.Glob(filepath.Join(samples, "fhir", "examples", dir, "*.json"))
		if err != nil {
			t.Fatal(err)
		}
		if len(files) == 0 {
			t.Skip("the recorded samples are not here")
		}
		for _, file := range files {
			doc, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := m.Facts(f, doc)
			if got.Occurred.IsZero() {
				t.Errorf("%s: no time", file)
			}
			for _, fact := range []vigil.Fact{vigil.FactType, vigil.FactAgent, vigil.FactSource} {
				// An agent that is only a name is one that examples have.
				if len(got.Values[fact]) == 0 && (fact != vigil.FactAgent || len(got.Values[vigil.FactAgentName]) == 0) {
					t.Errorf("%s: no %v", file, fact)
				}
			}
			if posted := m.Facts(vigil.FormatLogserver, doc); print(posted) != print(got) {
				t.Errorf("%s: posted as an event it has other facts", file)
			}
		}
	}
}

// TestFactsOfAidbox expects time, severity and event of every line that Aidbox's
// own logger wrote.
func TestFactsOfAidbox(t *testing.T) {
	m := format.New(nil)
	lines := bufio.NewScanner(strings.NewReader(string(readSample(t, "aidbox", "klog_golden", "events.ndjson"))))
	n := 0
	for ; lines.Scan(); n++ {
		f := m.Facts(vigil.FormatAidbox, lines.Bytes())
		if f.Occurred.UnixMilli() != 1706708143123 || len(f.Values[vigil.FactType]) != 1 {
			t.Errorf("line %d: %s", n+1, print(f))
		}
		if posted := m.Facts(vigil.FormatLogserver, lines.Bytes()); print(posted) != print(f) {
			t.Errorf("line %d: posted as an event it has other facts", n+1)
		}
	}
	if n != 15 {
		t.Errorf("%d lines", n)
	}
}
