package fhir

import "strings"

// r3Systems are code systems that R4 has under another URL, below
// http://terminology.hl7.org/CodeSystem/.
const r3Systems = " audit-event-type audit-entity-type object-role security-source-type dicom-audit-lifecycle "

// fromR3 returns an R3 AuditEvent in R4's shape: agent.userId and agent.reference
// become who, the first role is the type, source.identifier the observer,
// entity.identifier and entity.reference become what. Elements that R4 has no
// place for beside these are kept in cross-version extensions.
func fromR3(n *Node) *Node {
	out := n.Clone()
	terminology(out)
	for _, a := range out.All("agent") {
		r3Agent(a)
	}
	for _, s := range out.All("source") {
		r3Source(s)
	}
	for _, e := range out.All("entity") {
		r3Entity(e)
	}
	arrange(out, schemaR4.named("AuditEvent"))
	return out
}

// terminology gives code systems R4's URLs.
func terminology(n *Node) {
	for _, c := range n.Children {
		if name, ok := strings.CutPrefix(c.Value, "http://hl7.org/fhir/"); ok && c.Name == "system" && c.Kind == String {
			if strings.Contains(r3Systems, " "+name+" ") {
				c.Value = "http://terminology.hl7.org/CodeSystem/" + name
			} else if v3, ok := strings.CutPrefix(name, "v3/"); ok {
				c.Value = "http://terminology.hl7.org/CodeSystem/v3-" + v3
			}
		}
		terminology(c)
	}
}

func r3Agent(a *Node) {
	r3Reference(a, "AuditEvent.agent", "who", "userId", a.Remove("reference"), a.Remove("userId"))
	if roles := a.Remove("role"); len(roles) > 0 && a.Child("type") == nil {
		a.Add(cloneAs(roles[0], "type", false))
		a.Add(roles[1:]...)
	} else {
		a.Add(roles...)
	}
	arrange(a, schemaR4.named("AuditEvent.agent"))
}

func r3Source(s *Node) {
	var observer []*Node
	exts := s.Remove("extension")
	for _, x := range exts {
		if x.Child("url").Text() == crossURL(R4, "AuditEvent.source.observer") && x.Child("valueReference") != nil {
			observer = append(observer, x.Child("valueReference"))
			continue
		}
		s.Add(x)
	}
	r3Reference(s, "AuditEvent.source", "observer", "identifier", observer, s.Remove("identifier"))
	arrange(s, schemaR4.named("AuditEvent.source"))
}

func r3Entity(e *Node) {
	r3Reference(e, "AuditEvent.entity", "what", "identifier", e.Remove("reference"), e.Remove("identifier"))
	for _, d := range e.All("detail") {
		if v := d.Child("value"); v != nil {
			v.Name = "valueBase64Binary"
		}
		arrange(d, schemaR4.named("AuditEvent.entity.detail"))
	}
	arrange(e, schemaR4.named("AuditEvent.entity"))
}

// r3Reference makes one reference, called name, of R3's reference and identifier.
func r3Reference(n *Node, path, name, idName string, refs, ids []*Node) {
	if len(refs)+len(ids) == 0 || n.Child(name) != nil {
		n.Add(refs...)
		n.Add(ids...)
		return
	}
	ref := NewObject(name)
	if len(refs) > 0 {
		ref = cloneAs(refs[0], name, false)
	}
	if len(ids) > 0 {
		switch have := ref.Child("identifier"); {
		case have == nil:
			ref.Add(cloneAs(ids[0], "identifier", false))
		case !within(ids[0], have):
			n.Add(NewObject("extension", NewString("url", crossURL(R3, path+"."+idName)), cloneAs(ids[0], "valueIdentifier", false)).Listed())
		}
	}
	arrange(ref, schemaR4.named("Reference"))
	n.Add(ref)
}

// within reports whether everything that a has is in b as well.
func within(a, b *Node) bool {
	for _, c := range a.Children {
		if !equalAll(a.All(c.Name), b.All(c.Name)) {
			return false
		}
	}
	return true
}
