package remote

import (
	"strings"
	"testing"
)

// TestTimeBeyond gives times that the unit of a protocol cannot say, or not
// without care: none may become another time, and none may make the request
// something that a server refuses whole. VictoriaLogs 1.26 dated an event of 2262
// 1677; OTLP's time is unsigned, and the collector's JSON reader answers a negative
// one with 400.
func TestTimeBeyond(t *testing.T) {
	const first, last = "-9223372036854775808", "9223372036854775807"
	for at, want := range map[string]struct{ loki, otlp, splunk string }{
		"1969-12-31T23:59:59.5Z":         {"-500000000", "0", "-0.500000"},
		"1969-12-31T23:59:58.75Z":        {"-1250000000", "0", "-1.250000"},
		"1970-01-01T00:00:00Z":           {"0", "0", "0.000000"},
		"2262-04-11T23:47:16.854775806Z": {"9223372036854775806", "9223372036854775806", "9223372036.854775"},
		"2262-05-01T00:00:00Z":           {last, "0", "9225014400.000000"},
		"9999-12-31T23:59:59.999999999Z": {last, "0", "253402300799.999999"},
		"1677-01-01T00:00:00Z":           {first, "0", "-9246096000.000000"},
	} {
		doc := `{"ts":"` + at + `"}`
		for kind, want := range map[string]string{
			"loki": `"values":[["` + want.loki + `",`, "otlp": `{"timeUnixNano":"` + want.otlp + `",`, "splunk": `{"time":` + want.splunk + `,`,
		} {
			if r := bodyOf(t, kinds[kind], kind, doc); !strings.Contains(r.body, want) {
				t.Errorf("%s, %s: %s, want %s", kind, at, r.body, want)
			}
		}
	}
}
