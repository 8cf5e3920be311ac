package balp

import (
	"net/netip"
	"slices"
	"strings"
)

const (
	codeSource      = `{"system":"` + dicom + `","code":"110153","display":"Source Role ID"}`
	codeDestination = `{"system":"` + dicom + `","code":"110152","display":"Destination Role ID"}`
	codeApplication = `{"system":"` + dicom + `","code":"110150","display":"Application"}`
	codeCustodian   = `{"system":"` + codeSystems + `provenance-participant-type","code":"custodian","display":"Custodian"}`
	codeAuthServer  = `{"system":"` + balp + `CodeSystem/UserAgentTypes","code":"AuthzOauthService"}`
	codeOAuthUser   = `{"system":"` + balp + `CodeSystem/UserAgentTypes","code":"UserOauthAgent","display":"User OAuth Agent participant"}`
	codeRecipient   = `{"system":"` + codeSystems + `v3-ParticipationType","code":"IRCP","display":"information recipient"}`
	codeAuthor      = `{"system":"` + codeSystems + `v3-ParticipationType","code":"AUT","display":"author (originator)"}`

	// absent stands for an address that nobody knows.
	absent = `"network":{"_address":{"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/data-absent-reason","valueCode":"unknown"}]}}`
)

// roles are the types of client and server by family.
var roles = [...]struct{ client, server string }{
	writes:  {codeSource, codeDestination},
	reads:   {codeDestination, codeSource},
	deletes: {codeApplication, codeCustodian},
	logs:    {codeApplication, codeAuthServer},
}

// agents appends client, server and, where somebody is known, the user.
func (w *writer) agents(a *account) {
	user := w.hasUser()
	w.client(a, user)
	w.b = append(w.b, ',')
	w.server(a)
	if user {
		w.b = append(w.b, ',')
		w.user(a)
	}
}

// client appends the program that sent the request.
func (w *writer) client(a *account, user bool) {
	x := w.whole
	peer := ""
	if len(x.Peer) > 0 {
		peer = hostOf(x.Peer[0])
	}
	role := roles[a.kind.family].client
	w.raw(`{"type":{"coding":[`)
	w.raw(role)
	if role != codeApplication && !blank(x.User.Client) {
		w.raw(`,` + codeApplication)
	}
	w.raw(`]},"who":{`)
	if !blank(x.User.Client) {
		w.identifier(x.User.Client)
	} else {
		w.raw(`"display":`)
		w.text(first(peer, "unknown"))
	}
	w.b = append(w.b, '}')
	if !blank(x.UserAgent) {
		w.raw(`,"name":`)
		w.text(x.UserAgent)
	}
	if user {
		w.raw(`,"requestor":false,`)
	} else {
		w.raw(`,"requestor":true,`)
	}
	w.network(peer)
	if len(x.Purpose) > 0 && !user {
		w.purposes("purposeOfUse")
	}
	w.b = append(w.b, '}')
}

// server appends the FHIR server, under its own address where the gateway says it.
func (w *writer) server(a *account) {
	x := w.whole
	url := upstream(x.Upstream)
	host := hostOf(x.Host)
	if blank(host) || url != "" {
		_, rest, _ := strings.Cut(url, "://")
		rest, _, _ = strings.Cut(rest, "/")
		host = first(hostOf(rest), host)
	}
	w.raw(`{"type":{"coding":[`)
	w.raw(roles[a.kind.family].server)
	w.raw(`]},"who":{`)
	if url != "" {
		w.identifier(url)
		w.b = append(w.b, ',')
	}
	w.raw(`"display":`)
	w.text(first(host, "unknown"))
	w.raw(`},"requestor":false,`)
	w.network(host)
	w.b = append(w.b, '}')
}

// upstream returns the URL of a server without user, password and query.
func upstream(s string) string {
	scheme, rest, ok := strings.Cut(s, "://")
	if !ok || blank(rest) {
		return ""
	}
	rest, _, _ = strings.Cut(rest, "?")
	rest, _, _ = strings.Cut(rest, "#")
	host, path, _ := strings.Cut(rest, "/")
	at := strings.LastIndexByte(host, '@')
	if at < 0 {
		return s[:len(scheme)+len("://")+len(rest)]
	}
	if host = host[at+1:]; path != "" {
		host += "/" + path
	}
	return scheme + "://" + host
}

// hostOf is an address without the port.
func hostOf(s string) string {
	if rest, ok := strings.CutPrefix(s, "["); ok {
		host, _, _ := strings.Cut(rest, "]")
		return host
	}
	if i := strings.LastIndexByte(s, ':'); i >= 0 && strings.IndexByte(s, ':') == i {
		return s[:i]
	}
	return s
}

// network appends where an agent is: FHIR's network-type 1 is a name, 2 an IP
// address.
func (w *writer) network(address string) {
	if blank(address) {
		w.raw(absent)
		return
	}
	w.raw(`"network":{"address":`)
	w.text(address)
	if _, err := netip.ParseAddr(address); err == nil {
		w.raw(`,"type":"2"}`)
	} else {
		w.raw(`,"type":"1"}`)
	}
}

