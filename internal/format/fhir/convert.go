package fhir

import (
	"fmt"
	"slices"
	"strings"
)

// Convert returns an AuditEvent rewritten for another version; n stays as it is.
// From R4 to R5 and back
// nothing of a valid resource is lost: what has no place in the other version,
// or would not come back the same, is kept in HL7's cross-version extensions
// (http://hl7.org/fhir/4.0/StructureDefinition/extension-AuditEvent.agent.media)
// and taken out of them again. What a version requires and the other lacks is
// filled in, with such an extension saying that it was not there. R3 is converted
// to R4 and R5, nothing to R3.
//
// Profiles are of one version: claims of them go into an extension too.
func Convert(n *Node, from, to Version) (*Node, error) {
	if n.Resource != "AuditEvent" {
		return nil, fmt.Errorf("convert %s: only AuditEvent is converted", n.Resource)
	}
	switch {
	case to == R3 && from != R3:
		return nil, fmt.Errorf("convert AuditEvent to R3: not supported")
	case from == to:
		return n.Clone(), nil
	case from == R3:
		n, from = fromR3(n), R4
		if to == R4 {
			return n, nil
		}
	}
	c := converter{from: schemaOf(from), to: schemaOf(to)}
	return c.part(n, "AuditEvent", c.to.named("AuditEvent")), nil
}

// A mapping says how some elements of R4 become some of R5 and back. up and down
// get an object with just these elements and return those of the other version.
type mapping struct {
	r4, r5   []string // names; of choices without type
	up, down func(in *Node) []*Node
}

type converter struct{ from, to *schema }

// sides returns the names and functions of m in the converter's direction.
func (c converter) sides(m *mapping) (from, to []string, there, back func(*Node) []*Node) {
	if c.to.version == R5 {
		return m.r4, m.r5, m.up, m.down
	}
	return m.r5, m.r4, m.down, m.up
}

// part converts an element that has mappings of its own: the resource, an agent,
// the source, an entity, a detail.
func (c converter) part(n *Node, path string, t *typeDef) *Node {
	if n.Kind != Object {
		return n.Clone()
	}
	mappings := mappingsOf(path)
	out := &Node{Name: n.Name, Resource: n.Resource, Kind: n.Kind, Value: n.Value, List: n.List}
	kept, restored := c.restore(n, path, mappings)
	var lost []*Node
	done := map[string]bool{"extension": true}
	for i := range mappings {
		from, to, there, back := c.sides(&mappings[i])
		in := pick(n, from)
		part := &Node{Children: there(in)}
		for _, name := range to {
			c.put(part, name, path, restored)
		}
		out.Add(part.Children...)
		again := &Node{Children: back(part)}
		for _, name := range from {
			done[name] = true
			lost = append(lost, c.difference(path, name, in, again)...)
		}
	}
	for i := 0; i < len(n.Children); {
		group := run(n.Children, i)
		i += len(group)
		name := group[0].Name
		if done[name] || done[choiceOf(c.from, path, name)] {
			continue
		}
		for _, k := range group {
			if below := path + "." + name; isPart(below) {
				out.Add(c.part(k, below, c.to.named(below)))
			} else {
				out.Add(k.Clone())
			}
		}
	}
	out.Add(append(kept, lost...)...)
	arrange(out, t)
	return out
}

// pick returns an object with the elements of n that have one of these names.
func pick(n *Node, names []string) *Node {
	in := &Node{}
	for _, name := range names {
		in.Add(named(n, name)...)
	}
	return in
}

// choiceOf returns value for valueString of a part's type, and other names as they are.
func choiceOf(s *schema, path, name string) string {
	if t := s.named(path); t != nil {
		if _, e := t.find(name, 0); e != nil && e.choice != "" {
			return e.choice
		}
	}
	return name
}

// arrange puts the children of n in the order of its type.
func arrange(n *Node, t *typeDef) {
	if t == nil {
		return
	}
	slices.SortStableFunc(n.Children, func(a, b *Node) int {
		return t.place(a.Name) - t.place(b.Name)
	})
}

func (t *typeDef) place(name string) int {
	if i, e := t.find(name, 0); e != nil {
		return i
	}
	return len(t.elems)
}

// cloneAs returns a copy of n with another name, as one of a list or not; nil for nil.
func cloneAs(n *Node, name string, list bool) *Node {
	if n == nil {
		return nil
	}
	c := n.Clone()
	c.Name, c.List = name, list
	return c
}

// clonesAs returns copies of nodes with another name.
func clonesAs(nodes []*Node, name string) []*Node {
	var out []*Node
	for _, n := range nodes {
		out = append(out, cloneAs(n, name, n.List))
	}
	return out
}

func isPart(path string) bool {
	switch path {
	case "AuditEvent.agent", "AuditEvent.source", "AuditEvent.entity", "AuditEvent.entity.detail":
		return true
	}
	return false
}

// upperFirst returns s with its first letter in upper case.
func upperFirst(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
