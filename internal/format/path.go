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
	cases []*choice // of elements that say something
}

// choice has the further nodes of elements by a text that they have.
type choice struct {
	has   string
	steps []step // to the text
	is    map[string]*node
}

// step is a key of a path, and whether its value may be an array.
type step struct {
	key  string
	each bool
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
			n := root.place(s)
			n.uses = append(n.uses, use{property: i, rank: rank, fact: p.Fact, source: s})
		}
	}
	return root
}

// place returns the node of a source.
func (n *node) place(s vigil.Source) *node {
	if s.Where == (vigil.Where{}) {
		return n.find(s.Path)
	}
	return n.find(s.Where.At).where(s.Where).find(strings.TrimPrefix(strings.TrimPrefix(s.Path, s.Where.At), "."))
}

// where returns the node of the elements at n that w is true of.
func (n *node) where(w vigil.Where) *node {
	var c *choice
	for _, have := range n.cases {
		if have.has == w.Has {
			c = have
		}
	}
	if c == nil {
		c = &choice{has: w.Has, is: map[string]*node{}}
		for path := w.Has; path != ""; {
			var s step
			s, path = cutStep(path)
			c.steps = append(c.steps, s)
		}
		n.cases = append(n.cases, c)
	}
	if c.is[w.Is] == nil {
		c.is[w.Is] = &node{index: map[string]int{}}
	}
	return c.is[w.Is]
}

// find returns the node at path, made where there is none yet.
func (n *node) find(path string) *node {
	for path != "" {
		var s step
		s, path = cutStep(path)
		i, ok := n.index[s.key]
		if !ok {
			i = len(n.kids)
			n.index[s.key] = i
			n.kids = append(n.kids, &node{index: map[string]int{}})
		}
		n = n.kids[i]
		n.each = n.each || s.each
	}
	return n
}

// cutStep returns the first step of a path and what follows it.
func cutStep(path string) (step, string) {
	key, rest := cutKey(path)
	rest, each := strings.CutPrefix(rest, "[]")
	return step{key, each}, strings.TrimPrefix(rest, ".")
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
	if len(n.kids)+len(n.cases) == 0 || jsonb.Kind(val) != '{' {
		return
	}
	if len(n.kids) > 0 {
		c.walk(n, val)
	}
	for _, ch := range n.cases {
		c.choose(ch, ch.steps, val, val)
	}
}

// choose goes on from element by each text that it has at the end of steps,
// which lead on from val.
func (c *collector) choose(ch *choice, steps []step, element, val []byte) {
	if len(steps) == 0 {
		if next := ch.is[string(c.text(val))]; next != nil {
			c.at(next, element)
		}
		return
	}
	member, ok := jsonb.Get(val, steps[0].key)
	if !ok {
		return
	}
	if steps[0].each && jsonb.Kind(member) == '[' {
		for e := range jsonb.Elements(member) {
			c.choose(ch, steps[1:], element, e)
		}
		return
	}
	c.choose(ch, steps[1:], element, member)
}
