package gateway_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"vigil/gateway"
)

// asked is steps that notes how it is asked.
type asked struct {
	steps
	never bool // to wait
}

func (s *asked) Begin(ctx context.Context, rec []byte) (uint64, error) {
	s.never = ctx.Err() != nil
	return s.steps.Begin(ctx, rec)
}

// TestReadings writes requests in other ways than policies do. What a policy asks
// for beyond the usual (strict, here) holds for each of them that some server takes
// for what the policy means; what it leaves out is left out only where all servers do.
func TestReadings(t *testing.T) {
	policies := []gateway.Policy{
		{Route: "/Patient/**", Mode: mode(gateway.Strict)},
		{Methods: []string{"DELETE"}, Mode: mode(gateway.Strict)},
		{Route: "/metadata", Level: gateway.None},
		{Route: "/Observation/**", Mode: mode(gateway.BestEffort)},
	}
	for _, c := range []struct{ base, request, header, want string }{
		{"/fhir", "GET /fhir/Patient/1", "", "strict"},
		{"/fhir", "GET /fhir/Encounter/1", "", "spool"},
		{"/fhir", "GET /fhir/Observation/1", "", "besteffort"},
		{"/fhir", "GET /fhir/metadata", "", "none"},
		{"/fhir", "GET /fhir/metadata/", "", "spool"},
		{"/fhir", "GET /fhir/Patient/", "", "strict"},
		{"/fhir", "GET /fhir/patient/1", "", "strict"},
		{"/fhir", "GET /FHIR/Patient/1", "", "strict"},
		{"/fhir", "GET /FHIR/metadata", "", "spool"},
		{"/fhir", "GET /fhir/%50atient/1", "", "strict"},
		{"/fhir", "GET /fhir/%2550atient/1", "", "strict"},
		{"/fhir", "GET /fhir/Patient%2f1", "", "strict"},
		{"/fhir", "GET /fhir/Patient%5c1", "", "strict"},
		{"/fhir", "GET /fhir//Patient/1", "", "strict"},
		{"/fhir", "GET //fhir/Patient/1", "", "strict"},
		{"/fhir", "GET /fhir/./Patient/1", "", "strict"},
		{"/fhir", "GET /fhir/%2e/Patient/1", "", "strict"},
		{"/fhir", "GET /fhir/Observation/../Patient/1", "", "strict"},
		{"/fhir", "GET /x/../fhir/Patient/1", "", "strict"},
		{"/fhir", "GET /fhir/Patient;v=1/1", "", "strict"},
		{"/fhir", "GET /fhir;v=1/Patient/1", "", "strict"},
		{"/fhir", "GET /fhir/Observation/..;/Patient/1", "", "strict"},
		{"/fhir", "GET /fhir/Observation/1;v=1", "", "spool"},
		{"/fhir", "GET /fhir/Observation/%2e%2e/Encounter/1", "", "spool"},
		{"/fhir", "GET /fhir/metadata;x", "", "spool"},
		{"/fhir", "GET /fhir/metadata%00", "", "spool"},
		{"/fhir", "GET /fhir/metadata/..", "", "spool"},
		{"/fhir", "GET /fhirmetadata", "", "spool"},
		{"/fhir", "GET /fhir/METADATA", "", "spool"},
		// Another method.
		{"/fhir", "POST /fhir/Encounter/1", "X-HTTP-Method-Override: DELETE", "strict"},
		{"/fhir", "POST /fhir/Encounter/1", "X_HTTP_Method: delete", "strict"},
		{"/fhir", "POST /fhir/Encounter/1?_method=DELETE", "", "strict"},
		{"/fhir", "POST /fhir/Encounter/1?x=1;%5Fmethod=delete", "", "strict"},
		{"/fhir", "POST /fhir/Encounter/1?X-HTTP-Method-Override=DELETE", "", "strict"},
		{"/fhir", "POST /fhir/Encounter/1?method=DELETE", "", "spool"}, // a search parameter
		{"/fhir", "GET /fhir/metadata", "X-Method-Override: DELETE", "strict"},
		{"/fhir", "GET /fhir/metadata?_METHOD=PUT", "", "spool"},
		// More than a request.
		{"/fhir", "GET /fhir/metadata", "Upgrade: websocket", "spool"},
		{"/fhir", "GET /fhir/metadata", "Upgrade: h2c", "none"}, // is not passed on
		{"/fhir", "GET /fhir/metadata", "body: x", "spool"},
		// No base: what comes before the first part that FHIR knows is looked at, too.
		{"", "GET /metadata", "", "none"},
		{"", "GET /any/metadata", "", "none"},
		{"", "GET /%50atient/metadata", "", "strict"},
		{"", "GET /Patient;x/metadata", "", "strict"},
		{"", "GET /", "", "spool"},
		{"", "GET /%50atient/1", "", "strict"},
	} {
		t.Run(c.base+" "+c.request+" "+c.header, func(t *testing.T) {
			s := &asked{}
			g, err := gateway.New(gateway.Config{Spool: s, Base: c.base, Policies: policies})
			if err != nil {
				t.Fatal(err)
			}
			method, target, _ := strings.Cut(c.request, " ")
			r := httptest.NewRequest(method, "/", nil)
			if r.URL, err = url.ParseRequestURI(target); err != nil {
				t.Fatal(err)
			}
			switch name, v, _ := strings.Cut(c.header, ": "); name {
			case "":
			case "body":
				r = httptest.NewRequest(method, target, strings.NewReader(v))
			default:
				r.Header[name] = []string{v}
				if name == "Upgrade" || strings.HasPrefix(name, "X-") {
					r.Header = http.Header{http.CanonicalHeaderKey(name): {v}}
				}
			}
			s.done = nil
			g.Wrap(http.NotFoundHandler()).ServeHTTP(httptest.NewRecorder(), r)
			got := map[string]string{
				"": "none", "begin end": "spool", "begin end sync": "strict", "begin sync end sync": "strict",
			}[strings.Join(s.done, " ")]
			if s.never && got == "spool" {
				got = "besteffort"
			}
			if got != c.want {
				t.Errorf("recorded as %s (%v), want %s", got, s.done, c.want)
			}
		})
	}
}
