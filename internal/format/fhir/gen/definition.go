package main

import (
	"encoding/json"
	"fmt"
	goformat "go/format"
	"maps"
	"os"
	"slices"
	"strings"
)

// definition is what is used of a StructureDefinition.
type definition struct {
	URL      string `json:"url"`
	Kind     string `json:"kind"`
	Type     string `json:"type"`
	Snapshot struct {
		Element []elementDef `json:"element"`
	} `json:"snapshot"`
}

type elementDef struct {
	ID, Path, SliceName string
	Min                 int
	Max                 string
	Type                []struct {
		Code          string
		TargetProfile []string
	}
	ContentReference string
	Binding          struct{ Strength, ValueSet string }
	Constraint       []struct{ Key, Severity, Expression string }
	Slicing          *struct {
		Discriminator []struct{ Type, Path string }
		Rules         string
	}
	fixed map[string]json.RawMessage // fixed[x] and pattern[x] by type
}

// UnmarshalJSON also keeps the fixed and pattern values.
func (e *elementDef) UnmarshalJSON(b []byte) error {
	type plain elementDef
	if err := json.Unmarshal(b, (*plain)(e)); err != nil {
		return err
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(b, &all); err != nil {
		return err
	}
	e.fixed = map[string]json.RawMessage{}
	for name, value := range all {
		for _, prefix := range []string{"fixed", "pattern"} {
			if typ, ok := strings.CutPrefix(name, prefix); ok {
				e.fixed[typ] = value
			}
		}
	}
	return nil
}

// max returns the bound as the tables write it.
func (e *elementDef) max() int {
	var n int
	if _, err := fmt.Sscan(e.Max, &n); err != nil {
		return 255
	}
	return n
}

func (e *elementDef) keys() []string {
	var keys []string
	for _, c := range e.Constraint {
		keys = append(keys, c.Key)
	}
	return keys
}

// targets returns the types that references may refer to, nil for any.
func (e *elementDef) targets() []string {
	var targets []string
	for _, t := range e.Type {
		for _, p := range t.TargetProfile {
			name, _, _ := strings.Cut(p[strings.LastIndexByte(p, '/')+1:], "|")
			if name == "Resource" {
				return nil
			}
			targets = append(targets, name)
		}
	}
	slices.Sort(targets)
	return slices.Compact(targets)
}

func load(path string, v any) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, v); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

func format(p *printer) ([]byte, error) {
	out, err := goformat.Source(p.Bytes())
	if err != nil {
		return nil, fmt.Errorf("%w in\n%s", err, p.Bytes())
	}
	return out, nil
}

func lower(s string) string { return strings.ToLower(s) }

func upperFirst(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// invariants prints the keys as constants of the package.
func invariants(keys []string) string {
	if len(keys) == 0 {
		return ""
	}
	var names []string
	for _, k := range keys {
		names = append(names, invariant(k))
	}
	return "rules: []invariant{" + strings.Join(names, ", ") + "}"
}

// invariant returns the constant of a key: sev-1 is sev1.
func invariant(key string) string {
	words := strings.Split(key, "-")
	for i := range words[1:] {
		words[i+1] = upperFirst(words[i+1])
	}
	return strings.Join(words, "")
}

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
