package search

import (
	"slices"

	"vigil/internal/format/fhir"
)

// A Type is the type of a search parameter, as in a CapabilityStatement.
type Type string

// The types that AuditEvent's parameters are of.
const (
	Token     Type = "token"
	Date      Type = "date"
	String    Type = "string"
	URI       Type = "uri"
	Reference Type = "reference"
)

// Parameter describes a search parameter for a CapabilityStatement.
type Parameter struct {
	Name       string
	Type       Type
	Definition string // canonical URL
	Doc        string
}

// Parameters returns the parameters that searches of a version may have, those of
// every resource first. Chains on .identifier are among them, as agent.identifier.
func Parameters(v fhir.Version) []Parameter {
	var out []Parameter
	for _, p := range parametersOf(v) {
		out = append(out, Parameter{Name: p.name, Type: p.typ, Definition: p.definition, Doc: p.doc})
		if p.typ == Reference {
			out = append(out, Parameter{
				Name: p.name + ".identifier", Type: Token, Definition: p.definition,
				Doc: p.doc + " By the business identifier in the reference.",
			})
		}
	}
	return out
}

// parameter is one line of the tables: where in an AuditEvent its values are.
type parameter struct {
	name       string
	typ        Type
	paths      [][]string // from the AuditEvent
	systems    []string   // that a code, which has none, is of
	targets    []string   // types that an id alone may be of; nil is every type
	patients   bool       // only references to patients count
	canonical  bool       // a version may follow the URI
	fragment   bool       // a fragment may follow the URI
	definition string
	doc        string
}

const (
	definitions = "http://hl7.org/fhir/SearchParameter/"
	ofAudit     = definitions + "AuditEvent-"
	ofResource  = definitions + "Resource-"
	ofClinical  = definitions + "clinical-"
)

func at(paths ...[]string) [][]string { return paths }

var (
	agentTypesR4 = []string{"Practitioner", "Organization", "Device", "Patient", "PractitionerRole", "RelatedPerson"}
	agentTypesR5 = []string{"Organization", "CareTeam", "Device", "RelatedPerson", "PractitionerRole", "Practitioner", "Patient"}

	actionSystems  = []string{"http://hl7.org/fhir/audit-event-action"}
	outcomeSystems = []string{"http://terminology.hl7.org/CodeSystem/audit-event-outcome", "http://hl7.org/fhir/audit-event-outcome"}
)

// common are the parameters of every resource.
var common = []parameter{
	{name: "_id", typ: Token, paths: at([]string{"id"}), definition: ofResource + "id", doc: "The event's logical id."},
	{name: "_lastUpdated", typ: Date, paths: at([]string{"meta", "lastUpdated"}), definition: ofResource + "lastUpdated", doc: "When the event was taken."},
	{name: "_tag", typ: Token, paths: at([]string{"meta", "tag"}), definition: ofResource + "tag", doc: "A tag, such as that of the event's origin."},
	{name: "_profile", typ: URI, paths: at([]string{"meta", "profile"}), canonical: true, definition: ofResource + "profile", doc: "A profile that the event claims to keep."},
	{name: "_security", typ: Token, paths: at([]string{"meta", "security"}), definition: ofResource + "security", doc: "A security label."},
	{name: "_source", typ: URI, paths: at([]string{"meta", "source"}), fragment: true, definition: ofResource + "source", doc: "Where the event came from."},
}

var (
	action    = parameter{name: "action", typ: Token, paths: at([]string{"action"}), systems: actionSystems, definition: ofAudit + "action", doc: "What was done: C, R, U, D or E."}
	agentRole = parameter{name: "agent-role", typ: Token, paths: at([]string{"agent", "role"}), definition: ofAudit + "agent-role", doc: "The agent's role in the event."}
	policy    = parameter{name: "policy", typ: URI, paths: at([]string{"agent", "policy"}), definition: ofAudit + "policy", doc: "A policy that allowed the event."}
	entity    = parameter{name: "entity", typ: Reference, paths: at([]string{"entity", "what"}), definition: ofAudit + "entity", doc: "What was used."}
	role      = parameter{name: "entity-role", typ: Token, paths: at([]string{"entity", "role"}), definition: ofAudit + "entity-role", doc: "The part that the entity played."}
)

