package search_test

import (
	"encoding/json"
	"strings"
	"sync"
	"time"

	"pgregory.net/rapid"

	"vigil"
)

// The generators draw from few values, so that searches meet them.
var (
	someIDs     = []string{"1", "2", "a-3"}
	someWords   = []string{"login", "rest", "110114", "110122", "read", "create", "Ä b", "w/req", "transmit"}
	someSystems = []string{"", "http://terminology.hl7.org/CodeSystem/audit-event-type", "http://dicom.nema.org/resources/ontology/DCM", "urn:vigil:logserver"}
	someNames   = []string{"Ann Test", "ánn", "BOB", "x,y"}
	someHosts   = []string{"10.0.0.1", "10.0.0.12", "fe80::1", "Host-1"}
	someTypes   = []string{"Patient", "Practitioner", "Device", "Observation", "Organization"}
	someBases   = []string{"", "", "https://emr.example/fhir/", "https://vigil.example/fhir/"}
	someTimes   = []string{
		"2026-03-01T10:00:00Z", "2026-03-01T10:00:00.123456Z", "2026-03-01T12:00:00+02:00", "2026-03-02T00:00:00Z",
		"2026-02-28T23:59:59.999Z", "2025-12-31T23:30:00-01:00", "2026-03-01T10:00:00.1234567Z",
	}
)

type object = map[string]any

// maybe leaves a member out half of the time.
func maybe(t *rapid.T, o object, name string, value func() any) {
	if rapid.Bool().Draw(t, name) {
		o[name] = value()
	}
}

func one(t *rapid.T, from []string) string { return rapid.SampledFrom(from).Draw(t, "one") }

func genRef(t *rapid.T) string {
	switch rapid.IntRange(0, 9).Draw(t, "ref") {
	case 0:
		return "urn:uuid:0198f7a0-0000-7000-8000-00000000000" + rapid.SampledFrom([]string{"1", "2"}).Draw(t, "urn")
	case 1:
		return one(t, someBases) + one(t, someTypes) + "/" + one(t, someIDs) + "/_history/" + rapid.SampledFrom([]string{"1", "2"}).Draw(t, "v")
	}
	return one(t, someBases) + one(t, someTypes) + "/" + one(t, someIDs)
}

func genReference(t *rapid.T, types ...string) any {
	o := object{}
	maybe(t, o, "reference", func() any {
		if types != nil {
			return one(t, someBases) + one(t, types) + "/" + one(t, someIDs)
		}
		return genRef(t)
	})
	maybe(t, o, "identifier", func() any {
		id := object{"value": one(t, someIDs)}
		maybe(t, id, "system", func() any { return "urn:oid:1.2.3" })
		return id
	})
	maybe(t, o, "display", func() any { return one(t, someNames) })
	if len(o) == 0 {
		o["display"] = "someone"
	}
	return o
}

func genCoding(t *rapid.T) object {
	o := object{"code": one(t, someWords)}
	if s := one(t, someSystems); s != "" {
		o["system"] = s
	}
	maybe(t, o, "display", func() any { return one(t, someNames) })
	return o
}

func genConcept(t *rapid.T) object {
	o := object{"coding": codings(t, 1)}
	maybe(t, o, "text", func() any { return one(t, someNames) })
	return o
}

func codings(t *rapid.T, least int) []any {
	var out []any
	for range rapid.IntRange(least, 2).Draw(t, "codings") {
		out = append(out, genCoding(t))
	}
	return out
}

func genMeta(t *rapid.T) any {
	o := object{}
	maybe(t, o, "tag", func() any { return []any{genCoding(t)} })
	maybe(t, o, "profile", func() any { return []any{"http://example.org/p", "http://example.org/q|1"} })
	maybe(t, o, "source", func() any { return "urn:src#a" })
	if len(o) == 0 {
		o["versionId"] = "1"
	}
	return o
}

