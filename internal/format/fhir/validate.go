package fhir

import (
	"fmt"
	"slices"
	"strings"
)

// Validate compares a resource with the definitions of a version and with the
// profiles it claims, and returns what it found in the order of the document:
// nil where all is well. References are not resolved. Of profiles, those of IHE
// BALP 1.1.4 are known; that others are not is an issue of severity information.
func Validate(n *Node, o Options) []Issue {
	if o.MaxIssues <= 0 {
		o.MaxIssues = 100
	}
	v := &validator{Options: o, schema: schemaOf(o.Version), root: n, path: make([]step, 0, 16)}
	if o.Version == R3 {
		v.push(n.Resource, -1)
		v.report("not-supported", "", "", "R3 cannot be validated: convert to R4 first")
		return v.issues
	}
	v.push(n.Resource, -1)
	t := v.schema.resource(n.Resource)
	if t.open {
		v.add(Information, "not-supported", "", "", "there is no definition of this type here: it was not checked")
	}
	v.inResource(n, t)
	if o.Profiles != Ignore && n.Resource == "AuditEvent" {
		v.claims(n)
	}
	return v.issues
}

// inResource checks a resource, which may be contained.
func (v *validator) inResource(n *Node, t *typeDef) {
	outer := v.resource
	v.resource = n
	v.object(n, t)
	v.resource = outer
}

// object checks the children of n, which is of type t, and the rules of t.
func (v *validator) object(n *Node, t *typeDef) {
	if n.Kind == Object && onlyID(n) {
		v.report("invariant", "", "ele-1", emptyText)
	}
	var seen [2]uint64 // elements by their place in t; those beyond 128 are never required
	last := 0
	for i := 0; i < len(n.Children) && !v.full(); {
		group := run(n.Children, i)
		i += len(group)
		at, e := t.find(group[0].Name, last)
		if e == nil {
			v.unknown(group[0], t)
			continue
		}
		last = at
		if at < 128 {
			seen[at/64] |= 1 << (at % 64)
		}
		v.group(group, e)
	}
	v.required(t, seen)
	for _, r := range t.rules {
		v.check(r, n)
	}
}

const emptyText = "must not be empty: an element has a value, or children other than an id"

// onlyID reports whether n has no children but an id (ele-1). A resource may be
// as empty as its type allows.
func onlyID(n *Node) bool {
	return n.Resource == "" && !slices.ContainsFunc(n.Children, func(c *Node) bool { return c.Name != "id" })
}

// required reports elements that are missing, and choices that are there twice.
func (v *validator) required(t *typeDef, seen [2]uint64) {
	has := func(i int) bool { return i < 128 && seen[i/64]&(1<<(i%64)) != 0 }
	for i := 0; i < len(t.elems); i++ {
		e := &t.elems[i]
		if e.choice == "" {
			if e.min > 0 && !has(i) {
				v.report("required", e.name, "", "is missing: "+quantity(e.min, e.max))
			}
			continue
		}
		count := 0
		for ; i < len(t.elems) && t.elems[i].choice == e.choice; i++ {
			if has(i) {
				count++
			}
		}
		i--
		if count == 0 && e.min > 0 {
			v.report("required", e.choice, "", "is missing: one of "+choices(t, e.choice)+" is required")
		}
		if count > 1 {
			v.report("structure", e.choice, "", "is there in several types: only one of "+choices(t, e.choice)+" is allowed")
		}
	}
}

func quantity(low, high uint8) string {
	if high == 1 {
		return "it is required"
	}
	return fmt.Sprintf("at least %d is required", low)
}

func choices(t *typeDef, choice string) string {
	var names []string
	for i := range t.elems {
		if t.elems[i].choice == choice {
			names = append(names, t.elems[i].name)
		}
	}
	if len(names) > 6 {
		return choice + "[x]"
	}
	return strings.Join(names, ", ")
}

// unknown reports a member that t does not have, with the version that has it.
func (v *validator) unknown(n *Node, t *typeDef) {
	if t.open {
		return
	}
	text := "is not an element of " + v.Version.String() + "'s " + t.name
	if n.Name == "resourceType" {
		text = "must be a string"
	}
	if name, ok := strings.CutPrefix(n.Name, "_"); ok {
		if _, e := t.find(name, 0); e != nil {
			text = "must be an object with id or extension, beside the value of a primitive"
		}
	}
	other := &schemaR5
	if v.schema == other {
		other = &schemaR4
	}
	if t := other.named(t.name); t != nil {
		if _, e := t.find(n.Name, 0); e != nil {
			text += ", but of " + other.version.String() + "'s"
		}
	}
	v.report("structure", n.Name, "", text)
}

// group checks the occurrences of one element.
func (v *validator) group(group []*Node, e *element) {
	name := e.name
	if e.choice != "" {
		name = e.choice
	}
	if len(group) > int(e.max) && e.max != many {
		v.report("structure", name, "", "is there more than once")
	} else if e.max == 1 && group[0].List {
		v.report("structure", name, "", "must not be an array: there is at most one")
	}
	for i, n := range group {
		if v.full() {
			return
		}
		index := i
		if e.max == 1 {
			index = -1
		}
		v.push(name, index)
		if e.max > 1 && !n.List && i == 0 {
			v.report("structure", "", "", "must be an array, even where there is only one")
		}
		v.value(n, e)
		v.pop()
	}
}

