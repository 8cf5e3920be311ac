package vigil

import "time"

// A Format names the vocabulary a document is written in.
type Format string

// The formats known to this module. A store keeps the name with the document.
const (
	FormatLogserver Format = "logserver" // an application's JSON document; any valid JSON
	FormatFHIRR4    Format = "fhir-r4"   // a FHIR R4 AuditEvent
	FormatFHIRR5    Format = "fhir-r5"   // a FHIR R5 AuditEvent
	FormatAidbox    Format = "aidbox"    // a line of Aidbox's log
	FormatCLEF      Format = "clef"      // a compact log event of Serilog's, as Seq takes it
	FormatExchange  Format = "exchange"  // an [Exchange] as the gateway saw it
	FormatDICOM     Format = "dicom"     // a DICOM or RFC 3881 audit message
	FormatSyslog    Format = "syslog"    // any other syslog message
	FormatSystem    Format = "vigil"     // Vigil's own doings
)

// The built-in tables. Configuration may name more.
const (
	TableEvents      = "events"       // applications' JSON: the logserver table
	TableAuditEvents = "audit_events" // FHIR AuditEvents
	TableExchanges   = "exchanges"    // the gateway's HTTP transactions
	TableLogs        = "logs"         // $loggy and other lines
	TableSystem      = "system"       // Vigil's own doings: the log of the log
	TableQuarantine  = "quarantine"   // what could not be understood, with the reason
)

// Tables returns the names of the built-in tables.
func Tables() []string {
	return []string{TableEvents, TableAuditEvents, TableExchanges, TableLogs, TableSystem, TableQuarantine}
}

// FormatOf returns the format of documents that come to a table as JSON without
// a word about what they are.
func FormatOf(table string) Format {
	switch table {
	case TableAuditEvents:
		return FormatFHIRR4
	case TableExchanges:
		return FormatExchange
	case TableLogs:
		return FormatAidbox
	case TableSystem:
		return FormatSystem
	}
	return FormatLogserver
}

// An Event is one audit document with what Vigil knows about it.
//
// The maker of an Event fills the first group of fields; a store fills the
// second when it has taken the event. After that nobody changes any of it: an
// Event that a store returned may be shared between goroutines.
type Event struct {
	Table  string
	Format Format
	// Doc is the document as it was received: its exact bytes. For JSON formats
	// it is one valid JSON value. The Event owns the slice. A store that keeps the
	// document's text alone puts that here, and sets Canonical.
	Doc []byte
	// Sender is who handed the event over, set by the listener that took it,
	// never from the document. Nil is an unknown sender.
	Sender *Sender
	// WantID is the id that the sender asked for; 0 asks for none.
	WantID int64

	// ID is the row's number in its table: increasing, never reused.
	ID int64
	// Index is the event's place in the Merkle log of its store, from 0.
	Index int64
	// Epoch is the log's epoch in which the event was taken, from 1.
	Epoch int
	// UID is made by Vigil: the FHIR id, and what other systems may hold on to.
	UID UID
	// Received is the wall clock when the event was taken, whole microseconds, UTC.
	Received time.Time
	// SourceID is the id that an imported row had where it could not be kept; 0: none.
	SourceID int64
	// Salt is mixed into the event's commitment in the log, so that a leaf
	// tells nothing about a document that has been erased.
	Salt [16]byte
	// Canonical says that Doc is not what was received but its text as
	// PostgreSQL's jsonb prints it, and that the log commits to that text.
	Canonical bool
	// Erased says that the document was removed, by retention or erasure: Doc,
	// Sender and Salt are empty, and Commitment is what the log has of them. Only
	// those who read the whole log meet such an event.
	Erased     bool
	Commitment [32]byte
}

// Sender is who handed an event over, as the listener knows it. It is stored
// with the event and committed to in the Merkle log.
type Sender struct {
	Subject       string `json:"sub,omitempty"`      // of the token or the certificate
	Issuer        string `json:"iss,omitempty"`      // of the token
	Client        string `json:"client,omitempty"`   // client_id or azp, or the Basic user
	KeyID         string `json:"kid,omitempty"`      // key that verified the token, or the certificate's fingerprint
	Role          string `json:"role,omitempty"`     // role the request acted in
	Listener      string `json:"listener,omitempty"` // how it came: http, fhir, loggy, syslog, gateway, import, vigil
	Peer          string `json:"peer,omitempty"`     // IP address, without the port
	Authenticated bool   `json:"authenticated"`
}
