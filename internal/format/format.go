// Package format evaluates the mapping of package vigil: it reads facts out of
// documents of every vocabulary, over their bytes.
//
// What is mapped is data of package vigil; this package only follows it. It
// keeps nothing and knows no store.
package format

import (
	"slices"
	"time"

	"vigil"
	"vigil/internal/format/aidbox"
	"vigil/internal/format/logserver"
	"vigil/internal/jsonb"
)

// New returns the mapping of [vigil.Properties], with zone for times that name
// none; nil is UTC.
func New(zone *time.Location) vigil.Mapping {
	if zone == nil {
		zone = time.UTC
	}
	m := &mapping{zone: zone, number: vigil.MappingNumber(zone)}
	properties := vigil.Properties()
	for v := range vigil.NumVocabularies {
		m.trees[v] = compile(properties, v)
	}
	return m
}

// mapping is the compiled table. It is never changed.
type mapping struct {
	zone   *time.Location
	number uint32
	trees  [vigil.NumVocabularies]*node
}

var _ vigil.Mapping = (*mapping)(nil)

// Number implements [vigil.Mapping].
func (m *mapping) Number() uint32 { return m.number }

// Facts implements [vigil.Mapping]. A document that is no JSON object has none.
func (m *mapping) Facts(format vigil.Format, doc []byte) vigil.Facts {
	if jsonb.Kind(doc) != '{' {
		return vigil.Facts{}
	}
	v, known := vocabulary(format, doc)
	if !known {
		return vigil.Facts{}
	}
	c := collector{zone: m.zone}
	c.hits = c.buf[:0]
	if v == vigil.Logserver {
		if resource, ok := jsonb.Get(doc, "resource"); ok && isAuditEvent(resource) {
			// The AuditEvent inside says it better than what is around it.
			c.at(m.trees[fhirVersion(resource)], resource)
			c.layer = 1
		}
	}
	c.at(m.trees[v], doc)
	return c.facts()
}

// vocabulary returns the vocabulary of a document. A format that is posted by
// applications holds several.
func vocabulary(format vigil.Format, doc []byte) (vigil.Vocabulary, bool) {
	switch format {
	case vigil.FormatLogserver:
		return posted(doc), true
	case vigil.FormatSystem:
		return vigil.Logserver, true
	case vigil.FormatFHIRR4:
		return vigil.FHIRR4, true
	case vigil.FormatFHIRR5:
		return vigil.FHIRR5, true
	case vigil.FormatAidbox:
		return vigil.Aidbox, true
	case vigil.FormatExchange:
		return vigil.Exchanges, true
	}
	return 0, false
}

// posted returns the vocabulary of a document that an application posted.
func posted(doc []byte) vigil.Vocabulary {
	switch logserver.GenerationOf(doc) {
	case logserver.Keycloak:
		return vigil.Keycloak
	case logserver.KeycloakLog:
		return vigil.KeycloakLog
	case logserver.Gen0:
		if isAuditEvent(doc) {
			return fhirVersion(doc)
		}
		if aidbox.IsLine(doc) {
			return vigil.Aidbox
		}
	}
	return vigil.Logserver
}

func isAuditEvent(doc []byte) bool {
	t, ok := jsonb.Get(doc, "resourceType")
	return ok && string(t) == `"AuditEvent"`
}

// fhirVersion tells R4 and R5 AuditEvents apart: R4 requires type, R5 has code
// and category in its place.
func fhirVersion(doc []byte) vigil.Vocabulary {
	if _, ok := jsonb.Get(doc, "type"); ok {
		return vigil.FHIRR4
	}
	for _, key := range [...]string{"code", "category"} {
		if _, ok := jsonb.Get(doc, key); ok {
			return vigil.FHIRR5
		}
	}
	return vigil.FHIRR4
}

// collector gathers what the sources of one document give.
type collector struct {
	zone  *time.Location
	layer int // sources of a later layer come after those of an earlier one
	hits  []hit
	buf   [24]hit
	raw   []byte // scratch
}

// hit is one value of one source.
type hit struct {
	property  int // index in vigil.Properties
	rank      int // place of the source among the property's
	fact      vigil.Fact
	otherwise bool // the source's Else
	text      string
	when      time.Time
}

// facts puts the hits in the order of their sources and leaves out what is there
// already.
func (c *collector) facts() vigil.Facts {
	slices.SortStableFunc(c.hits, func(a, b hit) int {
		if a.property != b.property {
			return a.property - b.property
		}
		return a.rank - b.rank
	})
	var f vigil.Facts
	rank := -1 // of the source that gave the fact's last value
	var seen set
	for i, h := range c.hits {
		if i == 0 || c.hits[i-1].property != h.property {
			rank, seen = -1, nil
		}
		switch {
		case h.otherwise && rank >= 0 && rank != h.rank:
		case h.fact != vigil.NumFacts:
			f.Values[h.fact], seen = appendNew(f.Values[h.fact], seen, h.text)
			rank = h.rank
		case f.Occurred.IsZero():
			f.Occurred = h.when
		}
	}
	return f
}

// set holds what a long list has.
type set map[string]bool

// appendNew appends s unless it is there already. A document may name every
// patient of a hospital, so a long list gets a set.
func appendNew(list []string, seen set, s string) ([]string, set) {
	if len(list) < 16 {
		if slices.Contains(list, s) {
			return list, nil
		}
		return append(list, s), nil
	}
	if seen == nil {
		seen = set{}
		for _, old := range list {
			seen[old] = true
		}
	}
	if seen[s] {
		return list, seen
	}
	seen[s] = true
	return append(list, s), seen
}
