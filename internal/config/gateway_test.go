package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestGateways reads gateways from YAML and says what is wrong with others.
func TestGateways(t *testing.T) {
	for text, want := range map[string]string{
		`[{listen: ":8090", upstream: "http://fhir:8080/fhir", spool-size: 2GiB, policies: [{route: /metadata, level: none}]}]`: "",
		`[{name: a, listen: ":1", upstreams: [{url: "https://a/fhir", tls: {ca: x}}, {url: "http://b/fhir", host: b.test}]}]`:   "",
		`[{name: a, listen: ":1", upstream: "http://a"}, {name: a, listen: ":2", upstream: "http://a"}]`:                        "same name",
		`[{name: a, listen: ":1", upstream: "http://a"}, {name: b, listen: ":1", upstream: "http://a"}]`:                        "same name or address",
		`[{listen: ":1", upstreams: [{url: "http://a/fhir"}, {url: "http://b/fhir/"}]}]`:                                        "same host and path",
		`[{listen: ":1", upstream: "http://user:secret@a/fhir"}]`:                                                               "without a password",
		`[{listen: ":1", upstream: "fhir:8080"}]`:                                                                               "want an upstream such as",
		`[{listen: ":1", upstream: "http://a", tls: {cert: x}}]`:                                                                "go together",
		`[{listen: ":1", upstream: "http://a", tls: {client-ca: x}}]`:                                                           "need tls.cert",
		`[{listen: ":1", upstreams: [{url: "https://a", tls: {key: x}}]}]`:                                                      "go together",
		`[{listen: ":1", upstream: "http://a", trusted-proxies: [nowhere]}]`:                                                    "want addresses",
		`[{listen: ":1", upstream: "http://a", spool-size: much}]`:                                                              "size",
		`[{name: "A b", listen: ":1", upstream: "http://a"}]`:                                                                   "want a name",
		`[{listen: ":1", upstream: "http://a", polices: []}]`:                                                                   "polices",
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, FileYAML), []byte("gateways: "+text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := Load(nil, nil, dir)
		if want == "" {
			if err != nil || len(c.Gateways) == 0 || len(c.Gateways[0].Upstreams) == 0 || c.Gateways[0].Complete() != nil {
				t.Errorf("%s: %+v, %v", text, c, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret@") {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}
