package fhir

import "strings"

const dataAbsent = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"

// crossURL is the extension that holds an element of a version in resources of
// another one (https://hl7.org/fhir/versions.html#extensions).
func crossURL(v Version, path string) string {
	if v == R3 {
		return "http://hl7.org/fhir/3.0/StructureDefinition/extension-" + path
	}
	return "http://hl7.org/fhir/" + v.Number()[:1] + ".0/StructureDefinition/extension-" + path
}

// absent returns an extension that says that a value is missing.
func absent(reason string) *Node {
	return NewObject("extension", NewString("url", dataAbsent), NewString("valueCode", reason)).Listed()
}

// difference returns extensions for the element called name if it came back
// otherwise than it was, of an object with children for those that did.
func (c converter) difference(path, name string, in, again *Node) []*Node {
	was, is := named(in, name), named(again, name)
	if equalAll(was, is) {
		return nil
	}
	at := path + "." + name
	if len(was) == 1 && len(is) == 1 && was[0].Kind == Object && is[0].Kind == Object {
		if exts, ok := c.childDifference(at, was[0], is[0]); ok {
			return exts
		}
	}
	if len(was) == 0 {
		return []*Node{NewObject("extension", NewString("url", crossURL(c.from.version, at)), absent("not-applicable")).Listed()}
	}
	var exts []*Node
	for _, n := range was {
		exts = append(exts, c.encode(crossURL(c.from.version, at), n, c.typeAt(at, n.Name)))
	}
	return exts
}

// childDifference is the same for the children of one object; ok is false where
// ids or extensions differ, which have no extension of their own.
func (c converter) childDifference(at string, was, is *Node) (exts []*Node, ok bool) {
	names := map[string]bool{}
	for _, k := range append(append([]*Node(nil), was.Children...), is.Children...) {
		if names[k.Name] {
			continue
		}
		names[k.Name] = true
		if equalAll(was.All(k.Name), is.All(k.Name)) {
			continue
		}
		if t := c.typeOf(at); k.Name == "id" || strings.HasSuffix(strings.ToLower(k.Name), "extension") || t == nil || t.place(k.Name) == len(t.elems) {
			return nil, false
		}
		if was.Child(k.Name) == nil {
			exts = append(exts, NewObject("extension", NewString("url", crossURL(c.from.version, at+"."+k.Name)), absent("not-applicable")).Listed())
			continue
		}
		for _, one := range was.All(k.Name) {
			exts = append(exts, c.encode(crossURL(c.from.version, at+"."+k.Name), one, c.typeAt(at+"."+k.Name, k.Name)))
		}
	}
	return exts, true
}

// named returns the children of this name, or of the choice of this name.
func named(n *Node, name string) []*Node {
	list := n.All(name)
	if list == nil && (name == "occurred" || name == "network" || name == "value") {
		return ofChoice(n, name)
	}
	return list
}

func equalAll(a, b []*Node) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if !Equal(a[i], b[i]) {
			return false
		}
	}
	return true
}

// typeOf returns the type of the element at a path of the old version.
func (c converter) typeOf(path string) *typeDef { return typeIn(c.from, path) }

// typeAt is the same; name is the last one with its type, of a choice.
func (c converter) typeAt(path, name string) *typeDef {
	return typeIn(c.from, path[:strings.LastIndexByte(path, '.')+1]+name)
}

func typeIn(s *schema, path string) *typeDef {
	if t := s.named(path); t != nil {
		return t
	}
	i := strings.LastIndexByte(path, '.')
	if i < 0 {
		return nil
	}
	parent := typeIn(s, path[:i])
	if parent == nil {
		return nil
	}
	if _, e := parent.find(path[i+1:], 0); e != nil {
		return &s.types[e.typ]
	}
	return nil
}

