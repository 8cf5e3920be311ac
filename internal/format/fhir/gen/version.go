package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// version is the schema of one release of FHIR.
type version struct {
	id    string
	dir   string
	sets  *sets
	defs  map[string]*definition
	types map[string]*typ
	order []string
}

type typ struct {
	name     string
	resource bool
	open     bool
	format   string
	elems    []elem
	rules    []string
}

type elem struct {
	name, choice string
	min, max     int
	typ          string
	set          string
	targets      []string
	rules        []string
}

func loadVersion(id, dir, extra string, s *sets) (*version, error) {
	v := &version{id: id, dir: dir, sets: s, defs: map[string]*definition{}, types: map[string]*typ{}}
	files, err := filepath.Glob(filepath.Join(dir, "StructureDefinition-*.json"))
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("%s: %w", dir, os.ErrNotExist)
	}
	for _, file := range files {
		var d definition
		if err := load(file, &d); err != nil {
			return nil, err
		}
		if strings.HasSuffix(d.URL, "/"+d.Type) {
			v.defs[d.Type] = &d
		}
	}
	v.defs["Resource"] = anyResource(v.defs["DomainResource"])
	for _, t := range parseExtra(extra) {
		v.complete(t)
		v.types[t.name] = t
	}
	for _, name := range append(slices.Clone(roots), "Resource") {
		if err := v.use(name); err != nil {
			return nil, err
		}
	}
	for _, t := range parseExtra(extra) {
		if err := v.use(t.name); err != nil {
			return nil, err
		}
	}
	return v, nil
}

// anyResource is the definition for resources that have none here: what most
// resources have in common.
func anyResource(domain *definition) *definition {
	d := *domain
	d.Type = "Resource"
	d.Snapshot.Element = slices.Clone(d.Snapshot.Element)
	for i := range d.Snapshot.Element {
		e := &d.Snapshot.Element[i]
		e.Path = "Resource" + strings.TrimPrefix(e.Path, "DomainResource")
		if e.Path == "Resource" {
			e.Constraint = nil
		}
	}
	return &d
}

// complete puts what every element and resource has before the listed elements.
func (v *version) complete(t *typ) {
	base := []elem{{name: "id", max: 1, typ: "string"}, {name: "extension", max: 255, typ: "Extension"}}
	if t.resource {
		base = []elem{
			{name: "id", max: 1, typ: "id"},
			{name: "meta", max: 1, typ: "Meta"},
			{name: "implicitRules", max: 1, typ: "uri"},
			{name: "language", max: 1, typ: "code"},
			{name: "text", max: 1, typ: "Narrative"},
			{name: "contained", max: 255, typ: "Resource"},
			{name: "extension", max: 255, typ: "Extension"},
			{name: "modifierExtension", max: 255, typ: "Extension"},
		}
	}
	t.elems = append(base, t.elems...)
	t.rules = []string{"ele-1"}
}

// use adds a type and those that it uses.
func (v *version) use(name string) error {
	if slices.Contains(v.order, name) {
		return nil
	}
	v.order = append(v.order, name)
	if f, ok := formats[name]; ok {
		v.types[name] = &typ{name: name, format: f, elems: []elem{
			{name: "id", max: 1, typ: "string"},
			{name: "extension", max: 255, typ: "Extension"},
		}, rules: []string{"ele-1"}}
		return v.use("Extension")
	}
	if d := v.defs[name]; d != nil {
		if err := v.define(d); err != nil {
			return fmt.Errorf("%s %s: %w", v.id, name, err)
		}
	}
	t := v.types[name]
	if t == nil {
		return fmt.Errorf("%s: no definition of %s", v.id, name)
	}
	for _, part := range append([]*typ{t}, v.parts(name)...) {
		for _, e := range part.elems {
			if strings.Contains(e.typ, ".") {
				continue
			}
			if err := v.use(e.typ); err != nil {
				return err
			}
		}
	}
	return nil
}

// parts returns the backbone types of a resource, such as AuditEvent.agent.
func (v *version) parts(name string) []*typ {
	var parts []*typ
	for _, n := range sorted(v.types) {
		if strings.HasPrefix(n, name+".") {
			parts = append(parts, v.types[n])
		}
	}
	return parts
}

// define makes a type, and one for each of its backbone elements.
func (v *version) define(d *definition) error {
	for i := range d.Snapshot.Element {
		e := &d.Snapshot.Element[i]
		if strings.Contains(e.ID, ":") {
			continue
		}
		parent, name, nested := cutLast(e.Path)
		if !nested {
			v.types[d.Type] = &typ{name: d.Type, resource: d.Kind == "resource", open: d.Type == "Resource", rules: e.keys()}
			continue
		}
		if err := v.element(d, v.types[parent], e, name); err != nil {
			return fmt.Errorf("%s: %w", e.Path, err)
		}
	}
	if d.Kind == "complex-type" {
		t := v.types[d.Type]
		if !slices.Contains(t.rules, "ele-1") {
			t.rules = append(t.rules, "ele-1")
		}
	}
	return nil
}

