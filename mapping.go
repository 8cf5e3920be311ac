package vigil

import (
	"hash/fnv"
	"slices"
	"time"
)

// MappingVersion is the number of the table that [Properties] returns. Every
// change that could give any document other facts raises it by one, so that
// indexes made before are not used until they are made again.
const MappingVersion = 1

// MappingNumber is the number of the mapping of this version with the given zone
// for times that name none: the version in the upper 16 bits, and 16 bits that
// depend on the zone's name and offsets.
func MappingNumber(zone *time.Location) uint32 {
	h := fnv.New32a()
	h.Write([]byte(zone.String()))
	for _, month := range []time.Month{time.January, time.July} {
		_, offset := time.Date(2025, month, 1, 0, 0, 0, 0, zone).Zone()
		h.Write([]byte{byte(offset >> 16), byte(offset >> 8), byte(offset)})
	}
	sum := h.Sum32()
	return MappingVersion<<16 | (sum>>16^sum)&0xffff
}

// A Vocabulary is a way to spell facts. It is finer than a [Format]: documents
// that applications post are of several vocabularies, told apart by their shape.
type Vocabulary uint8

// The vocabularies of the mapping. Vigil's own doings are spelled as
// logserver's schema says.
const (
	Logserver   Vocabulary = iota // logserver's schema in all its generations
	Keycloak                      // an event or admin event of Keycloak
	KeycloakLog                   // a line of Keycloak's log (Quarkus JSON)
	Aidbox                        // a line of Aidbox's log
	FHIRR4                        // an AuditEvent of FHIR R4
	FHIRR5                        // an AuditEvent of FHIR R5
	Exchanges                     // an [Exchange]
	NumVocabularies
)

// String returns the name of v in the documentation.
func (v Vocabulary) String() string {
	names := [NumVocabularies]string{"logserver", "Keycloak event", "Keycloak log", "Aidbox", "FHIR R4", "FHIR R5", "exchange"}
	if v >= NumVocabularies {
		return "unknown"
	}
	return names[v]
}

// A Reading says how the value at a [Source] becomes a fact.
type Reading uint8

// The readings. Each of them takes strings, numbers and booleans, and passes
// over null, empty strings and what it cannot read.
const (
	AsText        Reading = iota // the value itself
	AsTime                       // a time: ISO 8601, Python's asctime, seconds or milliseconds since 1970
	AsSeverity                   // critical, error, warning, info or debug
	AsAction                     // create, read, update, delete, execute, login or logout; other words in lower case
	AsKnownAction                // the same without other words
	AsSession                    // login or logout, nothing else
	AsOutcome                    // 0, 4, 8 or 12 for FHIR's codes and for HTTP statuses; other text as it is
	AsAddresses                  // network addresses separated by commas
	AsReference                  // Type/id of a reference, without server and version; other text as it is
	AsPatient                    // the same, of patients only
	AsPatientName                // the same, and text or an object with a patient's id or name
	AsNoPatient                  // the same, of everything but patients
)

// Source is a place in a document.
type Source struct {
	// Path leads from the document to the value: keys between dots, in quotes
	// where they have a dot in them. After a key, [] means each element of an
	// array, or the value itself where it is none. Empty is the document itself.
	Path string
	As   Reading
	// Else says that the place counts only where the ones before it gave nothing.
	Else bool
}

// Property is one line of the mapping: what documents say, and the name that
// each vocabulary has for it. The conversions, the indexed facts, the system
// columns and docs/mapping.md are made from it.
type Property struct {
	Fact   Fact   // NumFacts for the time
	Name   string // as in the documentation
	Column string // system column
	List   bool   // the column holds every value, else the first one
	Doc    string
	From   [NumVocabularies][]Source
}

// Properties returns the mapping: the time, then each fact in the order of the
// columns. The Sources are shared and must not be changed.
func Properties() []Property { return slices.Clone(properties) }

// String returns the name of f, such as agent_name.
func (f Fact) String() string {
	for i := range properties {
		if properties[i].Fact == f {
			return properties[i].Name
		}
	}
	return "unknown"
}

