package format

import (
	"strings"

	"vigil"
	"vigil/internal/format/fhir"
	"vigil/internal/format/logserver"
	"vigil/internal/jsonb"
)

// maxValue is the longest value in bytes that is a fact. Longer ones are not
// identifiers, and an index of them would serve nobody.
const maxValue = 4096

// read adds what a source gives for the value at its place.
func (c *collector) read(u *use, val []byte) {
	switch as := u.source.As; as {
	case vigil.AsReference, vigil.AsPatient, vigil.AsPatientName, vigil.AsNoPatient:
		c.add(u, c.reference(as, val))
		return
	case vigil.AsTime:
		c.addTime(u, val)
		return
	}
	text := c.text(val)
	if text == nil {
		return
	}
	switch u.source.As {
	case vigil.AsSeverity:
		c.add(u, severity(text, jsonb.Kind(val) == '0'))
	case vigil.AsAction:
		c.add(u, action(text, true))
	case vigil.AsKnownAction:
		c.add(u, action(text, false))
	case vigil.AsSession:
		c.add(u, Session(string(text)))
	case vigil.AsOutcome:
		c.add(u, Outcome(string(text)))
	case vigil.AsAddresses:
		for part := range strings.SplitSeq(string(text), ",") {
			c.add(u, strings.TrimSpace(part))
		}
	default:
		c.add(u, string(text))
	}
}

// text returns the text of a string, number or boolean, nil of anything else and
// of what is too long. It is valid until the next call.
func (c *collector) text(val []byte) []byte {
	switch jsonb.Kind(val) {
	case '"', '0', 't', 'f':
	default:
		return nil
	}
	if len(val) > 6*maxValue { // even if every byte is an escape of six
		return nil
	}
	text, ok := jsonb.Plain(val)
	if !ok {
		c.raw = jsonb.AppendText(c.raw[:0], val)
		text = c.raw
	}
	if len(text) > maxValue {
		return nil
	}
	return text
}

func (c *collector) add(u *use, text string) {
	if text == "" || u.fact >= vigil.NumFacts {
		return
	}
	c.hits = append(c.hits, c.hit(u, text))
}

func (c *collector) addTime(u *use, val []byte) {
	if t, ok := logserver.ParseTime(c.text(val), c.zone); ok {
		h := c.hit(u, "")
		h.when = t
		c.hits = append(c.hits, h)
	}
}

func (c *collector) hit(u *use, text string) hit {
	return hit{
		property: u.property, rank: u.rank + c.layer*layerRanks, fact: u.fact,
		otherwise: u.source.Else, text: text,
	}
}

// layerRanks is more than any property has sources.
const layerRanks = 1 << 8

// reference reads a value that names a resource: a text, a number, a FHIR
// Reference, or a resource or Aidbox reference with type and id.
func (c *collector) reference(as vigil.Reading, val []byte) string {
	ref, name := "", ""
	if jsonb.Kind(val) == '{' {
		ref = c.objectReference(val)
		if ref == "" && as == vigil.AsPatientName {
			ref, name = c.patientObject(val)
		}
	} else {
		ref = Reference(string(c.text(val)))
	}
	switch patient := strings.HasPrefix(ref, "Patient/"); {
	case as == vigil.AsPatientName && ref == "":
		return name
	case as == vigil.AsPatient && !patient, as == vigil.AsNoPatient && patient:
		return ""
	}
	return ref
}

// objectReference returns Type/id of an object that has a reference, or its own
// type and id: a resource or a reference as Aidbox writes it, a line of Aidbox's
// log (rtp, rid), an exchange (type, key). An AuditEvent is the record, not what
// the record is about.
func (c *collector) objectReference(val []byte) string {
	var reference, kind, id, underscoreID, logKind, logID, exchangeKind, exchangeKey []byte
	for key, m := range jsonb.Members(val) {
		switch key {
		case "reference":
			reference = m
		case "resourceType":
			kind = m
		case "id":
			id = m
		case "_id":
			underscoreID = m
		case "rtp":
			logKind = m
		case "rid":
			logID = m
		case "type":
			exchangeKind = m
		case "key":
			exchangeKey = m
		}
	}
	if ref := string(c.text(reference)); ref != "" {
		return Reference(ref)
	}
	for _, named := range [...][2][]byte{{kind, id}, {kind, underscoreID}, {logKind, logID}, {exchangeKind, exchangeKey}} {
		if named[0] == nil || named[1] == nil {
			continue
		}
		kind := string(c.text(named[0]))
		if id := string(c.text(named[1])); id != "" && kind != "" && kind != "AuditEvent" {
			return Reference(kind + "/" + id)
		}
	}
	return ""
}

// patientObject reads the search for a patient that some applications log in
// the place of the patient: the id that was found, else the name looked for.
func (c *collector) patientObject(val []byte) (ref, name string) {
	for _, key := range [...]string{"subject.id", "id"} {
		if id, ok := c.member(val, key); ok {
			if ref = Reference(id); !strings.Contains(ref, "/") {
				ref = "Patient/" + ref
			}
			return ref, ""
		}
	}
	given, _ := c.member(val, "subject:Patient.name.given")
	family, _ := c.member(val, "subject:Patient.name.family")
	if name = strings.TrimSpace(given + " " + family); name == "" {
		name, _ = c.member(val, "name")
	}
	return "", name
}

// member returns the text of a member that is a string, a number or a boolean.
func (c *collector) member(val []byte, key string) (string, bool) {
	m, ok := jsonb.Get(val, key)
	if !ok {
		return "", false
	}
	text := c.text(m)
	return string(text), len(text) > 0
}

// Reference returns Type/id of a reference that has both, whatever server or
// version it also names, so that a search finds all of them. Other text, a URN or
// an identifier, is returned as it is.
func Reference(ref string) string {
	s := ref
	if i := strings.Index(s, "/_history/"); i > 0 {
		s = s[:i]
	}
	slash := strings.LastIndexByte(s, '/')
	if slash < 0 || !fhir.IsID(s[slash+1:]) {
		return ref
	}
	kind := s[strings.LastIndexByte(s[:slash], '/')+1 : slash]
	switch {
	case kind == "patients": // as CakePHP's applications write it
		return "Patient" + s[slash:]
	case fhir.IsTypeName(kind):
		return s[slash-len(kind):]
	}
	return ref
}
