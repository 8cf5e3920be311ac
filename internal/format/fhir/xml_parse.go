package fhir

// ParseXML reads one resource of a version, which XML needs to be told: it says
// which elements repeat and which are numbers. doc may be changed afterwards.
// Errors are *SyntaxError: no XML, a document type, another namespace, text
// where FHIR has none, or more than the limits allow. Comments are not kept.
func ParseXML(doc []byte, v Version, l Limits) (*Node, error) {
	return parseXML(doc, v, l, nil)
}

// parseXML hands the entries of a Bundle to each, if there is one, instead of
// keeping them.
func parseXML(doc []byte, v Version, l Limits, each func(*Node) error) (*Node, error) {
	p := xmlParser{xmlScanner: xmlScanner{src: string(doc)}, limits: l.orDefault(), schema: schemaOf(v), each: each}
	p.arena.expect(len(doc) / 40)
	if err := p.check(); err != nil {
		return nil, err
	}
	if err := p.declaration(); err != nil {
		return nil, err
	}
	if err := p.misc(); err != nil {
		return nil, err
	}
	if !p.at("<") {
		return nil, p.errorf("an element is missing")
	}
	root := p.arena.node()
	if err := p.resource(root, 1); err != nil {
		return nil, err
	}
	if err := p.misc(); err != nil {
		return nil, err
	}
	if p.pos < len(p.src) {
		return nil, p.errorf("text after the resource")
	}
	return root, nil
}

type xmlParser struct {
	xmlScanner
	limits Limits
	schema *schema
	nodes  int
	arena  arena
	stack  []*Node
	each   func(entry *Node) error
}

func (p *xmlParser) node(name string, kind Kind, value string) (*Node, error) {
	if p.nodes++; p.nodes > p.limits.Nodes {
		return nil, p.errorf("more elements than are allowed")
	}
	n := p.arena.node()
	n.Name, n.Kind, n.Value = name, kind, value
	return n, nil
}

// resource reads the element of a resource, such as <AuditEvent>, into n.
func (p *xmlParser) resource(n *Node, depth int) error {
	raw, local, empty, _, err := p.start(nil, depth)
	if err != nil {
		return err
	}
	n.Resource = local
	return p.content(n, raw, empty, p.schema.resource(local), depth, "")
}

// element reads an element that is a child of one of type t onto the stack.
func (p *xmlParser) element(t *typeDef, last int, depth int) (int, error) {
	start := p.pos
	raw, local, empty, div, err := p.start(t, depth)
	if err != nil {
		return last, err
	}
	if div {
		p.pos = start
		n, err := p.node("div", String, "")
		if err == nil {
			n.Value, err = p.readDiv()
			p.stack = append(p.stack, n)
		}
		p.leave(depth)
		i, _ := t.find("div", last)
		return i, err
	}
	n, err := p.node(local, Object, "")
	if err != nil {
		return last, err
	}
	p.stack = append(p.stack, n)
	var e *element
	var under *typeDef
	format := noFormat
	if t != nil {
		var i int
		if i, e = t.find(local, last); e != nil {
			n.List = e.max > 1
			n.disorder = i < last || !t.resource && (local == "id" || local == "url" && t.name == "Extension")
			last = max(i, last)
			under = &p.schema.types[e.typ]
			format = under.format
		}
	}
	if e != nil && e.typ == p.schema.anything {
		return last, p.container(n, raw, empty, depth)
	}
	if e != nil && format != noFormat {
		n.Kind = Absent
	}
	for _, a := range p.attrs {
		if a.name == "value" && (e == nil || format != noFormat) {
			n.Kind, n.Value = primitive(a.value, format), a.value
		}
	}
	extra := "id"
	if local == "extension" || local == "modifierExtension" {
		extra = "url"
	}
	return last, p.content(n, raw, empty, under, depth, extra)
}

// start reads the start tag of a child of an element of type t; of XHTML only a
// div is allowed, and that in a Narrative.
func (p *xmlParser) start(t *typeDef, depth int) (raw, local string, empty, div bool, err error) {
	if depth > p.limits.Depth {
		return "", "", false, false, p.errorf("nested deeper than is allowed")
	}
	if raw, empty, err = p.startTag(); err != nil {
		return "", "", false, false, err
	}
	if err = p.declare(depth); err != nil {
		return "", "", false, false, err
	}
	uri, local, err := p.resolve(raw)
	div = uri == nsXHTML && local == "div" && t != nil && t.name == "Narrative"
	if err == nil && !div && uri != nsFHIR {
		err = p.errorf("an element that is not of FHIR's namespace")
	}
	return raw, local, empty, div, err
}

