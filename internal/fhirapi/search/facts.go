package search

import (
	"strings"

	"vigil"
	"vigil/internal/format/convert"
	"vigil/internal/format/fhir"
	"vigil/internal/query"
)

// narrowing has, by parameter, what returns a condition over facts that every row
// of a table holds whose AuditEvent holds the i-th alternative of c; nil where
// there is none that is sure. A fact with one column is its first value only.
//
// The AuditEvents that are built of other documents, and of AuditEvents that are
// not valid, have the facts of the document and those that package convert says it
// adds. So have AuditEvents of another version.
var narrowing = map[string]func(c *condition, i int, table string) query.Expr{
	"action":      narrowAction,
	"address":     narrowAddress,
	"agent":       narrowAgent,
	"agent-name":  narrowName(vigil.FactAgentName),
	"agent-role":  narrowAgentRole,
	"altid":       narrowAltID,
	"category":    narrowCategory,
	"code":        narrowSubtype,
	"entity":      narrowEntity,
	"entity-name": narrowName(vigil.FactEntity),
	"entity-role": narrowEntityRole,
	"outcome":     narrowOutcome,
	"patient":     narrowPatient,
	"policy":      narrowPolicy,
	"purpose":     narrowPurpose,
	"site":        narrowSite,
	"source":      narrowSource,
	"subtype":     narrowSubtype,
	"type":        narrowType,
}

// maxFact is the longest value that is a fact, in bytes.
const maxFact = 4096

// has returns the condition that a fact has a value.
func has(fact vigil.Fact, value string) query.Expr {
	if value == "" || len(value) > maxFact {
		return nil
	}
	return equals("_"+fact.String(), value)
}

// either returns the alternatives, nil where one is unknown.
func either(xs ...query.Expr) query.Expr {
	for _, x := range xs {
		if x == nil {
			return nil
		}
	}
	return query.Or(xs)
}

// factOf returns what the fact is of a reference that was written like this, as
// the mapping has it: Type/id, without server and version, and other text as it is.
func factOf(ref string) string {
	l := parseLink(ref)
	if l.kind != "" {
		return l.kind + "/" + l.id
	}
	if i := strings.LastIndexByte(ref, '/'); i > 0 && fhir.IsID(ref[i+1:]) && strings.HasSuffix("/"+ref[:i], "/patients") {
		return "Patient" + ref[i:]
	}
	return ref
}

// referenceFacts returns the values of a fact that references which are wanted
// have; false where they are too many to tell.
func referenceFacts(w *wanted) ([]string, bool) {
	switch {
	case w.alone && w.kinds == nil:
		return nil, false
	case w.alone:
		out := []string{w.id}
		for _, kind := range w.kinds {
			out = append(out, kind+"/"+w.id)
		}
		return out, true
	case w.kind != "":
		return []string{w.kind + "/" + w.id}, true
	}
	return []string{factOf(w.raw)}, true
}

// ofReference returns the condition that one of the facts has the reference or
// the identifier that is wanted.
func ofReference(c *condition, i int, facts ...vigil.Fact) query.Expr {
	var values []string
	if c.modifier == "identifier" {
		values = []string{c.tokens[i].code}
	} else {
		var ok bool
		if values, ok = referenceFacts(&c.wanted[i]); !ok {
			return nil
		}
	}
	var some query.Or
	for _, v := range values {
		for _, f := range facts {
			x := has(f, v)
			if x == nil {
				return nil
			}
			some = append(some, x)
		}
	}
	return some
}

// narrowPatient also looks at agents, who may be patients in built AuditEvents.
func narrowPatient(c *condition, i int, table string) query.Expr {
	if c.modifier == "identifier" {
		x := ofReference(c, i, vigil.FactAgent, vigil.FactEntity)
		if len(c.paths) > 2 { // R5's patient, whose identifier is no fact
			x = either(x, holds(wrap([]string{"patient", "identifier", "value"}, c.tokens[i].code)))
		}
		return x
	}
	w := &c.wanted[i]
	if w.id == "" || w.kind != "" && w.kind != "Patient" {
		return nil // what is no Patient/id is no fact of a patient
	}
	x := has(vigil.FactPatient, "Patient/"+w.id)
	if table == vigil.TableAuditEvents {
		return x
	}
	return either(x, has(vigil.FactAgent, "Patient/"+w.id))
}

// narrowAgent also looks at clients, which built AuditEvents have as agents with an
// identifier. The fact of an agent that is written as Aidbox does is its id alone.
func narrowAgent(c *condition, i int, table string) query.Expr {
	x := ofReference(c, i, vigil.FactAgent)
	switch {
	case c.modifier == "identifier" && table == vigil.TableAuditEvents:
		return x
	case c.modifier == "identifier":
		return either(x, has(vigil.FactClient, c.tokens[i].code))
	case c.wanted[i].kind != "":
		return either(x, has(vigil.FactAgent, c.wanted[i].id))
	}
	return x
}

func narrowAltID(c *condition, i int, _ string) query.Expr {
	return has(vigil.FactAgent, c.tokens[i].code)
}

// narrowEntity also looks at patients, who are entities of built AuditEvents.
func narrowEntity(c *condition, i int, _ string) query.Expr {
	return ofReference(c, i, vigil.FactEntity, vigil.FactPatient)
}

// narrowType looks at everything that R4's type is made of: the type, the first of
// R5's categories, or its code where it has none, and words and actions for which
// conversion has a code.
func narrowType(c *condition, i int, _ string) query.Expr {
	code := c.tokens[i].code
	return either(has(vigil.FactType, code), has(vigil.FactSubtype, code), implied(code))
}

