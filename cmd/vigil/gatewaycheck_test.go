package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestGatewayMistakes starts gateways with settings that can only be mistakes: that
// is code 2 with the name of the setting and what to do, before anything is made,
// and vigil config says the same.
func TestGatewayMistakes(t *testing.T) {
	short := filepath.Join(t.TempDir(), "short")
	if err := os.WriteFile(short, []byte("abc\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ gateway, want string }{
		"no key file":    {`pseudonym-key: /nowhere/key`, "gateway front: pseudonym-key: open /nowhere/key: no such file or directory; openssl rand -base64 32"},
		"directory":      {`pseudonym-key: ` + t.TempDir(), "is a directory; the user that vigil runs as"},
		"short key":      {`pseudonym-key: ` + short, "at least 16 bytes"},
		"no key":         {`policies: [{pseudonymize: ["query:identifier"]}]`, "gateway front: policy 1: a policy asks for pseudonyms, and there is no key"},
		"unknown method": {`policies: [{level: none}, {methods: [GET, GETT], level: none}]`, `gateway front: policy 2: method "GETT": want GET, HEAD, POST, PUT, PATCH, DELETE`},
		"unknown level":  {`policies: [{level: everything}]`, `gateway front: policy 1: level "everything": want none, metadata`},
		"level of all":   {`level: full`, `gateway front: level "full": want none, metadata`},
		"durability":     {`policies: [{durability: sure}]`, `gateway front: policy 1: durability "sure": want strict, spool or besteffort`},
		"route":          {`policies: [{route: "/Patient?x=y", level: none}]`, "gateway front: policy 1: a pattern is made of"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			file := filepath.Join(dir, "vigil.yaml")
			text := "gateways:\n  - {name: front, listen: \"127.0.0.1:0\", upstream: \"http://127.0.0.1:1/fhir\", " + c.gateway + "}\n"
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			store := filepath.Join(dir, "store")
			for _, words := range []string{"config", "serve --listen 127.0.0.1:0 --admin off", "gateway --api 127.0.0.1:0 --admin off"} {
				args := append(strings.Fields(words), "--config", file, "--store", "dir:"+store)
				code, out := command(t, args...)
				if code != 2 || !strings.Contains(out, c.want) {
					t.Errorf("%s: code %d: %s, want 2 and %q", args[0], code, out, c.want)
				}
			}
			if _, err := os.Stat(store); err == nil {
				t.Error("there is a store")
			}
		})
	}
	if code, out := command(t, "hmac", "--key-file", "/nowhere/key", "value"); code != 2 || !strings.Contains(out, "--key-file: open /nowhere/key: no such file") {
		t.Errorf("hmac: code %d: %s", code, out)
	}
}