// primitive is the kind of a value; one that its format does not allow stays a string.
func primitive(value string, f format) Kind {
	switch f.kind() {
	case Bool:
		if value == "true" || value == "false" {
			return Bool
		}
	case Number:
		p := jsonParser{src: value}
		if value != "" && (value[0] == '-' || value[0] >= '0' && value[0] <= '9') {
			if _, err := p.number(); err == nil && p.pos == len(value) {
				return Number
			}
		}
	}
	return String
}

// container reads the one resource in <contained> or <resource> into n.
func (p *xmlParser) container(n *Node, raw string, empty bool, depth int) error {
	if !empty {
		if err := p.misc(); err != nil {
			return err
		}
		if !p.at("</") {
			if err := p.resource(n, depth+1); err != nil {
				return err
			}
			if err := p.misc(); err != nil {
				return err
			}
		}
		if err := p.closing(raw); err != nil {
			return err
		}
	}
	p.leave(depth)
	return nil
}

func (p *xmlParser) closing(raw string) error {
	if !p.at("</") {
		return p.errorf("text or an element where FHIR has none")
	}
	name, err := p.endTag()
	if err == nil && name != raw {
		err = p.errorf("an end tag that does not match")
	}
	return err
}

// content reads the attributes and children of an element of type t. extra names
// the attributes that FHIR has there: id, or id and url.
func (p *xmlParser) content(n *Node, raw string, empty bool, t *typeDef, depth int, extra string) error {
	base := len(p.stack)
	last := 0
	for _, a := range p.attrs {
		switch {
		case isNamespace(a.name) || a.name == "value" && n.Kind != Object:
			continue
		}
		c, err := p.node(a.name, String, a.value)
		if err != nil {
			return err
		}
		c.disorder = a.name != "id" && a.name != "url" || extra == "" || a.name == "url" && extra != "url"
		p.stack = append(p.stack, c)
	}
	for !empty {
		if err := p.misc(); err != nil {
			return err
		}
		if !p.at("<") || p.at("</") {
			if err := p.closing(raw); err != nil {
				return err
			}
			break
		}
		var err error
		if last, err = p.element(t, last, depth+1); err != nil {
			return err
		}
		if n := p.stack[len(p.stack)-1]; p.each != nil && depth == 1 && n.Name == "entry" {
			p.stack = p.stack[:len(p.stack)-1]
			p.nodes, p.arena = 0, ofEntry()
			if err := p.each(n); err != nil {
				return err
			}
		}
	}
	p.leave(depth)
	n.Children = p.arena.list(group(p.stack[base:]))
	p.stack = p.stack[:base]
	return nil
}

func isNamespace(name string) bool {
	return name == "xmlns" || len(name) > 4 && (name[:4] == "xsi:" || len(name) > 6 && name[:6] == "xmlns:")
}

// group brings elements of one name together where something of another name is
// between them, and lists those that repeat without being known to.
func group(nodes []*Node) []*Node {
	apart := false
	if len(nodes) <= 32 {
		for i := 1; i < len(nodes) && !apart; i++ {
			if nodes[i].Name == nodes[i-1].Name {
				continue
			}
			for j := range i {
				apart = apart || nodes[j].Name == nodes[i].Name
			}
		}
	} else {
		apart = true
	}
	if apart {
		nodes = regroup(nodes)
	}
	for i := 1; i < len(nodes); i++ {
		if nodes[i].Name == nodes[i-1].Name && nodes[i].List != nodes[i-1].List {
			nodes[i].List, nodes[i-1].List = true, true
		}
	}
	return nodes
}

func regroup(nodes []*Node) []*Node {
	place := map[string]int{}
	var groups [][]*Node
	for i, n := range nodes {
		g, ok := place[n.Name]
		if !ok {
			g = len(groups)
			place[n.Name] = g
			groups = append(groups, nil)
		} else if nodes[i-1].Name != n.Name {
			n.disorder = true
		}
		groups[g] = append(groups[g], n)
	}
	out := make([]*Node, 0, len(nodes))
	for _, g := range groups {
		out = append(out, g...)
	}
	return out
}
