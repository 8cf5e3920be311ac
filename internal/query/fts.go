package query

import (
	"context"
	"slices"

	"vigil/internal/jsonb"
)

const (
	maxWord     = 2046  // bytes; longer words are not found
	maxPosition = 16383 // words behind it are all at it
	maxPlaces   = 255   // of one word; it is not found in phrases at further ones
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
		e := errorf(codeUnsupported, "text search configuration \"%s\" is not supported by this store", cut(t.Lang))
		e.Hint = "Use the configuration simple."
		return matcher{}, e
	}
	root, err := parseTSQuery(t.Op, t.Value)
	if err != nil {
		return matcher{}, err
	}
	words := newTSWords(root)
	if typ == Text {
		return matcher{text: func(_ context.Context, s []byte, valid bool) truth {
			if !valid {
				return null
			}
			d := newTSDocument(words)
			d.add(s)
			return truthOf(d.matches(root))
		}}, nil
	}
	return matcher{value: func(_ context.Context, v Value) truth {
		if !v.Valid {
			return null
		}
		d := newTSDocument(words)
		d.addJSON(jsonb.AppendCanonical(nil, v.B)) // its order of members is that of PostgreSQL
		return truthOf(d.matches(root))
	}}, nil
}

// tsWords are the words of a query, each once, numbered.
type tsWords struct {
	whole, prefix map[string]int
	lengths       []int // of prefixes
	count         int
}

func newTSWords(root *tsNode) *tsWords {
	w := &tsWords{whole: map[string]int{}, prefix: map[string]int{}}
	w.number(root)
	slices.Sort(w.lengths)
	return w
}

// number gives each word below n its number.
func (w *tsWords) number(n *tsNode) {
	if n == nil {
		return
	}
	w.number(n.left)
	w.number(n.right)
	if n.op != 0 {
		return
	}
	set := w.whole
	if n.prefix {
		set = w.prefix
	}
	i, ok := set[n.word]
	if !ok {
		i = w.count
		set[n.word] = i
		w.count++
		if n.prefix && !slices.Contains(w.lengths, len(n.word)) {
			w.lengths = append(w.lengths, len(n.word))
		}
	}
	n.index = i
}

// tsDocument holds where the words of a query are in one document.
type tsDocument struct {
	words  *tsWords
	places [][]int        // of each word, ascending
	counts map[string]int // of the document's words that a prefix found: their places
	pos    int
	lower  []byte
}

func newTSDocument(words *tsWords) *tsDocument {
	return &tsDocument{words: words, places: make([][]int, words.count)}
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
		if i, ok := d.words.whole[string(d.lower)]; ok && len(d.places[i]) < maxPlaces {
			d.place(i)
		}
		counted := false
		for _, n := range d.words.lengths {
			if n > len(d.lower) {
				break
			}
			i, ok := d.words.prefix[string(d.lower[:n])]
			if !ok {
				continue
			}
			if !counted {
				counted = true
				if !d.count() {
					break
				}
			}
			d.place(i)
		}
	}
}

// count counts the places of the word in hand and says whether this one is kept.
func (d *tsDocument) count() bool {
	if d.counts == nil {
		d.counts = map[string]int{}
	}
	n := d.counts[string(d.lower)]
	if n < maxPlaces && d.pos <= maxPosition {
		d.counts[string(d.lower)] = n + 1
	}
	return n < maxPlaces
}

// place notes that word i is here.
func (d *tsDocument) place(i int) {
	at := min(d.pos, maxPosition)
	if n := len(d.places[i]); n == 0 || d.places[i][n-1] != at {
		d.places[i] = append(d.places[i], at)
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
