package convert_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"vigil"
	"vigil/internal/format/convert"
	"vigil/internal/format/fhir"
)

const (
	oracleSource = "../fhir/testdata/oracle"
	oracleCache  = "../../../.tools/fhir-oracle"
)

// oracle returns the folder of HAPI's validator, which package fhir's tests share,
// built if it is not yet. It skips the test where that cannot be.
func oracle(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("HAPI's validator takes half a minute: not with -short")
	}
	for _, tool := range []string{"javac", "mvn"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip("HAPI's validator needs a JDK, 17 or later, and Maven: install them to run this test")
		}
	}
	dir, err := filepath.Abs(oracleCache)
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile(oracleSource + "/Oracle.java")
	if err != nil {
		t.Fatal(err)
	}
	if built, err := os.ReadFile(dir + "/Oracle.java"); err == nil && bytes.Equal(built, source) {
		if _, err := os.Stat(dir + "/classes/Oracle.class"); err == nil {
			return dir
		}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	build := exec.Command("sh", "-c", `cp "$1/Oracle.java" "$1/pom.xml" . && { test -d lib || mvn -q -B dependency:copy-dependencies -DoutputDirectory=lib -DincludeScope=runtime; } && javac -cp 'lib/*' -d classes Oracle.java`, "sh", mustAbs(t, oracleSource))
	build.Dir = dir
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build HAPI's validator: %v\n%s", err, out)
	}
	return dir
}

func mustAbs(t *testing.T, path string) string {
	t.Helper()
	abs, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return abs
}

// notHeld are complaints of the oracle's own: it has no definitions of other
// versions, nor profiles of others, and what its copy of a code system lacks.
var notHeld = regexp.MustCompile(`Extension url 'http://hl7.org/fhir/[345]\.0/StructureDefinition/extension-AuditEvent\.\S+' is not valid \(invalid Version` +
	`|Unknown code 'http://terminology.hl7.org/CodeSystem/object-role#26'|Profile reference '\S+' has not been checked`)

// TestOracle asks HAPI about every conversion, and of AuditEvents that were stored
// as they are about those that are not examples of others.
func TestOracle(t *testing.T) {
	dir := oracle(t)
	c := convert.New(convert.Config{BaseURL: "https://vigil.example.org"})
	all := examples(t)
	for seed := range 60 {
		vocabulary := vigil.Vocabulary(seed) % vigil.NumVocabularies
		doc := rapid.Custom(func(t *rapid.T) []byte { return drawer{t}.document(vocabulary) }).Example(seed)
		all = append(all, example{fmt.Sprintf("%v, drawn from %d", vocabulary, seed), event(formats[vocabulary], doc)})
	}
	var wg sync.WaitGroup
	for _, v := range []fhir.Version{fhir.R4, fhir.R5} {
		docs, of := t.TempDir(), map[string]example{}
		for i, x := range all {
			if (x.event.Format == vigil.FormatFHIRR4 || x.event.Format == vigil.FormatFHIRR5) && !strings.Contains(x.name, "broken") && strings.Contains(x.name, "auditevent-") {
				continue // package fhir's tests ask about those
			}
			n, err := c.AuditEvent(x.event, v)
			if err != nil {
				t.Fatal(err)
			}
			if meta := n.Child("meta"); meta != nil {
				meta.Remove("profile")
			}
			name := fmt.Sprintf("%03d", i)
			of[name] = x
			if err := os.WriteFile(filepath.Join(docs, name), fhir.AppendJSON(nil, n), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		wg.Go(func() { ask(t, dir, v, docs, of) })
	}
	wg.Wait()
}

func ask(t *testing.T, dir string, v fhir.Version, docs string, of map[string]example) {
	var stderr bytes.Buffer
	cmd := exec.Command("java", "-Xmx3g", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", dir+"/classes:"+dir+"/lib/*", "Oracle", v.String(), docs)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Errorf("run HAPI's validator: %v\n%.2000s", err, &stderr)
		return
	}
	answered, name := 0, ""
	for line := range strings.Lines(string(out)) {
		line = strings.TrimRight(line, "\n")
		complaint, ok := strings.CutPrefix(line, "\t")
		if !ok {
			name = line
			answered++
			continue
		}
		if !notHeld.MatchString(complaint) {
			text, _ := os.ReadFile(filepath.Join(docs, name))
			t.Errorf("%s as %v: HAPI: %s\n%s", of[name].name, v, complaint, text)
		}
	}
	if answered != len(of) || answered < 20 {
		t.Errorf("%v: HAPI answered about %d of %d", v, answered, len(of))
	}
}
