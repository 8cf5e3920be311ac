package convert

import (
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"vigil"
	"vigil/internal/format"
	"vigil/internal/format/fhir"
)

// instant is how FHIR writes a time: to the microsecond, as facts are.
const instant = "2006-01-02T15:04:05.999999Z07:00"

// builder makes one AuditEvent of facts.
type builder struct {
	arena
	v     fhir.Version
	words string // the system of the document's own words
	facts *vigil.Facts
	n     *fhir.Node
	// given are the facts that the elements made so far say.
	given [vigil.NumFacts]texts
	at    int // behind the last entity; 0 where it is not known
}

// build makes an AuditEvent of the facts of a document.
func (c *Converter) build(e *vigil.Event, v fhir.Version) *fhir.Node {
	facts := c.mapping.Facts(e.Format, e.Doc)
	vocabulary, _ := format.VocabularyOf(e.Format, e.Doc)
	b := builder{v: v, words: systemWords + wordSystems[vocabulary], facts: &facts, n: &fhir.Node{Resource: "AuditEvent"}}
	b.n.Children = make([]*fhir.Node, 0, 16)
	b.meta(e)
	b.severityOfR4()
	b.types()
	b.action()
	b.severityOfR5()
	b.n.Add(b.str("recorded", recorded(&facts, e).Format(instant)))
	b.outcome()
	b.purposes()
	if v == fhir.R5 {
		b.patient()
	}
	b.agents()
	b.source()
	b.entities()
	b.record(e, b.query(vocabulary, c.details(e, vocabulary, &facts)), c.config.BaseURL)
	return b.n
}

// recorded is when the event happened, as far as the document says, else when it
// was recorded here.
func recorded(f *vigil.Facts, e *vigil.Event) time.Time {
	if t := f.Occurred; !t.IsZero() && t.Year() >= 1 && t.Year() <= 9999 {
		return t.UTC()
	}
	return e.Received.UTC()
}

// want returns the values of a fact.
func (b *builder) want(f vigil.Fact) []string { return b.facts.Values[f] }

// first returns the first value of a fact, or "".
func (b *builder) first(f vigil.Fact) string {
	if vals := b.facts.Values[f]; len(vals) > 0 {
		return vals[0]
	}
	return ""
}

// give notes that an element says val.
func (b *builder) give(f vigil.Fact, val string) { b.given[f].add(val) }

// meta says where the event came from.
func (b *builder) meta(e *vigil.Event) {
	meta := b.obj("meta")
	if origin := b.origin(e.Sender); origin != "" {
		meta.Add(b.str("source", origin))
	}
	if len(meta.Children) > 0 {
		b.n.Add(meta)
	}
}

// origin names who handed the event over, else what the document says reports it.
func (b *builder) origin(s *vigil.Sender) string {
	if s != nil {
		for _, name := range [...]string{s.Client, s.Subject} {
			if name != "" {
				return "urn:vigil:sender:" + url.PathEscape(name)
			}
		}
	}
	source := b.first(vigil.FactSource)
	if source == "" || isURI(source) {
		return source
	}
	return "urn:vigil:source:" + url.PathEscape(source)
}

// severities are R5's codes for the severities of facts.
var severities = map[string]string{
	"critical": "critical", "error": "error", "warning": "warning", "info": "informational", "debug": "debug",
}

func (b *builder) severityOfR4() {
	severity := b.first(vigil.FactSeverity)
	if code := severities[severity]; code != "" && b.v == fhir.R4 {
		b.give(vigil.FactSeverity, severity)
		b.n.Add(b.obj("extension",
			b.str("url", "http://hl7.org/fhir/5.0/StructureDefinition/extension-AuditEvent.severity"), b.str("valueCode", code)).Listed())
	}
}

func (b *builder) severityOfR5() {
	severity := b.first(vigil.FactSeverity)
	if code := severities[severity]; code != "" && b.v == fhir.R5 {
		b.give(vigil.FactSeverity, severity)
		b.n.Add(b.str("severity", code))
	}
}

