package balp

import (
	"net/http"
	"slices"
	"strings"

	"vigil"
)

const (
	codeSystems = `http://terminology.hl7.org/CodeSystem/`
	balp        = `https://profiles.ihe.net/ITI/BALP/`
	base        = `http://hl7.org/fhir/StructureDefinition/AuditEvent`
	dicom       = `http://dicom.nema.org/resources/ontology/DCM`
	verbSystem  = `http://hl7.org/fhir/http-verb`

	typeRest  = `"type":{"system":"` + codeSystems + `audit-event-type","code":"rest","display":"RESTful Operation"}`
	typeLogin = `"type":{"system":"` + dicom + `","code":"110114","display":"User Authentication"}`
)

// sep appends a comma, where something stands before it.
func (w *writer) sep() {
	if c := w.b[len(w.b)-1]; c != '[' && c != '{' {
		w.b = append(w.b, ',')
	}
}

// event appends the AuditEvent of a.
func (w *writer) event(a *account) {
	w.raw(`{"resourceType":"AuditEvent","meta":{"profile":[`)
	w.profiles(a)
	w.raw(`]},`)
	w.codes(a)
	w.when()
	w.raw(`,"outcome":"`)
	w.raw(a.outcome)
	w.b = append(w.b, '"')
	if s := a.describe(w.whole); s != "" {
		w.raw(`,"outcomeDesc":`)
		w.text(s)
	}
	if len(w.whole.Purpose) > 0 {
		w.purposes("purposeOfEvent")
	}
	w.raw(`,"agent":[`)
	w.agents(a)
	w.raw(`],`)
	if w.source != "" {
		w.raw(w.source)
	} else {
		w.appendSource(first(w.conf.Observer, w.whole.Gateway, "vigil"))
	}
	w.raw(`,"entity":[`)
	w.entities(a)
	w.raw(`]}`)
}

// profiles appends the claims: what was done, and how it was authorized.
func (w *writer) profiles(a *account) {
	if a.profile == "" {
		w.raw(`"` + base + `"`)
	} else {
		w.raw(`"` + balp + `StructureDefinition/IHE.BasicAudit.`)
		if len(a.patients) == 1 {
			w.raw(`Patient`)
		}
		w.raw(a.profile)
		w.b = append(w.b, '"')
	}
	if w.tokenUsed(a) {
		w.raw(`,"` + balp + `StructureDefinition/IHE.BasicAudit.OAUTHaccessTokenUse.Minimal"`)
		if w.comprehensive(a) {
			w.raw(`,"` + balp + `StructureDefinition/IHE.BasicAudit.OAUTHaccessTokenUse.Comprehensive"`)
		}
	}
}

// tokenUsed reports whether a verified token with an id authorized a.
func (w *writer) tokenUsed(a *account) bool {
	u := &w.whole.User
	return u.Verified && u.By == "bearer" && !blank(u.TokenID) &&
		a.Status >= 100 && a.Status != http.StatusUnauthorized && a.Status != http.StatusForbidden
}

// comprehensive reports whether the token said all that BALP's comprehensive
// profile of token use has.
func (w *writer) comprehensive(a *account) bool {
	u := &w.whole.User
	return w.tokenUsed(a) && !blank(u.Client) && !blank(u.Subject) && isSystem(u.Issuer)
}

// codes appends type, subtype and action.
func (w *writer) codes(a *account) {
	if a.kind == &login {
		w.raw(typeLogin + `,"subtype":[{"system":"` + dicom + `","code":"`)
		w.raw(loginSubtype(a.Exchange))
		w.raw(`"}],`)
	} else {
		w.raw(typeRest)
		w.subtypes(a)
	}
	w.raw(`"action":"`)
	w.b = append(w.b, a.action)
	w.raw(`",`)
}

// subtypes appends the interaction; an update that created is both. That only the
// headers were asked for, or an interaction that FHIR does not have, is told by
// the method.
func (w *writer) subtypes(a *account) {
	k := a.kind
	verb := k.code == "" || a.Method == http.MethodHead
	verb = verb && slices.Contains(verbs[:], a.Method)
	if k.code == "" && !verb {
		w.b = append(w.b, ',')
		return
	}
	w.raw(`,"subtype":[`)
	if k.code != "" {
		w.interaction(k.code)
		if a.action == 'C' && k.code != "create" {
			w.b = append(w.b, ',')
			w.interaction("create")
		}
	}
	if verb {
		w.sep()
		w.verb(a.Method)
	}
	w.raw(`],`)
}

// verbs are the methods that FHIR has codes for.
var verbs = [...]string{"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH"}

func (w *writer) interaction(code string) {
	w.raw(`{"system":"http://hl7.org/fhir/restful-interaction","code":"`)
	w.raw(code)
	w.raw(`","display":"`)
	w.raw(code)
	w.raw(`"}`)
}

func (w *writer) verb(method string) {
	w.raw(`{"system":"` + verbSystem + `","code":"`)
	w.raw(method)
	w.raw(`","display":"`)
	w.raw(method)
	w.raw(`"}`)
}

// when appends period, and recorded, which is when the exchange was over: the
// entries of a bundle share its times.
func (w *writer) when() {
	start := w.whole.Start
	over := end(start, w.whole.Duration)
	w.raw(`"period":{"start":`)
	w.instant(start)
	w.raw(`,"end":`)
	w.instant(over)
	w.raw(`},"recorded":`)
	w.instant(over)
}

// describe returns the text of the outcome: "" where there is nothing to say but
// that it succeeded.
func (a *account) describe(whole *vigil.Exchange) string {
	var parts []string
	plain := a.outcome == "0" && a.Method != http.MethodHead &&
		(a.Status == http.StatusOK || a.Status == http.StatusCreated || a.Status == http.StatusNoContent)
	switch {
	case a.Status >= 100 && !plain:
		parts = append(parts, statusText(a.Status, http.StatusText(a.Status)))
	case a.Status < 100 && a.entry >= 0 && whole.Status >= 200:
		parts = append(parts, "the answer says nothing about this entry")
	case a.Status < 100:
		parts = append(parts, "no response")
	}
	if a.RolledBack {
		parts = append(parts, "undone with the transaction")
	}
	if a.found() {
		parts = append(parts, "nothing was created: it was there")
	}
	if a.Method == http.MethodHead && a.outcome == "0" {
		parts = append(parts, "headers only")
	}
	if !whole.Complete && a.Status >= 100 {
		parts = append(parts, "the response was not delivered whole")
	}
	for _, s := range []string{a.Error, a.Outcome} {
		if !blank(s) {
			parts = append(parts, s)
		}
	}
	if a.Error == "" && a.entry >= 0 && !blank(whole.Error) {
		parts = append(parts, whole.Error)
	}
	return strings.Join(parts, ": ")
}

// appendSource appends source.
func (w *writer) appendSource(name string) {
	w.raw(`"source":{`)
	if !blank(w.conf.Site) {
		w.raw(`"site":`)
		w.text(w.conf.Site)
		w.b = append(w.b, ',')
	}
	w.raw(`"observer":{`)
	if isSystem(w.conf.ObserverSystem) {
		w.raw(`"identifier":{"system":`)
		w.text(w.conf.ObserverSystem)
		w.raw(`,"value":`)
		w.text(name)
		w.raw(`},`)
	}
	w.raw(`"display":`)
	w.text(name)
	w.raw(`},"type":[{"system":"` + codeSystems + `security-source-type","code":"3","display":"Web Server"}]}`)
}
