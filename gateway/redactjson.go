package gateway

import (
	"strings"
)

// json returns text with what the rules name replaced, and whether it could be
// read to its end; else it is the part that could.
func (r *rules) json(text []byte) ([]byte, bool) {
	// The type of a resource may stand behind its other members, so one pass finds
	// the types and the next one what is to be replaced.
	types := jsonRedactor{jsonScanner: jsonScanner{b: text}, types: map[int]string{}}
	types.space()
	_ = types.value(nil, keepValue, 0) // what is wrong is found again
	j := jsonRedactor{jsonScanner: jsonScanner{b: text}, rules: r, known: types.types}
	j.space()
	err := j.value(nil, keepValue, 0)
	if err != nil {
		return apply(text, j.good, j.edits), false
	}
	if j.space(); j.at != len(text) {
		return apply(text, j.good, j.edits), false
	}
	return apply(text, len(text), j.edits), true
}

// jsonRedactor walks over a document and notes what is to be replaced.
type jsonRedactor struct {
	jsonScanner
	rules *rules
	edits []edit
	good  int // everything before was read

	types map[int]string // of resources, by where they begin; nil: not asked for
	known map[int]string // the types that were found
}

// value reads one value. path has the names from the nearest resource on, act
// is what becomes of everything in the value.
func (j *jsonRedactor) value(path []string, act action, depth int) error {
	if depth > maxDepth {
		return errDepth
	}
	if j.at >= len(j.b) {
		return errCut
	}
	start := j.at
	switch j.b[j.at] {
	case '{':
		return j.object(path, act, depth)
	case '[':
		return j.array(path, act, depth)
	case '"':
		text, err := j.str()
		if err != nil {
			return err
		}
		j.scalar(path, start, string(text), act)
		return nil
	}
	for j.at < len(j.b) && strings.IndexByte("0123456789abcdefghijklmnopqrstuvwxyz-+.E", j.b[j.at]) >= 0 {
		j.at++
	}
	if j.at == start {
		return errSyntax
	}
	j.scalar(path, start, string(j.b[start:j.at]), act)
	return nil
}

// scalar notes what becomes of the value that was read from start on.
func (j *jsonRedactor) scalar(path []string, start int, text string, act action) {
	j.good = j.at
	if j.types != nil {
		return
	}
	if with, ok := j.rules.value(path, text, act); ok {
		j.edits = append(j.edits, edit{start, j.at, string(appendJSONString(nil, with))})
	}
}

func (j *jsonRedactor) array(path []string, act action, depth int) error {
	for j.at++; ; {
		if j.space(); j.at < len(j.b) && j.b[j.at] == ']' {
			j.at++
			j.good = j.at
			return nil
		}
		if err := j.value(path, act, depth+1); err != nil {
			return err
		}
		if j.space(); j.at >= len(j.b) {
			return errCut
		}
		switch j.b[j.at] {
		case ',':
			j.at++
		case ']':
		default:
			return errSyntax
		}
	}
}

func (j *jsonRedactor) object(path []string, act action, depth int) (err error) {
	begin := j.at
	if typ := j.known[begin]; typ != "" {
		path = []string{typ}
	}
	p := parameter{unknown: true}
	defer func() { j.edits = p.redact(j.edits, err != nil) }()
	for j.at++; ; j.at++ {
		if j.space(); j.at >= len(j.b) {
			return errCut
		}
		if j.b[j.at] == '}' {
			j.at++
			j.good = j.at
			return nil
		}
		if j.b[j.at] != '"' {
			return errSyntax
		}
		key, err := j.key()
		if err != nil {
			return err
		}
		start, name := j.at, string(key)
		if err := j.member(path, name, act, depth); err != nil {
			return err
		}
		if value := j.b[start:j.at]; j.types == nil {
			p.member(name, start, j.at, value)
		} else if name == "resourceType" && len(value) > 2 && value[0] == '"' {
			j.types[begin] = string(value[1 : len(value)-1])
		}
		if j.space(); j.at >= len(j.b) {
			return errCut
		}
		switch j.b[j.at] {
		case ',':
		case '}':
			j.at--
		default:
			return errSyntax
		}
	}
}

// member reads the value of a member.
func (j *jsonRedactor) member(path []string, name string, act action, depth int) error {
	if j.types != nil {
		return j.value(nil, keepValue, depth+1)
	}
	path = append(path[:len(path):len(path)], name)
	return j.value(path, stronger(act, j.rules.field(path)), depth+1)
}

// parameter is an object that may be a parameter of an operation: its value is a
// password where its name says so.
type parameter struct {
	unknown, secret bool // the name did not come yet; it is one of a secret
	values          []edit
}

func (p *parameter) member(key string, from, to int, value []byte) {
	switch {
	case key == "name":
		p.unknown = false
		p.secret = isSecret(strings.ToLower(strings.Trim(string(value), `"`)))
	case strings.HasPrefix(key, "value"):
		p.values = append(p.values, edit{from, to, `"` + redacted + `"`})
	}
}

// redact adds the edits of the values. Where the object was cut before its name
// came, nobody can tell, so they are replaced too.
func (p *parameter) redact(edits []edit, cut bool) []edit {
	if p.secret || cut && p.unknown {
		return append(edits, p.values...)
	}
	return edits
}
