package fhir

import "strings"

const (
	outcomeSystem = "http://terminology.hl7.org/CodeSystem/audit-event-outcome"
	networkURI    = "5" // of R4's network-type
)

// mappingsOf returns how R4 and R5 differ in a part of the resource. Elements
// that are named nowhere are the same in both.
func mappingsOf(path string) []mapping {
	switch path {
	case "AuditEvent":
		return []mapping{
			{[]string{"meta"}, []string{"meta"}, withoutClaims, withoutClaims},
			{[]string{"type", "subtype"}, []string{"category", "code"}, typeUp, typeDown},
			{[]string{"period"}, []string{"occurred"}, renamed("period", "occurredPeriod"), occurredDown},
			{[]string{"outcome", "outcomeDesc"}, []string{"outcome"}, outcomeUp, outcomeDown},
			{[]string{"purposeOfEvent"}, []string{"authorization"}, renamed("purposeOfEvent", "authorization"), renamed("authorization", "purposeOfEvent")},
			{nil, []string{"severity"}, nothing, nothing},
			{nil, []string{"basedOn"}, nothing, nothing},
			{nil, []string{"patient"}, nothing, nothing},
			{nil, []string{"encounter"}, nothing, nothing},
		}
	case "AuditEvent.agent":
		return []mapping{
			{[]string{"who", "altId", "name"}, []string{"who"}, whoUp, renamed("who", "who")},
			{[]string{"requestor"}, []string{"requestor"}, renamed("requestor", "requestor"), requestorDown},
			{[]string{"media"}, nil, nothing, nothing},
			{[]string{"network"}, []string{"network"}, networkUp, networkDown},
			{[]string{"purposeOfUse"}, []string{"authorization"}, renamed("purposeOfUse", "authorization"), renamed("authorization", "purposeOfUse")},
		}
	case "AuditEvent.source":
		return []mapping{
			{[]string{"site"}, []string{"site"}, siteUp, siteDown},
			{[]string{"type"}, []string{"type"}, conceptsUp("type"), conceptsDown("type")},
		}
	case "AuditEvent.entity":
		return []mapping{
			{[]string{"type"}, nil, nothing, nothing},
			{[]string{"role"}, []string{"role"}, conceptsUp("role"), conceptsDown("role")},
			{[]string{"lifecycle"}, nil, nothing, nothing},
			{[]string{"securityLabel"}, []string{"securityLabel"}, conceptsUp("securityLabel"), conceptsDown("securityLabel")},
			{[]string{"name"}, nil, nothing, nothing},
			{[]string{"description"}, nil, nothing, nothing},
			{nil, []string{"agent"}, nothing, nothing},
		}
	case "AuditEvent.entity.detail":
		return []mapping{
			{[]string{"type"}, []string{"type"}, detailTypeUp, detailTypeDown},
			{[]string{"value"}, []string{"value"}, sameValue, valueDown},
		}
	}
	return nil
}

func nothing(*Node) []*Node { return nil }

func renamed(from, to string) func(*Node) []*Node {
	return func(in *Node) []*Node { return clonesAs(in.All(from), to) }
}

// withoutClaims drops the claims of profiles, but for the one every AuditEvent is of.
func withoutClaims(in *Node) []*Node {
	meta := cloneAs(in.Child("meta"), "meta", false)
	if meta == nil {
		return nil
	}
	for _, p := range meta.Remove("profile") {
		if p.Text() == baseProfile {
			meta.Add(p)
		}
	}
	if len(meta.Children) == 0 {
		return nil
	}
	arrange(meta, schemaR4.named("Meta"))
	return []*Node{meta}
}

// concept wraps codings as a CodeableConcept.
func concept(name string, list bool, codings ...*Node) *Node {
	out := &Node{Name: name, List: list}
	for _, c := range codings {
		out.Add(cloneAs(c, "coding", true))
	}
	return out
}

