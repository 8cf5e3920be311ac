package gateway_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"vigil"
	"vigil/gateway"
)

func mode(m gateway.Mode) *gateway.Mode { return &m }

func pseudonyms(t *testing.T) *gateway.Pseudonyms {
	t.Helper()
	p, err := gateway.NewPseudonyms([]byte("0123456789abcdef"))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestLevels says of each request what is recorded of it.
func TestLevels(t *testing.T) {
	policies := []gateway.Policy{
		{Route: "/metadata", Methods: []string{"get"}, Level: gateway.None},
		{Route: "/Binary/*", Level: gateway.None},
		{Route: "/Patient/**", Level: gateway.RequestResponse},
		{Route: "/Patient/*/$export", Level: gateway.Metadata},
		{Route: "**/$secret*", Level: gateway.None},
		{Route: "/List/*", Level: gateway.Request},
	}
	for _, c := range []struct {
		request string
		header  string
		want    string // none, or which bodies
	}{
		{"GET /fhir/metadata", "", "none"},
		{"POST /fhir/metadata", "", "metadata"},
		{"GET /fhir/metadata?x=y", "", "none"},
		{"GET /fhir/Binary/1", "", "none"},
		{"GET /fhir/Binary/1/_history/2", "", "metadata"},
		{"POST /fhir/Patient", "", "request response"},
		{"PUT /fhir/Patient/1", "", "request response"},
		{"PUT /fhir/Patient/1/_history/3", "", "request response"},
		{"POST /fhir/Patient/1/$export", "", "metadata"},
		{"POST /fhir/List/1", "", "request"},
		{"POST /fhir/Group/1/$secrets", "", "none"},
		{"GET /other", "", "metadata"},
		// The caller asks for the body.
		{"POST /fhir/Observation", "X-Audit-Req-Body: true", "request"},
		{"POST /fhir/Observation", "X-Audit-Req-Body: false", "metadata"},
		{"GET /fhir/metadata", "X-Audit-Req-Body: true", "none"},
		// What could mean another thing to the server is never left out.
		{"GET /fhir/Binary/..", "", "metadata"},
		{"GET /fhir/Binary/%2e%2e", "", "metadata"},
		{"GET /fhir/Binary/..%2fPatient", "", "response"}, // as /Patient is
		{"GET /fhir//metadata", "", "metadata"},
		{"GET /fhir/Binary/a%5cb", "", "metadata"},
		{"GET /fhir/Binary/a;b", "", "metadata"},
		{"GET /fhir/metadata", "X-HTTP-Method-Override: DELETE", "metadata"},
		{"GET /fhir/METADATA", "", "metadata"},
	} {
		t.Run(c.request+" "+c.header, func(t *testing.T) {
			s := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				io.Copy(io.Discard, r.Body)
				w.Header().Set("Content-Type", "application/fhir+json")
				io.WriteString(w, `{"resourceType":"Patient","id":"answer"}`)
			}), func(g *gateway.Config) { g.Policies = policies })
			method, path, _ := strings.Cut(c.request, " ")
			head := method + " " + path + " HTTP/1.1\nHost: gw.example\nContent-Type: application/json"
			if c.header != "" {
				head += "\n" + c.header
			}
			body := ""
			if method != "GET" {
				body = `{"question":1}`
			}
			s.raw(head, body, `{"resourceType":"Patient","id":"answer"}`)
			all := s.exchanges()
			got := "none"
			if len(all) == 1 {
				got = strings.TrimSpace(bodyWord("request", all[0].RequestBody, "question") + " " + bodyWord("response", all[0].ResponseBody, "answer"))
				if got == "" {
					got = "metadata"
				}
			}
			if got != c.want {
				t.Errorf("recorded %s, want %s: %+v", got, c.want, all)
			}
		})
	}
}

func bodyWord(word string, b *vigil.Body, want string) string {
	if b == nil {
		return ""
	}
	if !strings.Contains(b.Text, want) || b.Cut {
		return "wrong " + word
	}
	return word
}