func genR4(t *rapid.T) object {
	o := object{
		"resourceType": "AuditEvent",
		"type":         genCoding(t),
		"recorded":     one(t, someTimes),
		"source":       object{"observer": genReference(t, "Device", "Organization"), "site": one(t, someNames)},
	}
	maybe(t, o, "meta", func() any { return genMeta(t) })
	maybe(t, o, "subtype", func() any { return codings(t, 1) })
	maybe(t, o, "action", func() any { return one(t, []string{"C", "R", "U", "D", "E"}) })
	maybe(t, o, "outcome", func() any { return one(t, []string{"0", "4", "8", "12"}) })
	maybe(t, o, "outcomeDesc", func() any { return one(t, []string{"8", "failed", "x"}) })
	var agents, entities []any
	for range rapid.IntRange(1, 2).Draw(t, "agents") {
		a := object{"requestor": true}
		maybe(t, a, "who", func() any {
			if rapid.IntRange(0, 5).Draw(t, "native") == 0 { // as Aidbox writes it
				return object{"resourceType": "Practitioner", "id": one(t, someIDs)}
			}
			return genReference(t, "Practitioner", "Patient", "Device", "Organization")
		})
		maybe(t, a, "altId", func() any { return one(t, someIDs) })
		maybe(t, a, "name", func() any { return one(t, someNames) })
		maybe(t, a, "role", func() any { return []any{genConcept(t)} })
		maybe(t, a, "policy", func() any { return []any{"urn:policy:" + one(t, someIDs)} })
		maybe(t, a, "network", func() any { return object{"address": one(t, someHosts), "type": "2"} })
		agents = append(agents, a)
	}
	o["agent"] = agents
	for range rapid.IntRange(0, 2).Draw(t, "entities") {
		e := object{"type": genCoding(t)}
		maybe(t, e, "what", func() any {
			if rapid.IntRange(0, 5).Draw(t, "native") == 0 {
				return object{"resourceType": one(t, someTypes), "id": one(t, someIDs)}
			}
			return genReference(t)
		})
		maybe(t, e, "role", func() any {
			return object{"code": one(t, []string{"1", "4", "24"}), "system": "http://terminology.hl7.org/CodeSystem/object-role"}
		})
		maybe(t, e, "name", func() any { return one(t, someNames) })
		entities = append(entities, e)
	}
	if entities != nil {
		o["entity"] = entities
	}
	return o
}

func genR5(t *rapid.T) object {
	o := object{
		"resourceType": "AuditEvent",
		"code":         genConcept(t),
		"recorded":     one(t, someTimes),
		"source":       object{"observer": genReference(t, "Device", "Organization"), "site": genReference(t, "Location")},
	}
	maybe(t, o, "category", func() any { return []any{genConcept(t), object{"text": "t"}} })
	maybe(t, o, "action", func() any { return one(t, []string{"C", "R", "U", "D", "E"}) })
	maybe(t, o, "outcome", func() any {
		return object{"code": object{"code": one(t, []string{"success", "warning", "error", "fatal", "0", "8"})}}
	})
	maybe(t, o, "authorization", func() any { return []any{genConcept(t)} })
	maybe(t, o, "patient", func() any { return genReference(t, "Patient") })
	maybe(t, o, "encounter", func() any { return genReference(t, "Encounter") })
	a := object{"who": genReference(t, "Practitioner", "Patient", "Device", "Organization"), "requestor": true}
	maybe(t, a, "role", func() any { return []any{genConcept(t)} })
	maybe(t, a, "policy", func() any { return []any{"urn:policy:" + one(t, someIDs)} })
	maybe(t, a, "networkString", func() any { return one(t, someHosts) })
	o["agent"] = []any{a}
	maybe(t, o, "entity", func() any {
		return []any{object{"what": genReference(t), "role": object{"coding": []any{object{"code": one(t, []string{"1", "4", "24"})}}}}}
	})
	return o
}

