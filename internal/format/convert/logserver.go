package convert

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"vigil"
	"vigil/internal/format"
	"vigil/internal/format/fhir"
	"vigil/internal/jsonb"
)

// Logserver returns an AuditEvent of version v as a document of logserver's
// recommended schema: one JSON object. Where the AuditEvent has several values and
// the schema one, the element is an array. What the schema has no element for is a
// tagged pair in entity.detail, by its type or its JSON pointer in the AuditEvent.
// The schema requires a severity and an action: without one in the AuditEvent the
// severity follows from the outcome, and the action is execute.
func (c *Converter) Logserver(n *fhir.Node, v fhir.Version) ([]byte, error) {
	if n == nil || n.Resource != "AuditEvent" || v != fhir.R4 && v != fhir.R5 {
		return nil, fmt.Errorf("convert to logserver's schema: want an AuditEvent of R4 or R5")
	}
	vocabulary, f := vigil.FHIRR4, vigil.FormatFHIRR4
	if v == fhir.R5 {
		vocabulary, f = vigil.FHIRR5, vigil.FormatFHIRR5
	}
	text := fhir.AppendJSON(make([]byte, 0, 4096), n)
	facts := c.mapping.Facts(f, text)
	d := document{facts: &facts, out: make([]byte, 0, len(text))}
	d.open("")
	d.required()
	d.flat()
	d.subjects()
	d.agents(n)
	d.source()
	d.entity(n, c.rest(text, vocabulary, &facts))
	d.close('}')
	return d.out, nil
}

// rest returns the values of the AuditEvent that are no facts, but for the
// details of entities and the narrative.
func (c *Converter) rest(text []byte, v vigil.Vocabulary, facts *vigil.Facts) []detail {
	w := c.walker(v, facts)
	w.plain = true
	w.walk(text, false)
	return w.out
}

// unsaid are the places in an AuditEvent that are said elsewhere in the document,
// or to nobody but a browser.
var unsaid = []string{"resourceType", "text", "entity.detail", "entity.query"}

// document is a JSON object in the making.
type document struct {
	facts *vigil.Facts
	out   []byte
}

// open starts an object as a member, or as a value where key is empty.
func (d *document) open(key string) {
	d.key(key)
	d.out = append(d.out, '{')
}

func (d *document) close(bracket byte) { d.out = append(d.out, bracket) }

// key starts a member or an element, with a comma where there was one before.
func (d *document) key(key string) {
	if n := len(d.out); n > 0 && !strings.ContainsRune("{[:", rune(d.out[n-1])) {
		d.out = append(d.out, ',')
	}
	if key != "" {
		d.out = append(jsonb.AppendString(d.out, key), ':')
	}
}

// add adds a member of one value, or an array of several; none adds nothing.
func (d *document) add(key string, vals ...string) {
	if len(vals) == 0 || len(vals) == 1 && vals[0] == "" {
		return
	}
	d.key(key)
	if len(vals) == 1 {
		d.out = jsonb.AppendString(d.out, vals[0])
		return
	}
	d.out = append(d.out, '[')
	for _, v := range vals {
		d.key("")
		d.out = jsonb.AppendString(d.out, v)
	}
	d.out = append(d.out, ']')
}

func (d *document) required() {
	vals := &d.facts.Values
	severity, action := vals[vigil.FactSeverity], vals[vigil.FactAction]
	if len(severity) == 0 {
		severity = []string{"info"}
		if o := vals[vigil.FactOutcome]; len(o) > 0 {
			switch o[0] {
			case "4":
				severity[0] = "warning"
			case "8":
				severity[0] = "error"
			case "12":
				severity[0] = "critical"
			}
		}
	}
	if len(action) == 0 {
		action = []string{"execute"}
	}
	d.add("severity", severity...)
	d.add("version", "3.0")
	d.add("action", action...)
	if !d.facts.Occurred.IsZero() {
		d.add("occurred", d.facts.Occurred.UTC().Format(instant))
	}
}

// flat adds the facts that are text at the top of the document.
func (d *document) flat() {
	vals := &d.facts.Values
	if kinds := vals[vigil.FactType]; len(kinds) > 0 {
		d.add("event_type", kinds[0])
		d.add("tags", kinds[1:]...)
	}
	d.add("subtype", vals[vigil.FactSubtype]...)
	// A text that would be read as a code has to be where none are expected.
	outcomes := vals[vigil.FactOutcome]
	plain := 0
	for plain < len(outcomes) && format.Outcome(outcomes[plain]) == outcomes[plain] {
		plain++
	}
	d.add("outcome", outcomes[:plain]...)
	d.add("outcomeDesc", outcomes[plain:]...)
	d.add("correlation", vals[vigil.FactCorrelation]...)
	d.add("purpose", vals[vigil.FactPurpose]...)
	d.add("tenant", vals[vigil.FactTenant]...)
}

// subjects adds the patients: as the subject those that are entities too.
func (d *document) subjects() {
	entities := textsOf(d.facts.Values[vigil.FactEntity])
	var subjects, others []string
	for _, p := range d.facts.Values[vigil.FactPatient] {
		if strings.HasPrefix(p, "Patient/") && entities.has(p) {
			subjects = append(subjects, p)
		} else {
			others = append(others, p)
		}
	}
	d.add("subject", subjects...)
	d.add("patient", others...)
}