// TestPolicyErrors refuses policies that cannot mean what they say.
func TestPolicyErrors(t *testing.T) {
	for _, p := range []gateway.Policy{
		{Route: "/a/../b"},
		{Route: "/a//b"},
		{Route: "/a?x"},
		{Route: "/a**"},
		{Methods: []string{"GETT"}},
		{Methods: []string{"GET", ""}},
		{Methods: []string{"CONNECT"}}, // which is refused
		{Redact: []string{"name"}},
		{Redact: []string{"cookie:x"}},
		{Redact: []string{"body:"}},
		{Pseudonymize: []string{"query:identifier"}}, // without a key
		{Mode: mode(gateway.Strict)},                 // without a spool
	} {
		if _, err := gateway.New(gateway.Config{Writer: &log{}, Policies: []gateway.Policy{p}}); err == nil {
			t.Errorf("%+v is taken", p)
		}
	}
	if _, err := gateway.NewPseudonyms([]byte("short")); err == nil {
		t.Error("a short key is taken")
	}
	for _, word := range []string{"none", "metadata", "request", "request-response", ""} {
		l, err := gateway.ParseLevel(word)
		if err != nil || l.String() != word {
			t.Errorf("%q is read as %v, %v", word, l, err)
		}
	}
	for _, word := range []string{"strict", "spool", "besteffort"} {
		m, err := gateway.ParseMode(word)
		if err != nil || m.String() != word {
			t.Errorf("%q is read as %v, %v", word, m, err)
		}
	}
	if _, err := gateway.ParseLevel("all"); err == nil {
		t.Error("level all is taken")
	}
}

// TestModeOfPolicies gives each route its durability.
func TestModeOfPolicies(t *testing.T) {
	s := &steps{}
	g, err := gateway.New(gateway.Config{Spool: s, Base: "/fhir", Policies: []gateway.Policy{
		{Methods: []string{"POST"}, Mode: mode(gateway.Strict)},
		{Route: "/Observation", Mode: mode(gateway.BestEffort)},
	}})
	if err != nil {
		t.Fatal(err)
	}
	h := g.Wrap(http.NotFoundHandler())
	for path, want := range map[string]string{
		"/fhir/Patient":     "begin sync end sync",
		"/fhir/Observation": "begin end",
	} {
		s.done = nil
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, path, nil))
		if got := strings.Join(s.done, " "); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
}

