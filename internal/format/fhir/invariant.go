package fhir

import (
	"strconv"
	"strings"
)

// An invariant is a constraint of the StructureDefinitions. The constants are
// named after its keys; the tables say on which elements it holds, ele-1 holds
// on all of them.
type invariant uint8

const (
	ele1 invariant = iota
	att1
	cod1
	dom2
	dom3
	dom4
	dom5
	dom6
	ext1
	ident1
	per1
	qty3
	rat1
	ref1
	ref2
	rng2
	sev1
	txt1
	txt2
	valAuditSource
	numInvariants
)

// A law is what an invariant asks of an element: holds says whether it is so.
type law struct {
	key   string
	weak  bool // a warning, not an error
	text  string
	holds func(v *validator, n *Node) bool
}

// laws has no entry for ele-1, which object and primitive check as they go. The
// comments are the constraints' FHIRPath, as R5 has it where the versions differ.
var laws = [numInvariants]law{
	// data.empty() or contentType.exists()
	att1: {"att-1", false, "an attachment with data must say its contentType", func(_ *validator, n *Node) bool {
		return n.Child("data") == nil || n.Child("contentType") != nil
	}},
	// code.exists().not() implies display.exists().not()
	cod1: {"cod-1", true, "a display should not be there without code", func(_ *validator, n *Node) bool {
		return n.Child("code") != nil || n.Child("display") == nil
	}},
	// contained.contained.empty()
	dom2: {"dom-2", false, "a contained resource must not contain resources", func(_ *validator, n *Node) bool {
		return noneContains(n, "contained")
	}},
	// contained.where(('#'+id in %resource.descendants()… or descendants().where(reference = '#').exists()).not()).empty()
	dom3: {"dom-3", false, "a contained resource must be referred to, or refer to the resource it is in", func(v *validator, n *Node) bool {
		return v.containedUsed(n)
	}},
	// contained.meta.versionId.empty() and contained.meta.lastUpdated.empty()
	dom4: {"dom-4", false, "a contained resource must have no meta.versionId and meta.lastUpdated", func(_ *validator, n *Node) bool {
		return noneContains(n, "meta", "versionId") && noneContains(n, "meta", "lastUpdated")
	}},
	// contained.meta.security.empty()
	dom5: {"dom-5", false, "a contained resource must have no meta.security", func(_ *validator, n *Node) bool {
		return noneContains(n, "meta", "security")
	}},
	// text.`div`.exists()
	dom6: {"dom-6", true, "a resource should have a narrative", func(v *validator, n *Node) bool {
		return !v.BestPractice || n.Get("text", "div") != nil
	}},
	// extension.exists() != value.exists()
	ext1: {"ext-1", false, "an extension has either a value or extensions", func(_ *validator, n *Node) bool {
		value := false
		for _, c := range n.Children {
			value = value || strings.HasPrefix(c.Name, "value")
		}
		return value != (n.Child("extension") != nil)
	}},
	// value.exists()
	ident1: {"ident-1", true, "an identifier should have a value", func(_ *validator, n *Node) bool {
		return n.Child("value") != nil
	}},
	// start.hasValue().not() or end.hasValue().not() or (start.lowBoundary() <= end.highBoundary())
	per1: {"per-1", false, "a period must not end before it starts", func(_ *validator, n *Node) bool {
		start, _, ok1 := bounds(n.Child("start").Text())
		_, end, ok2 := bounds(n.Child("end").Text())
		return !ok1 || !ok2 || start.Before(end)
	}},
	// code.empty() or system.exists()
	qty3: {"qty-3", false, "a quantity with the code of a unit must have its system", func(_ *validator, n *Node) bool {
		return n.Child("code") == nil || n.Child("system") != nil
	}},
	// (numerator.exists() and denominator.exists()) or (numerator.empty() and denominator.empty() and extension.exists())
	rat1: {"rat-1", false, "a ratio must have both numerator and denominator, or none and an extension", func(_ *validator, n *Node) bool {
		numerator, denominator := n.Child("numerator") != nil, n.Child("denominator") != nil
		return numerator && denominator || !numerator && !denominator && n.Child("extension") != nil
	}},
	// reference.startsWith('#').not() or (reference.substring(1) in %rootResource.contained.id)
	ref1: {"ref-1", false, "a reference with # must be to a contained resource of this id", func(v *validator, n *Node) bool {
		id, local := strings.CutPrefix(n.Child("reference").Text(), "#")
		return !local || v.contains(id)
	}},
	// reference.exists() or identifier.exists() or display.exists() or extension.exists()
	ref2: {"ref-2", false, "a reference must have a reference, identifier, display or extension", func(_ *validator, n *Node) bool {
		for _, name := range []string{"reference", "identifier", "display", "extension"} {
			if n.Child(name) != nil {
				return true
			}
		}
		return false
	}},
	// low.empty() or high.empty() or (low <= high)
	rng2: {"rng-2", false, "a range must not be from more to less", func(_ *validator, n *Node) bool {
		low, err1 := strconv.ParseFloat(n.Get("low", "value").Text(), 64)
		high, err2 := strconv.ParseFloat(n.Get("high", "value").Text(), 64)
		return err1 != nil || err2 != nil || low <= high || n.Get("low", "code").Text() != n.Get("high", "code").Text()
	}},
	// name.empty() or query.empty()
	sev1: {"sev-1", false, "an entity must not have both a name and a query", func(_ *validator, n *Node) bool {
		return n.Child("name") == nil || n.Child("query") == nil
	}},
	// htmlChecks()
	txt1: {"txt-1", false, "the narrative must be XHTML of basic formatting, in one <div>", func(_ *validator, n *Node) bool {
		problem, _ := divProblem(n.Value)
		return problem == ""
	}},
	// htmlChecks()
	txt2: {"txt-2", false, "the narrative must have text", func(_ *validator, n *Node) bool {
		_, problem := divProblem(n.Value)
		return problem == ""
	}},
	// $this.who = %resource.source.observer
	valAuditSource: {"val-audit-source", false, "who must be the same as source.observer: this agent is the audit source too", func(v *validator, n *Node) bool {
		who, observer := n.Child("who"), v.resource.Get("source", "observer")
		if who == nil || observer == nil {
			return true // an empty result is no failure; cardinality reports it
		}
		o := *observer
		o.Name = who.Name
		return Equal(who, &o)
	}},
}

