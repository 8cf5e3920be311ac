package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"vigil/internal/format/fhir"
)

// TestAuditEvents holds what the measurements send against the validator: events
// that are not valid would be refused, or cost less.
func TestAuditEvents(t *testing.T) {
	reads, mixed, again := NewAuditEvents(1), NewAuditEvents(2), NewAuditEvents(1)
	sum, outcomes, types := 0, map[string]int{}, map[string]int{}
	const n = 300
	for range n {
		doc := reads.Read(nil)
		if !bytes.Equal(doc, again.Read(nil)) {
			t.Fatal("the same seed gives other events")
		}
		sum += len(doc)
		for _, text := range [][]byte{doc, mixed.Mixed(nil)} {
			node, err := fhir.ParseJSON(text, fhir.Limits{})
			if err != nil {
				t.Fatalf("%v: %s", err, text)
			}
			if issues := fhir.Validate(node, fhir.Options{Profiles: fhir.Refuse}); fhir.Failed(issues) {
				t.Fatalf("%v: %s", issues, text)
			}
			var e struct {
				Outcome string
				Type    struct{ Code string }
			}
			if err := json.Unmarshal(text, &e); err != nil {
				t.Fatal(err)
			}
			outcomes[e.Outcome]++
			types[e.Type.Code]++
		}
	}
	if mean := sum / n; mean < 2000 || mean > 2200 {
		t.Errorf("events of %d bytes, want 2.1 KB", mean)
	}
	if len(outcomes) < 2 || len(types) < 10 {
		t.Errorf("outcomes %v, types %v: want more than one sort", outcomes, types)
	}
	var bundle struct {
		Entry []struct {
			Resource json.RawMessage
			Request  struct{ Method, URL string }
		}
	}
	if err := json.Unmarshal(reads.bundle(nil, "batch", 100), &bundle); err != nil || len(bundle.Entry) != 100 || bundle.Entry[99].Request.URL != "AuditEvent" {
		t.Errorf("%d entries, %v", len(bundle.Entry), err)
	}
}

// TestSearches sends every search to a server that finds something at every
// other one.
func TestSearches(t *testing.T) {
	searches := Searches(100_000)
	for _, s := range searches {
		different := slices.Compact(slices.Sorted(slices.Values(s.Queries)))
		if len(different) < 50 {
			t.Errorf("%s: only %d different queries", s.Name, len(different))
		}
	}
	asked := 0
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/fhir/AuditEvent" || len(r.URL.Query()) == 0 || r.Header.Get("Authorization") != "Bearer t" {
			t.Errorf("asked for %s", r.URL)
		}
		if asked++; asked == 70 {
			time.Sleep(20 * time.Millisecond)
		}
		io.WriteString(w, strings.Repeat(`{"fullUrl":"x"}`, asked%2))
	}))
	defer srv.Close()
	found, err := AskFHIR(t.Context(), Target{Addr: strings.TrimPrefix(srv.URL, "http://"), Token: "t"}, searches[:2])
	if err != nil {
		t.Fatal(err)
	}
	f := found[1] // 65 were asked before, and 5 to get warm
	if len(f.Times) != values || f.Percentile(50) > f.Percentile(95) || slices.Max(f.Events) != 1 || slices.Min(f.Events) != 0 {
		t.Errorf("%+v", f)
	}
	if f.Percentile(100) != slices.Max(f.Times) || !slices.Contains(f.Search.Queries, f.Slowest()) {
		t.Errorf("the slowest is %s of %v", f.Slowest(), f.Times)
	}
	var out strings.Builder
	if err := WriteFound(&out, found); err != nil || !strings.Contains(out.String(), "| 0, 1, 1 ") {
		t.Errorf("%v:\n%s", err, out.String())
	}
	srv.Config.Handler = http.NotFoundHandler()
	if _, err := AskFHIR(t.Context(), Target{Addr: strings.TrimPrefix(srv.URL, "http://")}, searches[:1]); err == nil {
		t.Error("an error is taken for an answer")
	}
}

func TestLoadMixed(t *testing.T) {
	var mu sync.Mutex
	rows := map[string]int{}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body []struct{ Event map[string]any }
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			t.Error(err)
		}
		for _, row := range body {
			if isAudit := row.Event["resourceType"] == "AuditEvent"; isAudit != (r.URL.Path == "/audit_events") {
				t.Errorf("%v in %s", row.Event, r.URL)
			}
		}
		mu.Lock()
		defer mu.Unlock()
		rows[r.URL.Path] += len(body)
		w.WriteHeader(http.StatusCreated)
	}))
	defer srv.Close()
	addr := strings.TrimPrefix(srv.URL, "http://")
	if err := LoadMixed(t.Context(), Target{Addr: addr, Token: "t"}, 6000); err != nil {
		t.Fatal(err)
	}
	if want := "map[/audit_events:3000 /events:3000]"; fmt.Sprint(rows) != want {
		t.Errorf("%v, want %s", rows, want)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := LoadMixed(ctx, Target{Addr: addr, Token: "t"}, 6000); err == nil {
		t.Error("an interrupted load is a whole one")
	}
}
