package fhir

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

const (
	oracleSource = "testdata/oracle"
	oracleCache  = "../../../.tools/fhir-oracle"
)

// oracle returns the folder of HAPI's validator, built under .tools if it is not
// yet, and skips the test where that cannot be.
func oracle(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("HAPI's validator takes half a minute: not with -short")
	}
	if _, err := exec.LookPath("javac"); err != nil {
		t.Skip("HAPI's validator needs a JDK, 17 or later: install it to run this test")
	}
	dir, err := filepath.Abs(oracleCache)
	if err != nil {
		t.Fatal(err)
	}
	if !present(dir + "/lib") {
		if _, err := exec.LookPath("mvn"); err != nil {
			t.Skip("HAPI's validator comes with Maven: install it to run this test")
		}
	}
	source := read(t, oracleSource+"/Oracle.java")
	if built, err := os.ReadFile(dir + "/Oracle.java"); err == nil && bytes.Equal(built, source) && present(dir+"/classes/Oracle.class") {
		return dir
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{"Oracle.java": source, "pom.xml": read(t, oracleSource+"/pom.xml")} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	build := exec.Command("sh", "-c", "{ test -d lib || mvn -q -B dependency:copy-dependencies -DoutputDirectory=lib -DincludeScope=runtime; } && javac -cp 'lib/*' -d classes Oracle.java")
	build.Dir = dir
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build HAPI's validator: %v\n%s", err, out)
	}
	return dir
}

// question is a document for the oracle, and what we think of it.
type question struct {
	name   string
	doc    []byte
	failed bool
	issues []Issue
}

// An interview is what the oracle is asked about one version.
type interview struct {
	version   Version
	profiles  string // folder of BALP's definitions, "" where it is not here
	questions []question
}

// ask adds a document, which says the same as n.
func (i *interview) ask(name string, doc []byte, n *Node) {
	policy := Refuse
	if i.profiles == "" {
		policy = Ignore
	}
	issues := Validate(n, Options{Version: i.version, Profiles: policy})
	i.questions = append(i.questions, question{strings.ReplaceAll(name, " ", "_"), doc, Failed(issues), issues})
}

// notHeld are complaints of the oracle's own: it holds no other version's
// definitions, and for R5 an edition of the code system that lacks a code.
var notHeld = regexp.MustCompile(`Extension url 'http://hl7.org/fhir/[345]\.0/StructureDefinition/extension-AuditEvent\.\S+' is not valid \(invalid Version` +
	`|Unknown code 'http://terminology.hl7.org/CodeSystem/object-role#26'`)

