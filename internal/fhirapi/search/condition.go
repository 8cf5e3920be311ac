package search

import (
	"slices"
	"strings"

	"vigil/internal/format/fhir"
)

// condition is one parameter of a search: it holds where one of its values does.
type condition struct {
	*parameter
	written  string // the parameter as in the request
	modifier string // not, missing, exact, contains, text, identifier, below, above, or a type
	missing  bool   // operand of missing

	dates  []dates
	tokens []token
	wanted []wanted
	texts  []string // of strings folded, but for exact; of URIs as they are
}

// holds reports whether the condition holds for an AuditEvent.
func (c *condition) holds(n *fhir.Node) bool {
	switch c.modifier {
	case "missing":
		return c.some(n, func(*fhir.Node) bool { return true }) != c.missing
	case "not":
		return !c.some(n, c.matches)
	}
	return c.some(n, c.matches)
}

// some reports whether f holds for one of the parameter's elements.
func (c *condition) some(n *fhir.Node, f func(*fhir.Node) bool) bool {
	for _, path := range c.paths {
		if c.someAt(n, n, path, f) {
			return true
		}
	}
	return false
}

// someAt follows the rest of a path from n, whose parent is the element around it.
func (c *condition) someAt(n, parent *fhir.Node, path []string, f func(*fhir.Node) bool) bool {
	if len(path) == 0 {
		if n.Kind == fhir.Absent || n.Kind == fhir.Null || n.Kind == fhir.Empty || n.Kind == fhir.Raw {
			return false
		}
		if c.patients && !isPatient(n) && !(c.modifier == "identifier" && playsPatient(parent, n)) {
			return false
		}
		return f(n)
	}
	for _, k := range n.All(path[0]) {
		if c.someAt(k, n, path[1:], f) {
			return true
		}
	}
	return false
}

// patientRole is the role of a patient among an event's entities, of
// http://terminology.hl7.org/CodeSystem/object-role and of DICOM's.
const patientRole = "1"

// playsPatient reports whether a reference that does not say what it refers to
// is to a patient because the entity around it has a patient's role: what comes
// from DICOM messages has only an identifier.
func playsPatient(entity, ref *fhir.Node) bool {
	if entity.Name != "entity" || kindOf(ref) != "" {
		return false
	}
	role := token{code: patientRole}
	return slices.ContainsFunc(entity.All("role"), func(r *fhir.Node) bool { return role.matches(r, nil) })
}

// matches reports whether one of the values is that of an element.
func (c *condition) matches(n *fhir.Node) bool {
	switch {
	case c.tokens != nil && c.modifier == "identifier":
		id := n.Child("identifier")
		return id != nil && slices.ContainsFunc(c.tokens, func(t token) bool { return t.matches(id, nil) })
	case c.typ == Reference:
		return slices.ContainsFunc(c.wanted, func(w wanted) bool { return w.matches(n) })
	case c.typ == Date:
		t, ok := instant(n)
		return ok && slices.ContainsFunc(c.dates, func(d dates) bool { return d.has(t) })
	case c.typ == Token && c.modifier == "text":
		return slices.ContainsFunc(c.texts, func(s string) bool { return tokenText(n, s) })
	case c.typ == Token:
		return slices.ContainsFunc(c.tokens, func(t token) bool { return t.matches(n, c.systems) })
	case c.typ == URI:
		have := n.Text()
		return have != "" && slices.ContainsFunc(c.texts, func(s string) bool { return uriMatches(c.parameter, c.modifier, have, s) })
	}
	return c.stringMatches(n.Text())
}

func (c *condition) stringMatches(have string) bool {
	if have == "" {
		return false
	}
	if c.modifier == "exact" {
		return slices.Contains(c.texts, have)
	}
	have = folded(have)
	return slices.ContainsFunc(c.texts, func(s string) bool {
		if c.modifier == "contains" {
			return strings.Contains(have, s)
		}
		return strings.HasPrefix(have, s)
	})
}

// modifiers are those that a parameter of each type may have.
var modifiers = map[Type][]string{
	Token:     {"missing", "not", "text"},
	Date:      {"missing"},
	String:    {"missing", "exact", "contains"},
	URI:       {"missing", "below", "above", "contains"},
	Reference: {"missing", "identifier", "not"},
}

// parseCondition reads one occurrence of a parameter. Name is without modifier.
func (o *Options) parseCondition(p *parameter, written, modifier, chain, value string) (*condition, error) {
	c := &condition{parameter: p, written: written, modifier: modifier}
	kind := ""
	if p.typ == Reference && fhir.IsTypeName(modifier) {
		kind, c.modifier = modifier, ""
	}
	switch {
	case chain == "identifier" && p.typ == Reference && c.modifier == "":
		c.modifier = "identifier"
	case chain != "" && p.typ == Reference:
		return nil, badf(codeNotSupported, written, "only the chain .identifier is served: what events refer to is not kept here")
	case chain != "":
		return nil, badf(codeInvalid, written, "%s is no reference and cannot be chained", p.name)
	case c.modifier != "" && !slices.Contains(modifiers[p.typ], c.modifier):
		return nil, badf(codeNotSupported, written, "the modifier :%s is not served for parameters of type %s: use %s",
			shown(c.modifier), p.typ, strings.Join(modifiers[p.typ], ", "))
	}
	if c.modifier == "missing" {
		if value != "true" && value != "false" {
			return nil, badf(codeValue, written, "want true or false")
		}
		c.missing = value == "true"
		return c, nil
	}
	if kind != "" && c.modifier == "identifier" {
		c.parameter = ofKind(p, kind)
	}
	for _, v := range split(value, ',') {
		if v == "" {
			continue
		}
		if err := o.addValue(c, kind, v); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// ofKind narrows a parameter to references of one type, where that is patients.
// Other references with an identifier mostly do not say what they refer to.
func ofKind(p *parameter, kind string) *parameter {
	narrowed := *p
	narrowed.patients = narrowed.patients || kind == "Patient"
	return &narrowed
}

// addValue reads one of the alternatives of a condition.
func (o *Options) addValue(c *condition, kind, v string) error {
	switch {
	case c.modifier == "identifier", c.typ == Token && c.modifier != "text":
		t := parseToken(v)
		if t.code == "" && t.system == "" {
			return badf(codeValue, c.written, "want code, system|code, |code or system|")
		}
		c.tokens = append(c.tokens, t)
	case c.typ == Token:
		c.texts = append(c.texts, folded(unescape(v)))
	case c.typ == Date:
		d, err := parseDate(v, o.Zone, o.Now())
		if err != nil {
			return badf(codeValue, c.written, "%v", err)
		}
		c.dates = append(c.dates, d)
	case c.typ == Reference:
		s := unescape(v)
		w := parseWanted(s, kind, c.targets, o.Base)
		if kind != "" && w.kind != "" && w.kind != kind {
			return badf(codeValue, c.written, "the value is of type %s, the modifier says %s", w.kind, shown(kind))
		}
		c.wanted = append(c.wanted, w)
	case c.typ == URI:
		c.texts = append(c.texts, unescape(v))
	case c.modifier == "exact":
		c.texts = append(c.texts, unescape(v))
	default:
		c.texts = append(c.texts, folded(unescape(v)))
	}
	return nil
}
