package fhir

import (
	"fmt"
	"strings"
)

const (
	baseProfile = "http://hl7.org/fhir/StructureDefinition/AuditEvent"
	balpBase    = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/"
)

// Profiles returns the canonical URLs of the profiles that Validate knows, which
// are all of R4.
func Profiles() []string {
	urls := make([]string, len(balpProfiles))
	for i := range balpProfiles {
		urls[i] = balpProfiles[i].url
	}
	return urls
}

// claims checks the profiles in meta.profile, and those that were asked for.
func (v *validator) claims(n *Node) {
	for _, c := range n.Child("meta").All("profile") {
		v.claim(n, c.Text())
	}
	for _, url := range v.Also {
		v.claim(n, url)
	}
}

func (v *validator) claim(n *Node, canonical string) {
	url, _, _ := strings.Cut(canonical, "|")
	if url == "" || url == baseProfile || v.full() {
		return
	}
	for i := range balpProfiles {
		p := &balpProfiles[i]
		if p.url != url {
			continue
		}
		if v.Version != R4 {
			v.add(Information, "not-supported", "meta", "", "claims a profile of R4, which was not checked")
			return
		}
		if v.claimed&(1<<i) != 0 { // once will do: a document may claim it a hundred thousand times
			return
		}
		v.claimed |= 1 << i
		v.profile = url
		outer := v.resource
		v.resource = n
		v.follow(&p.root, n)
		v.resource, v.profile = outer, ""
		return
	}
	severity := Information
	if strings.HasPrefix(url, balpBase) {
		severity = Warning
	}
	v.add(severity, "not-supported", "meta", "", "claims a profile that is not known here, and was not checked")
}

// extension checks the URL of an extension, and what its definition asks if it
// has one here.
func (v *validator) extension(n *Node) {
	url := n.Child("url").Text()
	if !strings.Contains(url, ":") && url != "" && !v.inExtension() {
		v.report("value", "url", "", "must be an absolute URL: only extensions in extensions have plain names")
	}
	if v.Version != R4 || v.Profiles == Ignore || !strings.HasPrefix(url, balpBase) {
		return
	}
	for i := range balpExtensions {
		if balpExtensions[i].url == url {
			outer := v.profile
			v.profile = url
			v.follow(&balpExtensions[i].root, n)
			v.profile = outer
		}
	}
}

// inExtension reports whether the current element is an extension's child.
func (v *validator) inExtension() bool {
	if len(v.path) < 2 {
		return false
	}
	up := v.path[len(v.path)-2].name
	return up == "extension" || up == "modifierExtension"
}

// follow checks what r asks of the children of n.
func (v *validator) follow(r *rule, n *Node) {
	for i := range r.kids {
		k := &r.kids[i]
		group := n.All(k.name)
		if k.choice {
			group = ofChoice(n, k.name)
		}
		v.count(k, len(group))
		for at, c := range group {
			if v.full() {
				return
			}
			index := at
			if !c.List {
				index = -1
			}
			v.push(k.name, index)
			v.single(k, c)
			v.pop()
		}
		if k.slicing != nil {
			v.slices(k, group)
		}
	}
}

// ofChoice returns the children that are value[x] for the choice value.
func ofChoice(n *Node, choice string) []*Node {
	for i, c := range n.Children {
		if rest, ok := strings.CutPrefix(c.Name, choice); ok && rest != "" && rest[0] >= 'A' && rest[0] <= 'Z' {
			return n.Children[i : i+1]
		}
	}
	return nil
}

// count checks how often an element is there.
func (v *validator) count(k *rule, n int) {
	switch {
	case n < int(k.min) && k.min == 1:
		v.report("required", k.name, "", "is missing: the profile requires it")
	case n < int(k.min):
		v.report("required", k.name, "", fmt.Sprintf("is there %d times: the profile requires at least %d", n, k.min))
	case k.max == 0 && n > 0:
		v.report("structure", k.name, "", "must not be there: the profile does not allow it")
	case k.max != many && n > int(k.max):
		v.report("structure", k.name, "", fmt.Sprintf("is there %d times: the profile allows at most %d", n, k.max))
	}
}

