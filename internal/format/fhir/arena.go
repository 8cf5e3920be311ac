package fhir

// An arena hands out nodes and lists of children cut from larger allocations.
// What it handed out lives as long as anything of the same allocation.
type arena struct {
	nodes []Node
	ptrs  []*Node
	size  int
}

// expect says about how many nodes there will be.
func (a *arena) expect(n int) { a.size = min(max(n, 16), 512) }

// ofEntry returns the arena of a Bundle's entry, which begins small: a Bundle may
// have many entries of a few nodes, and the caller may keep them all.
func ofEntry() arena { return arena{size: 16} }

func (a *arena) node() *Node {
	if len(a.nodes) == 0 {
		a.nodes = make([]Node, max(a.size, 16))
		a.size = min(2*max(a.size, 16), 512)
	}
	n := &a.nodes[0]
	a.nodes = a.nodes[1:]
	return n
}

// list returns a copy of nodes that can be appended to without harm.
func (a *arena) list(nodes []*Node) []*Node {
	if len(nodes) == 0 {
		return nil
	}
	if len(nodes) > len(a.ptrs) {
		a.ptrs = make([]*Node, max(a.size, 16, len(nodes)))
	}
	out := a.ptrs[:len(nodes):len(nodes)]
	a.ptrs = a.ptrs[len(nodes):]
	copy(out, nodes)
	return out
}