func genLogserver(t *rapid.T) object {
	o := object{"message": "m"}
	maybe(t, o, "occurred", func() any { return one(t, append([]string{"soon"}, someTimes...)) })
	maybe(t, o, "event_type", func() any { return one(t, someWords) })
	maybe(t, o, "type", func() any { return one(t, someWords) })
	maybe(t, o, "tags", func() any { return []any{one(t, someWords), one(t, someWords)} })
	maybe(t, o, "action", func() any { return one(t, []string{"create", "read", "login", "logout", "execute", "nap"}) })
	maybe(t, o, "outcome", func() any { return one(t, []string{"200", "404", "success", "8", "lost"}) })
	maybe(t, o, "subject", func() any { return one(t, []string{"Patient/1", "Patient/2", "Observation/1"}) })
	maybe(t, o, "patient", func() any { return one(t, []string{"Patient/1", "1", "Ann"}) })
	maybe(t, o, "client_id", func() any { return one(t, someIDs) })
	maybe(t, o, "agent", func() any {
		return object{"who": one(t, []string{"Practitioner/1", "Patient/2", "2", "Device/a-3"}), "name": one(t, someNames), "ip_address": one(t, someHosts)}
	})
	maybe(t, o, "entity", func() any {
		return object{"what": one(t, []string{"Observation/1", "Patient/a-3", "2"}), "detail": []any{object{"controller": one(t, someWords)}}}
	})
	maybe(t, o, "source", func() any { return object{"observer": one(t, []string{"Device/1", "node", "2"}), "type": "web"} })
	maybe(t, o, "clinical-site", func() any { return one(t, someNames) })
	return o
}

func genAidbox(t *rapid.T) object {
	o := object{"ev": one(t, []string{"w/req", "w/resp", "auth/login", "resource/create"}), "ts": one(t, someTimes)}
	maybe(t, o, "w_uid", func() any { return one(t, someIDs) })
	maybe(t, o, "w_cid", func() any { return one(t, someIDs) })
	maybe(t, o, "w_st", func() any { return rapid.SampledFrom([]int{200, 404, 500}).Draw(t, "st") })
	maybe(t, o, "w_url", func() any { return one(t, []string{"/Patient/1", "/fhir/Observation/2?x=y"}) })
	maybe(t, o, "w_addr", func() any { return one(t, someHosts) })
	maybe(t, o, "rtp", func() any { return one(t, someTypes) })
	maybe(t, o, "rid", func() any { return one(t, someIDs) })
	return o
}

// genEvent draws an event of any table that is searched, and of two that are not.
func genEvent(t *rapid.T) *vigil.Event {
	table, format := vigil.TableEvents, vigil.FormatLogserver
	var doc object
	switch rapid.IntRange(0, 9).Draw(t, "kind") {
	case 0, 1, 2:
		table, format, doc = vigil.TableAuditEvents, vigil.FormatFHIRR4, genR4(t)
	case 3, 4:
		table, format, doc = vigil.TableAuditEvents, vigil.FormatFHIRR5, genR5(t)
	case 5:
		doc = genR4(t) // posted as any document
	case 6:
		table, format, doc = vigil.TableLogs, vigil.FormatAidbox, genAidbox(t)
	case 7:
		table, format, doc = vigil.TableSystem, vigil.FormatSystem, genLogserver(t)
		if rapid.Bool().Draw(t, "hidden") {
			table = vigil.TableQuarantine
		}
	default:
		doc = genLogserver(t)
	}
	if format == vigil.FormatFHIRR4 && rapid.IntRange(0, 9).Draw(t, "invalid") == 0 {
		delete(doc, "source") // stored by another way than the FHIR face
	}
	b, err := json.Marshal(doc)
	if err != nil {
		panic(err)
	}
	return &vigil.Event{Table: table, Format: format, Doc: b}
}

// genSearch draws the parameters of a search of R4 (or R5).
func genSearch(t *rapid.T, r5 bool, uids []string) [][2]string {
	var out [][2]string
	for range rapid.IntRange(0, 3).Draw(t, "parameters") {
		name, value := genParameter(t, r5, uids)
		if rapid.IntRange(0, 3).Draw(t, "or") == 0 && !strings.HasSuffix(name, ":missing") {
			value += "," + valueLike(t, name, value)
		}
		out = append(out, [2]string{name, value})
	}
	return out
}

