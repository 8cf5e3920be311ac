package convert

import (
	"bytes"
	"encoding/base64"
	"slices"
	"strconv"
	"strings"

	"vigil"
	"vigil/internal/format/fhir"
	"vigil/internal/jsonb"
)

// maxDetails is how many values of one document become details: what an
// AuditEvent with more would be, nobody could read. The original has them all.
const maxDetails = 1000

// The types of details that are neither a fact nor a place in the document.
const (
	detailRaw      = "vigil:raw"      // where the original is
	detailDocument = "vigil:document" // the document itself, where it has no parts
	detailMore     = "vigil:more"     // how many values have no detail
)

// A detail is a value of a document, by its JSON pointer.
type detail struct{ kind, text string }

// record adds the entity that stands for the original: where it is, the facts
// that no element could say, and the values that are no facts.
func (b *builder) record(e *vigil.Event, details []detail, baseURL string) {
	what := b.obj("what", b.str("display", "original document"))
	n := b.entity(what, somethingElse, code{})
	n.Children = slices.Grow(n.Children, len(details)+8)
	b.detail(n, detail{detailRaw, baseURL + "/raw/" + e.UID.String()})
	for _, p := range lists {
		want, given := b.want(p.fact), &b.given[p.fact]
		missing := func(val string) bool { return !given.has(val) }
		all := !p.list && len(want) > 0 && (slices.ContainsFunc(want, missing) || given.list[0] != want[0])
		for _, val := range want {
			if (all || missing(val)) && plain(val) {
				b.detail(n, detail{vigil.FactDetail(p.fact), val})
			}
		}
	}
	for _, d := range details {
		b.detail(n, d)
	}
}

// query writes what was searched for, which FHIR has an element for, and returns
// the other details.
func (b *builder) query(v vigil.Vocabulary, details []detail) []detail {
	return slices.DeleteFunc(details, func(d detail) bool {
		if d.kind != queries[v] || d.kind == "" {
			return false
		}
		b.entity(nil, aSystemObject, asQuery).Add(b.str("query", base64.StdEncoding.EncodeToString([]byte(d.text))))
		return true
	})
}

// queries are the places of what was searched for.
var queries = [vigil.NumVocabularies]string{
	vigil.Logserver: "/entity/query", vigil.Aidbox: "/w_qs", vigil.Exchanges: "/query",
}

// lists are the facts, and whether their order says nothing.
var lists = func() (out []struct {
	fact vigil.Fact
	list bool
},
) {
	for _, p := range vigil.Properties()[1:] {
		out = append(out, struct {
			fact vigil.Fact
			list bool
		}{p.Fact, p.List})
	}
	return out
}()

// detail adds one detail; a text that FHIR's string cannot hold is in base64.
func (b *builder) detail(entity *fhir.Node, d detail) {
	n := b.obj("detail").Listed()
	kind := d.kind
	if !plain(kind) {
		kind = strconv.QuoteToASCII(kind)
	}
	if b.v == fhir.R5 {
		n.Add(b.obj("type", b.str("text", kind)))
	} else {
		n.Add(b.str("type", kind))
	}
	if plain(d.text) {
		n.Add(b.str("valueString", d.text))
	} else {
		n.Add(b.str("valueBase64Binary", base64.StdEncoding.EncodeToString([]byte(d.text))))
	}
	entity.Add(n)
}

// details returns the values of the document that are not, as they are, facts of
// it: those would be said twice.
func (c *Converter) details(e *vigil.Event, v vigil.Vocabulary, facts *vigil.Facts) []detail {
	switch e.Format {
	case vigil.FormatLogserver, vigil.FormatFHIRR4, vigil.FormatFHIRR5, vigil.FormatAidbox, vigil.FormatExchange, vigil.FormatCLEF, vigil.FormatSystem:
	default:
		return []detail{{detailDocument, string(e.Doc)}}
	}
	w := c.walker(v, facts)
	w.walk(e.Doc, false)
	if w.more > 0 {
		w.out = append(w.out, detail{detailMore, strconv.Itoa(w.more)})
	}
	return w.out
}