// agents adds an object for each agent. What the facts have beside that (from
// details) goes to the first one, with the clients.
func (d *document) agents(n *fhir.Node) {
	vals := &d.facts.Values
	var all []actor
	var ids, names, addresses texts
	for _, a := range n.All("agent") {
		one := actorOf(a)
		ids.add(format.Reference(one.who))
		for _, id := range one.ids {
			ids.add(id)
		}
		for _, name := range one.names {
			names.add(name)
		}
		for _, address := range one.addresses {
			addresses.add(address)
		}
		all = append(all, one)
	}
	if len(all) == 0 {
		all = []actor{{}}
	}
	first := &all[0]
	first.ids = append(first.ids, ids.without(vals[vigil.FactAgent])...)
	first.names = append(first.names, names.without(vals[vigil.FactAgentName])...)
	first.addresses = append(first.addresses, addresses.without(vals[vigil.FactIP])...)
	first.clients = vals[vigil.FactClient]
	d.key("agent")
	if len(all) > 1 {
		d.out = append(d.out, '[')
	}
	for _, a := range all {
		d.open("")
		d.add("ip_address", strings.Join(a.addresses, ", "))
		d.add("type", a.kind)
		d.add("who", a.who)
		d.add("altId", a.ids...)
		d.add("name", a.names...)
		d.add("client", a.clients...)
		d.close('}')
	}
	if len(all) > 1 {
		d.out = append(d.out, ']')
	}
}

// actor is what an AuditEvent says of one agent.
type actor struct {
	who, kind                      string
	ids, names, addresses, clients []string
}

func actorOf(a *fhir.Node) actor {
	who := a.Child("who")
	out := actor{who: who.Child("reference").Text(), kind: "system"}
	if a.Child("requestor").Text() == "true" {
		out.kind = "user"
	}
	for _, id := range []*fhir.Node{who.Get("identifier", "value"), who.Child("id"), a.Child("altId")} {
		out.ids = appendText(out.ids, id)
	}
	for _, name := range []*fhir.Node{a.Child("name"), who.Child("display")} {
		out.names = appendText(out.names, name)
	}
	for _, address := range []*fhir.Node{a.Get("network", "address"), a.Child("networkString"), a.Child("networkUri"), a.Get("networkReference", "display")} {
		for part := range strings.SplitSeq(address.Text(), ",") {
			if part = strings.TrimSpace(part); part != "" {
				out.addresses = append(out.addresses, part)
			}
		}
	}
	return out
}

func appendText(list []string, n *fhir.Node) []string {
	if text := n.Text(); text != "" && !slices.Contains(list, text) {
		list = append(list, text)
	}
	return list
}

func (d *document) source() {
	names := d.facts.Values[vigil.FactSource]
	d.open("source")
	if len(names) > 0 {
		d.add("observer", names[0])
	}
	d.add("type", d.facts.Values[vigil.FactSourceType]...)
	d.close('}')
	if len(names) > 1 {
		d.add("system-name", names[1:]...)
	}
}

// entity adds what was used, and what nothing else has a place for.
func (d *document) entity(n *fhir.Node, rest []detail) {
	d.open("entity")
	patients := textsOf(d.facts.Values[vigil.FactPatient])
	var what, urls []string
	for _, val := range d.facts.Values[vigil.FactEntity] {
		switch {
		case strings.HasPrefix(val, "Patient/") && patients.has(val): // the subject
		case strings.HasPrefix(val, "Patient/") || format.Reference(val) != val:
			urls = append(urls, val)
		default:
			what = append(what, val)
		}
	}
	d.add("what", what...)
	d.key("detail")
	d.out = append(d.out, '[')
	for _, u := range urls {
		d.pair("url", u)
	}
	query := d.details(n)
	for _, r := range rest {
		d.pair(r.kind, r.text)
	}
	d.out = append(d.out, ']')
	d.add("query", query)
	d.close('}')
}

// details adds the details of entities as pairs, and returns the first query.
func (d *document) details(n *fhir.Node) (query string) {
	for _, e := range n.All("entity") {
		if raw := e.Child("query").Text(); raw != "" {
			text, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(raw), ""))
			switch {
			case err != nil || !utf8.Valid(text) || strings.ContainsRune(string(text), 0):
				d.pair("query", raw)
			case query == "":
				query = string(text)
			default:
				d.pair("query", string(text))
			}
		}
		for _, one := range e.All("detail") {
			kind := one.Child("type")
			name := kind.Text()
			if kind != nil && kind.Kind == fhir.Object {
				name = kind.Child("text").Text()
				if name == "" {
					name = kind.Get("coding", "code").Text()
				}
			}
			for _, val := range one.Children {
				if strings.HasPrefix(val.Name, "value") {
					d.tagged(name, val)
				}
			}
		}
	}
	return query
}

// tagged adds a detail as a pair: facts are there already, and a name that would
// be read as one gets a mark.
func (d *document) tagged(name string, val *fhir.Node) {
	if fact, ok := strings.CutPrefix(name, "vigil:"); ok && val.Name == "valueString" && isFactName(fact) {
		return
	}
	if slices.Contains(readPairs, name) || name == "" {
		name = "detail:" + name
	}
	text := val.Value
	if val.Kind == fhir.Object {
		text = string(fhir.AppendJSON(nil, val))
	}
	d.pair(name, text)
}

func isFactName(name string) bool {
	for _, l := range lists {
		if l.fact.String() == name {
			return true
		}
	}
	return false
}

// readPairs are the names in entity.detail that the mapping reads.
var readPairs = func() (out []string) {
	for _, p := range vigil.Properties() {
		for _, s := range p.From[vigil.Logserver] {
			if name, ok := strings.CutPrefix(s.Path, "entity.detail[]."); ok {
				out = append(out, name)
			}
		}
	}
	return out
}()

func (d *document) pair(name, val string) {
	if val == "" {
		return
	}
	d.open("")
	d.key(name)
	d.out = append(jsonb.AppendString(d.out, val), '}')
}