// types writes what kind of event it is: the document's words, and the standard
// codes where their meaning has one.
func (b *builder) types() {
	kinds, subs := b.codes(vigil.FactType), b.codes(vigil.FactSubtype)
	// A subtype that is a word for a login makes the event one where FHIR is read.
	subs = slices.DeleteFunc(subs, func(c code) bool {
		session := format.Session(c.code)
		return session != "" && session != b.first(vigil.FactAction)
	})
	kind, sub := b.standard()
	if sub.code != "" && !slices.ContainsFunc(subs, func(c code) bool { return c.code == sub.code }) {
		subs = append(subs, sub)
	}
	if kind.system == rest.system {
		for i := range subs {
			if slices.Contains(interactions, subs[i].code) {
				subs[i].system = systemInteraction
			}
		}
	}
	if b.v == fhir.R5 {
		b.typesOfR5(kinds, subs, kind)
		return
	}
	if kind.code == "" && len(kinds) > 0 {
		kind = kinds[0]
	}
	if kind.code == "" {
		b.n.Add(b.obj("type", b.absent("unknown")))
	} else {
		b.n.Add(b.coding(kind, "type"))
		b.give(vigil.FactType, kind.code)
	}
	for _, s := range subs {
		b.n.Add(b.coding(s, "subtype").Listed())
		b.give(vigil.FactSubtype, s.code)
	}
}

func (b *builder) typesOfR5(kinds, subs []code, kind code) {
	if kind.code != "" {
		kinds = append(kinds, kind)
	}
	for _, k := range kinds {
		b.n.Add(b.concept(k, "category").Listed())
		b.give(vigil.FactType, k.code)
	}
	what := b.obj("code")
	for _, s := range subs {
		what.Add(b.coding(s, "coding").Listed())
		b.give(vigil.FactSubtype, s.code)
	}
	if len(subs) == 0 { // it is required
		switch text := b.first(vigil.FactType); {
		case plain(text):
			what.Add(b.str("text", text))
		case plain(b.first(vigil.FactAction)):
			what.Add(b.str("text", b.first(vigil.FactAction)))
		default:
			what.Add(b.absent("unknown"))
		}
	}
	b.n.Add(what)
}

// codes returns the values of a fact that can be codes.
func (b *builder) codes(f vigil.Fact) []code {
	var out []code
	for _, word := range b.want(f) {
		if isCode(word) {
			out = append(out, code{system: b.words, code: word})
		}
	}
	return out
}

// standard returns the standard codes for the type and the subtype, or none.
func (b *builder) standard() (kind, sub code) {
	word, action := b.first(vigil.FactType), b.first(vigil.FactAction)
	if sub, ok := sessions[action]; ok {
		return authentication, sub
	}
	if interaction, ok := restWords[word]; ok {
		if interaction != "" {
			sub = code{systemInteraction, interaction, ""}
		}
		return rest, sub
	}
	if b.words == systemWords+wordSystems[vigil.Exchanges] && slices.Contains(interactions, word) {
		return rest, code{systemInteraction, word, ""}
	}
	if word == "" {
		return lifecycles[action], code{}
	}
	return code{}, code{}
}

// actions are FHIR's codes for the actions of facts. That an execution was a
// login is said by the subtype.
var actions = map[string]string{
	"create": "C", "read": "R", "update": "U", "delete": "D", "execute": "E", "login": "E", "logout": "E",
}

func (b *builder) action() {
	action := b.first(vigil.FactAction)
	if code := actions[action]; code != "" {
		b.n.Add(b.str("action", code))
		b.give(vigil.FactAction, action)
	}
}

func (b *builder) outcome() {
	var level code
	var texts []string
	for _, o := range b.want(vigil.FactOutcome) {
		switch o {
		case "0", "4", "8", "12":
			if level.code == "" && len(texts) == 0 {
				level = code{systemOutcome, o, outcomes[o]}
			}
		default:
			if plain(o) && (b.v == fhir.R5 || len(texts) == 0) {
				texts = append(texts, o)
			}
		}
	}
	if level.code == "" && len(texts) == 0 {
		return
	}
	if level.code != "" {
		b.give(vigil.FactOutcome, level.code)
	}
	for _, t := range texts {
		b.give(vigil.FactOutcome, t)
	}
	if b.v == fhir.R4 {
		if level.code != "" {
			b.n.Add(b.str("outcome", level.code))
		}
		if len(texts) > 0 {
			b.n.Add(b.str("outcomeDesc", texts[0]))
		}
		return
	}
	out := b.obj("outcome")
	if level.code != "" {
		out.Add(b.coding(level, "code"))
	} else {
		out.Add(b.obj("code", b.absent("unknown")))
	}
	for _, t := range texts {
		out.Add(b.obj("detail", b.str("text", t)).Listed())
	}
	b.n.Add(out)
}

