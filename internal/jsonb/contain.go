package jsonb

// Contains is a @> b: an object contains another whose members it has, with
// values that contain theirs; an array one whose elements it has, in any order;
// and an array contains a scalar that is one of its elements, but only when
// they are whole values and not parts of others.
//
// Its time grows with the product of the numbers of containers that are
// elements of arrays on both sides, as PostgreSQL's does; with the sizes otherwise.
func Contains(a, b []byte) bool {
	return ContainsUntil(a, b, func() bool { return false })
}

// ContainsUntil is [Contains] until stop says so; its answer is then any. Stop
// is asked every few thousand steps.
func ContainsUntil(a, b []byte, stop func() bool) bool {
	a, b = trim(a), trim(b)
	if len(a) == 0 || len(b) == 0 {
		return false
	}
	c := containment{stop: stop, left: stepSize}
	if scalar(b) {
		if a[0] == '[' {
			return c.hasScalar(a, b)
		}
		return scalar(a) && Equal(a, b)
	}
	return c.contains(a, b)
}

func scalar(v []byte) bool { return len(v) == 0 || v[0] != '{' && v[0] != '[' }

const (
	// stepSize is how many bytes are gone over between two questions to stop.
	stepSize = 1 << 20
	// few is up to how many elements or members are looked for one by one.
	few = 8
)

// containment is one test of containment.
type containment struct {
	stop func() bool
	left int // bytes until stop is asked
	over bool
}

// step counts n bytes of work and says whether it is over.
func (c *containment) step(n int) bool {
	if c.left -= n + 16; c.left < 0 && !c.over {
		c.left, c.over = stepSize, c.stop()
	}
	return c.over
}

// contains holds for containers of one kind.
func (c *containment) contains(a, b []byte) bool {
	if a[0] != b[0] || c.step(len(b)) {
		return false
	}
	if b[0] == '[' {
		return c.containsElements(a, b)
	}
	n := 0
	for it := object(b); n <= few && it.next(); {
		n++
	}
	if n > few {
		return c.containsMembers(a, b)
	}
	for it := object(b); it.next(); {
		key := unescaped(it.key)
		want, _ := get(b, key) // the last one with this key counts
		have, ok := get(a, key)
		if !ok || !c.containsValue(have, want) || c.step(len(a)) {
			return false
		}
	}
	return true
}

// containsMembers compares two objects, of which b has many members.
func (c *containment) containsMembers(a, b []byte) bool {
	wants := map[string][]byte{} // the last one with a key counts
	for it := object(b); it.next(); {
		wants[string(unescaped(it.key))] = it.val
	}
	haves := make(map[string][]byte, len(wants))
	for it := object(a); it.next(); {
		if key := unescaped(it.key); wants[string(key)] != nil {
			haves[string(key)] = it.val
		}
	}
	for key, want := range wants {
		if have := haves[key]; have == nil || !c.containsValue(have, want) || c.step(len(have)) {
			return false
		}
	}
	return true
}

// containsValue compares two values of members.
func (c *containment) containsValue(have, want []byte) bool {
	switch {
	case len(have) == 0 || len(want) == 0:
		return false
	case scalar(want):
		return Equal(have, want)
	}
	return c.contains(have, want)
}

// containsElements says whether each element of b is in a: a scalar as an
// equal one, a container in one that contains it.
func (c *containment) containsElements(a, b []byte) bool {
	var scalars map[string]bool // of a, once several were looked for
	n := 0
	for it := array(b); it.next(); {
		if scalar(it.val) {
			if n++; n > few && scalars == nil {
				scalars = scalarsOf(a)
			}
			if scalars == nil && !c.hasScalar(a, it.val) || scalars != nil && !scalars[string(AppendKey(nil, it.val))] {
				return false
			}
			continue
		}
		found := false
		for at := array(a); !found && at.next(); {
			if c.step(len(at.val)) {
				return false
			}
			found = !scalar(at.val) && c.contains(at.val, it.val)
		}
		if !found {
			return false
		}
	}
	return true
}

// scalarsOf returns the keys of the scalars of an array.
func scalarsOf(a []byte) map[string]bool {
	set := map[string]bool{}
	var key []byte
	for it := array(a); it.next(); {
		if scalar(it.val) {
			key = AppendKey(key[:0], it.val)
			set[string(key)] = true
		}
	}
	return set
}

func (c *containment) hasScalar(a, v []byte) bool {
	for it := array(a); it.next(); {
		if Equal(it.val, v) {
			return true
		}
		if c.step(len(it.val)) {
			return false
		}
	}
	return false
}
