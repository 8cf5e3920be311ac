package balp

import (
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	entityObject  = `"type":{"system":"` + codeSystems + `audit-entity-type","code":"2","display":"System Object"}`
	entityOther   = `"type":{"system":"` + codeSystems + `audit-entity-type","code":"4","display":"Other"}`
	entityPatient = `"type":{"system":"` + codeSystems + `audit-entity-type","code":"1","display":"Person"},"role":{"system":"` + codeSystems + `object-role","code":"1","display":"Patient"}}`
	entityRequest = `"type":{"system":"` + balp + `CodeSystem/BasicAuditEntityType","code":"XrequestId"}`

	roleDomain = `,"role":{"system":"` + codeSystems + `object-role","code":"4","display":"Domain Resource"}`
	roleJob    = `,"role":{"system":"` + codeSystems + `object-role","code":"20","display":"Job"}`
	roleQuery  = `,"role":{"system":"` + codeSystems + `object-role","code":"24","display":"Query"}`
)

// entities appends what the request was about.
func (w *writer) entities(a *account) {
	k := a.kind
	if k.data && (a.Key != "" || k.profile != "") {
		w.raw(`{"what":`)
		w.resource(a)
		w.raw(`,` + entityObject + roleDomain)
		w.condition(a)
		w.b = append(w.b, '}')
	}
	if k.query {
		w.sep()
		w.query(a)
	}
	if k.code == "operation" {
		w.sep()
		w.raw(`{` + entityObject + roleJob + `,"name":`)
		w.text(first(a.Operation, "unknown"))
		w.b = append(w.b, '}')
	}
	for _, p := range a.patients {
		w.sep()
		w.raw(`{"what":`)
		w.patient(p)
		w.raw(`,` + entityPatient)
	}
	w.sep()
	w.request(a)
	for _, r := range a.Returned[:a.listed] {
		if a.listedIn == "" || isOf(r, a.patients[0]) {
			w.b = append(w.b, ',')
			w.returned(r)
		}
	}
}

// condition appends the search of a conditional interaction.
func (w *writer) condition(a *account) {
	if blank(a.Condition) {
		return
	}
	w.raw(`,"detail":[`)
	w.detail("condition", a.Condition)
	w.b = append(w.b, ']')
}

// returned appends a resource of the answer.
func (w *writer) returned(ref string) {
	typ, _, _ := split(ref)
	if typ != "" {
		w.raw(`{"what":{"reference":`)
		w.text(ref)
	} else {
		w.raw(`{"what":{`)
		w.identifier(ref)
	}
	if isType(typ) {
		w.raw(`},"type":{"system":"http://hl7.org/fhir/resource-types","code":"`)
		w.raw(typ)
		w.raw(`"}`)
	} else {
		w.raw(`},` + entityOther)
	}
	w.raw(roleDomain)
	w.b = append(w.b, '}')
}

// query appends the request of a search or a history as it was sent: the line
// and, of a POST, the form.
func (w *writer) query(a *account) {
	w.raw(`{` + entityObject + roleQuery)
	if s := a.Search; s != nil && !blank(s.PageOf) {
		w.raw(`,"description":"a further page of `)
		w.part(s.PageOf)
		w.b = append(w.b, '"')
	}
	w.raw(`,"query":`)
	w.base64(clip(w.rawRequest(a), maxQuery))
	w.b = append(w.b, '}')
}

// rawRequest is the line of the request, with the form of a POST _search.
func (w *writer) rawRequest(a *account) string {
	var b strings.Builder
	b.WriteString(first(a.Method, "GET"))
	b.WriteByte(' ')
	b.WriteString(first(a.Path, "/"))
	if a.RawQuery != "" {
		b.WriteByte('?')
		b.WriteString(a.RawQuery)
	}
	b.WriteByte(' ')
	b.WriteString(first(w.whole.Protocol, "HTTP/1.1"))
	if a.Method == http.MethodPost && a.Search != nil {
		form := a.Search.Query
		if a.RawQuery != "" {
			form = strings.TrimPrefix(strings.TrimPrefix(form, a.RawQuery), "&")
		}
		b.WriteString("\r\nContent-Type: application/x-www-form-urlencoded\r\n\r\n")
		b.WriteString(form)
	}
	return b.String()
}