// verdicts runs the oracle and returns its errors by document.
func (i *interview) verdicts(t *testing.T, dir string) map[string][]string {
	docs := t.TempDir()
	for _, q := range i.questions {
		if err := os.WriteFile(filepath.Join(docs, q.name), q.doc, 0o600); err != nil {
			t.Error(err)
			return nil
		}
	}
	args := []string{"-Xmx3g", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", dir + "/classes:" + dir + "/lib/*", "Oracle", i.version.String(), docs}
	if i.profiles != "" {
		args = append(args, i.profiles)
	}
	var stderr bytes.Buffer
	cmd := exec.Command("java", args...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Errorf("run HAPI's validator: %v\n%.2000s", err, &stderr)
		return nil
	}
	answers := map[string][]string{}
	name := ""
	for line := range strings.Lines(string(out)) {
		line = strings.TrimRight(line, "\n")
		if complaint, ok := strings.CutPrefix(line, "\t"); !ok {
			name = line
			answers[name] = nil
		} else if !notHeld.MatchString(complaint) {
			answers[name] = append(answers[name], complaint)
		}
	}
	return answers
}

// known takes out the claims of profiles that the oracle does not know.
func (i *interview) known(n *Node) *Node {
	meta := n.Child("meta")
	for _, p := range meta.All("profile") {
		if !strings.HasPrefix(p.Text(), balpBase) || i.profiles == "" {
			meta.Remove("profile")
			break
		}
	}
	if meta != nil && len(meta.Children) == 0 {
		n.Remove("meta")
	}
	return n
}

// otherwise are edits that HAPI 8.4 judges in another way, and why.
var otherwise = map[string]string{
	"period_within_a_month":      "R4's comparison of a day with a month is empty, which HAPI takes for false; R5 says what is meant",
	"reference_that_is_none":     "a warning with us: the record is worth more than the reference",
	"unknown_profile":            "information with us: it says that it was not checked",
	"unknown_profile_of_BALP":    "a warning with us",
	"base64_with_padding_inside": "HAPI takes it",
	"reference_to_another_type":  "a warning with us, and with HAPI only under BALP: Aidbox refers to types of its own",
	"object_with_an_id":          "HAPI counts the id, which the constraint does not",
	"text_after_the_narrative":   "HAPI reads no further than the narrative's end",
}

// TestOracle compares our verdicts with HAPI's: of the examples, of what we print
// as XML and convert, and of everything in the tables of edits.
func TestOracle(t *testing.T) {
	dir := oracle(t)
	r4, r5 := &interview{version: R4}, &interview{version: R5}
	if balp, err := filepath.Abs(shared + "balp-1.1.4"); err == nil && present(balp) {
		r4.profiles = balp
	}
	r4.askExamples(t, r5)
	for _, e := range edits {
		doc := tree(t, read(t, "testdata/examples/auditevent-r4-own/balp-read.json"))
		for _, change := range e.edits {
			doc = set(t, doc, strings.Split(change.path, "."), change.value)
		}
		text, _ := json.Marshal(doc)
		n := parse(t, text, R4)
		if r4.profiles == "" {
			text = AppendJSON(nil, r4.known(n))
		}
		r4.ask(e.name, text, n)
	}
	r4.askBuilt(t, r5)
	for name, e := range editsR5 {
		n := r5.known(parse(t, editedR5(t, e.edits), R5))
		r5.ask("R5 "+name, AppendJSON(nil, n), n)
	}
	for _, i := range []*interview{r4, r5} {
		n, err := Convert(parse(t, read(t, "testdata/r3.json"), R4), R3, i.version)
		if err != nil {
			t.Fatal(err)
		}
		i.ask("r3", AppendJSON(nil, n), n)
	}
	var wg sync.WaitGroup
	for _, i := range []*interview{r4, r5} {
		wg.Go(func() {
			answers := i.verdicts(t, dir)
			for _, q := range i.questions {
				errs, asked := answers[q.name]
				if !asked {
					t.Errorf("%v %s: the oracle said nothing", i.version, q.name)
				}
				if _, ok := otherwise[q.name]; asked && !ok && q.failed != (len(errs) > 0) {
					t.Errorf("%v %s: we find %v, HAPI %q", i.version, q.name, q.issues, errs)
				}
			}
		})
	}
	wg.Wait()
}

// askExamples asks about the examples: as XML of their own version, and converted
// to the other one; and about broken ones and those made from DICOM as they are.
func (i *interview) askExamples(t *testing.T, r5 *interview) {
	for at, path := range examples(t, "examples/auditevent-r[45]*/*.json") {
		if guides := strings.Contains(path, "-ig") || strings.Contains(path, "-converted"); guides && at%5 != 0 {
			continue // they are alike, and this test has a minute
		}
		name := filepath.Base(filepath.Dir(path)) + "." + filepath.Base(path)
		here, there := i, r5
		if version(path) == R5 {
			here, there = r5, i
		}
		text := read(t, path)
		n := here.known(parse(t, text, here.version))
		if strings.Contains(path, "broken") {
			here.ask(name, text, n)
			continue
		}
		here.ask(name, AppendXML(nil, n, here.version), n)
		other, err := Convert(n, here.version, there.version)
		if err != nil {
			t.Fatal(err)
		}
		there.ask(name, AppendJSON(nil, other), other)
	}
	for _, path := range packOnly(t, "examples/dicom-xml-generated/*.json") {
		n := parse(t, read(t, path), R4)
		i.ask(filepath.Base(path), AppendJSON(nil, n), n)
	}
}

// askBuilt asks about the AuditEvents that package balp makes: the wanted ones of
// its tests, which are all sections but the first.
func (i *interview) askBuilt(t *testing.T, r5 *interview) {
	files, err := filepath.Glob("balp/testdata/*/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no events of package balp: %v", err)
	}
	for _, file := range files {
		a, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range a.Files[1:] {
			dec := json.NewDecoder(bytes.NewReader(f.Data))
			for at := 0; dec.More(); at++ {
				var doc json.RawMessage
				if err := dec.Decode(&doc); err != nil {
					t.Fatalf("%s: %s: %v", file, f.Name, err)
				}
				ask := i
				if strings.HasSuffix(f.Name, "r5.json") {
					ask = r5
				}
				n := parse(t, doc, ask.version)
				if i.profiles == "" {
					doc = AppendJSON(nil, ask.known(n))
				}
				ask.ask(fmt.Sprintf("balp.%s.%s.%d", filepath.Base(file), f.Name, at), doc, n)
			}
		}
	}
}