// TestRedaction looks for secrets in everything that is recorded.
func TestRedaction(t *testing.T) {
	p := pseudonyms(t)
	for name, c := range map[string]struct {
		head, body string
		want       []string // in the record, beside the secret's absence
	}{
		"password in JSON":           {"POST /fhir/$login HTTP/1.1\nHost: h\nContent-Type: application/json", `{"user":"u","password":"SECRET","Old_Password": ["SECRET"],"new":{"passwd":"SECRET"}}`, []string{`\"user\":\"u\"`}},
		"escaped name":               {"POST /fhir/$login HTTP/1.1\nHost: h\nContent-Type: application/json", `{"pass\u0077ord":"SECRET"}`, []string{"REDACTED"}},
		"parameters":                 {"POST /fhir/$login HTTP/1.1\nHost: h\nContent-Type: application/fhir+json", `{"resourceType":"Parameters","parameter":[{"valueString":"SECRET","name":"password"},{"name":"a","valueString":"fine"}]}`, []string{"fine"}},
		"parameters in XML":          {"POST /fhir/$login HTTP/1.1\nHost: h\nContent-Type: application/fhir+xml", `<Parameters xmlns="http://hl7.org/fhir"><parameter><name value="password"/><valueString value="SECRET"/></parameter><parameter><valueString value="fine"/></parameter></Parameters>`, []string{"fine"}},
		"form":                       {"POST /fhir/auth HTTP/1.1\nHost: h\nContent-Type: application/x-www-form-urlencoded", `grant_type=password&password=SECRET&client_secret=SECRET&a=fine`, []string{"a=fine"}},
		"tokens in query":            {"POST /fhir/Patient?access_token=SECRET&a=fine HTTP/1.1\nHost: h", `{}`, []string{"fine"}},
		"bearer":                     {"POST /fhir/Patient HTTP/1.1\nHost: h\nAuthorization: Bearer x.SECRET.y\nX-App-Key: SECRET", `{}`, nil},
		"basic":                      {"POST /fhir/Patient HTTP/1.1\nHost: h\nAuthorization: Basic " + base64.StdEncoding.EncodeToString([]byte("u:SECRET")), `{}`, []string{`"username":"u"`}},
		"field by path":              {"POST /fhir/Patient HTTP/1.1\nHost: h\nContent-Type: application/fhir+json", `{"name":[{"family":"SECRET","given":["SECRET"]}],"resourceType":"Patient","gender":"fine","contact":[{"name":{"text":"fine too"}}]}`, []string{"fine", "fine too"}},
		"field in a bundle":          {"POST /fhir/ HTTP/1.1\nHost: h\nContent-Type: application/fhir+json", `{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Patient","name":{"family":"SECRET"}}},{"resource":{"name":"fine","resourceType":"Basic"}}]}`, []string{"fine"}},
		"field in XML":               {"POST /fhir/Patient HTTP/1.1\nHost: h\nContent-Type: application/fhir+xml", `<Patient xmlns="http://hl7.org/fhir"><name><family value="SECRET"/></name><gender value="fine"/></Patient>`, []string{"fine"}},
		"field everywhere":           {"POST /fhir/Observation HTTP/1.1\nHost: h\nContent-Type: application/fhir+json", `{"resourceType":"Observation","a":{"birthDate":"SECRET"},"birthDate":{"x":["SECRET",{"y":"SECRET"}]}}`, nil},
		"pseudonym of a field":       {"POST /fhir/Patient HTTP/1.1\nHost: h\nContent-Type: application/fhir+json", `{"resourceType":"Patient","identifier":[{"system":"s","value":"SECRET"}]}`, []string{p.Of("SECRET")}},
		"pseudonym of a parameter":   {"GET /fhir/Patient?identifier:exact=SECRET HTTP/1.1\nHost: h", ``, []string{strings.ReplaceAll(p.Of("SECRET"), ":", "%3A")}},
		"header":                     {"GET /fhir/Patient HTTP/1.1\nHost: h\nX-Trace-User: SECRET\nX-Trace-Ward: fine", ``, []string{"fine", "REDACTED"}},
		"conditional create":         {"POST /fhir/Patient HTTP/1.1\nHost: h\nIf-None-Exist: identifier=SECRET", `{}`, nil},
		"entry of a bundle":          {"POST /fhir HTTP/1.1\nHost: h\nContent-Type: application/fhir+json", `{"resourceType":"Bundle","type":"batch","entry":[{"request":{"method":"GET","url":"Patient?identifier=SECRET&access_token=SECRET"}}]}`, nil},
		"links":                      {"POST /fhir/x HTTP/1.1\nHost: h\nContent-Type: application/fhir+json", `{"resourceType":"Bundle","link":[{"url":"http://h/fhir/Patient?a=fine&identifier=SECRET"}],"entry":[{"request":{"ifNoneExist":"identifier=SECRET"}}]}`, []string{"fine"}},
		"links in XML":               {"POST /fhir/x HTTP/1.1\nHost: h\nContent-Type: application/fhir+xml", `<Bundle xmlns="http://hl7.org/fhir"><link><url value="http://h/fhir/Patient?a=fine&amp;identifier=SECRET"/></link></Bundle>`, []string{"fine"}},
		"cut in the middle":          {"POST /fhir/$login HTTP/1.1\nHost: h\nContent-Type: application/json", `{"a":"fine","password":"SECRET`, []string{"fine"}},
		"cut before its name":        {"POST /fhir/$login HTTP/1.1\nHost: h\nContent-Type: application/json", `{"resourceType":"Parameters","parameter":[{"valueString":"SECRET","na`, nil},
		"cut XML":                    {"POST /fhir/Patient HTTP/1.1\nHost: h\nContent-Type: application/fhir+xml", `<Patient xmlns="http://hl7.org/fhir"><name><family value="SECRET"/>`, nil},
		"not what it says":           {"POST /fhir/Patient HTTP/1.1\nHost: h\nContent-Type: application/json", `password=SECRET`, nil},
		"lines":                      {"POST /fhir/$import HTTP/1.1\nHost: h\nContent-Type: application/fhir+ndjson", `{"resourceType":"Patient","name":"SECRET"}` + "\n" + `{"resourceType":"Patient","id":"fine"}` + "\n", []string{"fine"}},
		"code of a grant":            {"POST /auth/token HTTP/1.1\nHost: h\nContent-Type: application/x-www-form-urlencoded", `grant_type=authorization_code&code=SECRET&client_id=fine`, []string{"client_id=fine"}},
		"code of a search":           {"POST /fhir/Observation/_search HTTP/1.1\nHost: h\nContent-Type: application/x-www-form-urlencoded", `code=fine`, []string{"code=fine"}},
		"JSON Patch":                 {"PATCH /fhir/Patient/1 HTTP/1.1\nHost: h\nContent-Type: application/json-patch+json", `[{"op":"add","path":"/name/0/family","value":"SECRET"}]`, []string{"cannot be told"}},
		"FHIRPath Patch":             {"PATCH /fhir/Patient/1 HTTP/1.1\nHost: h\nContent-Type: application/fhir+json", `{"resourceType":"Parameters","parameter":[{"name":"value","valueString":"SECRET"}]}`, []string{"cannot be told"}},
		"form in parts":              {"POST /fhir/x HTTP/1.1\nHost: h\nContent-Type: multipart/form-data; boundary=b", "--b\r\nContent-Disposition: form-data; name=password\r\n\r\nSECRET\r\n--b--\r\n", []string{"cannot be told"}},
		"page":                       {"POST /fhir/x HTTP/1.1\nHost: h\nContent-Type: text/html", `<p>SECRET</p>`, []string{"cannot be told"}},
		"deep":                       {"POST /fhir/Patient HTTP/1.1\nHost: h\nContent-Type: application/json", `{"a":"fine","b":` + strings.Repeat("[", 400) + `"SECRET"`, []string{"fine"}},
		"number that is a pseudonym": {"POST /fhir/Patient HTTP/1.1\nHost: h\nContent-Type: application/json", `{"resourceType":"Patient","identifier":{"value":12345}}`, []string{p.Of("12345")}},
	} {
		t.Run(name, func(t *testing.T) {
			l := &log{}
			s := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", r.Header.Get("Content-Type"))
				io.Copy(w, r.Body)
			}), func(g *gateway.Config) {
				g.Writer, g.Level, g.Pseudonyms, g.AuditHeaders = l, gateway.RequestResponse, p, []string{"X-Trace-"}
				g.Policies = []gateway.Policy{{
					Redact:       []string{"body:Patient.name", "body:**.birthDate", "header:x-*-user"},
					Pseudonymize: []string{"body:Patient.identifier.value", "query:identifier"},
				}}
			})
			s.log = l
			s.raw(c.head, c.body, c.body)
			s.exchanges()
			found := false
			for _, e := range l.all() {
				if strings.Contains(string(e.Doc), "SECRET") {
					t.Errorf("recorded: %s", e.Doc)
				}
				if e.Table != vigil.TableExchanges {
					continue
				}
				found = true
				for _, want := range c.want {
					if !bytes.Contains(e.Doc, []byte(want)) {
						t.Errorf("%s is not in %s", want, e.Doc)
					}
				}
			}
			if !found {
				t.Error("nothing is recorded")
			}
		})
	}
}