// hasUser reports whether the request says anything of a user, or of a token.
func (w *writer) hasUser() bool {
	return w.identified() || w.whole.User.By == "bearer"
}

// identified reports whether there is a user whom an agent can name.
func (w *writer) identified() bool {
	u := &w.whole.User
	return !blank(u.Subject) || !blank(u.Username) || !blank(u.Name) || userRef(u.FHIRUser)
}

// userRef reports whether fhirUser is a reference to what R4 takes as an agent.
func userRef(ref string) bool {
	if ref == "" {
		return false
	}
	switch typ, _, _ := split(ref); typ {
	case "Practitioner", "PractitionerRole", "Patient", "RelatedPerson", "Organization", "Device":
		return true
	}
	return false
}

// user appends who the request is from, by its token, certificate or password.
func (w *writer) user(a *account) {
	u := &w.whole.User
	w.raw(`{"type":{"coding":[`)
	if u.By == "bearer" {
		w.raw(codeOAuthUser)
	}
	if w.identified() {
		author := a.kind.profile != "" && !a.discloses() || a.kind == &put || a.kind == &remove
		if author {
			w.sep()
			w.raw(codeAuthor)
		}
		if !author || w.comprehensive(a) {
			w.sep()
			w.raw(codeRecipient)
		}
	}
	w.raw(`]}`)
	if !u.Verified {
		w.raw(`,"role":[{"text":"unverified"}]`)
	}
	if w.identified() {
		w.who()
	}
	if !blank(u.Username) {
		w.raw(`,"altId":`)
		w.text(u.Username)
	}
	if !blank(u.Name) {
		w.raw(`,"name":`)
		w.text(u.Name)
	}
	w.raw(`,"requestor":true`)
	w.policy()
	if len(w.whole.Purpose) > 0 {
		w.purposes("purposeOfUse")
	}
	w.b = append(w.b, '}')
}

// policy appends the id of the token, as RFC 3553 URN.
func (w *writer) policy() {
	if u := &w.whole.User; u.By == "bearer" && !blank(u.TokenID) {
		w.raw(`,"policy":["urn:ietf:params:oauth:jti:`)
		w.uriPart(u.TokenID)
		w.raw(`"]`)
	}
}

// who appends the user's identity: the token's subject in the system of its
// issuer.
func (w *writer) who() {
	u := &w.whole.User
	w.raw(`,"who":{`)
	if userRef(u.FHIRUser) {
		w.raw(`"reference":`)
		w.text(u.FHIRUser)
	}
	if id := first(u.Subject, u.Username); id != "" {
		w.sep()
		w.raw(`"identifier":{`)
		if isSystem(u.Issuer) {
			w.raw(`"system":`)
			w.text(u.Issuer)
			w.b = append(w.b, ',')
		}
		w.raw(`"value":`)
		w.text(id)
		if !isSystem(u.Issuer) && !blank(u.Issuer) {
			w.raw(`,"assigner":{"display":`)
			w.text(u.Issuer)
			w.b = append(w.b, '}')
		}
		w.b = append(w.b, '}')
	}
	if name := first(u.Name, u.Username); name != "" {
		w.sep()
		w.raw(`"display":`)
		w.text(name)
	}
	w.b = append(w.b, '}')
}

// purposeCodes are those of v3-PurposeOfUse that callers send as a word.
var purposeCodes = [...]string{
	"BTG", "CAREMGT", "CLINTRCH", "COVERAGE", "DIRECTTREAT", "EMERGENCYTREAT", "ERTREAT", "ETREAT", "FAMRQT",
	"HDIRECT", "HDM", "HMARKT", "HOPERAT", "HPAYMT", "HQUALIMP", "HRESCH", "HSYSADMIN", "PATADMIN", "PATRQT",
	"PATSFTY", "POPHLTH", "PUBHLTH", "PWATRNY", "RECORDMGT", "REMITADV", "SUPNWK", "TREAT", "TREATDS",
}

// purposes appends the codes of the purpose of use as list.
func (w *writer) purposes(list string) {
	start := len(w.b)
	w.raw(`,"`)
	w.raw(list)
	w.raw(`":[`)
	empty := len(w.b)
	for _, p := range w.whole.Purpose[:min(len(w.whole.Purpose), 64)] {
		if blank(p) {
			continue
		}
		w.sep()
		if _, ok := slices.BinarySearch(purposeCodes[:], p); ok {
			w.raw(`{"coding":[{"system":"` + codeSystems + `v3-ActReason","code":"`)
			w.raw(p)
			w.raw(`"}]}`)
			continue
		}
		w.raw(`{"text":`)
		w.text(p)
		w.b = append(w.b, '}')
	}
	if len(w.b) == empty {
		w.b = w.b[:start]
		return
	}
	w.b = append(w.b, ']')
}