// valueLike draws another value for a parameter of the same name.
func valueLike(t *rapid.T, name, value string) string {
	switch {
	case strings.HasPrefix(name, "date"), strings.HasPrefix(name, "_lastUpdated"):
		return genDate(t)
	case strings.Contains(name, "identifier"), name == "type", name == "subtype", name == "code":
		return genToken(t)
	}
	return value
}

func genDate(t *rapid.T) string {
	s := one(t, someTimes)
	s = rapid.SampledFrom([]string{s, s[:4], s[:7], s[:10], s[:16] + "Z", s[:19] + "Z"}).Draw(t, "precision")
	return one(t, []string{"", "eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap"}) + s
}

func genToken(t *rapid.T) string {
	code := one(t, append(someIDs, someWords...))
	switch rapid.IntRange(0, 5).Draw(t, "form") {
	case 0:
		return one(t, someSystems[1:]) + "|" + code
	case 1:
		return "|" + code
	case 2:
		return one(t, someSystems[1:]) + "|"
	}
	return code
}

func genParameter(t *rapid.T, r5 bool, uids []string) (name, value string) {
	tokens := []string{"type", "subtype", "action", "outcome", "site", "altid", "agent-role", "entity-type", "entity-role", "_tag"}
	references := []string{"patient", "agent", "entity", "source"}
	if r5 {
		tokens = []string{"category", "code", "action", "outcome", "purpose", "agent-role", "entity-role", "_tag"}
		references = append(references, "encounter")
	}
	switch rapid.IntRange(0, 9).Draw(t, "parameter") {
	case 0, 1:
		return "date", genDate(t)
	case 2:
		return "_lastUpdated", genDate(t)
	case 3:
		name = one(t, references)
		return name + one(t, []string{".identifier", ":identifier"}), one(t, []string{one(t, someIDs), "urn:oid:1.2.3|" + one(t, someIDs), "|" + one(t, someIDs), "urn:oid:1.2.3|"})
	case 4, 5:
		name = one(t, references)
		if rapid.IntRange(0, 4).Draw(t, "typed") == 0 {
			return name + ":Patient", one(t, someIDs)
		}
		return name, one(t, []string{one(t, someIDs), genRef(t)})
	case 6:
		name = one(t, append(tokens, references...))
		return name + ":missing", one(t, []string{"true", "false"})
	case 7:
		if len(uids) > 0 && rapid.Bool().Draw(t, "id") {
			return "_id", one(t, uids)
		}
		if r5 {
			return "policy", "urn:policy:" + one(t, someIDs)
		}
		name = one(t, []string{"address", "agent-name", "entity-name", "policy", "_profile", "_source"})
		value = one(t, append(append(someHosts, "10.0", "ann", "http://example.org/p", "http://example.org/q", "urn:src", "urn:policy:1"), someNames...))
		value = strings.ReplaceAll(value, ",", `\,`)
		if !strings.HasPrefix(name, "_") && name != "policy" {
			name += one(t, []string{"", ":exact", ":contains"})
		}
		return name, value
	}
	name, value = one(t, tokens), genToken(t)
	switch name {
	case "action":
		value = one(t, []string{"C", "R", "E", "http://hl7.org/fhir/audit-event-action|R", "|R", "X"})
	case "outcome":
		value = one(t, []string{"0", "4", "8", "12", "success", "error", "http://terminology.hl7.org/CodeSystem/audit-event-outcome|8"})
	case "site":
		value = strings.ReplaceAll(one(t, someNames), ",", `\,`)
	case "entity-role":
		value = one(t, []string{"1", "4", "24", "http://terminology.hl7.org/CodeSystem/object-role|24"})
	}
	return name + one(t, []string{"", "", "", ":not"}), value
}

// clock steps by some milliseconds, now and then backwards or not at all.
type clock struct {
	mu  sync.Mutex
	now time.Time
	n   int64
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n++
	c.now = c.now.Add(time.Duration(c.n*7919%11-2) * 1234567 * time.Nanosecond)
	return c.now
}
