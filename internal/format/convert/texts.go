package convert

// texts is a list of different texts that can tell whether one is in it, in a time
// that does not grow with the list: a document may name every patient of a
// hospital.
type texts struct {
	list []string
	set  map[string]struct{} // of a long list
}

// longList is how many texts are compared one by one.
const longList = 16

// textsOf returns the texts of list, which are different and not changed.
func textsOf(list []string) texts {
	t := texts{list: list[:len(list):len(list)]}
	t.index()
	return t
}

func (t *texts) index() {
	if t.set != nil || len(t.list) < longList {
		return
	}
	t.set = make(map[string]struct{}, len(t.list))
	for _, s := range t.list {
		t.set[s] = struct{}{}
	}
}

func (t *texts) has(s string) bool {
	if t.set != nil {
		_, ok := t.set[s]
		return ok
	}
	for _, have := range t.list {
		if have == s {
			return true
		}
	}
	return false
}

func (t *texts) add(s string) {
	if t.has(s) {
		return
	}
	t.list = append(t.list, s)
	if t.set != nil {
		t.set[s] = struct{}{}
	}
	t.index()
}

// without returns the texts of list that are not in t.
func (t *texts) without(list []string) []string {
	var out []string
	for _, s := range list {
		if !t.has(s) {
			out = append(out, s)
		}
	}
	return out
}
