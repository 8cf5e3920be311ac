package logserver_test

import (
	"strings"
	"testing"
	"time"

	"vigil/internal/format/logserver"
)

func TestGenerationOf(t *testing.T) {
	for doc, want := range map[string]logserver.Generation{
		`{"asctime":"2022-03-04 05:06:07,891","message":"x"}`:       logserver.Gen0,
		`{"version":"A041-4-g55efbd8","message":"x"}`:               logserver.Gen0,
		`{"version":"1.2.3-test"}`:                                  logserver.Gen0,
		`{"version":"1","asctime":"2022-03-04 05:06:07,891+00:00"}`: logserver.Gen1,
		`{"version":1}`: logserver.Gen1,
		`{"version":"2","occurred":"2025-01-30T20:43:17.811Z"}`:           logserver.Gen2,
		`{"version":"3.0","level":"info"}`:                                logserver.Gen3,
		`{"version":3.0}`:                                                 logserver.Gen3,
		`{"source":{"type":"shl-ltt"},"occurred":"2025-03-01T00:00:00Z"}`: logserver.Gen3,
		`{"source_system":"LTT","version":"1"}`:                           logserver.LTT,
		`{"source_system":"other","version":"1"}`:                         logserver.Gen1,
		`{"type":"LOGIN","realmId":"r"}`:                                  logserver.Keycloak,
		`{"operationType":"UPDATE","authDetails":{}}`:                     logserver.Keycloak,
		`{"loggerName":"org.example","sequence":1,"level":"INFO"}`:        logserver.KeycloakLog,
		`[{"version":"1"}]`:                                               logserver.Gen0, `"1"`: logserver.Gen0, `null`: logserver.Gen0, ``: logserver.Gen0,
	} {
		if got := logserver.GenerationOf([]byte(doc)); got != want {
			t.Errorf("%s: generation %v, want %v", doc, got, want)
		}
	}
}

func TestMissing(t *testing.T) {
	for doc, want := range map[string]string{
		`{"severity":"info","version":"1","action":"read"}`: "",
		`{"levelname":"INFO","version":"1"}`:                "action",
		`{"level":null,"action":"read"}`:                    "severity version",
		`{}`:                                                "severity version action",
		`{"type":"LOGIN","realmId":"r"}`:                    "",
		`{"resourceType":"AuditEvent"}`:                     "",
		`42`:                                                "severity version action",
	} {
		if got := strings.Join(logserver.Missing([]byte(doc)), " "); got != want {
			t.Errorf("%s: missing %q, want %q", doc, got, want)
		}
	}
}