// request appends the entity of the request id, which has as details what FHIR
// has no elements for.
func (w *writer) request(a *account) {
	x := w.whole
	w.b = append(w.b, '{')
	if id := first(x.RequestID, x.ID); id != "" {
		w.raw(`"what":{`)
		w.identifier(id)
		w.raw(`},`)
	}
	w.raw(entityRequest + `,"detail":[`)
	if !a.kind.query {
		w.sep()
		w.requestLine(a)
	}
	w.number("status", int64(a.Status))
	w.duration()
	if a.entry < 0 {
		w.number("request-bytes", a.RequestBytes)
		w.number("response-bytes", a.ResponseBytes)
	} else {
		w.detail("bundle", first(x.Interaction, "unknown"))
		w.number("entry", int64(a.entry))
	}
	w.detail("authentication", w.authentication())
	w.detail("correlation", x.Correlation)
	w.detail("connection", x.Connection)
	w.detail("host", x.Host)
	w.sums(a)
	w.said()
	w.notes(a)
	w.raw(`]}`)
}

// requestLine appends method and URL.
func (w *writer) requestLine(a *account) {
	w.raw(`{"type":"request","valueString":"`)
	w.part(first(a.Method, "unknown"))
	w.b = append(w.b, ' ')
	w.part(first(a.Path, "/"))
	if a.RawQuery != "" {
		w.b = append(w.b, '?')
		w.part(a.RawQuery)
	}
	w.raw(`"}`)
}

// duration appends the milliseconds, to the microsecond.
func (w *writer) duration() {
	w.sep()
	w.raw(`{"type":"duration-ms","valueString":"`)
	ms := float64(max(w.whole.Duration, 0)/time.Microsecond) / 1000
	w.b = strconv.AppendFloat(w.b, ms, 'f', -1, 64)
	w.raw(`"}`)
}

// authentication is how the request said who it is from.
func (w *writer) authentication() string {
	u := &w.whole.User
	switch {
	case u.By == "" && !w.identified():
		return "anonymous"
	case u.Verified:
		return first(u.By, "unknown")
	}
	return first(u.By, "unknown") + ", unverified"
}

// sums appends what the answer has, in numbers.
func (w *writer) sums(a *account) {
	if s := a.Search; s != nil {
		if s.Total != nil {
			w.number("total", *s.Total)
		}
		w.number("matches", int64(s.Matches))
		if s.Includes != 0 {
			w.number("includes", int64(s.Includes))
		}
	}
	if n := len(a.Entries); n > 0 {
		failed := 0
		for i := range a.Entries {
			if e := (&account{Exchange: &a.Entries[i], entry: i, kind: kindOf(&a.Entries[i])}); outcomeOf(e, a.Exchange) != "0" {
				failed++
			}
		}
		w.number("entries", int64(n))
		w.number("failed", int64(failed))
	}
	w.leftOut(a)
}

// leftOut appends how much of the answer the event does not list.
func (w *writer) leftOut(a *account) {
	if a.listedIn != "" {
		w.detail("returned", "listed in "+a.listedIn)
	} else if left := len(a.Returned) - a.listed; left > 0 {
		w.number("returned-left-out", int64(left))
	}
}

// maxSaid bounds the details of what the caller said.
const maxSaid = 64

// said appends what the caller said: the headers that the configuration names,
// X-Audit, and addresses that nobody vouches for.
func (w *writer) said() {
	x := w.whole
	for _, f := range x.Forwarded[:min(len(x.Forwarded), maxSaid)] {
		w.detail("forwarded", f)
	}
	if len(x.Headers) > 0 {
		names := slices.Sorted(maps.Keys(x.Headers))
		for _, name := range names[:min(len(names), maxSaid)] {
			w.detail(name, x.Headers[name])
		}
	}
	if len(x.Audit) > 0 {
		names := slices.Sorted(maps.Keys(x.Audit))
		for _, name := range names[:min(len(names), maxSaid)] {
			w.detail("X-Audit."+name, string(x.Audit[name]))
		}
	}
}

// notes appends what the record lacks and why.
func (w *writer) notes(a *account) {
	for _, n := range a.Notes[:min(len(a.Notes), maxSaid)] {
		w.detail("note", n)
	}
}

// detail appends a detail, if there is something to say.
func (w *writer) detail(name, value string) {
	if blank(name) || blank(value) {
		return
	}
	w.sep()
	w.raw(`{"type":`)
	w.text(name)
	w.raw(`,"valueString":`)
	w.text(value)
	w.b = append(w.b, '}')
}

// number appends a detail that is a number.
func (w *writer) number(name string, n int64) {
	w.sep()
	w.raw(`{"type":"`)
	w.raw(name)
	w.raw(`","valueString":"`)
	w.int(n)
	w.raw(`"}`)
}
