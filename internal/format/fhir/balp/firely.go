package balp

import (
	"slices"
	"strconv"
	"strings"

	"vigil/internal/format/fhir"
)

const (
	firelySite   = "Firely Server"
	firelySource = `,"type":[{"system":"` + codeSystems + `security-source-type","code":"4","display":"Application Server"}],` +
		`"observer":{"identifier":{"system":"http://fire.ly/fhir/sid/devices","value":"firely-server"},"display":`
	firelyPatient     = `"extension":[{"url":"http://hl7.org/fhir/5.0/StructureDefinition/extension-AuditEvent.patient","valueReference":`
	firelyDiagnostics = `{"what":{"identifier":{"system":"http://fire.ly/fhir/sid/api-diagnostics-`
	roleSecurity      = `,"role":{"system":"` + codeSystems + `object-role","code":"13","display":"Security Resource"}`
	lifecycleDestroy  = `,"lifecycle":{"system":"` + codeSystems + `iso-21089-lifecycle","code":"destroy"}`
)

// firely appends the AuditEvent of a as Firely Server writes them for R4 (its
// documentation, "Auditing": the examples of AuditEvents). Unlike Firely's it does
// not claim BALP's profiles of reading and searching, which ask for an agent of
// the server that this shape does not have. [firelyR5] makes R5 of it, which claims
// none of BALP's, as they are of R4.
func (w *writer) firely(a *account) {
	w.raw(`{"resourceType":"AuditEvent","meta":{"profile":["` + base + `"`)
	if w.tokenUsed(a) && !w.conf.R5 {
		w.raw(`,"` + balp + `StructureDefinition/IHE.BasicAudit.OAUTHaccessTokenUse.Minimal"`)
	}
	w.raw(`]},`)
	if a.Type == "Patient" && fhir.IsID(a.Key) {
		w.raw(firelyPatient)
		w.resource(a)
		w.raw(`}],`)
	}
	w.raw(typeRest + `,`)
	w.firelyCodes(a)
	over := clampYear(end(w.whole.Start, w.whole.Duration))
	w.raw(`,"recorded":"`)
	w.b = over.AppendFormat(w.b, "2006-01-02T15:04:05.000-07:00")
	w.raw(`","outcome":"`)
	w.raw(a.outcome)
	w.raw(`","outcomeDesc":"`)
	w.int(int64(a.Status))
	w.raw(`","agent":[`)
	w.firelyAgents()
	w.raw(`],"source":{"site":`)
	w.text(first(w.conf.Site, firelySite))
	w.raw(firelySource)
	w.text(first(w.conf.Observer, w.whole.Gateway, "vigil"))
	w.raw(`}},"entity":[`)
	w.firelyEntities(a)
	w.raw(`]}`)
}

// firelyCodes appends the method and the interaction as subtypes, and the action.
func (w *writer) firelyCodes(a *account) {
	verb := slices.Contains(verbs[:], a.Method)
	if verb || a.kind.code != "" {
		w.raw(`"subtype":[`)
		if verb {
			w.verb(a.Method)
		}
		if a.kind.code != "" {
			w.sep()
			w.interaction(a.kind.code)
		}
		w.raw(`],`)
	}
	w.raw(`"action":"`)
	w.b = append(w.b, a.action, '"')
}

// firelyAgents appends the user, the application and the client's address.
func (w *writer) firelyAgents() {
	x := w.whole
	u := &x.User
	user := w.hasUser()
	if user {
		code := codeOAuthUser
		if u.By != "bearer" {
			code = codeRecipient
		}
		w.raw(`{"type":{"coding":[`)
		w.raw(code)
		w.raw(`]}`)
		if w.identified() {
			w.who()
		}
		w.raw(`,"requestor":true`)
		w.policy()
		w.raw(`},`)
	}
	requestor := `,"requestor":` + strconv.FormatBool(!user)
	if !blank(u.Client) {
		w.raw(`{"type":{"coding":[{"system":"` + dicom + `","code":"110150"}]},"who":{`)
		w.identifier(u.Client)
		w.raw(`},"requestor":false},`)
	}
	peer := ""
	if len(x.Peer) > 0 {
		peer = hostOf(x.Peer[0])
	}
	w.raw(`{"type":{"coding":[` + codeSource + `]},"who":{`)
	w.identifier(first(u.Client, peer))
	w.b = append(w.b, '}')
	w.raw(requestor)
	w.b = append(w.b, ',')
	w.network(peer)
	w.b = append(w.b, '}')
}