// encode writes n, of type t, as an extension: a data type as its value, other
// objects as one extension for each child.
func (c converter) encode(url string, n *Node, t *typeDef) *Node {
	ext := NewObject("extension", NewString("url", url)).Listed()
	if t != nil && !strings.Contains(t.name, ".") {
		name := "value" + upperFirst(t.name)
		if _, e := c.to.named("Extension").find(name, 0); e != nil {
			return ext.Add(cloneAs(n, name, false))
		}
	}
	switch n.Kind { // of no known type
	case String:
		return ext.Add(cloneAs(n, "valueString", false))
	case Number:
		return ext.Add(cloneAs(n, "valueDecimal", false))
	case Bool:
		return ext.Add(cloneAs(n, "valueBoolean", false))
	}
	for _, k := range n.Children {
		switch {
		case k.Name == "extension" || k.Name == "modifierExtension":
			holder := ext.Children[len(ext.Children)-1]
			if holder.Name != "extension" || holder.Child("url").Text() != k.Name {
				holder = NewObject("extension", NewString("url", k.Name)).Listed()
				ext.Add(holder)
			}
			holder.Add(cloneAs(k, "extension", true))
		case k.Name == "id":
			ext.Add(NewObject("extension", NewString("url", "id"), cloneAs(k, "valueString", false)).Listed())
		default:
			var below *typeDef
			if t != nil {
				if _, e := t.find(k.Name, 0); e != nil {
					below = &c.from.types[e.typ]
				}
			}
			ext.Add(c.encode(k.Name, k, below))
		}
	}
	return ext
}

// restore finds the extensions of n that hold elements of the new version. It
// returns the others, and the elements by their path below the part; an element
// that was not there is an empty list.
func (c converter) restore(n *Node, path string, mappings []mapping) (kept []*Node, elements map[string][]*Node) {
	elements = map[string][]*Node{}
	prefix := crossURL(c.to.version, path) + "."
	for _, ext := range n.All("extension") {
		name, ok := strings.CutPrefix(ext.Child("url").Text(), prefix)
		first, _, _ := strings.Cut(name, ".")
		if !ok || !c.maps(mappings, first) {
			kept = append(kept, ext.Clone())
			continue
		}
		values := elements[name]
		if values == nil {
			values = []*Node{}
		}
		if inner := ext.All("extension"); len(inner) == 1 && inner[0].Child("url").Text() == dataAbsent {
			elements[name] = values
			continue
		}
		parent, last := c.to.named(path), name
		if i := strings.LastIndexByte(name, '.'); i >= 0 {
			parent, last = typeIn(c.to, path+"."+name[:i]), name[i+1:]
		}
		value := c.decode(ext, last, parent)
		if value == nil {
			kept = append(kept, ext.Clone())
			continue
		}
		elements[name] = append(values, value)
	}
	return kept, elements
}

// maps reports whether an element of the new version is one of the mappings'.
func (c converter) maps(mappings []mapping, name string) bool {
	for i := range mappings {
		_, to, _, _ := c.sides(&mappings[i])
		for _, n := range to {
			if n == name {
				return true
			}
		}
	}
	return false
}

// decode reads an element called name of a parent of type t from an extension,
// nil where t has none.
func (c converter) decode(ext *Node, name string, t *typeDef) *Node {
	if t == nil {
		return nil
	}
	value := ofChoice(ext, "value")
	_, e := t.find(name, 0)
	if e == nil && len(value) > 0 {
		_, e = t.find(name+strings.TrimPrefix(value[0].Name, "value"), 0)
	}
	if e == nil {
		return nil
	}
	if len(value) > 0 {
		return cloneAs(value[0], e.name, e.max > 1)
	}
	out := &Node{Name: e.name, List: e.max > 1}
	under := &c.to.types[e.typ]
	for _, k := range ext.All("extension") {
		switch url := k.Child("url").Text(); url {
		case "extension", "modifierExtension":
			for _, x := range k.All("extension") {
				out.Add(cloneAs(x, url, true))
			}
		case "id":
			out.Add(cloneAs(k.Child("valueString"), "id", false))
		default:
			child := c.decode(k, url, under)
			if child == nil {
				return nil
			}
			out.Add(child)
		}
	}
	return out
}

// put sets the element called name of out, and its children, to what was restored.
func (c converter) put(out *Node, name, path string, restored map[string][]*Node) {
	if values, ok := restored[name]; ok {
		for old := named(out, name); len(old) > 0; old = named(out, name) {
			out.Remove(old[0].Name)
		}
		out.Add(values...)
	}
	t := typeIn(c.to, path+"."+name)
	if t == nil {
		return
	}
	for _, e := range t.elems {
		values, ok := restored[name+"."+e.name]
		if !ok {
			continue
		}
		parent := out.Child(name)
		if parent == nil {
			if len(values) == 0 {
				continue
			}
			parent = NewObject(name)
			out.Add(parent)
		}
		parent.Remove(e.name)
		parent.Add(values...)
		arrange(parent, t)
	}
}
