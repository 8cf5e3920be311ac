package fhirapi

import (
	"net/http"
	"strconv"

	"vigil/internal/fhirapi/search"
	"vigil/internal/format/fhir"
)

// instantiates are the requirements that the server meets: IHE's Audit Record
// Repository with the FHIR Feed and Retrieve options, alone and with BALP.
var instantiates = []string{
	"https://profiles.ihe.net/ITI/BALP/CapabilityStatement/IHE.BALP.ATNA.AuditRecordRepository",
	"http://www.ihe.net/fhir/CapabilityStatement/IHE_RESTfulATNA_AuditRecordRepository_FullOption",
}

// capability answers with what is served, made from the tables that serve it.
func (a *API) capability(c *call) (*answer, error) {
	v := c.out.version
	software := fhir.NewObject("software", fhir.NewString("name", "Vigil"))
	if a.Version != "" {
		software.Add(fhir.NewString("version", a.Version))
	}
	n := &fhir.Node{Resource: "CapabilityStatement"}
	n.Add(
		fhir.NewString("url", c.base+"/metadata"),
		fhir.NewString("name", "Vigil"),
		fhir.NewString("title", "Vigil audit record repository"),
		fhir.NewString("status", "active"),
		fhir.NewString("date", instant(a.started)),
		fhir.NewString("kind", "instance"),
	)
	if v == fhir.R4 { // they are R4's
		for _, url := range instantiates {
			n.Add(fhir.NewString("instantiates", url).Listed())
		}
	}
	n.Add(software,
		fhir.NewObject("implementation", fhir.NewString("description", "Append-only repository of audit events"), fhir.NewString("url", c.base)),
		fhir.NewString("fhirVersion", v.Number()),
	)
	for _, format := range []string{"application/fhir+json", "application/fhir+xml", "json", "xml"} {
		n.Add(fhir.NewString("format", format).Listed())
	}
	n.Add(a.rest(v).Listed())
	return (&answer{status: http.StatusOK, body: n}).set("Cache-Control", "no-cache"), nil
}

// rest describes the one resource and the whole.
func (a *API) rest(v fhir.Version) *fhir.Node {
	security := fhir.NewObject("security",
		fhir.NewBool("cors", len(a.CORSOrigins) > 0),
		fhir.NewObject("service", fhir.NewObject("coding",
			fhir.NewString("system", "http://terminology.hl7.org/CodeSystem/restful-security-service"),
			fhir.NewString("code", "SMART-on-FHIR"),
		).Listed()).Listed(),
		fhir.NewString("description", "Bearer tokens, with a role or the scopes system/AuditEvent.c, .r and .s of SMART App Launch; clients with a name and a secret, or with a certificate"),
	)
	rest := fhir.NewObject("rest", fhir.NewString("mode", "server"), security, a.resource(v).Listed())
	for _, code := range []string{"batch", "transaction", "search-system", "history-system"} {
		rest.Add(fhir.NewObject("interaction", fhir.NewString("code", code)).Listed())
	}
	return rest
}

// resource describes AuditEvent.
func (a *API) resource(v fhir.Version) *fhir.Node {
	n := fhir.NewObject("resource", fhir.NewString("type", auditEvent), fhir.NewString("profile", "http://hl7.org/fhir/StructureDefinition/AuditEvent"))
	if v == fhir.R4 {
		for _, url := range fhir.Profiles() {
			n.Add(fhir.NewString("supportedProfile", url).Listed())
		}
	}
	n.Add(fhir.NewString("documentation", "AuditEvents as ITI-20 sends and ITI-81 retrieves them. Each has one version; none is updated or deleted."))
	for _, code := range []string{"create", "read", "vread", "history-instance", "history-type", "search-type"} {
		n.Add(fhir.NewObject("interaction", fhir.NewString("code", code)).Listed())
	}
	n.Add(
		fhir.NewString("versioning", "versioned"),
		fhir.NewBool("readHistory", true),
		fhir.NewBool("updateCreate", false),
		fhir.NewBool("conditionalCreate", true),
		fhir.NewString("conditionalRead", "full-support"),
		fhir.NewBool("conditionalUpdate", false),
		fhir.NewString("conditionalDelete", "not-supported"),
		fhir.NewString("referencePolicy", "literal").Listed(),
		fhir.NewString("referencePolicy", "logical").Listed(),
	)
	for _, p := range search.Parameters(v) {
		n.Add(fhir.NewObject("searchParam",
			fhir.NewString("name", p.Name), fhir.NewString("definition", p.Definition),
			fhir.NewString("type", string(p.Type)), fhir.NewString("documentation", p.Doc),
		).Listed())
	}
	for _, op := range []struct{ name, definition, doc string }{
		{"validate", "http://hl7.org/fhir/OperationDefinition/Resource-validate", "Says what a resource breaks, of FHIR and of the profiles it claims."},
		{"verify-integrity", "urn:vigil:operation:verify-integrity", "Makes the log again from all events and compares it with what was signed. Prefer: respond-async answers at once."},
		{"proof", "urn:vigil:operation:proof", "The proof that the event is in the signed log (C2SP tlog-proof)."},
	} {
		n.Add(fhir.NewObject("operation", fhir.NewString("name", op.name), fhir.NewString("definition", op.definition), fhir.NewString("documentation", op.doc)).Listed())
	}
	return n
}

// number returns a whole number.
func number(name string, value int64) *fhir.Node {
	return &fhir.Node{Name: name, Kind: fhir.Number, Value: strconv.FormatInt(value, 10)}
}

// self returns the address of the interaction.
func (c *call) self() string {
	s := c.base
	if c.path != "" {
		s += "/" + c.path
	}
	if c.rawQuery != "" {
		s += "?" + c.rawQuery
	}
	return s
}