// TestPolicyEvents reads what the gateway tells of its policies.
func TestPolicyEvents(t *testing.T) {
	l := &log{}
	now := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	g, err := gateway.New(gateway.Config{
		Writer: l, Name: "gw-1", Base: "/fhir", PoliciesBefore: `[{"level":"request"}]`, Now: func() time.Time { return now },
		Policies: []gateway.Policy{{Route: "/metadata", Level: gateway.None}},
	})
	if err != nil {
		t.Fatal(err)
	}
	h := g.Wrap(http.NotFoundHandler())
	for range 3 {
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/fhir/metadata", nil))
	}
	if err := g.SetPolicies(gateway.Unset, nil); err != nil {
		t.Fatal(err)
	}
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/fhir/metadata", nil))
	if err := g.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := g.Stats().Excluded; n != 3 {
		t.Errorf("%d requests were left out", n)
	}
	var got []string
	for _, e := range l.all() {
		var doc struct {
			Action, Message string
			Entity          struct{ Detail []map[string]any }
		}
		if err := json.Unmarshal(e.Doc, &doc); err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprint(e.Table, " ", doc.Action, " ", doc.Entity.Detail))
	}
	want := []string{
		"system update [map[policies:[map[level:metadata] map[level:none route:/metadata]]] map[before:[map[level:request]]]]",
		"system exclude [map[policy:every method /metadata requests:3] map[excluded:3] map[since:2027-01-01T00:00:00Z] map[until:2027-01-01T00:00:00Z]]",
		"system update [map[policies:[map[level:metadata]]] map[before:[map[level:metadata] map[level:none route:/metadata]]]]",
		"exchanges  []",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestHugeHeaders sends X-Audit of 10 MB, and one that is no base64.
func TestHugeHeaders(t *testing.T) {
	for _, n := range []int{100, 100 << 10, 10 << 20} {
		s := start(t, http.NotFoundHandler())
		r, _ := http.NewRequest(http.MethodGet, s.front.URL+"/fhir/Patient/p-1", nil)
		r.Header.Set("X-Audit", strings.Repeat("!", n))
		resp, err := http.DefaultTransport.RoundTrip(r)
		if n > 1<<20 { // net/http refuses it, or breaks the connection
			if err == nil && resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
				t.Errorf("%d bytes: %s", n, resp.Status)
			}
			if x := s.exchanges(); len(x) != 0 {
				t.Errorf("%+v", x)
			}
			continue
		}
		if err != nil || resp.StatusCode != http.StatusNotFound {
			t.Fatalf("%d bytes: %v, %v", n, resp, err)
		}
		resp.Body.Close()
		if x := s.only(); len(x.Audit) != 0 || len(x.Notes) != 1 || !strings.HasPrefix(x.Notes[0], "X-Audit is ") {
			t.Errorf("recorded %+v", x)
		}
	}
}

