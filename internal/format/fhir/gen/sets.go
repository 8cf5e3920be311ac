package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// sets collects the value sets of required bindings that can be listed.
type sets struct {
	names  []string // constants, in the order of their indexes from 1
	urls   []string
	expand []map[string][]string // system → codes
}

func newSets() *sets { return &sets{} }

// open names value sets that are too large or open to be listed (media types,
// languages, units of money) or that only resources nobody sends here use.
var open = []string{
	"mimetypes", "all-languages", "currencies", "FHIR-version", "capability-statement-kind", "conditional-delete-status",
	"conditional-read-status", "document-mode", "event-capability-mode", "publication-status", "reference-handling-policy",
	"resource-types", "restful-capability-mode", "search-param-type", "system-restful-interaction", "type-restful-interaction",
	"versioning-policy", "iana-link-relations", "provenance-entity-role",
}

// listed are codes of value sets that the data folder lacks.
var listed = map[string]string{
	"quantity-comparator|4.0.1": "< <= >= >",
	"quantity-comparator|5.0.0": "< <= >= > ad",
}

type valueSet struct {
	URL     string
	Compose struct {
		Include []struct {
			System   string
			ValueSet []string
			Concept  []struct{ Code string }
			Filter   []any
		}
		Exclude []any
	}
}

type concept struct {
	Code    string
	Concept []concept
}

// add returns the constant of a value set, "" where it cannot be listed.
func (s *sets) add(url, id string, dirs ...string) (string, error) {
	url, release, _ := strings.Cut(url, "|")
	name := url[strings.LastIndexByte(url, '/')+1:]
	if slices.Contains(open, name) {
		return "", nil
	}
	constant := "set" + id
	for _, word := range strings.Split(name, "-") {
		constant += upperFirst(word)
	}
	if slices.Contains(s.names, constant) {
		return constant, nil
	}
	codes := map[string][]string{}
	if text, ok := listed[name+"|"+release]; ok {
		codes["http://hl7.org/fhir/"+name] = strings.Fields(text)
	} else if err := expand(name, codes, dirs); err != nil {
		return "", err
	}
	s.names, s.urls, s.expand = append(s.names, constant), append(s.urls, url), append(s.expand, codes)
	return constant, nil
}

func expand(name string, codes map[string][]string, dirs []string) error {
	var vs valueSet
	if err := load(filepath.Join(dirs[0], "ValueSet-"+name+".json"), &vs); err != nil {
		return err
	}
	for _, inc := range vs.Compose.Include {
		if len(inc.ValueSet)+len(inc.Filter)+len(vs.Compose.Exclude) > 0 {
			return fmt.Errorf("value set %s: only lists of codes are supported", name)
		}
		for _, c := range inc.Concept {
			codes[inc.System] = append(codes[inc.System], c.Code)
		}
		if len(inc.Concept) > 0 {
			continue
		}
		all, err := codeSystem(inc.System, dirs)
		if err != nil {
			return fmt.Errorf("value set %s: %w", name, err)
		}
		codes[inc.System] = append(codes[inc.System], all...)
	}
	return nil
}

func codeSystem(url string, dirs []string) ([]string, error) {
	for _, dir := range dirs {
		files, err := filepath.Glob(filepath.Join(dir, "CodeSystem-*.json"))
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			var cs struct {
				URL     string
				Concept []concept
			}
			if err := load(file, &cs); err != nil {
				return nil, err
			}
			if cs.URL == url {
				return flatten(nil, cs.Concept), nil
			}
		}
	}
	return nil, fmt.Errorf("code system %s: %w", url, os.ErrNotExist)
}

func flatten(codes []string, concepts []concept) []string {
	for _, c := range concepts {
		codes = flatten(append(codes, c.Code), c.Concept)
	}
	return codes
}

func (s *sets) print() *printer {
	p := newPrinter()
	p.f("const (\n\t_ = iota\n")
	for _, name := range s.names {
		p.f("%s\n", name)
	}
	p.f(")\n\nvar codeSets = [...]codeSet{\n")
	for i, name := range s.names {
		p.f("%s: {%q, []codes{\n", name, s.urls[i])
		for _, system := range sorted(s.expand[i]) {
			p.f("{%q, []string{", system)
			for j, code := range s.expand[i][system] {
				if j > 0 {
					p.f(", ")
				}
				p.f("%q", code)
			}
			p.f("}},\n")
		}
		p.f("}},\n")
	}
	p.f("}\n")
	return p
}