// The sources of one vocabulary are in the order of preference. Values keep that
// order, and the document's within one source, so that a store that keeps no
// order of keys finds the same facts.
var properties = []Property{
	{
		Fact: NumFacts, Name: "occurred", Column: "_occurred",
		Doc: "When it happened.",
		From: [NumVocabularies][]Source{
			Logserver: {
				{Path: "event_time", As: AsTime},
				{Path: "occurred", As: AsTime},
				{Path: "created_at", As: AsTime},
				{Path: "asctime", As: AsTime},
				{Path: "timestamp", As: AsTime},
			},
			Keycloak:    {{Path: "time", As: AsTime}, {Path: "timestamp", As: AsTime}},
			KeycloakLog: {{Path: "timestamp", As: AsTime}},
			Aidbox:      {{Path: "ts", As: AsTime}, {Path: "@timestamp", As: AsTime}, {Path: "timestamp", As: AsTime}, {Path: "timeUnix", As: AsTime}},
			FHIRR4:      {{Path: "recorded", As: AsTime}, {Path: "period.start", As: AsTime}},
			FHIRR5:      {{Path: "recorded", As: AsTime}, {Path: "occurredDateTime", As: AsTime}, {Path: "occurredPeriod.start", As: AsTime}},
			Exchanges:   {{Path: "start", As: AsTime}},
		},
	},
	{
		Fact: FactSeverity, Name: "severity", Column: "_severity",
		Doc: "How grave it is: critical (also emergency and alert), error, warning, info (also notice) or debug.",
		From: [NumVocabularies][]Source{
			Logserver:   {{Path: "severity", As: AsSeverity}, {Path: "level", As: AsSeverity, Else: true}, {Path: "levelname", As: AsSeverity, Else: true}},
			KeycloakLog: {{Path: "level", As: AsSeverity}},
			Aidbox:      {{Path: "lvl", As: AsSeverity}, {Path: "severity", As: AsSeverity, Else: true}},
			FHIRR5:      {{Path: "severity", As: AsSeverity}},
		},
	},
	{
		Fact: FactType, Name: "type", Column: "_type",
		Doc: "What kind of event it is.",
		From: [NumVocabularies][]Source{
			Logserver:   {{Path: "event_type"}, {Path: "type"}, {Path: "tags[]"}},
			Keycloak:    {{Path: "type"}, {Path: "operationType"}},
			KeycloakLog: {{Path: "loggerName"}},
			Aidbox:      {{Path: "ev"}, {Path: "type"}},
			FHIRR4:      {{Path: "type.code"}},
			FHIRR5:      {{Path: "category[].coding[].code"}},
			Exchanges:   {{Path: "interaction"}},
		},
	},
	{
		Fact: FactSubtype, Name: "subtype", Column: "_subtype",
		Doc: "What kind within the type.",
		From: [NumVocabularies][]Source{
			Logserver: {{Path: "subtype"}, {Path: "entity.detail[].controller"}},
			Keycloak:  {{Path: "resourceType"}, {Path: "details.auth_method"}},
			Aidbox:    {{Path: "op"}, {Path: "w_r"}},
			FHIRR4:    {{Path: "subtype[].code"}},
			FHIRR5:    {{Path: "code.coding[].code"}},
			Exchanges: {{Path: "route"}, {Path: "method"}},
		},
	},
	{
		Fact: FactAction, Name: "action", Column: "_action",
		Doc: "What was done: create, read, update, delete, execute (also a search), login or logout.",
		From: [NumVocabularies][]Source{
			Logserver: {
				{Path: "action", As: AsAction},
				{Path: "event_type", As: AsKnownAction, Else: true},
				{Path: "tags[]", As: AsKnownAction, Else: true},
			},
			Keycloak: {{Path: "type", As: AsAction}, {Path: "operationType", As: AsAction}},
			Aidbox:   {{Path: "ev", As: AsKnownAction}, {Path: "op", As: AsKnownAction, Else: true}, {Path: "w_m", As: AsKnownAction, Else: true}},
			// A login is an execution with a subtype of its own in FHIR.
			FHIRR4:    {{Path: "subtype[].code", As: AsSession}, {Path: "action", As: AsAction, Else: true}},
			FHIRR5:    {{Path: "code.coding[].code", As: AsSession}, {Path: "action", As: AsAction, Else: true}},
			Exchanges: {{Path: "interaction", As: AsKnownAction}, {Path: "method", As: AsKnownAction, Else: true}},
		},
	},
	{
		Fact: FactOutcome, Name: "outcome", Column: "_outcome",
		Doc: "How it ended: FHIR's codes 0 (success), 4, 8 and 12 (ever graver failures), or text.",
		From: [NumVocabularies][]Source{
			Logserver: {{Path: "outcome", As: AsOutcome}},
			Keycloak:  {{Path: "error"}},
			Aidbox:    {{Path: "w_st", As: AsOutcome}, {Path: "httpRequest.status", As: AsOutcome}, {Path: "err"}},
			FHIRR4:    {{Path: "outcome", As: AsOutcome}, {Path: "outcomeDesc"}},
			FHIRR5:    {{Path: "outcome.code.code", As: AsOutcome}, {Path: "outcome.detail[].text"}},
			Exchanges: {{Path: "status", As: AsOutcome}, {Path: "outcome"}},
		},
	},
	{
		Fact: FactAgent, Name: "agent", Column: "_agent", List: true,
		Doc: "Who did it: references and identifiers of people, systems and devices.",
		From: [NumVocabularies][]Source{
			Logserver: {
				{Path: "agent[].who", As: AsReference},
				{Path: "user", As: AsReference},
				{Path: "user.username"},
				{Path: "user.DEA"},
				{Path: "user_id", As: AsReference},
				{Path: "subject[]", As: AsNoPatient, Else: true},
			},
			Keycloak:  {{Path: "userId"}, {Path: "authDetails.userId"}},
			Aidbox:    {{Path: "w_uid"}},
			FHIRR4:    {{Path: "agent[].who.reference", As: AsReference}, {Path: "agent[].who.identifier.value"}, {Path: "agent[].who.id"}, {Path: "agent[].altId"}},
			FHIRR5:    {{Path: "agent[].who.reference", As: AsReference}, {Path: "agent[].who.identifier.value"}},
			Exchanges: {{Path: "user.fhirUser", As: AsReference}, {Path: "user.sub"}},
		},
	},
	{
		Fact: FactAgentName, Name: "agent_name", Column: "_agent_name", List: true,
		Doc: "What they are called.",
		From: [NumVocabularies][]Source{
			Logserver: {{Path: "agent[].name"}, {Path: "user.username"}, {Path: "user.name"}},
			Keycloak:  {{Path: "details.username"}},
			FHIRR4:    {{Path: "agent[].name"}, {Path: "agent[].who.display"}},
			FHIRR5:    {{Path: "agent[].who.display"}},
			Exchanges: {{Path: "user.name"}},
		},
	},
	{
		Fact: FactClient, Name: "client", Column: "_client",
		Doc: "The application that acted for them.",
		From: [NumVocabularies][]Source{
			Logserver: {{Path: "agent[].client"}, {Path: "client_id"}},
			Keycloak:  {{Path: "clientId"}, {Path: "authDetails.clientId"}},
			Aidbox:    {{Path: "w_cid"}},
			Exchanges: {{Path: "user.client"}},
		},
	},
	{
		Fact: FactIP, Name: "ip", Column: "_ip", List: true,
		Doc: "Network addresses they came from, the client's first.",
		From: [NumVocabularies][]Source{
			Logserver: {{Path: "agent[].ip_address", As: AsAddresses}, {Path: "ip_address", As: AsAddresses}},
			Keycloak:  {{Path: "ipAddress", As: AsAddresses}, {Path: "authDetails.ipAddress", As: AsAddresses}},
			Aidbox:    {{Path: "w_addr", As: AsAddresses}, {Path: "w_ip", As: AsAddresses}, {Path: "httpRequest.remoteIp", As: AsAddresses}},
			FHIRR4:    {{Path: "agent[].network.address"}},
			FHIRR5:    {{Path: "agent[].networkString"}, {Path: "agent[].networkUri"}, {Path: "agent[].networkReference.display"}},
			Exchanges: {{Path: "peer[]"}},
		},
	},
	{
		Fact: FactPatient, Name: "patient", Column: "_patient", List: true,
		Doc: "Patients whose record it is about, as Patient/id; where a document has only a name, that.",
		From: [NumVocabularies][]Source{
			Logserver: {
				{Path: "subject[]", As: AsPatient},
				{Path: "patient[]", As: AsPatientName},
				{Path: "patient_id", As: AsPatientName},
				{Path: "resource", As: AsPatient},
				{Path: "entity.what", As: AsPatient},
			},
			Aidbox:    {{As: AsPatient}, {Path: "w_url", As: AsPatient}, {Path: "httpRequest.requestUrl", As: AsPatient}},
			FHIRR4:    {{Path: "entity[].what", As: AsPatient}, {Path: "agent[].who", As: AsPatient}},
			FHIRR5:    {{Path: "patient", As: AsPatient}, {Path: "entity[].what", As: AsPatient}, {Path: "agent[].who", As: AsPatient}},
			Exchanges: {{Path: "patients[]", As: AsPatient}, {As: AsPatient}, {Path: "entries[].patients[]", As: AsPatient}, {Path: "entries[]", As: AsPatient}},
		},
	},
	{
		Fact: FactEntity, Name: "entity", Column: "_entity", List: true,
		Doc: "What was used: references and identifiers of resources, files and other objects.",
		From: [NumVocabularies][]Source{
			Logserver: {
				{Path: "subject[]", As: AsReference},
				{Path: "resource", As: AsReference},
				{Path: "CommunicationRequest", As: AsReference},
				{Path: "Communication", As: AsReference},
				{Path: "entity.what", As: AsReference},
				{Path: "entity.detail[].url"},
				{Path: "entity.detail[].shl"},
				{Path: "entity.detail[].table"},
			},
			Keycloak: {{Path: "resourcePath"}},
			Aidbox:   {{As: AsReference}, {Path: "w_url", As: AsReference}, {Path: "httpRequest.requestUrl", As: AsReference}},
			FHIRR4: {
				{Path: "entity[].what", As: AsReference}, {Path: "entity[].what.identifier.value"}, {Path: "entity[].name"},
			},
			FHIRR5:    {{Path: "entity[].what", As: AsReference}, {Path: "entity[].what.identifier.value"}},
			Exchanges: {{As: AsReference}, {Path: "returned[]", As: AsReference}, {Path: "path", As: AsReference}, {Path: "entries[]", As: AsReference}, {Path: "entries[].returned[]", As: AsReference}},
		},
	},
	{
		Fact: FactSource, Name: "source", Column: "_source",
		Doc: "The system that reports it.",
		From: [NumVocabularies][]Source{
			Logserver:   {{Path: "source.observer"}, {Path: "system-name"}, {Path: "name"}},
			KeycloakLog: {{Path: "hostName"}},
			Aidbox:      {{Path: "bname"}},
			FHIRR4:      {{Path: "source.observer.reference", As: AsReference}, {Path: "source.observer.identifier.value"}, {Path: "source.observer.display"}},
			FHIRR5:      {{Path: "source.observer.reference", As: AsReference}, {Path: "source.observer.identifier.value"}, {Path: "source.observer.display"}},
		},
	},
	{
		Fact: FactSourceType, Name: "source_type", Column: "_source_type",
		Doc: "What kind of system that is.",
		From: [NumVocabularies][]Source{
			Logserver:   {{Path: "source.type"}, {Path: "source_system"}},
			KeycloakLog: {{Path: "processName"}},
			FHIRR4:      {{Path: "source.type[].code"}},
			FHIRR5:      {{Path: "source.type[].coding[].code"}},
		},
	},
	{
		Fact: FactCorrelation, Name: "correlation", Column: "_correlation",
		Doc: "What ties events of one request or session together.",
		From: [NumVocabularies][]Source{
			Logserver: {
				{Path: "correlation"}, {Path: "authSessionID"}, {Path: "entity.detail[].shl_session"}, {Path: "entity.detail[].session_id"},
			},
			Keycloak:  {{Path: "sessionId"}},
			Aidbox:    {{Path: "w_corr_id"}, {Path: "ctx"}, {Path: "operation.id"}},
			Exchanges: {{Path: "correlation"}, {Path: "id"}},
		},
	},
	{
		Fact: FactPurpose, Name: "purpose", Column: "_purpose", List: true,
		Doc: "What it was done for.",
		From: [NumVocabularies][]Source{
			Logserver: {{Path: "purpose[]"}, {Path: "agent[].purpose[]"}},
			FHIRR4:    {{Path: "purposeOfEvent[].coding[].code"}, {Path: "agent[].purposeOfUse[].coding[].code"}},
			FHIRR5:    {{Path: "authorization[].coding[].code"}, {Path: "agent[].authorization[].coding[].code"}},
			Exchanges: {{Path: "purpose[]"}},
		},
	},
	{
		Fact: FactTenant, Name: "tenant", Column: "_tenant",
		Doc: "The site, realm or box that it happened in.",
		From: [NumVocabularies][]Source{
			Logserver: {{Path: "clinical-site"}, {Path: "tenant"}},
			Keycloak:  {{Path: "realmId"}, {Path: "authDetails.realmId"}},
			Aidbox:    {{Path: "tn"}},
			FHIRR4:    {{Path: "source.site"}},
			FHIRR5:    {{Path: "source.site.display"}, {Path: "source.site.reference"}},
		},
	},
}
