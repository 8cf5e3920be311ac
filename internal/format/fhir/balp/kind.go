package balp

import (
	"net/http"
	"strings"

	"vigil"
)

// A family is whose part it is to send and to receive, which decides the types of
// the agents.
type family uint8

const (
	writes  family = iota // the client is the source: 110153, the server the destination: 110152
	reads                 // the other way round
	deletes               // the client is an application: 110150, the server the custodian
	logs                  // login and its like: the server is an authorization service
)

// A kind is what BALP and FHIR say about one interaction.
type kind struct {
	code    string // FHIR's restful-interaction; empty: none
	action  byte
	profile string // of BALP, without Patient; empty: there is none
	family  family
	data    bool // it is about one resource, which the event names
	query   bool // what was asked for is in the event as it was sent
}

// kinds are FHIR's interactions. Which action stands for what is the table in
// the notes of R4's AuditEvent.
var kinds = [...]kind{
	{code: "read", action: 'R', profile: "Read", family: reads, data: true},
	{code: "search-type", action: 'E', profile: "Query", query: true},
	{code: "create", action: 'C', profile: "Create", data: true},
	{code: "update", action: 'U', profile: "Update", data: true},
	{code: "patch", action: 'U', profile: "Update", data: true},
	{code: "delete", action: 'D', profile: "Delete", family: deletes, data: true},
	{code: "vread", action: 'R', profile: "Read", family: reads, data: true},
	{code: "search-system", action: 'E', profile: "Query", query: true},
	{code: "search", action: 'E', profile: "Query", query: true},
	{code: "history-instance", action: 'R', family: reads, query: true, data: true},
	{code: "history-type", action: 'R', family: reads, query: true},
	{code: "history-system", action: 'R', family: reads, query: true},
	{code: "history", action: 'R', family: reads, query: true},
	{code: "operation", action: 'E', data: true},
	{code: "capabilities", action: 'R', family: reads},
	{code: "transaction", action: 'E'},
	{code: "batch", action: 'E'},
}

// Kinds of what is none of FHIR's interactions.
var (
	fetch  = kind{action: 'R', family: reads}
	put    = kind{action: 'U'}
	remove = kind{action: 'D'}
	other  = kind{action: 'E'}
	login  = kind{action: 'E', family: logs}
)

func kindOf(x *vigil.Exchange) *kind {
	if x.Interaction != "" {
		for i := range kinds {
			if kinds[i].code == x.Interaction {
				return &kinds[i]
			}
		}
	}
	if loginSubtype(x) != "" {
		return &login
	}
	switch x.Method {
	case http.MethodGet, http.MethodHead:
		if x.Status != http.StatusSwitchingProtocols {
			return &fetch
		}
	case http.MethodPut, http.MethodPatch:
		return &put
	case http.MethodDelete:
		return &remove
	}
	return &other
}

// loginSubtype returns DICOM's code of a route by which users log in or out, and
// "" for other routes: of those, only the last word is known beforehand.
func loginSubtype(x *vigil.Exchange) string {
	if x.Type != "" || x.Operation != "" || x.Interaction != "" {
		return ""
	}
	path := strings.TrimRight(x.Path, "/")
	switch strings.ToLower(path[strings.LastIndexByte(path, '/')+1:]) {
	case "token", "login", "signin":
		if x.Method == http.MethodPost {
			return "110122"
		}
	case "authorize":
		return "110122"
	case "logout", "signout", "revoke", "end_session":
		return "110123"
	}
	return ""
}

// judge decides what a says happened, but for the profile.
func (a *account) judge(whole *vigil.Exchange) {
	a.kind = kindOf(a.Exchange)
	a.action = a.kind.action
	a.outcome = outcomeOf(a, whole)
	switch {
	case a.outcome != "0":
	case a.kind.code == "update" && a.Status == http.StatusCreated:
		a.action = 'C'
	case a.found():
		a.action = 'E'
	}
}

// found reports whether a conditional create found what was to be created, and
// made nothing.
func (a *account) found() bool {
	return a.kind.code == "create" && a.Condition != "" && a.Status == http.StatusOK
}

// outcomeOf returns FHIR's code: 0 success, 4 the caller's failure, 8 the
// server's, 12 no answer from the server at all.
func outcomeOf(a *account, whole *vigil.Exchange) string {
	switch s := a.Status; {
	case s < 100 && a.entry >= 0 && whole.Status >= 200:
		return "8" // an entry about which the answer says nothing
	case s < 100:
		return "12"
	case s >= 502 && s <= 504 && whole.Error != "":
		return "12"
	case s >= 500:
		return "8"
	case s >= 400 || a.RolledBack:
		return "4"
	case !a.Complete && a.discloses():
		return "4"
	}
	return "0"
}

// discloses reports whether the point of it is what the answer says.
func (a *account) discloses() bool {
	switch a.kind.family {
	case writes:
		return a.kind.query
	case reads:
		return true
	}
	return false
}

// claim decides which profile of BALP holds.
func (a *account) claim() {
	a.profile = ""
	k := a.kind
	if k.profile == "" || a.outcome != "0" || a.found() {
		return
	}
	switch a.Status {
	case http.StatusOK, http.StatusCreated, http.StatusNoContent, http.StatusPartialContent:
	case http.StatusNotModified:
		if k.family != reads {
			return
		}
	default: // accepted for later, or told to go elsewhere
		return
	}
	a.profile = k.profile
	if a.action == 'C' {
		a.profile = "Create"
	}
}
