package vigil

import (
	"encoding/json"
	"time"
)

// An Exchange is one HTTP request with its response, as the gateway saw it.
// Aidbox's w_* attributes, Firely's line properties and Oracle's columns are
// views of it, and AuditEvents are made from it.
type Exchange struct {
	ID          string `json:"id"`                    // of the request
	Correlation string `json:"correlation,omitempty"` // X-Correlation-Id
	Connection  string `json:"connection,omitempty"`

	Start    time.Time     `json:"start"`
	Duration time.Duration `json:"duration"` // nanoseconds

	Method        string   `json:"method"`
	Route         string   `json:"route,omitempty"` // such as GET /Patient/?
	Path          string   `json:"path"`
	RawQuery      string   `json:"query,omitempty"`
	Status        int      `json:"status"` // 0: no response was made
	RequestBytes  int64    `json:"requestBytes"`
	ResponseBytes int64    `json:"responseBytes"`
	Complete      bool     `json:"complete"`       // the response was delivered whole
	Peer          []string `json:"peer,omitempty"` // the client first, then each proxy
	UserAgent     string   `json:"userAgent,omitempty"`

	User User `json:"user,omitzero"`

	Interaction string     `json:"interaction,omitempty"` // FHIR's code: read, search-type, …
	Type        string     `json:"type,omitempty"`        // resource type
	Key         string     `json:"key,omitempty"`         // resource id
	Version     string     `json:"version,omitempty"`     // resource version
	Patients    []string   `json:"patients,omitempty"`    // Patient/… of the request and the answer
	Returned    []string   `json:"returned,omitempty"`    // resources in the answer, with versions
	Outcome     string     `json:"outcome,omitempty"`     // text of the OperationOutcome
	Purpose     []string   `json:"purpose,omitempty"`     // purpose of use
	Entries     []Exchange `json:"entries,omitempty"`     // one for each entry of a bundle

	// Audit is what the caller sent in X-Audit.
	Audit map[string]json.RawMessage `json:"audit,omitempty"`
}

// User is who sent an Exchange, as the request says it.
type User struct {
	Subject  string `json:"sub,omitempty"`
	Name     string `json:"name,omitempty"`
	FHIRUser string `json:"fhirUser,omitempty"`
	Client   string `json:"client,omitempty"`
	Issuer   string `json:"iss,omitempty"`
	TokenID  string `json:"jti,omitempty"`
	Verified bool   `json:"verified"` // the token's signature was checked
}