// value checks one occurrence of e.
func (v *validator) value(n *Node, e *element) {
	if n.disorder {
		v.report("structure", "", "", "is at the wrong place: XML has its elements in the order of the definition")
	}
	t := v.schema.under(e, n)
	switch {
	case n.Kind == Empty:
		v.report("structure", "", "", "must not be an empty array: leave it out where there is no value")
		return
	case n.Kind == Null || n.Kind == Raw && n.Value == "null":
		v.report("structure", "", "", "must not be null: leave it out where there is no value")
		return
	case n.Kind == Raw:
		v.report("structure", "", "", "must not be an array in an array")
		return
	case t.format != noFormat:
		v.primitive(n, e, t)
		return
	case n.Kind != Object:
		v.report("structure", "", "", "must be an object: it is of type "+t.name)
		return
	case e.typ == v.schema.anything:
		v.nested(n, t)
		return
	case n.Resource != "":
		v.report("structure", "resourceType", "", "must not be here: a "+t.name+" is no resource"+nativeReference(t))
	}
	v.object(n, t)
	for _, r := range e.rules {
		v.check(r, n)
	}
	switch {
	case t.name == "Reference":
		v.reference(n, e.targets)
	case t.name == "Extension":
		v.extension(n)
	case e.set != 0 && !inSet(n, &codeSets[e.set]):
		v.report("code-invalid", "", "", "must have a code of "+codeSets[e.set].list())
	}
}

func nativeReference(t *typeDef) string {
	if t.name == "Reference" {
		return "; write reference with Type/id"
	}
	return ""
}

// nested checks a resource in a resource.
func (v *validator) nested(n *Node, t *typeDef) {
	if n.Resource == "" {
		v.report("structure", "resourceType", "", "is missing: a resource has a type")
		return
	}
	v.inResource(n, t)
}

// primitive checks a value and what it has beside it.
func (v *validator) primitive(n *Node, e *element, t *typeDef) {
	switch want := t.format.kind(); {
	case n.Kind == Absent:
		if onlyID(n) {
			v.report("invariant", "", "ele-1", emptyText)
		}
	case n.Kind == Object:
		v.report("structure", "", "", "must be "+article(want)+", not an object")
		return
	case n.Kind != want:
		v.report("structure", "", "", "must be "+article(want)+" in JSON, as every "+t.name)
	default:
		if text := t.format.problem(n.Value, v.Version); text != "" {
			v.report("value", "", "", text)
		} else if e.set != 0 && !codeSets[e.set].has("", n.Value) {
			v.report("code-invalid", "", "", "must be one of "+codeSets[e.set].list())
		} else if text := t.format.doubt(n.Value); text != "" {
			v.add(Warning, "value", "", "", text)
		}
	}
	for _, r := range e.rules {
		v.check(r, n)
	}
	if len(n.Children) > 0 {
		v.object(n, t)
	}
}

func article(k Kind) string {
	switch k {
	case Bool:
		return "true or false"
	case Number:
		return "a number"
	}
	return "a string"
}

// list writes the codes of a set, the first of them where they are many.
func (s *codeSet) list() string {
	var all []string
	for _, system := range s.systems {
		all = append(all, system.codes...)
	}
	if len(all) > 12 {
		return strings.Join(all[:12], ", ") + ", … (" + s.url + ")"
	}
	return strings.Join(all, ", ") + " (" + s.url + ")"
}

// codings returns the Coding that n is, or those that it has.
func codings(n *Node) []*Node {
	if list := n.All("coding"); list != nil {
		return list
	}
	return []*Node{n}
}

func inSet(n *Node, set *codeSet) bool {
	if n.Kind == String {
		return set.has("", n.Value)
	}
	for _, c := range codings(n) {
		if system := c.Child("system").Text(); system != "" && set.has(system, c.Child("code").Text()) {
			return true
		}
	}
	return false
}

// reference warns of what no reader will be able to follow.
func (v *validator) reference(n *Node, targets []string) {
	if ref := n.Child("reference").Text(); strings.ContainsAny(ref, " \t\r\n") {
		v.add(Warning, "value", "reference", "", "should be a URL, without white space")
	}
	if !refersTo(n, targets) {
		v.add(Warning, "structure", "", "", "should refer to "+strings.Join(targets, " or "))
	}
}

// refersTo reports whether a literal reference says no other type than the
// allowed, of which nil are all.
func refersTo(n *Node, targets []string) bool {
	typ := n.Child("type").Text()
	if got := referenceType(n.Child("reference").Text()); got != "" && !slices.Contains(targets, got) && targets != nil {
		return false
	}
	return typ == "" || strings.Contains(typ, "/") || targets == nil || slices.Contains(targets, typ)
}

// referenceType returns the type that a literal reference names, "" where it is
// no Type/id.
func referenceType(ref string) string {
	if i := strings.Index(ref, "/_history/"); i >= 0 {
		ref = ref[:i]
	}
	i := strings.LastIndexByte(ref, '/')
	if i < 0 || !IsID(ref[i+1:]) {
		return ""
	}
	head := ref[:i]
	name := head[strings.LastIndexByte(head, '/')+1:]
	if len(name) < 3 || !IsTypeName(name) {
		return ""
	}
	return name
}
