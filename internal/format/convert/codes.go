package convert

import (
	"cmp"
	"slices"

	"vigil"
)

// A code is a Coding; without display where the code system's is not ours to say.
type code struct{ system, code, display string }

const (
	systemDICOM       = "http://dicom.nema.org/resources/ontology/DCM"
	systemEvent       = "http://terminology.hl7.org/CodeSystem/audit-event-type"
	systemLifecycle   = "http://terminology.hl7.org/CodeSystem/iso-21089-lifecycle"
	systemInteraction = "http://hl7.org/fhir/restful-interaction"
	systemEntity      = "http://terminology.hl7.org/CodeSystem/audit-entity-type"
	systemRole        = "http://terminology.hl7.org/CodeSystem/object-role"
	systemOutcome     = "http://terminology.hl7.org/CodeSystem/audit-event-outcome"
	systemReason      = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
	systemURI         = "urn:ietf:rfc:3986"
	systemWords       = "urn:vigil:" // with the name of the vocabulary
)

// wordSystems are the names of the vocabularies in the systems of their words.
var wordSystems = [vigil.NumVocabularies]string{
	"logserver", "keycloak", "keycloak-log", "aidbox", "fhir-r4", "fhir-r5", "fhir-r3", "exchange", "clef",
}

var (
	authentication = code{systemDICOM, "110114", "User Authentication"}
	application    = code{systemDICOM, "110150", "Application"}
	rest           = code{systemEvent, "rest", "RESTful Operation"}
	aPerson        = code{systemEntity, "1", "Person"}
	aSystemObject  = code{systemEntity, "2", "System Object"}
	somethingElse  = code{systemEntity, "4", "Other"}
	asPatient      = code{systemRole, "1", "Patient"}
	asQuery        = code{systemRole, "24", "Query"}
	asResource     = code{systemRole, "4", "Domain Resource"}
)

// sessions are the subtypes of authentication by action.
var sessions = map[string]code{
	"login":  {systemDICOM, "110122", "Login"},
	"logout": {systemDICOM, "110123", "Logout"},
}

// lifecycles are the types by action of events that have no word for their own:
// ISO 21089 has none for an execution.
var lifecycles = map[string]code{
	"create": {systemLifecycle, "originate", ""},
	"read":   {systemLifecycle, "access", ""},
	"update": {systemLifecycle, "amend", ""},
	"delete": {systemLifecycle, "destroy", ""},
}

// restWords are words for a type that say that it was a request of FHIR's REST
// API, with the interaction where they say that too.
var restWords = map[string]string{
	"w/req": "", "w/resp": "",
	"resource/create": "create", "resource/create-dup": "create",
	"resource/update": "update", "resource/update-dup": "update",
	"resource/delete": "delete",
}

// interactions are the codes of restful-interaction that R4 and R5 share.
var interactions = []string{
	"batch", "capabilities", "create", "delete", "history", "history-instance", "history-system", "history-type", "operation", "patch",
	"read", "search", "search-system", "search-type", "transaction", "update", "vread",
}

// reasons are the codes of R4's and R5's PurposeOfUse.
var reasons = []string{
	"BTG", "CAREMGT", "CLINTRCH", "COVERAGE", "DISASTER", "DONAT", "EMRGNCY", "ETREAT", "FRAUD", "GOV", "HACCRED", "HCOMPL", "HDECD", "HDIRECT", "HDM",
	"HLEGAL", "HMARKT", "HOPERAT", "HOUTCOMS", "HPAYMT", "HPRGRP", "HQUALIMP", "HRESCH", "HSYSADMIN", "HTEST", "LABELING", "MEMADMIN", "METAMGT", "PATADMIN",
	"PATFAM", "PATRQT", "PATSFTY", "PERFMSR", "PUBHLTH", "RECORDMGT", "REMITADV", "SUPNWK", "SYSDEV", "THREAT", "TRAIN", "TREAT",
}

// An Implication is a value of a fact that conversion makes a standard code from.
type Implication struct {
	Fact  vigil.Fact
	Value string
}

// Implied returns the facts of which conversion makes the type or the subtype
// code of an AuditEvent, besides a fact type or subtype that is code itself. A
// search for the code has to look at documents with one of them: whether the
// code is really in the AuditEvent, only the conversion tells.
func Implied(code string) []Implication {
	var out []Implication
	for _, action := range [...]string{"login", "logout"} {
		if code == authentication.code || code == sessions[action].code {
			out = append(out, Implication{vigil.FactAction, action})
		}
	}
	for _, action := range [...]string{"create", "read", "update", "delete"} {
		if code == lifecycles[action].code {
			out = append(out, Implication{vigil.FactAction, action})
		}
	}
	for word, interaction := range restWords {
		if code == rest.code || code == interaction && code != "" {
			out = append(out, Implication{vigil.FactType, word})
		}
	}
	if code == rest.code || slices.Contains(interactions, code) {
		for _, interaction := range interactions { // as an exchange and an Aidbox line have them
			if code == rest.code || code == interaction {
				out = append(out, Implication{vigil.FactType, interaction})
			}
		}
	}
	slices.SortFunc(out, func(a, b Implication) int {
		return cmp.Or(cmp.Compare(a.Fact, b.Fact), cmp.Compare(a.Value, b.Value))
	})
	return out
}
