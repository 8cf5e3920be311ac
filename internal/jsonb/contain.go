package jsonb

// Contains is a @> b: an object contains another whose members it has, with
// values that contain theirs; an array one whose elements it has, in any order;
// and an array contains a scalar that is one of its elements, but only when
// they are whole values and not parts of others.
func Contains(a, b []byte) bool {
	a, b = trim(a), trim(b)
	if len(a) == 0 || len(b) == 0 {
		return false
	}
	if scalar(b) {
		if a[0] == '[' {
			return hasScalar(a, b)
		}
		return scalar(a) && Equal(a, b)
	}
	return contains(a, b)
}

func scalar(v []byte) bool { return len(v) == 0 || v[0] != '{' && v[0] != '[' }

// contains holds for containers of one kind.
func contains(a, b []byte) bool {
	if a[0] != b[0] {
		return false
	}
	if b[0] == '[' {
		return containsElements(a, b)
	}
	for it := object(b); it.next(); {
		key := unescaped(it.key)
		want, _ := get(b, key) // the last one with this key counts
		have, ok := get(a, key)
		if !ok || len(have) == 0 || len(want) == 0 {
			return false
		}
		if scalar(want) {
			if !Equal(have, want) {
				return false
			}
		} else if !contains(have, want) {
			return false
		}
	}
	return true
}

// containsElements says whether each element of b is in a: a scalar as an
// equal one, a container in one that contains it.
func containsElements(a, b []byte) bool {
	for it := array(b); it.next(); {
		if scalar(it.val) {
			if !hasScalar(a, it.val) {
				return false
			}
			continue
		}
		found := false
		for at := array(a); !found && at.next(); {
			found = !scalar(at.val) && contains(at.val, it.val)
		}
		if !found {
			return false
		}
	}
	return true
}

func hasScalar(a, v []byte) bool {
	for it := array(a); it.next(); {
		if Equal(it.val, v) {
			return true
		}
	}
	return false
}