// walker goes through the values of a document.
type walker struct {
	read     map[string][]vigil.Fact // the facts that are read at a path
	facts    [vigil.NumFacts]texts
	recorded string
	depth    int
	plain    bool   // facts are left out of arrays of objects too
	pointer  []byte // JSON pointer of the value
	path     []byte // keys between dots, as in the mapping
	text     []byte
	out      []detail
	more     int
}

func (c *Converter) walker(v vigil.Vocabulary, facts *vigil.Facts) *walker {
	w := &walker{read: c.read[v]}
	for f, vals := range facts.Values {
		w.facts[f] = textsOf(vals)
	}
	if !facts.Occurred.IsZero() {
		w.recorded = facts.Occurred.UTC().Format(instant)
	}
	return w
}

// maxNesting is how deep values are taken apart: what is in it deeper is one detail,
// as JSON. Each level is walked over once more.
const maxNesting = 24

// walk adds what val and what is in it say. In an array of objects everything is
// added, as facts do not say what belongs together.
func (w *walker) walk(val []byte, grouped bool) {
	pointer, path := len(w.pointer), len(w.path)
	w.depth++
	defer func() { w.depth-- }()
	kind := jsonb.Kind(val)
	if w.depth > maxNesting && (kind == '{' || kind == '[') {
		w.add(string(val))
		return
	}
	switch kind {
	case '{':
		for key, member := range jsonb.Members(val) {
			w.pointer = append(w.pointer, '/')
			w.pointer = appendEscaped(w.pointer, key)
			if path > 0 {
				w.path = append(w.path, '.')
			}
			w.path = append(w.path, key...)
			if !w.plain || !slices.Contains(unsaid, string(w.path)) {
				w.walk(member, grouped)
			}
			w.pointer, w.path = w.pointer[:pointer], w.path[:path]
		}
	case '[':
		i := 0
		for element := range jsonb.Elements(val) {
			w.pointer = strconv.AppendInt(append(w.pointer, '/'), int64(i), 10)
			w.walk(element, grouped || i > 0 && jsonb.Kind(element) == '{')
			w.pointer = w.pointer[:pointer]
			i++
		}
	default:
		w.leaf(val, grouped)
	}
}

// leaf adds a value that has no parts. Null and "" say nothing.
func (w *walker) leaf(val []byte, grouped bool) {
	if jsonb.Kind(val) == 'n' {
		return
	}
	w.text = jsonb.AppendText(w.text[:0], val)
	if len(w.text) == 0 || (!grouped || w.plain) && w.isFact() {
		return
	}
	w.add(string(w.text))
}

// add adds a detail with the pointer to where the walk is.
func (w *walker) add(text string) {
	if len(w.out) >= maxDetails {
		w.more++
		return
	}
	d := detail{detailDocument, text}
	if len(w.pointer) > 0 {
		d.kind = string(w.pointer)
	}
	w.out = append(w.out, d)
}

// isFact reports whether the value is a fact, word for word.
func (w *walker) isFact() bool {
	facts := w.read[string(w.path)]
	if path, ok := bytes.CutSuffix(w.path, []byte(".reference")); ok && facts == nil {
		facts = w.read[string(path)] // of a Reference, this is what is read
	}
	for _, f := range facts {
		if f == vigil.NumFacts {
			if string(w.text) == w.recorded {
				return true
			}
			continue
		}
		if w.facts[f].has(string(w.text)) {
			return true
		}
	}
	return false
}

// appendEscaped appends a key as a JSON pointer has it.
func appendEscaped(dst []byte, key string) []byte {
	for i := range len(key) {
		switch c := key[i]; c {
		case '~':
			dst = append(dst, "~0"...)
		case '/':
			dst = append(dst, "~1"...)
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

// readings returns the facts that the mapping reads at each path of a vocabulary,
// without regard to arrays.
func readings(v vigil.Vocabulary) map[string][]vigil.Fact {
	out := map[string][]vigil.Fact{}
	for _, p := range vigil.Properties() {
		for _, s := range p.From[v] {
			path := strings.NewReplacer("[]", "", `"`, "").Replace(s.Path)
			out[path] = append(out[path], p.Fact)
		}
	}
	return out
}
