// Package convert turns documents of every vocabulary into FHIR AuditEvents, and
// AuditEvents into documents of logserver's recommended schema.
//
// A conversion keeps the facts: what the mapping of package vigil reads from the
// result is what it reads from the document, but for the exceptions that
// docs/mapping.md names. It invents nothing. What FHIR requires and a document
// lacks is said to be absent; what a document has and FHIR has no element for is
// an entity.detail, whose type is the JSON pointer (RFC 6901) of the value in the
// document. The document itself stays where it is, under /raw.
package convert

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"vigil"
	"vigil/internal/format"
	"vigil/internal/format/fhir"
	"vigil/internal/jsonb"
)

// OriginSystem is the system of the tag that says which format a converted
// document has; its codes are those of [vigil.Format].
const OriginSystem = "urn:vigil:format"

// Config is what conversions depend on beside the document.
type Config struct {
	// Zone is that of times that name none; nil is UTC. It must be the mapping's.
	Zone *time.Location
	// Exchange makes AuditEvents of R4 from an exchange, the one for the whole of
	// it first. Without it an exchange is converted as other documents are.
	Exchange func(*vigil.Exchange) ([]*fhir.Node, error)
	// BaseURL is put before /raw/ in the place of the original; may be empty.
	BaseURL string
}

// A Converter converts documents. It is safe for concurrent use.
type Converter struct {
	config  Config
	mapping vigil.Mapping
	read    [vigil.NumVocabularies]map[string][]vigil.Fact
}

// New returns a Converter.
func New(c Config) *Converter {
	out := &Converter{config: c, mapping: format.New(c.Zone)}
	for v := range vigil.NumVocabularies {
		out.read[v] = readings(v)
	}
	return out
}

// AuditEvent returns the event as an AuditEvent of version v, R4 or R5, which is
// valid there. Its id is the event's UID, its meta.lastUpdated when the event was
// received. An AuditEvent is as it was stored, or as [fhir.Convert] rewrites it;
// one that is not valid, and every other document, is made anew of its facts and
// has a tag for its origin. The tree belongs to the caller.
func (c *Converter) AuditEvent(e *vigil.Event, v fhir.Version) (*fhir.Node, error) {
	if v != fhir.R4 && v != fhir.R5 {
		return nil, fmt.Errorf("convert to AuditEvent of %v: only R4 and R5 are written", v)
	}
	if n := c.stored(e, v); n != nil {
		identify(n, e)
		return n, nil
	}
	n, err := c.exchange(e, v)
	if err != nil {
		return nil, err
	}
	if n == nil {
		n = c.embedded(e, v)
	}
	if n == nil {
		n = c.build(e, v)
	}
	tag(n, e)
	identify(n, e)
	return n, nil
}

// stored returns the document where it is a valid AuditEvent, of version v, else
// nil.
func (c *Converter) stored(e *vigil.Event, v fhir.Version) *fhir.Node {
	switch e.Format {
	case vigil.FormatFHIRR4, vigil.FormatFHIRR5, vigil.FormatLogserver:
		return resource(e.Format, e.Doc, v)
	}
	return nil
}

// resource returns a document that is a valid AuditEvent as one of version v, and
// nil for any other.
func resource(f vigil.Format, doc []byte, v fhir.Version) *fhir.Node {
	if kind, ok := jsonb.Get(doc, "resourceType"); !ok || string(kind) != `"AuditEvent"` {
		return nil
	}
	n, err := fhir.ParseJSON(doc, fhir.Limits{})
	if err != nil {
		return nil
	}
	from := fhir.R4
	switch vocabulary, _ := format.VocabularyOf(f, doc); vocabulary {
	case vigil.FHIRR5:
		from = fhir.R5
	case vigil.FHIRR3:
		from = fhir.R3
	case vigil.FHIRR4:
	default:
		return nil
	}
	fhir.NativeReferences(n, from)
	if from != fhir.R3 && !valid(n, from) {
		return nil
	}
	if from == v {
		return n
	}
	if n, err = fhir.Convert(n, from, v); err != nil {
		return nil
	}
	if v == fhir.R5 {
		namePatient(n)
	}
	if !valid(n, v) {
		return nil
	}
	return n
}