// typeUp makes type the category and the subtypes the codings of code, which R5
// requires: without subtype it is the type again.
func typeUp(in *Node) []*Node {
	typ, sub := in.Child("type"), in.All("subtype")
	var out []*Node
	if typ != nil {
		out = append(out, concept("category", true, typ))
	}
	if len(sub) == 0 && typ != nil {
		sub = []*Node{typ}
	}
	if len(sub) == 0 {
		return append(out, NewObject("code", absent("unknown")))
	}
	return append(out, concept("code", false, sub...))
}

func typeDown(in *Node) []*Node {
	category, code := in.Child("category"), in.Child("code")
	typ, sub := category.Child("coding"), code.All("coding")
	if typ != nil && len(sub) == 1 && equalContent(typ, sub[0]) {
		sub = nil
	}
	if typ == nil {
		typ = code.Child("coding")
	}
	var out []*Node
	switch text := firstOf(category.Child("text"), code.Child("text")); {
	case typ != nil:
		out = append(out, cloneAs(typ, "type", false))
	case text != nil:
		out = append(out, NewObject("type", cloneAs(text, "display", false)))
	case category != nil || code != nil:
		out = append(out, NewObject("type", absent("unknown")))
	}
	for _, s := range sub {
		out = append(out, cloneAs(s, "subtype", true))
	}
	return out
}

func firstOf(nodes ...*Node) *Node {
	for _, n := range nodes {
		if n != nil {
			return n
		}
	}
	return nil
}

// equalContent is Equal but for the names and whether they are of a list.
func equalContent(a, b *Node) bool {
	x, y := *a, *b
	x.Name, x.List = y.Name, y.List
	return Equal(&x, &y)
}

func occurredDown(in *Node) []*Node {
	if t := in.Child("occurredDateTime"); t != nil {
		return []*Node{NewObject("period", cloneAs(t, "start", false), cloneAs(t, "end", false))}
	}
	return clonesAs(in.All("occurredPeriod"), "period")
}

// outcomes are R4's codes, with their displays and the words for them in R5's
// value set, which is that of the severities of issues.
var outcomes = [...]struct{ code, display, words string }{
	{"0", "Success", "success information"},
	{"4", "Minor failure", "warning"},
	{"8", "Serious failure", "error"},
	{"12", "Major failure", "fatal"},
}

func outcomeUp(in *Node) []*Node {
	code, desc := in.Child("outcome"), in.Child("outcomeDesc")
	if code == nil && desc == nil {
		return nil
	}
	out := NewObject("outcome")
	if code != nil {
		coding := NewObject("code", NewString("system", outcomeSystem), cloneAs(code, "code", false))
		for _, o := range outcomes {
			if o.code == code.Text() {
				coding.Add(NewString("display", o.display))
			}
		}
		out.Add(coding)
	} else {
		out.Add(NewObject("code", absent("unknown")))
	}
	if desc != nil {
		out.Add(NewObject("detail", cloneAs(desc, "text", false)).Listed())
	}
	return []*Node{out}
}

func outcomeDown(in *Node) []*Node {
	outcome := in.Child("outcome")
	var out []*Node
	if code := outcome.Get("code", "code"); code != nil {
		for _, o := range outcomes {
			if o.code == code.Text() || strings.Contains(" "+o.words+" ", " "+code.Text()+" ") && code.Text() != "" {
				n := cloneAs(code, "outcome", false)
				n.Value = o.code
				out = append(out, n)
			}
		}
	}
	for _, d := range outcome.All("detail") {
		if text := firstOf(d.Child("text"), d.Get("coding", "display"), d.Get("coding", "code")); text != nil {
			return append(out, cloneAs(text, "outcomeDesc", false))
		}
	}
	return out
}

// whoUp fills who, which R5 requires, from the agent's other names.
func whoUp(in *Node) []*Node {
	if who := in.All("who"); who != nil {
		return clonesAs(who, "who")
	}
	who := NewObject("who")
	if id := in.Child("altId"); id != nil {
		who.Add(NewObject("identifier", cloneAs(id, "value", false)))
	}
	who.Add(cloneAs(in.Child("name"), "display", false))
	if len(who.Children) == 0 {
		who.Add(absent("unknown"))
	}
	return []*Node{who}
}

