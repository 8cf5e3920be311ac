package main

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// profiles are the rules of the AuditEvent profiles and of their extensions.
type profiles struct {
	list []*profileDef
}

type profileDef struct {
	url       string
	extension bool
	root      *rule
}

// rule mirrors the type of the same name in package fhir.
type rule struct {
	name, slice  string
	choice       bool
	min, max     int
	types        []string
	targets      []string
	coding       *[2]string
	text, set    string
	keys         []string
	by           string
	sliced, shut bool
	slices, kids []*rule
}

func loadProfiles(dir string, base *version, s *sets) (*profiles, error) {
	files, err := filepath.Glob(filepath.Join(dir, "StructureDefinition-*.json"))
	if err != nil {
		return nil, err
	}
	p := &profiles{}
	for _, file := range files {
		var d definition
		if err := load(file, &d); err != nil {
			return nil, err
		}
		root, err := loadProfile(&d, dir, base, s)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", d.URL, err)
		}
		p.list = append(p.list, &profileDef{d.URL, d.Type == "Extension", root})
	}
	return p, nil
}

// loadProfile makes rules of a snapshot, without what the base says already.
func loadProfile(d *definition, dir string, base *version, s *sets) (*rule, error) {
	byID := map[string]*rule{}
	extSlices := ""
	for i := range d.Snapshot.Element {
		e := &d.Snapshot.Element[i]
		if extSlices != "" && strings.HasPrefix(e.ID, extSlices) {
			continue // extensions are checked by their own profiles
		}
		r := &rule{max: 255}
		byID[e.ID] = r
		parent, name, nested := cutLast(e.ID)
		if !nested {
			r.name = d.Type
			continue
		}
		of, slice, isSlice := strings.Cut(name, ":")
		if isSlice && of == "extension" {
			extSlices = e.ID
			delete(byID, e.ID)
			continue
		}
		r.name, r.choice = strings.CutSuffix(of, "[x]")
		if err := r.constrain(e, d, dir, base, s, isSlice); err != nil {
			return nil, fmt.Errorf("%s: %w", e.ID, err)
		}
		up := byID[parent]
		if isSlice {
			r.slice = slice
			up = byID[parent+"."+of]
			up.slices = append(up.slices, r)
			continue
		}
		up.kids = append(up.kids, r)
	}
	root := byID[d.Type]
	root.prune()
	return root, root.check()
}

// constrain fills in what e asks beyond the base's element of the same path.
func (r *rule) constrain(e *elementDef, d *definition, dir string, base *version, s *sets, isSlice bool) error {
	was := baseElement(base, e.Path)
	if isSlice || was == nil || e.Min != was.min {
		r.min = e.Min
	}
	if isSlice || was == nil || e.max() != was.max {
		r.max = e.max()
	}
	if was != nil && !slices.Equal(e.targets(), was.targets) {
		r.targets = e.targets()
	}
	if all := baseTypes(base, e.Path); r.choice && len(e.Type) < all {
		for _, t := range e.Type {
			r.types = append(r.types, t.Code)
		}
	}
	if e.Binding.Strength == "required" && (was == nil || was.set == "") {
		id, dirs := "BALP", []string{dir, base.dir}
		if strings.HasPrefix(e.Binding.ValueSet, "http://hl7.org/") {
			id, dirs = base.id, []string{base.dir}
		}
		set, err := s.add(e.Binding.ValueSet, id, dirs...)
		if err != nil {
			return err
		}
		r.set = set
	}
	for _, c := range e.Constraint {
		if was == nil || !slices.Contains(append(slices.Clone(was.rules), "ele-1", "ext-1"), c.Key) {
			if c.Key != "sev-1" { // of the base's type
				r.keys = append(r.keys, c.Key)
			}
		}
	}
	if e.Slicing != nil && r.name != "extension" && r.name != "modifierExtension" && !r.choice {
		if len(e.Slicing.Discriminator) != 1 || e.Slicing.Discriminator[0].Type != "value" {
			return fmt.Errorf("only slicing by one value is supported")
		}
		r.sliced, r.shut = true, e.Slicing.Rules == "closed"
		r.by = strings.TrimPrefix(e.Slicing.Discriminator[0].Path, "$this")
	}
	return r.value(e)
}