// namePatient writes R5's patient where the entities name one and no other, as
// older versions did, so that R5's search finds it.
func namePatient(n *fhir.Node) {
	if n.Child("patient") != nil {
		return
	}
	patient := ""
	for _, e := range n.All("entity") {
		ref := e.Get("what", "reference").Text()
		switch named := format.Reference(ref); {
		case !strings.HasPrefix(named, "Patient/"):
		case patient == "" || patient == ref:
			patient = ref
		default:
			return
		}
	}
	at := slices.IndexFunc(n.Children, func(c *fhir.Node) bool { return c.Name == "agent" })
	if patient != "" && at >= 0 {
		n.Children = slices.Insert(n.Children, at, fhir.NewObject("patient", fhir.NewString("reference", patient)))
	}
}

func valid(n *fhir.Node, v fhir.Version) bool {
	return !fhir.Failed(fhir.Validate(n, fhir.Options{Version: v, Profiles: fhir.Ignore, MaxIssues: 100_000}))
}

// embedded returns the valid AuditEvent in a document of logserver's, with what
// the document says beside it; nil where there is none.
func (c *Converter) embedded(e *vigil.Event, v fhir.Version) *fhir.Node {
	if e.Format != vigil.FormatLogserver && e.Format != vigil.FormatSystem {
		return nil
	}
	inner, ok := jsonb.Get(e.Doc, "resource")
	if !ok {
		return nil
	}
	n := resource(vigil.FormatFHIRR4, inner, v)
	if n == nil {
		return nil
	}
	f := vigil.FormatFHIRR4
	if v == fhir.R5 {
		f = vigil.FormatFHIRR5
	}
	facts := c.mapping.Facts(e.Format, e.Doc)
	b := builder{v: v, facts: &facts, n: n}
	for f, vals := range c.mapping.Facts(f, fhir.AppendJSON(nil, n)).Values {
		b.given[f] = textsOf(vals)
	}
	details := slices.DeleteFunc(c.details(e, vigil.Logserver, &facts), func(d detail) bool {
		return strings.HasPrefix(d.kind, "/resource/") && d.kind != "/resource/id"
	})
	b.record(e, details, c.config.BaseURL)
	return n
}

// exchange returns the AuditEvent for the whole of an exchange, or nil where the
// event is none or nothing makes AuditEvents of exchanges.
func (c *Converter) exchange(e *vigil.Event, v fhir.Version) (*fhir.Node, error) {
	if e.Format != vigil.FormatExchange || c.config.Exchange == nil {
		return nil, nil
	}
	var x vigil.Exchange
	if json.Unmarshal(e.Doc, &x) != nil {
		return nil, nil // it is JSON, but no exchange: converted as any document
	}
	made, err := c.config.Exchange(&x)
	if err != nil {
		return nil, fmt.Errorf("convert exchange to AuditEvent: %w", err)
	}
	if len(made) == 0 {
		return nil, nil
	}
	n := made[0]
	if v == fhir.R5 {
		if n, err = fhir.Convert(n, fhir.R4, v); err != nil {
			return nil, fmt.Errorf("convert exchange to AuditEvent: %w", err)
		}
	}
	return n, nil
}

// identify gives the resource the event's identity.
func identify(n *fhir.Node, e *vigil.Event) {
	n.Remove("id")
	meta := metaOf(n)
	meta.Remove("lastUpdated")
	at := 0
	for at < len(meta.Children) && slices.Contains([]string{"id", "extension", "versionId"}, meta.Children[at].Name) {
		at++
	}
	meta.Children = slices.Insert(meta.Children, at, fhir.NewString("lastUpdated", e.Received.UTC().Format(instant)))
	n.Children = slices.Insert(n.Children, 0, fhir.NewString("id", e.UID.String()))
}

// tag says which format the document has.
func tag(n *fhir.Node, e *vigil.Event) {
	meta := metaOf(n)
	all := append(meta.Remove("tag"), fhir.NewObject("tag", fhir.NewString("system", OriginSystem), fhir.NewString("code", string(e.Format))).Listed())
	meta.Add(all...)
}

// metaOf returns the resource's meta, made where there is none.
func metaOf(n *fhir.Node) *fhir.Node {
	meta := n.Child("meta")
	if meta == nil {
		meta = fhir.NewObject("meta")
		n.Children = slices.Insert(n.Children, 0, meta)
	}
	return meta
}
