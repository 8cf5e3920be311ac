package search

import (
	"encoding/json"
	"slices"

	"vigil/internal/format/fhir"
	"vigil/internal/query"
)

// ownDocument returns the condition that a valid AuditEvent of the search's
// version holds as it was sent exactly if it holds c; nil where containment in
// JSON cannot say it, or where conversion adds to the element.
func ownDocument(c *condition, v fhir.Version) query.Expr {
	if c.modifier != "" || c.definition == "" || len(c.name) > 0 && c.name[0] == '_' {
		return nil
	}
	shape := shapes(v)[c.name]
	if shape == nil || c.typ != Token && c.typ != URI {
		return nil
	}
	var some query.Or
	for _, t := range c.tokens {
		x := ownToken(c, shape, &t)
		if x == nil {
			return nil
		}
		some = append(some, x)
	}
	for _, text := range c.texts {
		some = append(some, holds(wrap(shape, text)))
	}
	if len(some) == 1 {
		return some[0]
	}
	return some
}

func ownToken(c *condition, shape []string, t *token) query.Expr {
	never := query.Or{}
	if shape[len(shape)-1] != "{}" { // a code or a text
		switch {
		case t.hasSystem && len(c.systems) == 0 && t.system != "", t.hasSystem && len(c.systems) > 0 && !slices.Contains(c.systems, t.system):
			return never
		case t.code == "":
			return nil
		}
		return holds(wrap(shape, t.code))
	}
	coding := map[string]string{}
	switch {
	case t.hasSystem && t.system == "":
		return nil // containment cannot say that there is no system
	case t.hasSystem:
		coding["system"] = t.system
	}
	if t.code != "" {
		coding["code"] = t.code
	}
	return holds(wrap(shape[:len(shape)-1], coding))
}

// wrap puts a value where a shape says, from the inside out.
func wrap(shape []string, value any) string {
	for _, name := range slices.Backward(shape) {
		if name == "[]" {
			value = []any{value}
		} else {
			value = map[string]any{name: value}
		}
	}
	b, err := json.Marshal(value)
	if err != nil {
		return "{}" // maps and strings always marshal
	}
	return string(b)
}

// shapes says how JSON writes the elements of a version: names, [] for an array,
// and {} at the end for a Coding.
func shapes(v fhir.Version) map[string][]string {
	if v == fhir.R5 {
		return shapesR5
	}
	return shapesR4
}

var shapesR4 = map[string][]string{
	"action":      {"action"},
	"agent-role":  {"agent", "[]", "role", "[]", "coding", "[]", "{}"},
	"altid":       {"agent", "[]", "altId"},
	"entity-role": {"entity", "[]", "role", "{}"},
	"entity-type": {"entity", "[]", "type", "{}"},
	"outcome":     {"outcome"},
	"policy":      {"agent", "[]", "policy", "[]"},
	"site":        {"source", "site"},
	"subtype":     {"subtype", "[]", "{}"},
	"type":        {"type", "{}"},
}

var shapesR5 = map[string][]string{
	"action":      {"action"},
	"agent-role":  {"agent", "[]", "role", "[]", "coding", "[]", "{}"},
	"category":    {"category", "[]", "coding", "[]", "{}"},
	"code":        {"code", "coding", "[]", "{}"},
	"entity-role": {"entity", "[]", "role", "coding", "[]", "{}"},
	"outcome":     {"outcome", "code", "{}"},
	"policy":      {"agent", "[]", "policy", "[]"},
}
