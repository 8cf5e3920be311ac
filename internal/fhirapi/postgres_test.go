package fhirapi

import (
	"net/http"
	"strings"
	"testing"

	"vigil"
	"vigil/internal/pgtest"
	"vigil/internal/store/postgres"
)

// TestPostgreSQL: over a database the face does the same.
func TestPostgreSQL(t *testing.T) {
	url := pgtest.Postgres(t)
	if err := postgres.Migrate(t.Context(), url, storeConfig(), postgres.Grants{}); err != nil {
		t.Fatal(err)
	}
	s, err := postgres.Open(t.Context(), postgres.Options{URL: url}, storeConfig())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	f := newFace(t, s)
	doc := edited(t, sample(t), "recorded", "2026-01-02T03:04:05.100+01:00")
	w := f.must(http.StatusCreated, "POST", "/fhir/AuditEvent", doc, "Idempotency-Key", "k")
	id := idOf(t, w.Header().Get("Location"))
	if again := f.must(http.StatusCreated, "POST", "/fhir/AuditEvent", doc, "Idempotency-Key", "k"); idOf(t, again.Header().Get("Location")) != id {
		t.Error("a retry added another one")
	}
	r := f.must(http.StatusOK, "GET", "/fhir/AuditEvent/"+id, "")
	sameContent(t, doc, parsed(t, r))
	if e := f.stored(vigil.TableAuditEvents)[0]; string(e.Doc) != doc {
		t.Errorf("stored as %s", e.Doc)
	}
	for range 2 {
		f.must(http.StatusOK, "POST", "/fhir", aidbox(t))
	}
	if events, held := len(f.stored(vigil.TableAuditEvents)), len(f.stored(vigil.TableQuarantine)); events != 3 || held != 3 {
		t.Errorf("%d events and %d in quarantine", events, held)
	}
	f.must(http.StatusBadRequest, "POST", "/fhir", bundleOf("transaction", doc, `{"resourceType":"Patient"}`))
	if n := parsed(t, f.must(200, "GET", "/fhir/AuditEvent?entity=Patient/pt-3", "")); len(n.All("entry")) != 1 {
		t.Errorf("%d are found", len(n.All("entry")))
	}
	f.must(http.StatusOK, "POST", "/fhir/AuditEvent", doc, "If-None-Exist", "_id="+id)
	sign(t, s.Log())
	if issues := strings.Join(outcomeOf(t, f.must(200, "GET", "/fhir/AuditEvent/$verify-integrity", "")), "\n"); !strings.Contains(issues, "3 Audit Event processed") || strings.Contains(issues, "not what was signed") {
		t.Errorf("%s", issues)
	}
}