func (v *version) element(d *definition, parent *typ, e *elementDef, name string) error {
	base := elem{name: name, min: e.Min, max: e.max(), targets: e.targets(), rules: without(e.keys(), "ele-1", "ext-1")}
	if e.Binding.Strength == "required" {
		set, err := v.sets.add(e.Binding.ValueSet, v.id, v.dir)
		if err != nil {
			return err
		}
		base.set = set
	}
	if e.ContentReference != "" {
		base.typ = e.ContentReference[strings.LastIndexByte(e.ContentReference, '#')+1:]
		parent.elems = append(parent.elems, base)
		return nil
	}
	stem, choice := strings.CutSuffix(name, "[x]")
	for _, t := range e.Type {
		one := base
		one.typ = v.typeOf(d, t.Code, name)
		if one.typ == "BackboneElement" || one.typ == "Element" {
			one.typ = e.Path
			v.types[e.Path] = &typ{name: e.Path, rules: append(slices.Clone(one.rules), "ele-1")}
			one.rules = nil
		}
		if one.typ != "code" && one.typ != "Coding" && one.typ != "CodeableConcept" {
			one.set = ""
		}
		if one.typ != "Reference" {
			one.targets = nil
		}
		if choice {
			one.name, one.choice = stem+upperFirst(one.typ), stem
		}
		parent.elems = append(parent.elems, one)
	}
	return nil
}

// typeOf names the type of an element, also where the definition gives FHIRPath's.
func (v *version) typeOf(d *definition, code, name string) string {
	if !strings.Contains(code, "/") {
		return code
	}
	switch {
	case name == "url":
		return "uri"
	case name == "id" && d.Kind == "resource" && len(v.types[d.Type].elems) == 0:
		return "id"
	}
	return "string"
}

func without(keys []string, drop ...string) []string {
	return slices.DeleteFunc(slices.Clone(keys), func(k string) bool { return slices.Contains(drop, k) })
}

func cutLast(path string) (parent, name string, ok bool) {
	i := strings.LastIndexByte(path, '.')
	if i < 0 {
		return "", path, false
	}
	return path[:i], path[i+1:], true
}

func (v *version) print() *printer {
	var names []string
	for _, name := range v.order {
		names = append(names, name)
		for _, part := range v.parts(name) {
			names = append(names, part.name)
		}
	}
	index := map[string]int{}
	for i, name := range names {
		index[name] = i + 1
	}
	p := newPrinter()
	p.f("var schema%s = schema{version: %s, anything: %d, types: []typeDef{\n{},\n", v.id, v.id, index["Resource"])
	for _, name := range names {
		t := v.types[name]
		p.f("%d: {name: %q, ", index[name], name)
		for _, field := range []string{optional("format", t.format), flag1("resource", t.resource), flag1("open", t.open), invariants(known(name, t.rules))} {
			if field != "" {
				p.f("%s, ", field)
			}
		}
		p.f("elems: []element{\n")
		for _, e := range t.elems {
			p.element(e, index[e.typ], known(name, e.rules))
		}
		p.f("}},\n")
	}
	p.f("}}\n")
	return p
}

// known leaves out ele-1, which holds for everything, and the constraints of resources that are only printed and read,
// not validated: Bundle, OperationOutcome, Parameters, CapabilityStatement.
func known(typeName string, rules []string) []string {
	for _, r := range roots[1:] {
		if typeName == r || strings.HasPrefix(typeName, r+".") {
			return nil
		}
	}
	return without(rules, "ele-1")
}

func (p *printer) element(e elem, typ int, rules []string) {
	p.f("{name: %q, ", e.name)
	if e.choice != "" {
		p.f("choice: %q, ", e.choice)
	}
	if e.min > 0 {
		p.f("min: %d, ", e.min)
	}
	p.f("max: %s, ", bound(e.max))
	p.f("typ: %d, ", typ)
	for _, field := range []string{optional("set", e.set), list("targets", e.targets), invariants(rules)} {
		if field != "" {
			p.f("%s, ", field)
		}
	}
	p.f("}, // %s\n", e.typ)
}

func bound(n int) string {
	if n == 255 {
		return "many"
	}
	return strconv.Itoa(n)
}

func optional(name, value string) string {
	if value == "" {
		return ""
	}
	return name + ": " + value
}

func flag1(name string, value bool) string {
	if !value {
		return ""
	}
	return name + ": true"
}

func list(name string, values []string) string {
	if len(values) == 0 {
		return ""
	}
	return fmt.Sprintf("%s: %#v", name, values)
}
