package gateway

import (
	"strings"

	"vigil"
)

// entries fills in one exchange for each entry of a batch or transaction. The
// entries of the answer stand in the order of the request's.
func (in *interpreter) entries() {
	x := in.x
	if in.req == nil {
		return
	}
	var answers []*entry
	if in.resp != nil && in.resp.typ == "Bundle" {
		answers = in.resp.entries
	}
	local := localPatients(in.req.entries, answers)
	for i, e := range in.req.entries {
		var a *entry
		if i < len(answers) {
			a = answers[i]
		}
		ex := in.entry(e, a)
		for j, p := range ex.Patients {
			if id, ok := local[p]; ok {
				ex.Patients[j] = id
			}
		}
		ex.Patients = dropLocal(ex.Patients)
		x.Entries = append(x.Entries, ex)
	}
	in.unionPatients()
}

func (in *interpreter) unionPatients() {
	seen := map[string]bool{}
	for _, p := range in.x.Patients {
		seen[p] = true
	}
	for i := range in.x.Entries {
		for _, p := range in.x.Entries[i].Patients {
			if !seen[p] {
				seen[p] = true
				in.x.Patients = append(in.x.Patients, p)
			}
		}
	}
}

// localPatients says what patient each fullUrl of the bundle became.
func localPatients(entries, answers []*entry) map[string]string {
	m := map[string]string{}
	for i, e := range entries {
		if e.fullURL == "" || e.resource == nil || e.resource.typ != "Patient" {
			continue
		}
		if i < len(answers) {
			if typ, id, _ := parseLocation(answers[i].location); typ == "Patient" {
				m[e.fullURL] = "Patient/" + id
				continue
			}
		}
		if p := patientOf(e.fullURL); p != "" {
			m[e.fullURL] = p
		}
	}
	return m
}

// entry is the exchange of one entry; a is nil where the answer has none.
func (in *interpreter) entry(e, a *entry) vigil.Exchange {
	path, query, _ := strings.Cut(in.entryPath(e.url), "?")
	query = in.rules.query(query)
	t := classify(strings.ToUpper(e.method), segments(path), query, in.rules.query(e.ifNoneExist))
	x := vigil.Exchange{
		ID: in.x.ID, Start: in.x.Start, Complete: in.x.Complete,
		Method: e.method, Path: in.base + "/" + strings.TrimPrefix(path, "/"), RawQuery: query,
		Route: t.route, Interaction: t.interaction, Operation: t.operation,
		Type: t.typ, Key: t.id, Version: t.version, Compartment: t.compartment, Condition: t.condition,
		Patients: t.patients,
	}
	sub := interpreter{x: &x, c: &capture{query: query}, t: &t, req: e.resource, rules: in.rules}
	switch {
	case a == nil:
		// Without an answer of its own it shared the fate of the whole.
		x.Status = in.x.Status
		x.RolledBack = in.t.interaction == "transaction" && in.x.Status >= 400
		if x.Status >= 400 {
			x.Outcome = in.x.Outcome
		}
	default:
		x.Status = statusOf(a.status)
		sub.c.location, sub.c.etag, sub.resp = a.location, a.etag, a.resource
		a.resource.outcomeInto(&x)
		a.outcome.outcomeInto(&x)
	}
	sub.entryBody()
	return x
}

func (in *interpreter) entryBody() {
	switch {
	case in.t.searches():
		in.search()
	case in.t.interaction == "operation":
		in.operation()
	default:
		in.single()
	}
}

// entryPath is the URL of an entry without the address of the server.
func (in *interpreter) entryPath(url string) string {
	if _, rest, ok := strings.Cut(url, "://"); ok {
		if i := strings.IndexByte(rest, '/'); i >= 0 {
			url = rest[i:]
		} else {
			url = ""
		}
	}
	if in.base != "" {
		if rest, ok := strings.CutPrefix(url, in.base); ok {
			url = rest
		}
	}
	return url
}