// firelyEntities appends patients, the ids of request and connection, the path,
// and what the answer has.
func (w *writer) firelyEntities(a *account) {
	for _, p := range a.patients {
		w.raw(`{"what":`)
		w.patient(p)
		w.raw(`,` + entityPatient + `,`)
	}
	w.diagnostics("requestid", first(w.whole.RequestID, w.whole.ID))
	w.diagnostics("connectionid", w.whole.Connection)
	w.raw(`{` + entityObject + roleQuery + `,"detail":[{"type":"path","valueString":"`)
	w.part(first(relative(a.Path, w.whole.Upstream), "/"))
	if a.RawQuery != "" {
		w.b = append(w.b, '?')
		w.part(a.RawQuery)
	}
	w.raw(`"}]}`)
	w.responseDetails(a)
}

// diagnostics appends the entity of an id.
func (w *writer) diagnostics(name, value string) {
	if blank(value) {
		return
	}
	w.raw(firelyDiagnostics)
	w.raw(name)
	w.raw(`","value":`)
	w.text(value)
	w.raw(`}},` + entityObject + roleSecurity + `},`)
}

// responseDetails appends the resource of the answer, or the Bundle of a list
// with a key for each resource in it.
func (w *writer) responseDetails(a *account) {
	typ := a.Type
	list := a.Search != nil || len(a.Returned) > 0
	switch {
	case list:
		typ = "Bundle"
		w.raw(`,{"what":{"type":"Bundle","display":"Bundle"}`)
	case a.kind.data && a.Key != "":
		w.raw(`,{"what":`)
		w.resource(a)
	case blank(a.Outcome):
		return
	default:
		typ = "OperationOutcome"
		w.raw(`,{"what":{"type":"OperationOutcome","display":"OperationOutcome"}`)
	}
	w.b = append(w.b, ',')
	if isType(typ) {
		w.raw(`"type":{"system":"http://hl7.org/fhir/resource-types","code":"`)
		w.raw(typ)
		w.raw(`","display":"`)
		w.raw(typ)
		w.raw(`"}`)
	} else {
		w.raw(entityOther)
	}
	if a.Operation == "$erase" {
		w.raw(lifecycleDestroy)
	}
	if a.Search != nil && a.Search.Query != "" {
		w.raw(`,"query":`)
		w.base64(clip(a.Search.Query, maxQuery))
	}
	w.responseKeys(a)
	w.b = append(w.b, '}')
}

// responseKeys appends the keys of a list, and the text of an OperationOutcome.
func (w *writer) responseKeys(a *account) {
	start := len(w.b)
	w.raw(`,"detail":[`)
	empty := len(w.b)
	for _, key := range a.Returned[:a.listed] {
		w.detail("ResourceKey", key)
	}
	w.detail("OperationOutcome", a.Outcome)
	w.leftOut(a)
	if len(w.b) == empty {
		w.b = w.b[:start]
		return
	}
	w.b = append(w.b, ']')
}

// relative is a path without the path of the server's base.
func relative(path, base string) string {
	_, rest, _ := strings.Cut(upstream(base), "://")
	i := strings.IndexByte(rest, '/')
	if i < 0 {
		return path
	}
	short, ok := strings.CutPrefix(path, strings.TrimSuffix(rest[i:], "/"))
	if !ok || short != "" && short[0] != '/' {
		return path
	}
	return short
}
