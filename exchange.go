package vigil

import (
	"encoding/json"
	"time"
)

// An Exchange is one HTTP request with its response, as the gateway saw it.
// Aidbox's w_* attributes, Firely's line properties and Oracle's columns are
// views of it, and AuditEvents are made from it. The names of its JSON form are
// kept: stored documents are read by them.
type Exchange struct {
	ID          string `json:"id"`                    // made by Vigil: a [UID], no other exchange has it
	RequestID   string `json:"requestId,omitempty"`   // X-Request-Id: the caller's, else what the gateway sent upstream
	Correlation string `json:"correlation,omitempty"` // X-Correlation-Id, else the trace id of traceparent
	Connection  string `json:"connection,omitempty"`

	Start    time.Time     `json:"start"`
	Duration time.Duration `json:"duration"` // nanoseconds

	Method        string   `json:"method"`
	Route         string   `json:"route,omitempty"`     // such as GET /Patient/?, without the base of the FHIR server
	Host          string   `json:"host,omitempty"`      // as the client asked for it, with the port
	Protocol      string   `json:"protocol,omitempty"`  // HTTP/1.1, HTTP/2.0
	Path          string   `json:"path"`                // escaped, as it went upstream
	RawQuery      string   `json:"query,omitempty"`     // values of tokens and secrets replaced
	Status        int      `json:"status"`              // 0: no response was made
	RequestBytes  int64    `json:"requestBytes"`        // of the body, as sent
	ResponseBytes int64    `json:"responseBytes"`       // of the body, as sent
	Complete      bool     `json:"complete"`            // the response was delivered whole
	Error         string   `json:"error,omitempty"`     // why there was no response, or not the whole of it
	Peer          []string `json:"peer,omitempty"`      // the client first, then each trusted proxy
	Forwarded     []string `json:"forwarded,omitempty"` // addresses that somebody untrusted said it acts for
	UserAgent     string   `json:"userAgent,omitempty"`

	User User `json:"user,omitzero"`

	Interaction string     `json:"interaction,omitempty"` // FHIR's code: read, search-type, …
	Operation   string     `json:"operation,omitempty"`   // name of an operation, with its $
	Type        string     `json:"type,omitempty"`        // resource type
	Key         string     `json:"key,omitempty"`         // resource id
	Version     string     `json:"version,omitempty"`     // resource version
	Compartment string     `json:"compartment,omitempty"` // that a search was limited to: Patient/…
	Condition   string     `json:"condition,omitempty"`   // search of a conditional create, update, patch or delete
	Patients    []string   `json:"patients,omitempty"`    // Patient/… of the request and the answer
	Returned    []string   `json:"returned,omitempty"`    // resources in the answer, with versions
	Search      *Search    `json:"search,omitempty"`      // of searches and histories
	Outcome     string     `json:"outcome,omitempty"`     // text of the OperationOutcome
	Purpose     []string   `json:"purpose,omitempty"`     // codes of the purpose of use
	Entries     []Exchange `json:"entries,omitempty"`     // one for each entry of a batch or transaction
	RolledBack  bool       `json:"rolledBack,omitempty"`  // an entry that was undone because its transaction failed

	// Gateway is the name of the gateway that saw it, Upstream the base URL of the
	// server behind it.
	Gateway  string `json:"gateway,omitempty"`
	Upstream string `json:"upstream,omitempty"`

	// RequestBody and ResponseBody are kept only where a policy asks for them.
	RequestBody  *Body `json:"requestBody,omitempty"`
	ResponseBody *Body `json:"responseBody,omitempty"`

	// Headers has the caller's audit headers that the configuration names.
	Headers map[string]string `json:"headers,omitempty"`
	// Audit is what the caller sent in X-Audit.
	Audit map[string]json.RawMessage `json:"audit,omitempty"`
	// Notes says what the record lacks and why: a body that was cut, or in a
	// coding that cannot be read.
	Notes []string `json:"notes,omitempty"`
}

// Search sums up the answer to a search or a history.
type Search struct {
	Query    string `json:"query,omitempty"`    // parameters, those of a POST _search included, as in a URL
	Total    *int64 `json:"total,omitempty"`    // as the server says; nil where it does not
	Matches  int    `json:"matches"`            // entries of this answer that match
	Includes int    `json:"includes,omitempty"` // entries that came along by _include or _revinclude
	// PageOf is the path and query of the search that this is a further page of.
	PageOf string `json:"pageOf,omitempty"`
}

// User is who sent an Exchange, as the request says it.
type User struct {
	Subject  string `json:"sub,omitempty"`
	Name     string `json:"name,omitempty"`
	Username string `json:"username,omitempty"` // preferred_username, or the user of HTTP Basic
	FHIRUser string `json:"fhirUser,omitempty"`
	Client   string `json:"client,omitempty"` // client_id or azp
	Issuer   string `json:"iss,omitempty"`
	TokenID  string `json:"jti,omitempty"`
	Scope    string `json:"scope,omitempty"`
	// By is how the request said it: bearer, basic, certificate or header.
	By       string `json:"by,omitempty"`
	Verified bool   `json:"verified"` // checked by the gateway: the token's signature, the certificate, or a trusted proxy's word
}

// Body is what is kept of the body of a request or a response: its content
// coding undone, passwords and what else a policy names replaced.
type Body struct {
	MediaType string `json:"mediaType,omitempty"` // as Content-Type says
	Text      string `json:"text,omitempty"`      // where it is UTF-8 text
	Binary    []byte `json:"binary,omitempty"`    // where it is not
	Cut       bool   `json:"cut,omitempty"`       // it was longer than what is kept
}
