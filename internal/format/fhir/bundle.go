package fhir

// ParseBundle reads a Bundle in either notation and hands each entry to each, in
// their order, as a tree of its own; what it returns is the Bundle without its
// entries. So a Bundle takes no more memory than its text and the entries that
// the caller keeps; limits count for each entry. An error of each ends the
// parse and is returned as it is. Entries may have been handed over before a
// syntax error is found: act on them only after ParseBundle has returned.
func ParseBundle(doc []byte, v Version, l Limits, each func(entry *Node) error) (*Node, error) {
	if isXML(doc) {
		return parseXML(doc, v, l, each)
	}
	return parseJSON(doc, l, each)
}

// NativeReferences rewrites references as Aidbox stores them, resourceType and id
// instead of reference, to FHIR's: {"reference":"Patient/pt-3"}. It changes n and
// returns how many there were.
func NativeReferences(n *Node, v Version) int {
	s := schemaOf(v)
	return s.nativeReferences(n, s.resource(n.Resource))
}

func (s *schema) nativeReferences(n *Node, t *typeDef) int {
	count, last := 0, 0
	for _, c := range n.Children {
		var e *element
		if last, e = t.find(c.Name, last); e == nil || c.Kind != Object {
			continue
		}
		under := s.under(e, c)
		if id := c.Child("id"); under.name == "Reference" && c.Resource != "" && id != nil && c.Child("reference") == nil {
			id.Name, id.Value = "reference", c.Resource+"/"+id.Value
			c.Resource = ""
			arrange(c, under)
			count++
		}
		count += s.nativeReferences(c, under)
	}
	return count
}