var outcomes = map[string]string{"0": "Success", "4": "Minor failure", "8": "Serious failure", "12": "Major failure"}

func (b *builder) purposes() {
	name := "purposeOfEvent"
	if b.v == fhir.R5 {
		name = "authorization"
	}
	for _, c := range b.codes(vigil.FactPurpose) {
		if slices.Contains(reasons, c.code) {
			c.system = systemReason
		}
		b.n.Add(b.concept(c, name).Listed())
		b.give(vigil.FactPurpose, c.code)
	}
}

// agents writes who did it as one agent: what documents say of agents is several
// names of one. What one agent cannot hold is in details.
func (b *builder) agents() {
	who := b.obj("who")
	known := false
	for _, a := range b.want(vigil.FactAgent) {
		switch {
		case isReference(a, agentTypes):
			if who.Child("reference") == nil {
				who.Children = append([]*fhir.Node{b.str("reference", a)}, who.Children...)
				b.give(vigil.FactAgent, a)
			}
		case plain(a) && who.Child("identifier") == nil:
			who.Add(b.identifier(a))
			b.give(vigil.FactAgent, a)
		}
		known = true
	}
	agent := b.obj("agent").Listed()
	name := b.first(vigil.FactAgentName)
	if !plain(name) {
		name = ""
	} else {
		b.give(vigil.FactAgentName, name)
		known = true
		if b.v == fhir.R5 {
			who.Add(b.str("display", name))
		}
	}
	if len(who.Children) == 0 && (b.v == fhir.R5 || name == "") {
		who.Add(b.absent("unknown"))
	}
	if len(who.Children) > 0 {
		agent.Add(who)
	}
	if name != "" && b.v == fhir.R4 {
		agent.Add(b.str("name", name))
	}
	agent.Add(b.flag("requestor", known))
	b.network(agent)
	b.n.Add(agent)
	if client := b.first(vigil.FactClient); plain(client) {
		b.n.Add(b.obj("agent", b.concept(application, "type"), b.obj("who", b.identifier(client)), b.flag("requestor", false)).Listed())
		b.give(vigil.FactClient, client)
		b.give(vigil.FactAgent, client)
	}
}

// network writes the first address: the client's.
func (b *builder) network(agent *fhir.Node) {
	address := b.first(vigil.FactIP)
	if !plain(address) || strings.TrimSpace(address) != address || strings.Contains(address, ",") {
		return
	}
	b.give(vigil.FactIP, address)
	if b.v == fhir.R5 {
		agent.Add(b.str("networkString", address))
		return
	}
	kind := "1" // a machine's name
	if _, err := netip.ParseAddr(address); err == nil {
		kind = "2"
	} else if strings.Contains(address, "://") {
		kind = "5"
	}
	agent.Add(b.obj("network", b.str("address", address), b.str("type", kind)))
}

// source writes who reports the event.
func (b *builder) source() {
	source := b.obj("source")
	if site := b.first(vigil.FactTenant); plain(site) {
		b.give(vigil.FactTenant, site)
		if b.v == fhir.R5 {
			source.Add(b.obj("site", b.str("display", site)))
		} else {
			source.Add(b.str("site", site))
		}
	}
	observer := b.obj("observer")
	for i, s := range b.want(vigil.FactSource) {
		switch {
		case !plain(s):
			continue
		case i == 0 && isReference(s, agentTypes):
			observer.Add(b.str("reference", s))
		case observer.Child("identifier") == nil && observer.Child("display") == nil:
			observer.Add(b.identifier(s))
		case observer.Child("display") == nil:
			observer.Add(b.str("display", s))
		default:
			continue
		}
		b.give(vigil.FactSource, s)
	}
	if len(observer.Children) == 0 {
		observer.Add(b.absent("unknown"))
	}
	source.Add(observer)
	for _, c := range b.codes(vigil.FactSourceType) {
		b.give(vigil.FactSourceType, c.code)
		if b.v == fhir.R5 {
			source.Add(b.concept(c, "type").Listed())
		} else {
			source.Add(b.coding(c, "type").Listed())
		}
	}
	b.n.Add(source)
}