// TestControlCharacters puts line ends, escapes and directions of writing
// wherever a client can: what is recorded is one line of valid JSON without any
// control character.
func TestControlCharacters(t *testing.T) {
	nasty := "a\r\nb\x1b[31m\x00\u202e\u2028\xff"
	l := &log{}
	s := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/fhir+json")
		doc, _ := json.Marshal(map[string]any{"resourceType": "Patient", "id": nasty, "issue": nasty, "text": nasty})
		w.Write(doc)
	}), func(g *gateway.Config) { g.Writer, g.Level, g.UserHeader = l, gateway.RequestResponse, "X-User" })
	s.log = l
	escaped := "a%0D%0Ab%1B%5B31m%00%E2%80%AE%FF"
	claims, _ := json.Marshal(map[string]any{"sub": nasty, "name": nasty, "iss": nasty})
	audit, _ := json.Marshal(map[string]any{nasty: nasty})
	body, _ := json.Marshal(map[string]any{"resourceType": "Patient", "id": nasty, nasty: nasty})
	r, err := http.NewRequest(http.MethodPost, s.front.URL+"/fhir/Patient/"+escaped+"?name="+escaped, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/fhir+json")
	r.Header.Set("Authorization", "Bearer "+token(string(claims)))
	r.Header.Set("X-Audit", base64.StdEncoding.EncodeToString(audit))
	r.Header.Set("User-Agent", "\u202eagent\u2028\x9b")
	r.Header.Set("X-Forwarded-For", "\u202e1.2.3.4")
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if x := s.only(); x.User.Subject == "" || x.RequestBody == nil || len(x.Audit) != 1 {
		t.Errorf("recorded %+v", x)
	}
	for _, e := range l.all() {
		if !json.Valid(e.Doc) {
			t.Errorf("no JSON: %q", e.Doc)
		}
		if i := bytes.IndexFunc(e.Doc, func(c rune) bool { return c < ' ' || c >= 0x7f && c < 0xa0 }); i >= 0 {
			t.Errorf("a control character at %d of %q", i, e.Doc)
		}
	}
}

// TestPoliciesUnderWay changes policies while a request is under way, which keeps
// those that it began with, and refuses some.
func TestPoliciesUnderWay(t *testing.T) {
	reached, release := make(chan struct{}), make(chan struct{})
	s := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/fhir/Patient/slow" {
			close(reached)
			<-release
		}
		w.Header().Set("Content-Type", "application/fhir+json")
		io.WriteString(w, `{"resourceType":"Patient","name":"SECRET"}`)
	}), func(c *gateway.Config) {
		c.Policies = []gateway.Policy{{Level: gateway.RequestResponse, Redact: []string{"body:Patient.name"}}}
	})
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.get("/fhir/Patient/slow")
	}()
	<-reached
	if err := s.g.SetPolicies(gateway.Metadata, nil); err != nil {
		t.Fatal(err)
	}
	if err := s.g.SetPolicies(gateway.Unset, []gateway.Policy{}); err != nil { // the same
		t.Fatal(err)
	}
	s.get("/fhir/Patient/quick")
	bad := []gateway.Policy{{Methods: []string{"GETT"}, Level: gateway.None}}
	if err := s.g.SetPolicies(gateway.None, bad); err == nil || s.g.Policies() != `[{"level":"metadata"}]` {
		t.Errorf("%v, in force is %s", err, s.g.Policies())
	} else {
		s.g.RefusePolicies(err)
	}
	close(release)
	<-done
	for _, x := range s.exchanges() {
		slow := x.Key == "slow"
		if slow != (x.ResponseBody != nil) || slow && x.ResponseBody.Text != `{"resourceType":"Patient","name":"REDACTED"}` {
			t.Errorf("recorded %+v", x)
		}
	}
	var told []string
	for _, e := range s.log.all() {
		if e.Table == vigil.TableSystem {
			told = append(told, string(e.Doc))
		}
	}
	if len(told) != 3 || !strings.Contains(told[1], "policies of the gateway changed") ||
		!strings.Contains(told[2], `{"refused":"policy 1: method \"GETT\": want`) || !strings.Contains(told[2], `"outcome":"8"`) {
		t.Errorf("told %s", told)
	}
}
