package balp_test

import (
	"fmt"
	"strings"
	"testing"

	"vigil"
	"vigil/internal/format/fhir/balp"
)

// TestManyPatients loses no patient however few an event may have, and tells in
// no patient's event of another.
func TestManyPatients(t *testing.T) {
	x := &vigil.Exchange{
		ID: "id-1", Method: "GET", Path: "/fhir/Patient", Status: 200, Complete: true, Interaction: "search-type",
		Type: "Patient", Search: &vigil.Search{Matches: 25},
	}
	for i := range 25 {
		p := fmt.Sprintf("Patient/p-%d.", i)
		x.Patients = append(x.Patients, p)
		x.Returned = append(x.Returned, p+"/_history/1")
	}
	for _, c := range []struct {
		config balp.Config
		events int
	}{
		{balp.Config{}, 1},
		{balp.Config{MaxPatients: 10}, 3},
		{balp.Config{MaxPatients: 10, Firely: true}, 3},
		{balp.Config{PerPatient: true}, 26},
		{balp.Config{PerPatient: true, MaxPatients: 4}, 1 + 4 + 6},
	} {
		events := build(t, balp.New(c.config), x)
		if len(events) != c.events {
			t.Errorf("%+v: %d events, want %d", c.config, len(events), c.events)
		}
		for i, p := range x.Patients {
			told := 0
			for _, e := range events {
				doc := string(e.Doc)
				if strings.Contains(doc, `{"reference":"`+p+`"}`) {
					told++
				}
				alone := strings.Contains(doc, "IHE.BasicAudit.PatientQuery")
				if other := x.Patients[(i+1)%25]; alone && strings.Contains(doc, `"`+p) && strings.Contains(doc, `"`+other) {
					t.Errorf("%+v: an event of %s tells of %s", c.config, p, other)
				}
			}
			if told != 1 {
				t.Errorf("%+v: %s is the patient of %d events", c.config, p, told)
			}
		}
	}
}

// TestNoExchange is an error, not a panic.
func TestNoExchange(t *testing.T) {
	if events, err := balp.New(balp.Config{}).Events(nil); err == nil || events != nil {
		t.Error(events, err)
	}
}

// TestNoSecrets leaves a password of the upstream's URL out.
func TestNoSecrets(t *testing.T) {
	x := &vigil.Exchange{ID: "1", Method: "GET", Path: "/", Status: 200, Upstream: "https://user:secret@fhir.example/fhir?key=secret"}
	for _, shape := range shapes {
		for _, e := range build(t, shape.b, x) {
			if strings.Contains(string(e.Doc), "secret") {
				t.Errorf("%s: %s", shape.name, e.Doc)
			}
		}
	}
}
