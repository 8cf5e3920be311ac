package bench

import (
	"fmt"
	"math/rand/v2"
)

// TypeSystem is the code system of the types that only [AuditEvents.Mixed] uses.
const TypeSystem = "https://audit.example/types"

// mixedTypes is how many types of that system there are, from frequent to rare.
const mixedTypes = 200

// AuditEvents makes synthetic AuditEvents of R4, of about 2.1 KB, as a FHIR
// server with BALP sends them. They are the same for the same seed; patients and
// users are those of [Events].
type AuditEvents struct {
	Events
	types *rand.Zipf
}

// NewAuditEvents returns a generator.
func NewAuditEvents(seed uint64) *AuditEvents {
	g := &AuditEvents{Events: *NewEvents(seed, true)}
	g.types = rand.NewZipf(g.rnd, 1.1, 2, mixedTypes-1)
	return g
}

// Read appends an event of the profile PatientRead to b.
func (g *AuditEvents) Read(b []byte) []byte {
	return g.event(b, `"profile":["https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit.PatientRead"],`,
		"http://terminology.hl7.org/CodeSystem/audit-event-type", "rest", "0")
}

// Mixed appends an event as a site with several systems has them: reads of a
// patient, and a fifth of other types, which claim no profile; some failures.
func (g *AuditEvents) Mixed(b []byte) []byte {
	outcome := "0"
	switch n := g.rnd.IntN(5000); {
	case n == 0:
		outcome = "12"
	case n < 50:
		outcome = "8"
	case n < 250:
		outcome = "4"
	}
	if g.rnd.IntN(5) == 0 {
		return g.event(b, "", TypeSystem, fmt.Sprintf("type-%d", g.types.Uint64()), outcome)
	}
	if outcome == "0" {
		return g.Read(b)
	}
	return g.event(b, "", "http://terminology.hl7.org/CodeSystem/audit-event-type", "rest", outcome)
}

func (g *AuditEvents) event(b []byte, profile, system, code, outcome string) []byte {
	g.step()
	patient, user := g.patients.Uint64(), g.users.Uint64()
	b = fmt.Appendf(b, `{"resourceType":"AuditEvent","meta":{%s"source":"#bench"},`+
		`"type":{"system":"%s","code":"%s"},"subtype":[{"system":"http://hl7.org/fhir/restful-interaction","code":"read"}],`+
		`"action":"R","recorded":"%s","outcome":"%s","agent":[`, profile, system, code, g.at.Format("2006-01-02T15:04:05.000Z"), outcome)
	b = fmt.Appendf(b, `{"type":{"coding":[{"system":"http://dicom.nema.org/resources/ontology/DCM","code":"110152"}]},`+
		`"who":{"identifier":{"system":"https://issuer.example.org","value":"%s"},"display":"Synthetic App"},"requestor":false,"network":{"address":"10.%d.%d.%d","type":"2"}},`,
		pick(&g.Events, "sample-ehr", "sample-portal", "sample-client"), g.rnd.IntN(4), g.rnd.IntN(255), g.rnd.IntN(255))
	b = append(b, `{"type":{"coding":[{"system":"http://dicom.nema.org/resources/ontology/DCM","code":"110153"}]},`+
		`"who":{"display":"https://fhir.example.org/r4"},"requestor":false,"network":{"address":"https://fhir.example.org/r4","type":"5"}},`...)
	b = fmt.Appendf(b, `{"type":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ParticipationType","code":"IRCP"}]},`+
		`"who":{"reference":"Practitioner/%d","identifier":{"system":"https://issuer.example.org","value":"user-%d"},"display":"Synthetic Practitioner"},"requestor":true,`+
		`"policy":["urn:ietf:params:oauth:jti:%s"]}],`, user, user, g.random(16))
	b = fmt.Appendf(b, `"source":{"site":"%s","observer":{"reference":"Device/synthetic-server"},"type":[{"system":"http://terminology.hl7.org/CodeSystem/security-source-type","code":"4"}]},`,
		pick(&g.Events, "north", "south", "east", "west", "harbour", "valley"))
	return fmt.Appendf(b, `"entity":[{"what":{"reference":"Observation/%s/_history/1"},"type":{"system":"http://terminology.hl7.org/CodeSystem/audit-entity-type","code":"2","display":"System Object"},`+
		`"role":{"system":"http://terminology.hl7.org/CodeSystem/object-role","code":"4","display":"Domain Resource"}},`+
		`{"what":{"reference":"Patient/%d"},"type":{"system":"http://terminology.hl7.org/CodeSystem/audit-entity-type","code":"1","display":"Person"},`+
		`"role":{"system":"http://terminology.hl7.org/CodeSystem/object-role","code":"1","display":"Patient"}},`+
		`{"what":{"identifier":{"value":"%s"}},"type":{"system":"https://profiles.ihe.net/ITI/BALP/CodeSystem/BasicAuditEntityType","code":"XrequestId"}}]}`,
		g.random(8), patient, g.random(16))
}

// array appends a JSON array of n rows for a table, whose documents next appends.
func array(b []byte, n int, next func([]byte) []byte) []byte {
	b = append(b, '[')
	for i := range n {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(next(append(b, `{"event": `...)), '}')
	}
	return append(b, ']')
}

// bundle appends a Bundle of n creates.
func (g *AuditEvents) bundle(b []byte, kind string, n int) []byte {
	b = fmt.Appendf(b, `{"resourceType":"Bundle","type":"%s","entry":[`, kind)
	for i := range n {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(g.Read(append(b, `{"resource":`...)), `,"request":{"method":"POST","url":"AuditEvent"}}`...)
	}
	return append(b, "]}"...)
}