// single checks what k asks of one element.
func (v *validator) single(k *rule, n *Node) {
	switch {
	case k.coding != nil && !has(k, n):
		v.report("value", "", "", "must be the code "+k.coding.String())
	case k.text != "" && n.Value != k.text:
		v.report("value", "", "", "must be "+k.text)
	case k.set != 0 && !has(k, n):
		v.report("code-invalid", "", "", "must have a code of "+codeSets[k.set].list())
	}
	if k.types != nil && !hasType(k, n) {
		v.report("structure", "", "", "must be of type "+strings.Join(k.types, " or "))
	}
	if !refersTo(n, k.targets) {
		v.report("structure", "", "", "must refer to "+strings.Join(k.targets, " or "))
	}
	for _, r := range k.rules {
		v.check(r, n)
	}
	v.follow(k, n)
}

func hasType(k *rule, n *Node) bool {
	for _, t := range k.types {
		if strings.EqualFold(n.Name, k.name+t) {
			return true
		}
	}
	return false
}

// String returns system|code.
func (c *coding) String() string { return c.system + "|" + c.code }

// has reports whether n has the code, or one of the codes, or the value that r asks for.
func has(r *rule, n *Node) bool {
	if r.coding != nil {
		for _, c := range codings(n) {
			if c.Child("code").Text() == r.coding.code && c.Child("system").Text() == r.coding.system {
				return true
			}
		}
		return false
	}
	if r.set != 0 {
		return inSet(n, &codeSets[r.set])
	}
	return n.Value == r.text
}

// at returns the rule and the node by which elements are sorted into slices.
func (s *slicing) at(r *rule, n *Node) (*rule, *Node) {
	if s.by == "" {
		return r, n
	}
	for i := range r.kids {
		if r.kids[i].name == s.by {
			return &r.kids[i], n.Child(s.by)
		}
	}
	return r, nil
}

// slices sorts the elements of a group and checks each slice.
func (v *validator) slices(k *rule, group []*Node) {
	for i := range k.slicing.slices {
		s := &k.slicing.slices[i]
		count := 0
		for at, n := range group {
			if !k.slicing.takes(s, n) {
				continue
			}
			count++
			v.push(k.name, at)
			v.single(&s.rule, n)
			v.pop()
		}
		if count < int(s.rule.min) {
			v.report("required", k.name, "", fmt.Sprintf("has %d of slice %s: the profile requires at least %d, %s", count, s.name, s.rule.min, k.slicing.mark(s)))
		}
		if s.rule.max != many && count > int(s.rule.max) {
			v.report("structure", k.name, "", fmt.Sprintf("has %d of slice %s: the profile allows at most %d, %s", count, s.name, s.rule.max, k.slicing.mark(s)))
		}
	}
	if !k.slicing.closed {
		return
	}
	for at, n := range group {
		if !k.slicing.sorted(n) {
			v.push(k.name, at)
			v.report("structure", "", "", "is of no slice of the profile, which allows no others")
			v.pop()
		}
	}
}

func (s *slicing) takes(one *slice, n *Node) bool {
	r, at := s.at(&one.rule, n)
	return at != nil && has(r, at)
}

func (s *slicing) sorted(n *Node) bool {
	for i := range s.slices {
		if s.takes(&s.slices[i], n) {
			return true
		}
	}
	return false
}

// mark says by what an element is of the slice.
func (s *slicing) mark(one *slice) string {
	where := "with the code "
	if s.by != "" {
		where = "whose " + s.by + " has the code "
	}
	switch r, _ := s.at(&one.rule, nil); {
	case r.coding != nil:
		return where + r.coding.String()
	case r.set != 0:
		return where + "of " + codeSets[r.set].list()
	default:
		return "whose " + s.by + " is " + r.text
	}
}
