package fhirapi

import (
	"encoding/json"
	"net/http"
	"strings"

	"vigil"
	"vigil/internal/format/fhir"
	"vigil/internal/jsonb"
)

// taken is a resource that was read and judged.
type taken struct {
	event  *vigil.Event // what will be stored
	issues []fhir.Issue // warnings, and what put it into quarantine
	held   bool         // it goes to quarantine
	broken bool         // it breaks a profile that it claims
	node   *fhir.Node   // the resource, where the reader keeps it
}

// reader reads resources of one request.
type reader struct {
	api    *API
	form   form
	sender *vigil.Sender
	native bool // references may be as Aidbox writes them
	keep   bool // what is taken keeps its tree
}

// reader returns what reads the resources of c.
func (a *API) reader(c *call) *reader {
	return &reader{api: a, form: c.in, sender: c.principal.Sender("fhir", c.access().Peer)}
}

// limits are the parsers'.
func (a *API) limits() fhir.Limits { return fhir.Limits{Depth: min(a.Limits.Depth, 100)} }

// checkJSON refuses what no store could keep.
func (a *API) checkJSON(doc []byte) error {
	return jsonb.Check(doc, jsonb.Limits{Depth: a.Limits.Depth, Keys: a.Limits.Keys, Text: jsonb.Printed(doc)})
}

// document reads one AuditEvent as it came, in the notation of the request. The
// event's document is a copy.
func (r *reader) document(doc []byte) (*taken, error) {
	if r.form.xml {
		n, err := fhir.ParseXML(doc, r.form.version, r.api.limits())
		if err != nil {
			return nil, err
		}
		return r.node(n, nil)
	}
	if err := r.api.checkJSON(doc); err != nil {
		return nil, err
	}
	return r.json(doc)
}

// json reads one AuditEvent whose text is known to be JSON that can be kept.
func (r *reader) json(doc []byte) (*taken, error) {
	n, err := fhir.ParseJSON(doc, r.api.limits())
	if err != nil {
		return nil, err
	}
	return r.node(n, doc)
}

// node judges a resource. Doc is its text; nil has it printed.
func (r *reader) node(n *fhir.Node, doc []byte) (*taken, error) {
	if n.Resource != auditEvent {
		return nil, errType(n.Resource)
	}
	if r.native && fhir.NativeReferences(n, r.form.version) > 0 {
		doc = nil
	}
	if doc == nil {
		doc = fhir.AppendJSON(nil, n)
		if err := r.api.checkJSON(doc); err != nil { // XML has numbers without bounds, too
			return nil, err
		}
	} else {
		doc = append(make([]byte, 0, len(doc)), doc...)
	}
	t := &taken{event: &vigil.Event{Table: vigil.TableAuditEvents, Format: formatOf(r.form.version), Doc: doc, Sender: r.sender}}
	if r.keep {
		t.node = n
	}
	if err := t.judge(n, r.form.version, r.api.Profiles); err != nil {
		return nil, err
	}
	return t, nil
}

// judge validates a resource. What breaks FHIR is refused; what breaks a profile
// is what the policy says.
func (t *taken) judge(n *fhir.Node, v fhir.Version, policy fhir.Policy) error {
	validated := policy
	if policy == fhir.Warn {
		validated = fhir.Refuse // tells what breaks a profile from what is merely unusual
	}
	t.issues = fhir.Validate(n, fhir.Options{Version: v, Profiles: validated})
	if !fhir.Failed(t.issues) {
		return nil
	}
	if t.broken = onlyProfiles(t.issues); t.broken {
		switch policy {
		case fhir.Warn:
			for i := range t.issues {
				t.issues[i].Severity = min(t.issues[i].Severity, fhir.Warning)
			}
			return nil
		case fhir.Quarantine:
			t.hold("it breaks a profile that it claims")
			return nil
		}
	}
	return &Error{Status: http.StatusUnprocessableEntity, Issues: t.issues}
}

// onlyProfiles reports whether every error is of a profile.
func onlyProfiles(issues []fhir.Issue) bool {
	for _, i := range issues {
		if i.Severity == fhir.Error && i.Profile == "" {
			return false
		}
	}
	return true
}

// hold has the event go to quarantine.
func (t *taken) hold(reason string) {
	t.held = true
	t.event = quarantined(t.event.Doc, t.event.Format, t.event.Sender, reason, t.issues)
}

// quarantined wraps a document for the table quarantine. The members are those
// that every writer of the table uses, and the issues.
func quarantined(doc []byte, format vigil.Format, sender *vigil.Sender, reason string, issues []fhir.Issue) *vigil.Event {
	q := struct {
		Reason string   `json:"reason"`
		For    string   `json:"for"`
		Format string   `json:"format"`
		Issues []string `json:"issues,omitempty"`
		Bytes  []byte   `json:"bytes"`
	}{Reason: reason, For: vigil.TableAuditEvents, Format: string(format), Bytes: doc}
	for _, i := range issues {
		q.Issues = append(q.Issues, strings.ToValidUTF8(strings.ReplaceAll(i.String(), "\x00", "?"), "?"))
	}
	b, err := json.Marshal(q)
	if err != nil {
		b = []byte(`{"reason":"unknown"}`) // strings and bytes always can be written
	}
	return &vigil.Event{Table: vigil.TableQuarantine, Format: vigil.FormatSystem, Doc: b, Sender: sender}
}

// errType refuses a resource that is no AuditEvent.
func errType(name string) *Error {
	text := "this is no AuditEvent"
	if fhir.IsTypeName(name) {
		text = "this is a resource of type " + name + ", and AuditEvents are taken only"
	}
	return fail(http.StatusBadRequest, "invalid", text)
}
