package gateway_test

import (
	"slices"
	"strings"
	"testing"

	"vigil/gateway"
)

// TestDoubts takes policies that can hardly be meant, and those that are fine.
func TestDoubts(t *testing.T) {
	for name, c := range map[string]struct {
		policies []gateway.Policy
		want     []string // the beginnings of the doubts, after the policy's number
	}{
		"fine": {[]gateway.Policy{
			{Route: "/metadata", Methods: []string{"GET"}, Level: gateway.None},
			{Route: "Patient/**", Mode: mode(gateway.Strict)},
			{Route: "/Patient/*/_history", Level: gateway.Request},
			{Route: "/Patient/*/Observation", Level: gateway.Request},
			{Route: "/_history", Level: gateway.Request},
			{Route: "**/$export", Level: gateway.Request},
			{Route: "/Patient/*/$our-own", Level: gateway.Request},
			{Route: "/.well-known/*", Level: gateway.None},
			{Route: "/actuator/health", Level: gateway.None},
			{Route: "/", Level: gateway.Request},
			{Redact: []string{"body:Patient.name"}},
		}, nil},
		"base":               {[]gateway.Policy{{Route: "/fhir/Patient/**", Level: gateway.None}}, []string{"1 (every method /fhir/Patient/**): routes are below the base of the server: write /Patient/**,"}},
		"base of two parts":  {[]gateway.Policy{{Route: "/t1/r4/metadata", Level: gateway.None}}, []string{"1 (every method /t1/r4/metadata): routes are below the base of the server: write /metadata,"}},
		"type in small":      {[]gateway.Policy{{Route: "/patient/**", Level: gateway.Request}}, []string{"1 (every method /patient/**): FHIR has no resource type patient: Patient is meant?"}},
		"plural":             {[]gateway.Policy{{Route: "/Patients/**", Level: gateway.Request}}, []string{"1 (every method /Patients/**): FHIR has no resource type Patients: Patient is meant?"}},
		"type of nobody":     {[]gateway.Policy{{Route: "/Quux/*", Level: gateway.Request}}, []string{"1 (every method /Quux/*): FHIR has no resource type Quux"}},
		"compartment":        {[]gateway.Policy{{Route: "/Patient/*/Observations", Level: gateway.Request}}, []string{"1 (every method /Patient/*/Observations): FHIR has no resource type Observations: Observation"}},
		"slash at the end":   {[]gateway.Policy{{Route: "/Patient/", Level: gateway.Request}}, []string{"1 (every method /Patient/): it is for paths with a slash"}},
		"escaped":            {[]gateway.Policy{{Route: "/%24export", Level: gateway.None}}, []string{"1 (every method /%24export): requests with such a path are never left out"}},
		"nothing":            {[]gateway.Policy{{Route: "/Patient/*"}}, []string{"1 (every method /Patient/*): it says nothing"}},
		"the same twice":     {[]gateway.Policy{{Route: "/metadata", Level: gateway.None}, {Route: "/metadata", Level: gateway.Request}}, []string{"1 (every method /metadata): it changes nothing, since policy 2 (every method /metadata)"}},
		"order turned round": {[]gateway.Policy{{Route: "/Patient/*", Methods: []string{"get"}, Mode: mode(gateway.Strict)}, {Route: "/Patient/**", Mode: mode(gateway.Spooled)}}, []string{"1 ([GET] /Patient/*): it changes nothing, since policy 2"}},
		"all after":          {[]gateway.Policy{{Route: "**/$export", Level: gateway.Request}, {Level: gateway.Metadata}}, []string{"1 (every method **/$export): it changes nothing, since policy 2 (every method)"}},
		"two together": {[]gateway.Policy{
			{Route: "/A*", Level: gateway.Request, Mode: mode(gateway.Strict)}, {Level: gateway.Metadata}, {Route: "**", Mode: mode(gateway.Spooled)},
		}, []string{"1 (every method /A*): it changes nothing, since policy 3"}},
		"only a part":        {[]gateway.Policy{{Route: "/Patient/**", Level: gateway.Request}, {Route: "/Patient/*", Level: gateway.Metadata}}, nil},
		"other methods":      {[]gateway.Policy{{Route: "/metadata", Level: gateway.Request}, {Route: "/metadata", Methods: []string{"GET"}, Level: gateway.None}}, nil},
		"says another thing": {[]gateway.Policy{{Route: "/metadata", Level: gateway.Request}, {Mode: mode(gateway.Spooled)}}, nil},
		"none leaves some":   {[]gateway.Policy{{Route: "/metadata", Level: gateway.Request}, {Level: gateway.None}}, nil},
		"fields add up":      {[]gateway.Policy{{Level: gateway.Request, Redact: []string{"query:a"}}, {Level: gateway.Metadata}}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			got := gateway.Doubts(c.policies, "", "/fhir", "/t1/r4")
			if !slices.EqualFunc(got, c.want, func(got, want string) bool { return strings.HasPrefix(got, "policy "+want) }) {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}
