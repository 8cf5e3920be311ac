package convert

import (
	"strconv"

	"vigil/internal/format/fhir"
)

// arena hands out the nodes of one tree, cut from a few allocations.
type arena struct {
	nodes []fhir.Node
	lists []*fhir.Node
}

// A conversion makes about as many nodes.
const arenaNodes = 64

func (a *arena) node(name string, kind fhir.Kind, value string) *fhir.Node {
	if len(a.nodes) == 0 {
		a.nodes = make([]fhir.Node, arenaNodes)
	}
	n := &a.nodes[0]
	a.nodes = a.nodes[1:]
	n.Name, n.Kind, n.Value = name, kind, value
	return n
}

// str returns a primitive that JSON writes as a string.
func (a *arena) str(name, value string) *fhir.Node { return a.node(name, fhir.String, value) }

// flag returns a boolean.
func (a *arena) flag(name string, value bool) *fhir.Node {
	return a.node(name, fhir.Bool, strconv.FormatBool(value))
}

// obj returns an element with children, to which a few can be added cheaply.
func (a *arena) obj(name string, children ...*fhir.Node) *fhir.Node {
	n := a.node(name, fhir.Object, "")
	size := len(children) + 3
	if len(a.lists) < size {
		a.lists = make([]*fhir.Node, max(size, arenaNodes))
	}
	n.Children = append(a.lists[:0:size], children...)
	a.lists = a.lists[size:]
	return n
}

// coding returns a code as a Coding of this name.
func (a *arena) coding(c code, name string) *fhir.Node {
	n := a.obj(name, a.str("system", c.system), a.str("code", c.code))
	if c.display != "" {
		n.Add(a.str("display", c.display))
	}
	return n
}

// concept returns a code as a CodeableConcept of this name.
func (a *arena) concept(c code, name string) *fhir.Node {
	return a.obj(name, a.coding(c, "coding").Listed())
}

// absent is the extension that stands for a value that nobody gave.
func (a *arena) absent(reason string) *fhir.Node {
	return a.obj("extension",
		a.str("url", "http://hl7.org/fhir/StructureDefinition/data-absent-reason"), a.str("valueCode", reason)).Listed()
}

// identifier returns an Identifier of a text.
func (a *arena) identifier(val string) *fhir.Node {
	n := a.obj("identifier")
	if isURI(val) {
		n.Add(a.str("system", systemURI))
	}
	return n.Add(a.str("value", val))
}