// value reads the fixed or pattern value: a primitive, a Coding, or a concept
// with one Coding.
func (r *rule) value(e *elementDef) error {
	for typ, text := range e.fixed {
		var v struct {
			System, Code string
			Coding       []struct{ System, Code string }
		}
		switch typ {
		case "Coding", "CodeableConcept":
			if err := json.Unmarshal(text, &v); err != nil {
				return err
			}
			if typ == "CodeableConcept" {
				if len(v.Coding) != 1 {
					return fmt.Errorf("only concepts with one code are supported")
				}
				v.System, v.Code = v.Coding[0].System, v.Coding[0].Code
			}
			r.coding = &[2]string{v.System, v.Code}
		default:
			r.text = strings.Trim(string(text), `"`)
		}
	}
	return nil
}

// baseElement returns the base's element of a path without slices.
func baseElement(v *version, path string) *elem {
	parts := strings.Split(path, ".")
	typeName := parts[0]
	var found *elem
	for _, name := range parts[1:] {
		stem, choice := strings.CutSuffix(name, "[x]")
		t := v.types[typeName]
		if t == nil {
			return nil
		}
		found = nil
		for i := range t.elems {
			if e := &t.elems[i]; e.name == name || choice && e.choice == stem {
				found = e
				break
			}
		}
		if found == nil {
			return nil
		}
		typeName = found.typ
	}
	return found
}

// baseTypes counts the types of the base's choice.
func baseTypes(v *version, path string) int {
	parent, name, _ := cutLast(path)
	if e := baseElement(v, parent); e != nil {
		parent = e.typ
	}
	n := 0
	if t := v.types[parent]; t != nil {
		for _, e := range t.elems {
			if e.choice+"[x]" == name {
				n++
			}
		}
	}
	return n
}

// prune drops rules that ask nothing.
func (r *rule) prune() {
	for _, s := range r.slices {
		s.prune()
	}
	r.kids = slices.DeleteFunc(r.kids, func(k *rule) bool {
		k.prune()
		return k.empty()
	})
}

func (r *rule) empty() bool {
	return r.min == 0 && r.max == 255 && r.types == nil && r.targets == nil && r.coding == nil && r.text == "" &&
		r.set == "" && r.keys == nil && len(r.slices) == 0 && len(r.kids) == 0
}

// check makes sure that every slice can be told by its discriminator.
func (r *rule) check() error {
	for _, s := range r.slices {
		at := s
		if r.by != "" {
			i := slices.IndexFunc(s.kids, func(k *rule) bool { return k.name == r.by })
			if i < 0 {
				return fmt.Errorf("slice %s: no rule for %s", s.slice, r.by)
			}
			at = s.kids[i]
		}
		if at.coding == nil && at.set == "" && at.text == "" {
			return fmt.Errorf("slice %s: nothing tells it by %q", s.slice, r.by)
		}
	}
	for _, k := range append(slices.Clone(r.slices), r.kids...) {
		if err := k.check(); err != nil {
			return err
		}
	}
	return nil
}

func (p *profiles) print() *printer {
	out := newPrinter()
	for _, part := range []struct {
		name      string
		extension bool
	}{{"balpProfiles", false}, {"balpExtensions", true}} {
		out.f("var %s = [...]profile{\n", part.name)
		for _, d := range p.list {
			if d.extension == part.extension {
				out.f("{url: %q, root: rule{", d.url)
				out.rule(d.root)
				out.f("}},\n")
			}
		}
		out.f("}\n\n")
	}
	return out
}

// rule prints the fields of a rule.
func (p *printer) rule(r *rule) {
	p.f("name: %q", r.name)
	if r.min > 0 {
		p.f(", min: %d", r.min)
	}
	p.f(", max: %s", bound(r.max))
	fields := []string{flag1("choice", r.choice), list("types", r.types), list("targets", r.targets), optional("set", r.set), invariants(r.keys)}
	if r.coding != nil {
		fields = append(fields, fmt.Sprintf("coding: &coding{%q, %q}", r.coding[0], r.coding[1]))
	}
	if r.text != "" {
		fields = append(fields, fmt.Sprintf("text: %q", r.text))
	}
	for _, field := range fields {
		if field != "" {
			p.f(", %s", field)
		}
	}
	if len(r.slices) > 0 {
		p.f(", slicing: &slicing{by: %q, closed: %t, slices: []slice{\n", r.by, r.shut)
		for _, s := range r.slices {
			p.f("{%q, rule{", s.slice)
			p.rule(s)
			p.f("}},\n")
		}
		p.f("}}")
	}
	if len(r.kids) > 0 {
		p.f(", kids: []rule{\n")
		for _, k := range r.kids {
			p.f("{")
			p.rule(k)
			p.f("},\n")
		}
		p.f("}")
	}
}
