package format

import (
	"strings"

	"vigil"
	"vigil/internal/jsonb"
)

// node is a place in documents of one vocabulary: the sources that are there,
// and the keys on the way to others. The sources of a vocabulary are one tree,
// so that each object on the way is walked over once.
type node struct {
	index map[string]int // of a key in kids
	kids  []*node
	each  bool // the value may be an array of such places
	uses  []use
}

// use is a source at its place.
type use struct {
	property int
	rank     int
	fact     vigil.Fact
	source   vigil.Source
}

// compile makes the tree of one vocabulary.
func compile(properties []vigil.Property, v vigil.Vocabulary) *node {
	root := &node{index: map[string]int{}}
	for i, p := range properties {
		for rank, s := range p.From[v] {
			n := root.find(s.Path)
			n.uses = append(n.uses, use{property: i, rank: rank, fact: p.Fact, source: s})
		}
	}
	return root
}

// find returns the node at path, made where there is none yet.
func (n *node) find(path string) *node {
	for path != "" {
		var key string
		key, path = cutKey(path)
		rest, each := strings.CutPrefix(path, "[]")
		path = strings.TrimPrefix(rest, ".")
		i, ok := n.index[key]
		if !ok {
			i = len(n.kids)
			n.index[key] = i
			n.kids = append(n.kids, &node{index: map[string]int{}})
		}
		n = n.kids[i]
		n.each = n.each || each
	}
	return n
}

// cutKey returns the first key of a path and what follows it.
func cutKey(path string) (key, rest string) {
	if quoted, ok := strings.CutPrefix(path, `"`); ok {
		key, rest, _ = strings.Cut(quoted, `"`)
		return key, rest
	}
	i := strings.IndexAny(path, ".[")
	if i < 0 {
		return path, ""
	}
	return path[:i], path[i:]
}

// walk looks at the members of an object. Of members with the same key the last
// one counts, as in jsonb.
func (c *collector) walk(n *node, doc []byte) {
	var buf [40][]byte
	vals := buf[:]
	if len(n.kids) > len(buf) {
		vals = make([][]byte, len(n.kids))
	}
	for key, val := range jsonb.Members(doc) {
		if i, ok := n.index[key]; ok {
			vals[i] = val
		}
	}
	for i, kid := range n.kids {
		val := vals[i]
		if val == nil {
			continue
		}
		if kid.each && jsonb.Kind(val) == '[' {
			for e := range jsonb.Elements(val) {
				c.at(kid, e)
			}
			continue
		}
		c.at(kid, val)
	}
}

// at reads the sources at a place, and goes on from there.
func (c *collector) at(n *node, val []byte) {
	for i := range n.uses {
		c.read(&n.uses[i], val)
	}
	if len(n.kids) > 0 && jsonb.Kind(val) == '{' {
		c.walk(n, val)
	}
}
