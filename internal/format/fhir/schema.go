package fhir

// The tables that the generator writes are made of these types. A version's
// types refer to each other by index; index 0 is no type.

const many = 255 // as max: no bound

// A format is how the value of a primitive is written.
type format uint8

const (
	noFormat format = iota
	fBase64
	fBoolean
	fCanonical
	fCode
	fDate
	fDateTime
	fDecimal
	fID
	fInstant
	fInteger
	fInteger64
	fMarkdown
	fOID
	fPositiveInt
	fString
	fTime
	fUnsignedInt
	fURI
	fURL
	fUUID
	fXHTML
)

// kind returns how JSON writes a value of this format.
func (f format) kind() Kind {
	switch f {
	case fBoolean:
		return Bool
	case fDecimal, fInteger, fPositiveInt, fUnsignedInt:
		return Number
	}
	return String
}

type typeDef struct {
	name     string
	format   format // of a primitive
	resource bool
	open     bool // elements that are not listed are let pass
	elems    []element
	rules    []invariant
}

type element struct {
	name     string // as in JSON: valueString
	choice   string // value, where the element is one of a choice
	min, max uint8
	typ      uint16
	set      uint16   // value set of a required binding, 0 for none
	targets  []string // types that a Reference may refer to, nil for any
	rules    []invariant
}

type schema struct {
	version  Version
	types    []typeDef
	anything uint16 // the type of contained resources
}

// A codeSet is the expansion of a value set.
type codeSet struct {
	url     string
	systems []codes
}

type codes struct {
	system string
	codes  []string
}

// has reports whether the set holds a code; system "" stands for every system.
func (s *codeSet) has(system, code string) bool {
	for i := range s.systems {
		if system != "" && s.systems[i].system != system {
			continue
		}
		for _, c := range s.systems[i].codes {
			if c == code {
				return true
			}
		}
	}
	return false
}

func schemaOf(v Version) *schema {
	if v == R5 {
		return &schemaR5
	}
	return &schemaR4
}

// find returns the element of this name. Documents are mostly in order, so the
// search starts where the last one ended.
func (t *typeDef) find(name string, last int) (int, *element) {
	for i := last; i < len(t.elems); i++ {
		if t.elems[i].name == name {
			return i, &t.elems[i]
		}
	}
	for i := range min(last, len(t.elems)) {
		if t.elems[i].name == name {
			return i, &t.elems[i]
		}
	}
	return last, nil
}

// resource returns the definition of a type of resources, or that of resources
// which have none here.
func (s *schema) resource(name string) *typeDef {
	for i := range s.types {
		if s.types[i].resource && s.types[i].name == name {
			return &s.types[i]
		}
	}
	return &s.types[s.anything]
}

// named returns the definition of a data type, or nil.
func (s *schema) named(name string) *typeDef {
	for i := range s.types {
		if s.types[i].name == name {
			return &s.types[i]
		}
	}
	return nil
}

// under returns the definition of n, an element of type e; n may be a resource.
func (s *schema) under(e *element, n *Node) *typeDef {
	if e == nil {
		return nil
	}
	if e.typ == s.anything && n.Resource != "" {
		return s.resource(n.Resource)
	}
	return &s.types[e.typ]
}

// A profile is what a StructureDefinition asks beyond the type it constrains.
type profile struct {
	url  string
	root rule
}

// A rule is what a profile asks of one element, and of each of its children.
type rule struct {
	name     string
	choice   bool     // name is that of a choice: value
	min, max uint8    // 0 and many where the profile adds nothing
	types    []string // the types that are left of a choice
	targets  []string
	coding   *coding // a code in it must be this
	text     string  // the value must be this
	set      uint16  // a code in it must be of this value set
	rules    []invariant
	slicing  *slicing
	kids     []rule
}

type coding struct{ system, code string }

// A slicing sorts the repetitions of an element into slices by the value at by,
// "" for the element itself.
type slicing struct {
	by     string
	closed bool
	slices []slice
}

type slice struct {
	name string
	rule rule // min and max count the slice's elements
}