// TestParseTime has the spellings that documents have; the instants are those
// that PostgreSQL 15 reads, where it reads the text.
func TestParseTime(t *testing.T) {
	zone, err := time.LoadLocation("America/Los_Angeles")
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		"2022-03-04 05:06:07,891":            "2022-03-04T13:06:07.891Z",
		"2022-07-04 05:06:07,891":            "2022-07-04T12:06:07.891Z",
		"2022-03-04 05:06:07,891+00:00":      "2022-03-04T05:06:07.891Z",
		"2022-03-04 05:06:07.891 +02":        "2022-03-04T03:06:07.891Z",
		"2022-03-04T05:06:07Z":               "2022-03-04T05:06:07Z",
		"2022-03-04t05:06:07.5z":             "2022-03-04T05:06:07.5Z",
		"2022-03-04T05:06:07-0330":           "2022-03-04T08:36:07Z",
		"2022-03-04T05:06:07 UTC":            "2022-03-04T05:06:07Z",
		"2022-03-04 05:06":                   "2022-03-04T13:06:00Z",
		"2022-03-04":                         "2022-03-04T08:00:00Z",
		"2022-03-13 02:30:00":                "2022-03-13T10:30:00Z", // clocks jumped over it
		"2022-11-06 01:30:00":                "2022-11-06T09:30:00Z", // came twice
		"2023-01-01T24:00:00Z":               "2023-01-02T00:00:00Z",
		"2022-03-04T05:06:07.1234565Z":       "2022-03-04T05:06:07.123456Z",
		"2022-03-04T05:06:07.123456499999Z":  "2022-03-04T05:06:07.123456Z",
		"2024-02-29T00:00:00Z":               "2024-02-29T00:00:00Z",
		"2016-12-31T23:59:60Z":               "2017-01-01T00:00:00Z",
		"1716625978":                         "2024-05-25T08:32:58Z",
		"1716625978.25":                      "2024-05-25T08:32:58.25Z",
		"1716625978123":                      "2024-05-25T08:32:58.123Z",
		"1716625978123.5":                    "2024-05-25T08:32:58.1235Z",
		"1716625978123456":                   "2024-05-25T08:32:58.123456Z",
		"1716625978123456789":                "2024-05-25T08:32:58.123457Z",
		"1.716625978e9":                      "2024-05-25T08:32:58Z",
		"2023-02-29T00:00:00Z":               "",
		"2023-13-01 00:00:00,000":            "",
		"2023-00-01":                         "",
		"2023-01-01T24:00:01Z":               "",
		"2023-01-01T00:60:00Z":               "",
		"2023-01-01T00:00:00+16:00":          "",
		"2023-01-01T00:00:00+":               "",
		"2023-01-01T00:00:00.Z":              "",
		"2023-01-01T00:00:00 PST":            "",
		"2023-01-01T":                        "",
		"2023-01-01 00:00:00 and more of it": "",
		"0000-01-01":                         "",
		"not a date":                         "",
		"":                                   "",
		"42":                                 "",
		"1234512":                            "",
		"99999999999999999999999":            "",
		"1e400":                              "",
		"-1716625978":                        "",
		"0x1p40000000000":                    "",
		strings.Repeat("1", 100):             "",
		"2022-03-04T05:06:07.1" + strings.Repeat("1", 40): "",
	} {
		got := ""
		if at, ok := logserver.ParseTime([]byte(text), zone); ok {
			got = at.Format(time.RFC3339Nano)
		}
		if got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func FuzzParseTime(f *testing.F) {
	for _, s := range []string{"2022-03-04 05:06:07,891+00:00", "2022-03-04", "1716625978.5", "2016-12-31T23:59:60.9999999Z"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		at, ok := logserver.ParseTime([]byte(s), time.UTC)
		if !ok {
			return
		}
		if at.Location() != time.UTC || at.Nanosecond()%1000 != 0 {
			t.Fatalf("%q: %v", s, at)
		}
		again, ok := logserver.ParseTime([]byte(at.Format(time.RFC3339Nano)), time.UTC)
		if at.Year() < 10000 && at.Year() > 0 && (!ok || !again.Equal(at)) {
			t.Fatalf("%q is %v, which is read as %v", s, at, again)
		}
	})
}

func TestViewRowOfScalars(t *testing.T) {
	for _, doc := range []string{`"x"`, `null`, `42`, `[1,2]`, `{}`, `{"subject":null,"tags":[],"asctime":"not a date"}`} {
		r := logserver.ViewRow([]byte(doc), time.UTC)
		if r.SchemaVersion != "legacy" || !r.OccurredAt.IsZero() || r.UserID != nil || r.EventType != nil {
			t.Errorf("%s: %+v", doc, r)
		}
	}
	if got := strings.Join(logserver.ViewColumns(), " "); got != "id schema_version occurred_at user_id event_type" {
		t.Errorf("columns %s", got)
	}
}

func TestSourceOf(t *testing.T) {
	for doc, want := range map[string]string{
		`{"source": {"type": "sample-ehr", "observer": "x"}, "name": "logger"}`: "sample-ehr",
		`{"source": {"type": 5}, "name": "logger"}`:                             "logger",
		`{"source": "sample-ehr"}`:                                              "unknown",
		`{"name": "log\u0067er"}`:                                               "logger",
		`[1]`:                                                                   "unknown",
	} {
		if got := logserver.SourceOf([]byte(doc)); got != want {
			t.Errorf("SourceOf(%s) = %q, want %q", doc, got, want)
		}
	}
}
