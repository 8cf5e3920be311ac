package vigil_test

import (
	"encoding/json"
	"errors"
	"io"
	"maps"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "vigil"

// architecture holds, for each package, the packages of this module that it may
// import. A package that is not listed fails the test, so that a new one is a
// decision which somebody wrote down here; ARCHITECTURE.md says why.
var architecture = map[string]string{
	".":                                "",
	"gateway":                          ".",
	"internal/jsonb":                   "",
	"internal/query":                   "internal/jsonb",
	"internal/durable":                 "",
	"internal/journal":                 "internal/durable",
	"internal/ledger":                  "internal/durable",
	"internal/format":                  ". internal/jsonb internal/format/logserver internal/format/aidbox internal/format/fhir",
	"internal/format/logserver":        ". internal/jsonb",
	"internal/format/aidbox":           ". internal/jsonb",
	"internal/format/fhir":             "",
	"internal/format/convert":          ". internal/format internal/format/fhir internal/format/aidbox internal/format/logserver internal/jsonb",
	"internal/format/fhir/balp":        ". internal/format/fhir",
	"internal/format/fhir/gen":         "",
	"internal/format/template":         "internal/jsonb",
	"internal/format/oracle":           ". internal/jsonb",
	"internal/store":                   ". internal/query internal/ledger internal/jsonb",
	"internal/store/storetest":         ". internal/query internal/ledger internal/store internal/jsonb",
	"internal/store/segfile":           "internal/durable",
	"internal/store/segment":           ". internal/query internal/ledger internal/journal internal/store internal/store/segfile internal/jsonb internal/durable",
	"internal/store/postgres":          ". internal/query internal/ledger internal/store internal/jsonb",
	"internal/store/postgres/relation": ". internal/query",
	"internal/spool":                   ". internal/journal internal/durable",
	"internal/sink":                    ". internal/jsonb internal/store internal/durable",
	"internal/sink/rolling":            ". internal/sink internal/durable",
	"internal/sink/remote":             ". internal/jsonb internal/sink",
	"internal/forward":                 ".",
	"internal/web":                     ".",
	"internal/auth":                    ". internal/web",
	"internal/postgrest/grammar":       "internal/query",
	"internal/postgrest":               ". internal/query internal/jsonb internal/store internal/web internal/auth internal/postgrest/grammar internal/store/postgres/relation",
	"internal/fhirapi/search":          ". internal/query internal/jsonb internal/format/fhir internal/format/convert internal/store",
	"internal/logapi":                  ". internal/query internal/store internal/ledger",
	"internal/ingest":                  ". internal/jsonb internal/store internal/web internal/auth",
	"internal/fhirapi":                 ". internal/jsonb internal/query internal/ledger internal/store internal/web internal/auth internal/format/fhir internal/fhirapi/search",
	"internal/firely":                  ". internal/format/template internal/jsonb",
	"internal/hdr":                     "",
	"internal/format/clef":             "internal/format/template",
	"internal/transfer":                ". internal/query internal/jsonb internal/store internal/durable",
	"internal/config":                  ".",
	"internal/telemetry":               "",
	"internal/freeport":                "",
	"internal/pgtest":                  "internal/freeport",
	"internal/bench":                   "internal/pgtest internal/freeport",
	"internal/server":                  ". internal/query internal/store internal/ledger internal/web internal/auth internal/logapi internal/postgrest internal/telemetry internal/jsonb",
	"cmd/vigil":                        "*",
}

// confined names third-party modules that only these packages may know.
var confined = map[string]string{
	"golang.org/x/mod":       "internal/ledger",
	"github.com/parquet-go":  "internal/transfer",
	"github.com/jackc/pgx":   "internal/store/postgres internal/store/postgres/relation internal/pgtest",
	"github.com/alecthomas":  "cmd/vigil",
	"go.yaml.in/yaml":        "internal/config internal/hdr internal/ingest",
	"github.com/go-jose":     "internal/auth",
	"github.com/golang-jwt/": "internal/auth",
}

type pkg struct {
	ImportPath, Doc string
	Imports         []string
}

func TestArchitecture(t *testing.T) {
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports,Doc", "./...").Output()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		seen[rel(p.ImportPath)] = true
		checkPackage(t, p)
	}
	for _, name := range slices.Sorted(maps.Keys(architecture)) {
		if !seen[name] {
			t.Errorf("%s: in the architecture, but there is no such package", name)
		}
	}
}

func checkPackage(t *testing.T, p pkg) {
	t.Helper()
	name := rel(p.ImportPath)
	allowed, ok := architecture[name]
	if !ok {
		t.Errorf("%s: not in the architecture: add it there, and to ARCHITECTURE.md", name)
	}
	if p.Doc == "" {
		t.Errorf("%s: no package comment", name)
	}
	for _, imp := range p.Imports {
		if ours := imp == module || strings.HasPrefix(imp, module+"/"); ours {
			if allowed != "*" && !slices.Contains(strings.Fields(allowed), rel(imp)) {
				t.Errorf("%s must not import %s", name, rel(imp))
			}
			continue
		}
		for mod, owner := range confined {
			if strings.HasPrefix(imp, mod) && !slices.Contains(strings.Fields(owner), name) {
				t.Errorf("%s must not import %s: only %s knows it", name, imp, owner)
			}
		}
	}
}

func rel(path string) string {
	if path == module {
		return "."
	}
	return strings.TrimPrefix(path, module+"/")
}
