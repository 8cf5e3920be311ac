package postgrest

import (
	"net/http"
	"testing"
	"time"
)

func TestParsePrefer(t *testing.T) {
	tests := []struct {
		name    string
		headers []string
		read    string // Preference-Applied of a read
		write   string // and of a write
		status  int    // of the error, 0 for none
		details string
	}{
		{name: "none"},
		{name: "one", headers: []string{"count=exact"}, read: "count=exact", write: "count=exact"},
		{
			name: "order of the answer is PostgREST's", headers: []string{"timezone=UTC, count=planned, return=minimal", "missing=default,resolution=ignore-duplicates"},
			read: "count=planned, timezone=UTC", write: "resolution=ignore-duplicates, missing=default, return=minimal, count=planned, timezone=UTC",
		},
		{name: "first wins", headers: []string{"count=exact, count=planned"}, read: "count=exact", write: "count=exact"},
		{name: "unknown, lenient", headers: []string{"handling=lenient, foo=bar, count=many"}, read: "handling=lenient", write: "handling=lenient"},
		{name: "names are case-sensitive", headers: []string{"COUNT=exact"}},
		{name: "unknown, strict", headers: []string{"handling=strict, foo, bar=1, count=exact, return=xx"}, status: 400, details: "Invalid preferences: foo, bar=1, return=xx"},
		{name: "strict may come last", headers: []string{"foo", "handling=strict"}, status: 400, details: "Invalid preferences: foo"},
		{name: "strict and all known", headers: []string{"handling=strict, tx=commit, max-affected=3, count=none"}, read: "handling=strict", write: "handling=strict"},
		{name: "max-affected is a number", headers: []string{"handling=strict, max-affected=x"}, status: 400, details: "Invalid preferences: max-affected=x"},
		{name: "unknown zone", headers: []string{"timezone=Invalid/Timezone"}, status: 400},
		{name: "path as zone", headers: []string{"timezone=../../etc/passwd"}, status: 400},
		{name: "zone of the machine", headers: []string{"timezone=Local"}, status: 400},
		{name: "empty elements", headers: []string{" , ,count=exact,"}, read: "count=exact", write: "count=exact"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, err := parsePrefer(tt.headers)
			if tt.status != 0 {
				e := asError(err)
				if err == nil || e.Status != tt.status || tt.details != "" && e.Details != tt.details {
					t.Fatalf("got %v, want %d %q", err, tt.status, tt.details)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := p.readApplied(); got != tt.read {
				t.Errorf("read: got %q, want %q", got, tt.read)
			}
			if got := p.writeApplied(); got != tt.write {
				t.Errorf("write: got %q, want %q", got, tt.write)
			}
		})
	}
}

// The offsets are those of cases head-1591, head-1596 and head-1597.
func TestFindZone(t *testing.T) {
	at := time.Date(2023, 10, 18, 12, 0, 0, 0, time.UTC)
	for name, want := range map[string]int{
		"UTC": 0, "America/Los_Angeles": -7 * 3600, "+05:30": -(5*3600 + 1800), "-4": -4 * 3600, "2": 2 * 3600, "-03:30": 3*3600 + 1800,
	} {
		loc := findZone(name)
		if loc == nil {
			t.Errorf("%s: no zone", name)
			continue
		}
		if _, got := at.In(loc).Zone(); got != want {
			t.Errorf("%s: got %d seconds east, want %d", name, got, want)
		}
	}
	for _, name := range []string{"+", "-", "99", "+05:99", "5:", "Nowhere", `a\b`, "Local"} {
		if findZone(name) != nil {
			t.Errorf("%s: taken for a zone", name)
		}
	}
}

func FuzzParsePrefer(f *testing.F) {
	f.Add("handling=strict, count=exact, timezone=+05:30")
	f.Fuzz(func(t *testing.T, header string) {
		if _, err := parsePrefer([]string{header}); err != nil && asError(err).Status != http.StatusBadRequest {
			t.Fatal(err)
		}
	})
}
