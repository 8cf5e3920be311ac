package fhirapi

import (
	"net/http"
	"strings"

	"vigil"
	"vigil/internal/format/fhir"
	"vigil/internal/jsonb"
)

// validate answers $validate: what is to be said of a resource, of all profiles,
// whatever the policy. It stores nothing. The answer is 200 unless there is no
// resource to speak of.
func (a *API) validate(c *call) (*answer, error) {
	also := c.query["profile"]
	n, version := (*fhir.Node)(nil), c.in.version
	switch {
	case c.id != "":
		e, err := a.event(c)
		if err != nil {
			return nil, err
		}
		if n, version, err = a.validated(c, e); err != nil {
			return nil, err
		}
	case c.verb != http.MethodPost:
		return nil, fail(http.StatusMethodNotAllowed, "not-supported", "$validate needs a resource: POST it, or name a stored one")
	default:
		c.guessForm()
		var err error
		if n, err = a.parse(c); err != nil {
			return nil, err
		}
		if n.Resource == "Parameters" {
			resource, profiles := parameters(n)
			if also = append(also, profiles...); resource == nil {
				return nil, fail(http.StatusBadRequest, "required", "Parameters has no parameter resource")
			}
			n = resource
		}
	}
	if n.Resource != auditEvent {
		return nil, errType(n.Resource)
	}
	if c.id != "" {
		c.access().Rows++
	} else {
		c.access().Table = "" // nothing that is kept was read
	}
	issues := fhir.Validate(n, fhir.Options{Version: version, Profiles: fhir.Refuse, Also: also, BestPractice: true})
	return &answer{status: http.StatusOK, body: outcome(issues)}, nil
}

// validated returns what there is to validate of a stored event: the document as
// it is where it is an AuditEvent, else what it is shown as.
func (a *API) validated(c *call, e *vigil.Event) (*fhir.Node, fhir.Version, error) {
	if e.Format == vigil.FormatFHIRR4 || e.Format == vigil.FormatFHIRR5 {
		n, err := fhir.ParseJSON(e.Doc, a.limits())
		return n, versionOfFormat(e.Format), err
	}
	n, err := a.show(e, c.out.version)
	return n, c.out.version, err
}

// parse reads the resource of a body.
func (a *API) parse(c *call) (*fhir.Node, error) {
	if c.in.xml {
		return fhir.ParseXML(c.body, c.in.version, a.limits())
	}
	if err := jsonb.Check(c.body, jsonb.Limits{Depth: a.Limits.Depth, Keys: a.Limits.Keys}); err != nil {
		return nil, err
	}
	return fhir.ParseJSON(c.body, a.limits())
}

// parameters returns what $validate is given in Parameters.
func parameters(n *fhir.Node) (resource *fhir.Node, profiles []string) {
	for _, p := range n.All("parameter") {
		switch p.Child("name").Text() {
		case "resource":
			if resource = p.Child("resource"); resource != nil {
				resource.Name = ""
			}
		case "profile":
			for _, v := range p.Children {
				if strings.HasPrefix(v.Name, "value") {
					profiles = append(profiles, v.Text())
				}
			}
		}
	}
	return resource, profiles
}