// implied returns the condition that conversion may make a code of other words.
func implied(code string) query.Expr {
	out := query.Or{}
	for _, from := range convert.Implied(code) {
		if x := has(from.Fact, from.Value); x != nil {
			out = append(out, x)
		}
	}
	return out
}

// narrowCategory is for AuditEvents only: of several words for the type the
// column has the first one.
func narrowCategory(c *condition, i int, table string) query.Expr {
	code := c.tokens[i].code
	if table != vigil.TableAuditEvents || code == "" {
		return nil
	}
	return either(has(vigil.FactType, code), implied(code), holds(wrap([]string{"category", "[]", "coding", "[]", "code"}, code)))
}

// narrowSubtype looks at R4's subtypes and at R5's code, which stand for each
// other, and at the type, which stands for both where there is none.
func narrowSubtype(c *condition, i int, table string) query.Expr {
	code := c.tokens[i].code
	if table != vigil.TableAuditEvents || code == "" {
		return nil
	}
	return either(has(vigil.FactSubtype, code), has(vigil.FactType, code), implied(code),
		holds(wrap([]string{"subtype", "[]", "code"}, code)), holds(wrap([]string{"subtype", "code"}, code)),
		holds(wrap([]string{"code", "coding", "[]", "code"}, code)))
}

// actionWords are the facts of R4's and R5's codes of actions.
var actionWords = map[string]string{"C": "create", "R": "read", "U": "update", "D": "delete", "E": "execute"}

// narrowAction also looks at logins and logouts, which are an action of their own
// among facts: built AuditEvents have E for them, others the code they came with.
func narrowAction(c *condition, i int, _ string) query.Expr {
	code := c.tokens[i].code
	word, ok := actionWords[code]
	if !ok {
		return nil
	}
	var session query.Expr = query.Or{has(vigil.FactAction, "login"), has(vigil.FactAction, "logout")}
	if code != "E" {
		session = query.And{flat(session.(query.Or)), holds(wrap([]string{"action"}, code))}
	}
	return either(has(vigil.FactAction, word), session)
}

// outcomeFacts are the facts of codes of outcomes.
var outcomeFacts = map[string]string{
	"0": "0", "4": "4", "8": "8", "12": "12",
	"success": "0", "information": "0", "warning": "4", "error": "8", "fatal": "12",
}

func narrowOutcome(c *condition, i int, _ string) query.Expr {
	return has(vigil.FactOutcome, outcomeFacts[c.tokens[i].code])
}

func narrowPurpose(c *condition, i int, _ string) query.Expr {
	return has(vigil.FactPurpose, c.tokens[i].code)
}

// narrowAddress takes an address as it is; a beginning would have to be compared
// without accents and case. Several in one text are several facts, and the
// reference of an R5 network is none.
func narrowAddress(c *condition, i int, table string) query.Expr {
	if c.modifier != "exact" || table != vigil.TableAuditEvents || strings.ContainsAny(c.texts[i], ", \t") {
		return nil
	}
	return either(has(vigil.FactIP, c.texts[i]), equals("_format", string(vigil.FormatFHIRR5)))
}

// narrowName takes a name as it is.
func narrowName(fact vigil.Fact) func(*condition, int, string) query.Expr {
	return func(c *condition, i int, _ string) query.Expr {
		if c.modifier != "exact" {
			return nil
		}
		return has(fact, c.texts[i])
	}
}

// narrowAgentRole: no role is built.
func narrowAgentRole(c *condition, i int, _ string) query.Expr {
	if c.tokens[i].code == "" {
		return nil
	}
	return holds(wrap([]string{"agent", "[]", "role", "[]", "coding", "[]", "code"}, c.tokens[i].code))
}

// builtRoles are the roles of the entities of built AuditEvents.
var builtRoles = map[string]bool{"": true, "1": true, "4": true}

func narrowEntityRole(c *condition, i int, _ string) query.Expr {
	code := c.tokens[i].code
	if builtRoles[code] {
		return nil
	}
	return either(holds(wrap([]string{"entity", "[]", "role", "code"}, code)), holds(wrap([]string{"entity", "[]", "role", "coding", "[]", "code"}, code)))
}

// narrowPolicy: no policy is built.
func narrowPolicy(c *condition, i int, _ string) query.Expr {
	if c.modifier != "" {
		return nil
	}
	return holds(wrap([]string{"agent", "[]", "policy", "[]"}, c.texts[i]))
}

// narrowSite: the identifier of an R5 site is no fact.
func narrowSite(c *condition, i int, _ string) query.Expr {
	code := c.tokens[i].code
	return either(has(vigil.FactTenant, code), holds(wrap([]string{"source", "site", "identifier", "value"}, code)))
}

// narrowSource: the column has the reference where there is one, else the
// identifier, else the display, which an identifier may be built of.
func narrowSource(c *condition, i int, table string) query.Expr {
	if c.modifier != "identifier" {
		w := &c.wanted[i]
		x := ofReference(c, i, vigil.FactSource)
		if w.id != "" { // as Aidbox writes it
			x = either(x, holds(wrap([]string{"source", "observer", "id"}, w.id)))
		}
		return x
	}
	code := c.tokens[i].code
	if table != vigil.TableAuditEvents || code == "" {
		return nil
	}
	return either(has(vigil.FactSource, code),
		holds(wrap([]string{"source", "observer", "identifier", "value"}, code)), holds(wrap([]string{"source", "observer", "display"}, code)))
}
