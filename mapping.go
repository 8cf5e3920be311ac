package vigil

import (
	"hash/fnv"
	"slices"
	"time"
)

// MappingVersion is the number of the table that [Properties] returns. Every
// change that could give any document other facts raises it by one, so that
// indexes made before are not used until they are made again.
const MappingVersion = 3

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
	FHIRR3                        // an AuditEvent of FHIR R3, which comes as R4
	Exchanges                     // an [Exchange]
	CLEF                          // a compact log event of Serilog's
	NumVocabularies
)

// String returns the name of v in the documentation.
func (v Vocabulary) String() string {
	names := [NumVocabularies]string{"logserver", "Keycloak event", "Keycloak log", "Aidbox", "FHIR R4", "FHIR R5", "FHIR R3", "exchange", "CLEF"}
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
	// Where narrows the place to elements that say something; the zero Where does not.
	Where Where
	// Else says that the place counts only where the ones before it gave nothing.
	Else bool
}

// Where is a condition on the elements on the way to a [Source]: agents of a
// type, extensions with a URL. At and Has are paths as in Source, Has from At on.
type Where struct {
	At  string // the elements: where a Source's Path begins
	Has string // the place of a text in them
	Is  string // that text
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
	// Names has the names in vocabularies that are written, described or asked
	// for, but not read; empty where there is none.
	Names [NumNamings]string
}

// A Naming is a vocabulary of which the mapping has only names.
type Naming uint8

// The namings. Section numbers of ASTM E2147-18 are there where 45 CFR 170.210
// and ONC's guidance on it tell them.
const (
	ASTM   Naming = iota // elements of an audit log by ASTM E2147-18, section 7.1
	DICOM                // DICOM PS3.15 A.5 audit messages, and RFC 3881 where it differs
	Syslog               // the header of RFC 5424
	Firely               // properties of Firely Server's audit log
	Oracle               // columns of OHF_HDR_FHIR_AUDIT
	NumNamings
)

// String returns the name of n in the documentation.
func (n Naming) String() string {
	names := [NumNamings]string{"ASTM E2147-18", "DICOM, RFC 3881", "syslog", "Firely", "Oracle HDR"}
	if n >= NumNamings {
		return "unknown"
	}
	return names[n]
}

// FactDetail returns the type of the entity.detail of an AuditEvent that holds
// values of f. Conversion makes such details for what FHIR's own elements cannot
// say, or not in this order.
func FactDetail(f Fact) string { return factDetail + f.String() }

const factDetail = "vigil:"

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