// check reports an invariant that does not hold on n.
func (v *validator) check(r invariant, n *Node) {
	l := &laws[r]
	if l.holds == nil || l.holds(v, n) {
		return
	}
	text := l.text
	if r == txt1 {
		text, _ = divProblem(n.Value)
	}
	if l.weak {
		v.add(Warning, "invariant", "", l.key, text)
		return
	}
	v.report("invariant", "", l.key, text)
}

// noneContains reports whether no contained resource of n has something at path.
func noneContains(n *Node, path ...string) bool {
	for _, c := range n.All("contained") {
		if c.Get(path...) != nil {
			return false
		}
	}
	return true
}

// contains reports whether the outermost resource contains one of this id. In R5
// an empty id refers to the resource itself, from one that it contains.
func (v *validator) contains(id string) bool {
	if id == "" {
		return v.resource != v.root
	}
	for _, c := range v.root.All("contained") {
		if c.Child("id").Text() == id {
			return true
		}
	}
	return false
}

// containedUsed reports whether each contained resource is referred to from
// elsewhere in n, or itself refers to n.
func (v *validator) containedUsed(n *Node) bool {
	list := n.All("contained")
	if list == nil {
		return true
	}
	refs := map[string]bool{}
	collect(n, refs)
	for _, c := range list {
		own := map[string]bool{}
		collect(c, own)
		if !refs["#"+c.Child("id").Text()] && !own["#"] {
			return false
		}
	}
	return true
}

// collect gathers the values below n that are references within a resource.
func collect(n *Node, refs map[string]bool) {
	for _, c := range n.Children {
		if c.Kind == String && strings.HasPrefix(c.Value, "#") {
			refs[c.Value] = true
		}
		collect(c, refs)
	}
}