// tableR4 is https://hl7.org/fhir/R4/auditevent.html#search.
var tableR4 = slices.Concat(common, []parameter{
	action,
	{name: "address", typ: String, paths: at([]string{"agent", "network", "address"}), definition: ofAudit + "address", doc: "A network address of an agent."},
	{name: "agent", typ: Reference, paths: at([]string{"agent", "who"}), targets: agentTypesR4, definition: ofAudit + "agent", doc: "Who took part."},
	{name: "agent-name", typ: String, paths: at([]string{"agent", "name"}), definition: ofAudit + "agent-name", doc: "The name of an agent."},
	agentRole,
	{name: "altid", typ: Token, paths: at([]string{"agent", "altId"}), definition: ofAudit + "altid", doc: "Another id of an agent."},
	{name: "date", typ: Date, paths: at([]string{"recorded"}), definition: ofAudit + "date", doc: "When the event was recorded."},
	entity,
	{name: "entity-name", typ: String, paths: at([]string{"entity", "name"}), definition: ofAudit + "entity-name", doc: "The name of an entity."},
	role,
	{name: "entity-type", typ: Token, paths: at([]string{"entity", "type"}), definition: ofAudit + "entity-type", doc: "What kind of thing an entity is."},
	{name: "outcome", typ: Token, paths: at([]string{"outcome"}), systems: outcomeSystems, definition: ofAudit + "outcome", doc: "Whether it succeeded: 0, 4, 8 or 12."},
	{name: "patient", typ: Reference, paths: at([]string{"agent", "who"}, []string{"entity", "what"}), targets: []string{"Patient"}, patients: true, definition: ofAudit + "patient", doc: "A patient among the agents and entities."},
	policy,
	{name: "site", typ: Token, paths: at([]string{"source", "site"}), definition: ofAudit + "site", doc: "The site of the source."},
	{name: "source", typ: Reference, paths: at([]string{"source", "observer"}), targets: agentTypesR4, definition: ofAudit + "source", doc: "Who reported the event."},
	{name: "subtype", typ: Token, paths: at([]string{"subtype"}), definition: ofAudit + "subtype", doc: "What kind of event within the type."},
	{name: "type", typ: Token, paths: at([]string{"type"}), definition: ofAudit + "type", doc: "What kind of event."},
})

// tableR5 is https://hl7.org/fhir/R5/auditevent.html#search. The parameter patient
// also finds patients among agents and entities, where R4 has them: an event sent
// as R4 has no element patient.
var tableR5 = slices.Concat(common, []parameter{
	{name: "_language", typ: Token, paths: at([]string{"language"}), systems: []string{"urn:ietf:bcp:47"}, definition: ofResource + "language", doc: "The language of the event."},
	action,
	{name: "agent", typ: Reference, paths: at([]string{"agent", "who"}), targets: agentTypesR5, definition: ofAudit + "agent", doc: "Who took part."},
	agentRole,
	{name: "based-on", typ: Reference, paths: at([]string{"basedOn"}), targets: []string{"DeviceRequest", "ServiceRequest", "CarePlan", "Task", "MedicationRequest", "ImmunizationRecommendation", "NutritionOrder"}, definition: ofAudit + "based-on", doc: "What the event was done for."},
	{name: "category", typ: Token, paths: at([]string{"category"}), definition: ofAudit + "category", doc: "What kind of event."},
	{name: "code", typ: Token, paths: at([]string{"code"}), definition: ofClinical + "code", doc: "What the event is."},
	{name: "date", typ: Date, paths: at([]string{"recorded"}), definition: ofClinical + "date", doc: "When the event was recorded."},
	{name: "encounter", typ: Reference, paths: at([]string{"encounter"}), targets: []string{"Encounter"}, definition: ofClinical + "encounter", doc: "The encounter it happened in."},
	entity,
	role,
	{name: "outcome", typ: Token, paths: at([]string{"outcome", "code"}), definition: ofAudit + "outcome", doc: "Whether it succeeded."},
	{name: "patient", typ: Reference, paths: at([]string{"patient"}, []string{"agent", "who"}, []string{"entity", "what"}), targets: []string{"Patient"}, patients: true, definition: ofClinical + "patient", doc: "The patient, also among the agents and entities."},
	policy,
	{name: "purpose", typ: Token, paths: at([]string{"authorization"}, []string{"agent", "authorization"}), definition: ofAudit + "purpose", doc: "What it was done for."},
	{name: "source", typ: Reference, paths: at([]string{"source", "observer"}), targets: agentTypesR5, definition: ofAudit + "source", doc: "Who reported the event."},
})

func parametersOf(v fhir.Version) []parameter {
	if v == fhir.R5 {
		return tableR5
	}
	return tableR4
}

func lookup(v fhir.Version, name string) *parameter {
	table := parametersOf(v)
	for i := range table {
		if table[i].name == name {
			return &table[i]
		}
	}
	return nil
}
