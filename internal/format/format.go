// Package format evaluates the mapping of package vigil: it reads facts out of
// documents of every vocabulary, over their bytes.
//
// What is mapped is data of package vigil; this package only follows it. It
// keeps nothing and knows no store.
package format

import (
	"slices"
	"sync"
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
	m := &mapping{number: vigil.MappingNumber(zone)}
	m.collectors.New = func() any { return &collector{zone: zone} }
	properties := vigil.Properties()
	when := slices.DeleteFunc(slices.Clone(properties), func(p vigil.Property) bool { return p.Fact != vigil.NumFacts })
	for v := range vigil.NumVocabularies {
		m.trees[v], m.times[v] = compile(properties, v), compile(when, v)
	}
	return m
}

// mapping is the compiled table, which is never changed.
type mapping struct {
	number     uint32
	trees      [vigil.NumVocabularies]*node
	times      [vigil.NumVocabularies]*node // of the time alone
	collectors sync.Pool                    // of *collector
}

var _ vigil.TimeMapping = (*mapping)(nil)

// Number implements [vigil.Mapping].
func (m *mapping) Number() uint32 { return m.number }

// Facts implements [vigil.Mapping]. A document that is no JSON object has none.
func (m *mapping) Facts(format vigil.Format, doc []byte) vigil.Facts {
	return m.read(&m.trees, format, doc)
}

// Occurred implements [vigil.TimeMapping].
func (m *mapping) Occurred(format vigil.Format, doc []byte) time.Time {
	return m.read(&m.times, format, doc).Occurred
}

// read reads the facts that trees lead to.
func (m *mapping) read(trees *[vigil.NumVocabularies]*node, format vigil.Format, doc []byte) vigil.Facts {
	if jsonb.Kind(doc) != '{' {
		return vigil.Facts{}
	}
	v, known := VocabularyOf(format, doc)
	if !known {
		return vigil.Facts{}
	}
	c := m.collectors.Get().(*collector)
	defer m.collectors.Put(c)
	if v == vigil.Logserver {
		if resource, ok := jsonb.Get(doc, "resource"); ok && isAuditEvent(resource) {
			// The AuditEvent inside says it better than what is around it.
			c.at(trees[fhirVersion(resource, vigil.FHIRR4)], resource)
			c.layer = 1
		}
	}
	c.at(trees[v], doc)
	f := c.facts()
	clear(c.hits) // let go of the texts
	c.hits, c.layer = c.hits[:0], 0
	return f
}

// VocabularyOf returns the vocabulary of a document, which is a JSON object, and
// whether there is one. A format that is posted by applications holds several.
func VocabularyOf(format vigil.Format, doc []byte) (vigil.Vocabulary, bool) {
	switch format {
	case vigil.FormatLogserver:
		return posted(doc), true
	case vigil.FormatSystem:
		return vigil.Logserver, true
	case vigil.FormatFHIRR4:
		return fhirVersion(doc, vigil.FHIRR4), true
	case vigil.FormatFHIRR5:
		return fhirVersion(doc, vigil.FHIRR5), true
	case vigil.FormatAidbox:
		return vigil.Aidbox, true
	case vigil.FormatExchange:
		return vigil.Exchanges, true
	case vigil.FormatCLEF:
		return vigil.CLEF, true
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
			return fhirVersion(doc, vigil.FHIRR4)
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

// fhirVersion tells AuditEvents of the versions apart, whatever they were sent as:
// R4 requires type, R5 has code and category in its place, and R3's source has an
// identifier of its own where later versions have an observer. Where the document
// does not tell, it is otherwise.
func fhirVersion(doc []byte, otherwise vigil.Vocabulary) vigil.Vocabulary {
	var kind, code, identifier, observer bool
	for key, val := range jsonb.Members(doc) {
		switch key {
		case "type":
			kind = true
		case "code", "category":
			code = true
		case "source":
			_, identifier = jsonb.Get(val, "identifier")
			_, observer = jsonb.Get(val, "observer")
		}
	}
	switch {
	case code && !kind:
		return vigil.FHIRR5
	case identifier && !observer:
		return vigil.FHIRR3
	case kind && !code:
		return vigil.FHIRR4
	}
	return otherwise
}

// collector gathers what the sources of one document give.
type collector struct {
	zone  *time.Location
	layer int // sources of a later layer come after those of an earlier one
	hits  []hit
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
	backing := make([]string, 0, len(c.hits)) // of every list: a fact's values follow each other
	for hits, n := c.hits, 0; len(hits) > 0; hits = hits[n:] {
		for n = 1; n < len(hits) && hits[n].property == hits[0].property; {
			n++
		}
		fact := hits[0].fact
		if fact == vigil.NumFacts {
			f.Occurred = hits[0].when
			continue
		}
		from := len(backing)
		backing = appendValues(backing, hits[:n])
		f.Values[fact] = backing[from:len(backing):len(backing)]
	}
	return f
}

// appendValues appends the values of one fact to list, each once.
func appendValues(list []string, hits []hit) []string {
	from := len(list)
	rank := -1               // of the source that gave the last value
	var seen map[string]bool // of a long list: a document may name every patient of a hospital
	for _, h := range hits {
		if h.otherwise && rank >= 0 && rank != h.rank {
			continue
		}
		rank = h.rank
		if len(hits) < 16 {
			if !slices.Contains(list[from:], h.text) {
				list = append(list, h.text)
			}
			continue
		}
		if seen == nil {
			seen = make(map[string]bool, len(hits))
		}
		if !seen[h.text] {
			seen[h.text] = true
			list = append(list, h.text)
		}
	}
	return list
}
