package search_test

import (
	"fmt"
	"testing"
	"time"

	"vigil"
	"vigil/internal/store"
)

// load appends n events of hospitals' everyday life: AuditEvents of R4 and
// documents of applications, half and half, over 30 days, of 5,000 patients and
// 500 users. Logins are one in 200, failures one in 50.
func load(t testing.TB, s store.Store, n int) {
	t.Helper()
	const batch = 1000
	for i := 0; i < n; i += batch {
		var events []*vigil.Event
		for j := i; j < min(i+batch, n); j++ {
			events = append(events, everyday(j, n))
		}
		if err := s.Write(t.Context(), events); err != nil {
			t.Fatal(err)
		}
	}
}

func everyday(i, n int) *vigil.Event {
	at := start.AddDate(0, 0, -30).Add(time.Duration(i) * (30 * 24 * time.Hour / time.Duration(n))).Format(time.RFC3339)
	patient, user := fmt.Sprintf("Patient/p%d", i*7919%5000), fmt.Sprintf("Practitioner/u%d", i*104729%500)
	kind, sub, action, outcome := "rest", "read", "R", "0"
	if i%200 == 7 {
		kind, sub, action = "110114", "110122", "E"
	}
	if i%50 == 3 {
		outcome = "8"
	}
	if i%2 == 0 {
		word := "view"
		if kind != "rest" {
			word = "login"
		}
		doc := fmt.Sprintf(`{"occurred":%q,"event_type":%q,"action":%q,"subject":%q,"agent":{"who":%q,"ip_address":"10.0.0.%d"},"outcome":%q,"source":{"observer":"Device/app","type":"web"},"message":"a record was looked at"}`,
			at, word, word, patient, user, i%250, outcome)
		return &vigil.Event{Table: vigil.TableEvents, Format: vigil.FormatLogserver, Doc: []byte(doc)}
	}
	doc := fmt.Sprintf(`{"resourceType":"AuditEvent","type":{"system":"http://terminology.hl7.org/CodeSystem/audit-event-type","code":%q},"subtype":[{"system":"http://hl7.org/fhir/restful-interaction","code":%q}],"action":%q,"recorded":%q,"outcome":%q,"agent":[{"who":{"reference":%q},"requestor":true,"network":{"address":"10.0.0.%d","type":"2"}}],"source":{"observer":{"reference":"Device/fhir"}},"entity":[{"what":{"reference":%q},"type":{"system":"http://terminology.hl7.org/CodeSystem/audit-entity-type","code":"1"},"role":{"system":"http://terminology.hl7.org/CodeSystem/object-role","code":"1"}},{"what":{"reference":"Observation/o%d"}}]}`,
		kind, sub, action, at, outcome, user, i%250, patient, i%100000)
	return &vigil.Event{Table: vigil.TableAuditEvents, Format: vigil.FormatFHIRR4, Doc: []byte(doc)}
}
