package fhirapi

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"vigil"
	"vigil/internal/format/fhir"
	"vigil/internal/jsonb"
)

// read answers with one resource: its current version, its one version, or the
// history that consists of it.
func (a *API) read(c *call) (*answer, error) {
	if c.kind == atVersion && c.versionID != "1" {
		return nil, fail(http.StatusNotFound, "not-found", "there is no such version: every AuditEvent has one, which is 1")
	}
	e, err := a.event(c)
	if err != nil {
		return nil, err
	}
	ans := described(http.StatusOK, e)
	if notModified(c.header, e) {
		ans.status = http.StatusNotModified
		return ans, nil
	}
	n, err := a.show(e, c.out.version)
	if err != nil {
		return nil, err
	}
	c.access().Rows++
	if ans.body = n; c.kind == atInstanceHistory {
		ans = &answer{status: http.StatusOK, body: c.history(e, n)}
	}
	return ans, nil
}

// notModified reports whether the client has the resource already (RFC 9110,
// section 13.2.2).
func notModified(h http.Header, e *vigil.Event) bool {
	if tags := h["If-None-Match"]; len(tags) > 0 {
		for tag := range strings.SplitSeq(strings.Join(tags, ","), ",") {
			if tag = strings.TrimSpace(tag); tag == "*" || strings.TrimPrefix(tag, "W/") == `"1"` {
				return true
			}
		}
		return false
	}
	since, err := http.ParseTime(h.Get("If-Modified-Since"))
	return err == nil && !e.Received.Truncate(time.Second).After(since)
}

// show returns an event as the AuditEvent that clients see: with the id and the
// meta that the server gives it, and a tag where it breaks a profile it claims.
func (a *API) show(e *vigil.Event, v fhir.Version) (*fhir.Node, error) {
	n, err := a.Convert(e, v)
	if err != nil {
		return nil, &Error{
			Status: http.StatusNotFound, Err: fmt.Errorf("convert event %s: %w", e.UID, err),
			Issues: []fhir.Issue{{Severity: fhir.Error, Code: "not-found", Text: "this event cannot be shown as an AuditEvent; /raw has it as it came"}},
		}
	}
	label(n, e, a.Profiles != fhir.Ignore && claimsProfile(e) && breaksProfile(n, e, v))
	return n, nil
}

// label gives n the id and the meta of its event, and the tag of one that breaks
// a profile.
func label(n *fhir.Node, e *vigil.Event, broken bool) {
	meta := identify(n, e)
	if broken {
		meta.Add(fhir.NewObject("tag", fhir.NewString("system", tagSystem), fhir.NewString("code", tagBroken)).Listed())
	}
}

// identify gives n the id of its event and the meta of its one version, and
// returns the meta.
func identify(n *fhir.Node, e *vigil.Event) *fhir.Node {
	n.Remove("id")
	old := n.Remove("meta")
	meta := fhir.NewObject("meta", fhir.NewString("versionId", "1"), fhir.NewString("lastUpdated", instant(e.Received)))
	if len(old) > 0 {
		for _, c := range old[0].Children {
			if c.Name != "versionId" && c.Name != "lastUpdated" {
				meta.Add(c)
			}
		}
	}
	n.Children = append([]*fhir.Node{fhir.NewString("id", e.UID.String()), meta}, n.Children...)
	// A tag added later must stand beside the others.
	if tags := meta.Remove("tag"); tags != nil {
		meta.Add(tags...)
	}
	return meta
}

// The tag of a resource that breaks a profile it claims. It is made from the
// document each time, so that the document stays as it was sent.
const (
	tagSystem = "urn:vigil:validation"
	tagBroken = "profile-not-met"
)

// claimsProfile reports whether an event is an AuditEvent that names a profile.
func claimsProfile(e *vigil.Event) bool {
	if e.Format != vigil.FormatFHIRR4 && e.Format != vigil.FormatFHIRR5 || jsonb.Kind(e.Doc) != '{' {
		return false
	}
	meta, ok := jsonb.Get(e.Doc, "meta")
	if !ok {
		return false
	}
	_, ok = jsonb.Get(meta, "profile")
	return ok
}

// breaksProfile reports whether an event, shown as n of version v, breaks a
// profile that it claims.
func breaksProfile(n *fhir.Node, e *vigil.Event, v fhir.Version) bool {
	if own := versionOfFormat(e.Format); own != v {
		var err error
		if n, err = fhir.ParseJSON(e.Doc, fhir.Limits{}); err != nil {
			return false
		}
		v = own
	}
	for _, i := range fhir.Validate(n, fhir.Options{Version: v, Profiles: fhir.Refuse}) {
		if i.Profile != "" && i.Severity == fhir.Error {
			return true
		}
	}
	return false
}

func versionOfFormat(f vigil.Format) fhir.Version {
	if f == vigil.FormatFHIRR5 {
		return fhir.R5
	}
	return fhir.R4
}

func formatOf(v fhir.Version) vigil.Format {
	if v == fhir.R5 {
		return vigil.FormatFHIRR5
	}
	return vigil.FormatFHIRR4
}

// convertOwn shows FHIR's own events where no other conversion is given.
func convertOwn(e *vigil.Event, v fhir.Version) (*fhir.Node, error) {
	if e.Format != vigil.FormatFHIRR4 && e.Format != vigil.FormatFHIRR5 {
		return nil, fmt.Errorf("events of format %s are not converted", e.Format)
	}
	n, err := fhir.ParseJSON(e.Doc, fhir.Limits{})
	if err != nil {
		return nil, err
	}
	if own := versionOfFormat(e.Format); own != v {
		return fhir.Convert(n, own, v)
	}
	return n, nil
}
