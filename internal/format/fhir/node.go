package fhir

import (
	"slices"
	"strconv"
)

// A Version is a release of FHIR.
type Version uint8

// The versions. R3 is read and converted, not validated or written.
const (
	R4 Version = iota
	R5
	R3
)

// String returns R4, R5 or R3.
func (v Version) String() string { return [...]string{"R4", "R5", "R3"}[v] }

// Number returns the version's number as in fhirVersion, such as 4.0.1.
func (v Version) Number() string { return [...]string{"4.0.1", "5.0.0", "3.0.2"}[v] }

// A Kind says what a [Node] holds.
type Kind uint8

// The kinds of nodes.
const (
	Object Kind = iota // children, no value
	String             // a string, unescaped
	Number             // a number, as it was written
	Bool               // true or false
	Absent             // a primitive that has an id or extensions but no value
	Null               // an entry null of a JSON array without id and extensions
	Empty              // an empty JSON array
	Raw                // JSON that no FHIR element looks like: null as member, an array in an array
)

// A Node is an element of a resource. Elements that repeat are siblings of the
// same name, next to each other. The nodes of a parsed document are a tree of
// its own; nothing else refers to them.
type Node struct {
	Name     string  // as in JSON: agent, valueString; of the root: empty
	Resource string  // the type, where the element is a resource: AuditEvent
	Value    string  // of a String, Number, Bool; the JSON text of a Raw
	Children []*Node // of primitives: id and extension
	Kind     Kind
	List     bool // JSON writes it in an array
	disorder bool // XML had it at the wrong place
}

// Child returns the first child of this name, or nil. It may be called on nil.
func (n *Node) Child(name string) *Node {
	if n == nil {
		return nil
	}
	for _, c := range n.Children {
		if c.Name == name {
			return c
		}
	}
	return nil
}

// All returns the children of this name.
func (n *Node) All(name string) []*Node {
	if n == nil {
		return nil
	}
	for i, c := range n.Children {
		if c.Name != name {
			continue
		}
		end := i + 1
		for end < len(n.Children) && n.Children[end].Name == name {
			end++
		}
		return n.Children[i:end:end]
	}
	return nil
}

// Get follows a path of first children, such as "source", "observer", "display".
func (n *Node) Get(path ...string) *Node {
	for _, name := range path {
		n = n.Child(name)
	}
	return n
}

// Text returns the value of a primitive, and "" of nil and anything else.
func (n *Node) Text() string {
	if n == nil || n.Kind == Raw {
		return ""
	}
	return n.Value
}

// Add appends children and returns n. Children of one name must stay together.
func (n *Node) Add(children ...*Node) *Node {
	for _, c := range children {
		if c != nil {
			n.Children = append(n.Children, c)
		}
	}
	return n
}

// Remove takes the children of this name out and returns them.
func (n *Node) Remove(name string) []*Node {
	out := slices.Clone(n.All(name))
	if out != nil {
		n.Children = slices.DeleteFunc(n.Children, func(c *Node) bool { return c.Name == name })
	}
	return out
}

// Put sets the only child of this name, at the place of the former one.
func (n *Node) Put(c *Node) *Node {
	for i, old := range n.Children {
		if old.Name == c.Name {
			n.Remove(c.Name)
			n.Children = slices.Insert(n.Children, i, c)
			return n
		}
	}
	return n.Add(c)
}

// Clone returns a deep copy.
func (n *Node) Clone() *Node {
	if n == nil {
		return nil
	}
	c := *n
	c.Children = nil
	if len(n.Children) > 0 {
		c.Children = make([]*Node, len(n.Children))
		for i, k := range n.Children {
			c.Children[i] = k.Clone()
		}
	}
	return &c
}

// Equal reports whether two trees say the same: the order of elements of
// different names does not count, the text of numbers does.
func Equal(a, b *Node) bool {
	if a == nil || b == nil {
		return a == b
	}
	if a.Name != b.Name || a.Resource != b.Resource || a.Value != b.Value || a.Kind != b.Kind || a.List != b.List || len(a.Children) != len(b.Children) {
		return false
	}
	for i := 0; i < len(a.Children); {
		name := a.Children[i].Name
		xs := run(a.Children, i)
		ys := run(b.Children, i)
		if ys[0].Name != name || i > 0 && b.Children[i-1].Name == name {
			ys = b.All(name)
		}
		if len(xs) != len(ys) {
			return false
		}
		for j := range xs {
			if !Equal(xs[j], ys[j]) {
				return false
			}
		}
		i += len(xs)
	}
	return true
}

// NewString returns a primitive that JSON writes as a string.
func NewString(name, value string) *Node { return &Node{Name: name, Kind: String, Value: value} }

// NewBool returns a boolean.
func NewBool(name string, value bool) *Node {
	return &Node{Name: name, Kind: Bool, Value: strconv.FormatBool(value)}
}

// NewObject returns an element with children; nil ones are left out.
func NewObject(name string, children ...*Node) *Node {
	return (&Node{Name: name}).Add(children...)
}

// Listed marks n as one of a JSON array and returns it.
func (n *Node) Listed() *Node {
	n.List = true
	return n
}

// Guess returns the version that an AuditEvent is of by its shape; R4 where it
// says too little.
func Guess(n *Node) Version {
	switch {
	case n.Child("code") != nil || n.Child("category") != nil || n.Child("authorization") != nil:
		return R5
	case n.Child("outcome") != nil && n.Child("outcome").Kind == Object:
		return R5
	case n.Get("source", "observer") != nil:
		return R4
	case n.Get("source", "identifier") != nil:
		return R3
	}
	for _, a := range n.All("agent") {
		if a.Child("userId") != nil || a.Child("reference") != nil {
			return R3
		}
	}
	return R4
}
