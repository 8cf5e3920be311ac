package config

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/config.md again")

// TestDocs expects docs/config.md to say what the tables say.
func TestDocs(t *testing.T) {
	const file = "../../docs/config.md"
	want := page()
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Error("docs/config.md is not fresh: go test ./internal/config -run Docs -update")
	}
}

const intro = `# Settings

<!-- Written by go test ./internal/config -run Docs -update. Do not edit. -->

A setting is given by a flag, an environment variable, a line of ` + "`.env`" + ` or a
line of ` + "`vigil.yaml`" + `; of several the first of these counts. Both files are looked
for in the working directory; ` + "`--config FILE`" + ` or ` + "`VIGIL_CONFIG`" + ` names another YAML
file. ` + "`vigil config`" + ` prints every setting, its value and where that came from.

` + "`tls.cert`" + ` in the tables is ` + "`--tls-cert`" + `, ` + "`VIGIL_TLS_CERT`" + `, and in YAML ` + "`cert`" + ` under
` + "`tls`" + `. An empty variable counts as not set. Lists are separated by commas, or YAML
lists. A size is a number with KiB, MiB or GiB (or kB, MB, GB); a duration is such
as 10s or 2m. What is marked *secret* may also be read from a file: append ` + "`_FILE`" + `
to the variable's name.

A key that Vigil does not know is an error where it begins with ` + "`VIGIL_`" + ` or ` + "`PGRST_`" + `
and in the YAML file; anything else in ` + "`.env`" + ` is left alone. In ` + "`.env`" + `, ` + "`KEY: value`" + ` is
taken like ` + "`KEY=value`" + `, and quotes around a value are taken off, with a warning.
`

// page returns the text of docs/config.md.
func page() string {
	var b strings.Builder
	b.WriteString(intro)
	for _, s := range settings() {
		if s.section != "" {
			fmt.Fprintf(&b, "\n## %s\n\n| setting | variable | value | default | meaning |\n|---|---|---|---|---|\n", s.section)
		}
		def, doc := "", s.doc
		if s.def != "" {
			def = "`" + s.def + "`"
		}
		if s.secret {
			doc = "*Secret.* " + doc
		}
		fmt.Fprintf(&b, "| `%s` | `%s` | %s | %s | %s |\n", s.name, s.env(), s.kind.name, def, doc)
	}
	b.WriteString("\n## Names of PostgREST and logserver\n\nThey count in the environment and in `.env`. Within one of these, Vigil's own name wins.\n\n| variable | setting |\n|---|---|\n")
	var ignored []string
	for _, a := range aliases() {
		switch a.setting {
		case "":
			ignored = append(ignored, "`"+a.env+"`")
		case postgresURI:
			fmt.Fprintf(&b, "| `%s` | shown by `vigil config`; it does not choose the store |\n", a.env)
		default:
			fmt.Fprintf(&b, "| `%s` | `%s`%s |\n", a.env, a.setting, aliasNotes[a.env])
		}
	}
	fmt.Fprintf(&b, "\nThese are accepted, mean nothing to Vigil, and are named in a warning: %s, and `PGRST_APP_SETTINGS_*`.\n", strings.Join(ignored, ", "))
	b.WriteString("\n## Names of Aidbox\n\nThe settings of Aidbox's log appenders, old names and new ones, make sinks (docs/sinks.md).\n\n| variable | sets |\n|---|---|\n")
	for _, a := range aidboxAliases() {
		fmt.Fprintf(&b, "| `%s` | `%s` |\n", a.env, a.setting)
	}
	return b.String()
}

var aliasNotes = map[string]string{
	"EXTERNAL_PORT":           ", its port",
	"PGRST_SERVER_HOST":       ", its address; `*`, `!4` and the like are taken",
	"PGRST_SERVER_PORT":       ", its port",
	"PGRST_ADMIN_SERVER_PORT": ", its port",
	"PGRST_JWT_SECRET":        "; `@file` names a file with it; a JWK or a JWK set is `jwt.keys`",
	"PGRST_JWT_AUD":           ", one text",
}
