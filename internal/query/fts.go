package query

import (
	"bytes"

	"vigil/internal/jsonb"
)

const (
	maxWord     = 2046  // bytes; longer words are not found
	maxPosition = 16383 // words behind it are all at it
)

// compileTextSearch compiles fts, plfts, phfts and wfts: whether the text, or
// any string in the JSON, has what the query asks for. The configuration is
// simple: words in lower case (of ASCII), each of them.
func compileTextSearch(typ Type, t *Test) (matcher, error) {
	if typ != Text && typ != JSONB && typ != JSON {
		return matcher{}, noOperator(typ, t.Op)
	}
	switch t.Lang {
	case "", "simple", "pg_catalog.simple":
	default:
		e := errorf(codeUnsupported, "text search configuration \"%s\" is not supported by this store", t.Lang)
		e.Hint = "Use the configuration simple."
		return matcher{}, e
	}
	root, err := parseTSQuery(t.Op, t.Value)
	if err != nil {
		return matcher{}, err
	}
	var words []*tsNode
	numberWords(root, &words)
	if typ == Text {
		return matcher{text: func(s []byte, valid bool) truth {
			if !valid {
				return null
			}
			d := newTSDocument(words)
			d.add(s)
			return truthOf(d.matches(root))
		}}, nil
	}
	return matcher{value: func(v Value) truth {
		if !v.Valid {
			return null
		}
		d := newTSDocument(words)
		d.addJSON(jsonb.AppendCanonical(nil, v.B)) // its order of members is that of PostgreSQL
		return truthOf(d.matches(root))
	}}, nil
}

// numberWords numbers the words of a query.
func numberWords(n *tsNode, words *[]*tsNode) {
	if n == nil {
		return
	}
	if n.op == 0 {
		n.index = len(*words)
		*words = append(*words, n)
	}
	numberWords(n.left, words)
	numberWords(n.right, words)
}

// tsDocument holds where the words of a query are in one document.
type tsDocument struct {
	words  []*tsNode
	places [][]int // of each word, ascending
	pos    int
	lower  []byte
}

func newTSDocument(words []*tsNode) *tsDocument {
	return &tsDocument{words: words, places: make([][]int, len(words))}
}

// add reads a text.
func (d *tsDocument) add(text []byte) {
	z := tokens{in: text}
	for word, ok := z.next(); ok; word, ok = z.next() {
		if len(word) > maxWord {
			continue
		}
		d.pos++
		d.lower = appendLowerASCII(d.lower[:0], word)
		for i, w := range d.words {
			if string(d.lower) == w.word || w.prefix && bytes.HasPrefix(d.lower, []byte(w.word)) {
				at := min(d.pos, maxPosition)
				if n := len(d.places[i]); n == 0 || d.places[i][n-1] != at {
					d.places[i] = append(d.places[i], at)
				}
			}
		}
	}
}

// addJSON reads all strings of a JSON text, but not the keys. No phrase goes
// from one string to the next.
func (d *tsDocument) addJSON(doc []byte) {
	switch jsonb.Kind(doc) {
	case '"':
		before := d.pos
		d.add(jsonb.AppendText(nil, doc))
		if d.pos > before {
			d.pos++
		}
	case '[':
		for v := range jsonb.Elements(doc) {
			d.addJSON(v)
		}
	case '{':
		for _, v := range jsonb.Members(doc) {
			d.addJSON(v)
		}
	}
}

// matches says whether the document has what the query asks for.
func (d *tsDocument) matches(n *tsNode) bool {
	if n == nil {
		return false
	}
	switch n.op {
	case '!':
		return !d.matches(n.right)
	case '&':
		return d.matches(n.left) && d.matches(n.right)
	case '|':
		return d.matches(n.left) || d.matches(n.right)
	case '<':
		p := d.places1(n)
		return p.not || len(p.at) > 0
	}
	return !n.never && len(d.places[n.index]) > 0
}

// placeSet is where a part of a phrase is: at these places or, with not,
// everywhere else. A place is that of the last word, width words behind the first.
type placeSet struct {
	at    []int
	not   bool
	width int
}

// places1 finds a part of a phrase.
func (d *tsDocument) places1(n *tsNode) placeSet {
	switch n.op {
	case 0:
		if n.never {
			return placeSet{}
		}
		return placeSet{at: d.places[n.index]}
	case '!':
		p := d.places1(n.right)
		return placeSet{at: p.at, not: !p.not, width: 0}
	}
	l, r := d.places1(n.left), d.places1(n.right)
	if n.op == '|' || n.op == '&' {
		width := max(l.width, r.width)
		return combine(n.op, l, r, width-l.width, width-r.width, width)
	}
	return combine('&', l, r, n.distance+r.width, 0, n.distance+l.width+r.width)
}

// combine joins two sets, each moved by an offset, as De Morgan has it.
func combine(op byte, l, r placeSet, moveL, moveR, width int) placeSet {
	out := placeSet{width: width}
	var both, onlyL, onlyR bool // which places are kept
	switch {
	case op == '&' && l.not && r.not:
		both, onlyL, onlyR, out.not = true, true, true, true
	case op == '&' && l.not:
		onlyR = true
	case op == '&' && r.not:
		onlyL = true
	case op == '&':
		both = true
	case l.not && r.not:
		both, out.not = true, true
	case l.not:
		onlyL, out.not = true, true
	case r.not:
		onlyR, out.not = true, true
	default:
		both, onlyL, onlyR = true, true, true
	}
	i, j := 0, 0
	for i < len(l.at) || j < len(r.at) {
		switch {
		case j == len(r.at) || i < len(l.at) && l.at[i]+moveL < r.at[j]+moveR:
			if onlyL {
				out.at = append(out.at, l.at[i]+moveL)
			}
			i++
		case i == len(l.at) || l.at[i]+moveL > r.at[j]+moveR:
			if onlyR {
				out.at = append(out.at, r.at[j]+moveR)
			}
			j++
		default:
			if both {
				out.at = append(out.at, l.at[i]+moveL)
			}
			i, j = i+1, j+1
		}
	}
	return out
}