// requestorDown fills requestor, which R4 requires.
func requestorDown(in *Node) []*Node {
	if in.Child("requestor") == nil {
		return []*Node{NewBool("requestor", false)}
	}
	return clonesAs(in.All("requestor"), "requestor")
}

func networkUp(in *Node) []*Node {
	network := in.Child("network")
	address := network.Child("address")
	if address == nil {
		return nil
	}
	if network.Child("type").Text() == networkURI && fURI.problem(address.Text(), R5) == "" {
		return []*Node{cloneAs(address, "networkUri", false)}
	}
	return []*Node{cloneAs(address, "networkString", false)}
}

func networkDown(in *Node) []*Node {
	if s := in.Child("networkString"); s != nil {
		return []*Node{NewObject("network", cloneAs(s, "address", false))}
	}
	if s := in.Child("networkUri"); s != nil {
		return []*Node{NewObject("network", cloneAs(s, "address", false), NewString("type", networkURI))}
	}
	ref := in.Child("networkReference")
	if text := firstOf(ref.Child("display"), ref.Child("reference"), ref.Get("identifier", "value")); text != nil {
		return []*Node{NewObject("network", cloneAs(text, "address", false))}
	}
	return nil
}

func siteUp(in *Node) []*Node {
	if site := in.Child("site"); site != nil {
		return []*Node{NewObject("site", cloneAs(site, "display", false))}
	}
	return nil
}

func siteDown(in *Node) []*Node {
	site := in.Child("site")
	if text := firstOf(site.Child("display"), site.Get("identifier", "value"), site.Child("reference")); text != nil {
		return []*Node{cloneAs(text, "site", false)}
	}
	return nil
}

// conceptsUp wraps each Coding as a CodeableConcept, conceptsDown takes the first
// Coding out of each.
func conceptsUp(name string) func(*Node) []*Node {
	return func(in *Node) []*Node {
		var out []*Node
		for _, c := range in.All(name) {
			out = append(out, concept(name, c.List, c))
		}
		return out
	}
}

func conceptsDown(name string) func(*Node) []*Node {
	return func(in *Node) []*Node {
		var out []*Node
		for _, c := range in.All(name) {
			if coding := c.Child("coding"); coding != nil {
				out = append(out, cloneAs(coding, name, c.List))
			} else if text := c.Child("text"); text != nil {
				n := NewObject(name, cloneAs(text, "display", false))
				n.List = c.List
				out = append(out, n)
			}
		}
		return out
	}
}

func detailTypeUp(in *Node) []*Node {
	if t := in.Child("type"); t != nil {
		return []*Node{NewObject("type", cloneAs(t, "text", false))}
	}
	return nil
}

func detailTypeDown(in *Node) []*Node {
	t := in.Child("type")
	if text := firstOf(t.Child("text"), t.Get("coding", "display"), t.Get("coding", "code")); text != nil {
		return []*Node{cloneAs(text, "type", false)}
	}
	if t != nil {
		return []*Node{{Name: "type", Kind: Absent, Children: []*Node{absent("unknown")}}}
	}
	return nil
}

func sameValue(in *Node) []*Node {
	var out []*Node
	for _, v := range in.Children {
		out = append(out, v.Clone())
	}
	return out
}

// valueDown writes values of the types that R4 lacks as text.
func valueDown(in *Node) []*Node {
	var out []*Node
	for _, v := range in.Children {
		switch {
		case v.Name == "valueString" || v.Name == "valueBase64Binary":
			out = append(out, v.Clone())
		case v.Kind == Object:
			out = append(out, NewString("valueString", string(AppendJSON(nil, v))))
		default:
			n := cloneAs(v, "valueString", false)
			if n.Kind != Absent {
				n.Kind = String
			}
			out = append(out, n)
		}
	}
	return out
}
