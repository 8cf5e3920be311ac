package fhir

// join brings the ids and extensions of primitives, which JSON writes in a
// member of its own (_recorded beside recorded), into the primitives' nodes.
// Members that have no such place stay as they are, for Validate to report.
func join(nodes []*Node) []*Node {
	found := false
	for _, n := range nodes {
		found = found || len(n.Name) > 1 && n.Name[0] == '_'
	}
	if !found {
		return nodes
	}
	starts := make(map[string]int, len(nodes))
	for i := len(nodes) - 1; i >= 0; i-- {
		starts[nodes[i].Name] = i
	}
	of := func(name string) []*Node {
		if i, ok := starts[name]; ok {
			return run(nodes, i)
		}
		return nil
	}
	out := make([]*Node, 0, len(nodes))
	for i := 0; i < len(nodes); {
		group := run(nodes, i)
		i += len(group)
		name := group[0].Name
		if len(name) < 2 || name[0] != '_' {
			if extra := of("_" + name); len(extra) > 0 && joinable(group, extra) {
				group = merge(group, extra)
			}
			out = append(out, group...)
			continue
		}
		values := of(name[1:])
		switch {
		case !joinable(values, group):
			out = append(out, group...)
		case len(values) == 0:
			out = append(out, merge(nil, group)...)
		}
	}
	return out
}

// run returns the nodes from i on that have the same name.
func run(nodes []*Node, i int) []*Node {
	end := i + 1
	for end < len(nodes) && nodes[end].Name == nodes[i].Name {
		end++
	}
	return nodes[i:end:end]
}

func joinable(values, extra []*Node) bool {
	for _, x := range extra {
		if x.Kind != Object && x.Kind != Null || x.Resource != "" || x.Kind == Object && !idOrExtension(x) {
			return false
		}
		if len(values) > 0 && x.List != values[0].List {
			return false
		}
	}
	for _, v := range values {
		if v.Kind == Object || v.Kind == Raw || v.Kind == Empty {
			return false
		}
	}
	return true
}

// idOrExtension reports whether n has something, and nothing but what a
// primitive has beside its value.
func idOrExtension(n *Node) bool {
	for _, c := range n.Children {
		if c.Name != "id" && c.Name != "extension" {
			return false
		}
	}
	return len(n.Children) > 0
}

// merge moves the children of extra into values; entries of extra beyond the
// values become primitives without value.
func merge(values, extra []*Node) []*Node {
	out := values
	for i, x := range extra {
		if i < len(values) {
			v := values[i]
			v.Children = x.Children
			if v.Kind == Null && len(v.Children) > 0 {
				v.Kind = Absent
			}
			continue
		}
		x.Name = x.Name[1:]
		if x.Kind == Object {
			x.Kind = Absent
		}
		out = append(out, x)
	}
	return out
}
