package vigil

import "time"

// A Fact is one thing that a document says about who did what to whose record.
type Fact uint8

// The facts beside the time. Their order is not kept anywhere: stores use names.
const (
	FactSeverity Fact = iota
	FactType
	FactSubtype
	FactAction
	FactOutcome
	FactAgent
	FactAgentName
	FactClient
	FactIP
	FactPatient
	FactEntity
	FactSource
	FactSourceType
	FactCorrelation
	FactPurpose
	FactTenant
	NumFacts // how many there are
)

// Facts is what one document says. It is an index, never evidence: it is a
// function of the document, its format and a numbered [Mapping], and may be
// made again at any time.
type Facts struct {
	// Occurred is when it happened; zero where the document has no readable time.
	Occurred time.Time
	// Values has the values of each fact, in the order of the mapping's sources
	// and then of the document, without duplicates and without empty strings.
	Values [NumFacts][]string
}

// A Mapping is how facts are read from documents. Two mappings with the same
// number give the same facts, so the number covers everything that the result
// depends on, the time zone of zone-less times included.
type Mapping interface {
	Number() uint32
	// Facts reads the facts of a document. It never fails: what cannot be read
	// is left empty. It is safe for concurrent use and keeps no part of doc.
	Facts(format Format, doc []byte) Facts
}

// A TimeMapping reads the time alone for less than all facts cost.
type TimeMapping interface {
	Mapping
	// Occurred returns what Facts gives as Occurred.
	Occurred(format Format, doc []byte) time.Time
}
