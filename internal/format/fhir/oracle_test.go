package fhir

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
)

const (
	oracleSource = "../../../../shared/tools/fhir-validator"
	oracleCache  = "../../../.tools/fhir-validator"
)

// oracle returns the folder of HAPI's validator, built under .tools if it is not
// yet, and skips the test where that cannot be.
func oracle(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("HAPI's validator takes half a minute: not with -short")
	}
	if _, err := exec.LookPath("java"); err != nil {
		t.Skip("HAPI's validator needs Java 17 or later: install it to run this test")
	}
	dir, err := filepath.Abs(oracleCache)
	if err != nil {
		t.Fatal(err)
	}
	if present(dir + "/classes/Oracle.class") {
		return dir
	}
	if _, err := exec.LookPath("mvn"); err != nil || !present(oracleSource+"/pom.xml") {
		t.Skip("HAPI's validator is not built, and Maven or its source in ../shared/tools is not here")
	}
	if err := os.CopyFS(dir, os.DirFS(oracleSource)); err != nil && !errors.Is(err, os.ErrExist) {
		t.Fatal(err)
	}
	build := exec.Command("sh", "-c", "mvn -q -B dependency:copy-dependencies -DoutputDirectory=lib -DincludeScope=runtime && javac -cp 'lib/*' -d classes src/Oracle.java")
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

func ask(name string, doc []byte, n *Node, v Version) question {
	issues := Validate(n, Options{Version: v, Profiles: Refuse})
	return question{name, doc, Failed(issues), issues}
}

var (
	verdictLine = regexp.MustCompile(`^(?:OK  |FAIL) (\S+) \(\d+ ms\)$`)
	// The oracle holds no other version's definitions, and for R5 an edition of
	// the code system that lacks a code.
	notHeld = regexp.MustCompile(`Extension url 'http://hl7.org/fhir/[345]\.0/StructureDefinition/extension-AuditEvent\.\S+' is not valid \(invalid Version` +
		`|Unknown code 'http://terminology.hl7.org/CodeSystem/object-role#26'`)
)

// verdicts runs the oracle and returns its errors by document.
func verdicts(t *testing.T, dir string, v Version, qs []question) map[string][]string {
	t.Helper()
	docs := t.TempDir()
	for _, q := range qs {
		ext := ".json"
		if strings.HasPrefix(string(q.doc), "<") {
			ext = ".xml"
		}
		if err := os.WriteFile(filepath.Join(docs, q.name+ext), q.doc, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("java", "-Xmx3g", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Doracle.home="+dir,
		"-cp", dir+"/classes:"+dir+"/lib/*", "Oracle", "-"+strings.ToLower(v.String()), docs)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 1) {
		t.Errorf("run HAPI's validator: %v\n%.2000s", err, out)
		return nil
	}
	answers := map[string][]string{}
	name := ""
	for line := range strings.Lines(string(out)) {
		line = strings.TrimSpace(line)
		if m := verdictLine.FindStringSubmatch(line); m != nil {
			name = strings.TrimSuffix(filepath.Base(m[1]), filepath.Ext(m[1]))
			answers[name] = nil
		} else if (strings.HasPrefix(line, "ERROR ") || strings.HasPrefix(line, "FATAL ")) && !notHeld.MatchString(line) {
			answers[name] = append(answers[name], line)
		}
	}
	return answers
}

// withoutProfiles takes out the profiles that the oracle would have to know.
func withoutProfiles(n *Node) *Node {
	meta := n.Child("meta")
	if meta == nil {
		return n
	}
	for _, p := range meta.Remove("profile") {
		if strings.HasPrefix(p.Text(), balpBase) {
			meta.Add(p)
		}
	}
	if len(meta.Children) == 0 {
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
	"object_with_an_id":          "HAPI counts the id, which the constraint does not",
	"text_after_the_narrative":   "HAPI reads no further than the narrative's end",
}

// TestOracle compares our verdicts with HAPI's: of every example, of what we
// print as XML and convert, and of everything in the table of edits.
func TestOracle(t *testing.T) {
	dir := oracle(t)
	var r4, r5 []question
	for i, path := range examples(t, "examples/auditevent-r[45]*/*.json") {
		v := version(path)
		if guides := strings.Contains(path, "-ig") || strings.Contains(path, "-converted"); guides && i%5 != 0 {
			continue // they are alike, and this test has a minute
		}
		name := filepath.Base(filepath.Dir(path)) + "." + strings.TrimSuffix(filepath.Base(path), ".json")
		n := withoutProfiles(parse(t, read(t, path), v))
		if strings.Contains(path, "broken") {
			r4 = append(r4, ask(name, read(t, path), n, v))
			continue
		}
		there, err := Convert(n, v, R4+R5-v)
		if err != nil {
			t.Fatal(err)
		}
		if v == R4 {
			r4 = append(r4, ask(name, AppendXML(nil, n, R4), n, R4))
			r5 = append(r5, ask(name, AppendJSON(nil, there), there, R5))
		} else {
			r4 = append(r4, ask(name, AppendJSON(nil, there), there, R4))
			r5 = append(r5, ask(name, AppendXML(nil, n, R5), n, R5))
		}
	}
	for _, e := range edits {
		doc := tree(t, read(t, "testdata/examples/auditevent-r4-own/balp-read.json"))
		for _, change := range e.edits {
			doc = set(t, doc, strings.Split(change.path, "."), change.value)
		}
		text, _ := json.Marshal(doc)
		r4 = append(r4, ask(strings.ReplaceAll(e.name, " ", "_"), text, parse(t, text, R4), R4))
	}
	for name, e := range editsR5 {
		text := editedR5(t, e.edits)
		n := withoutProfiles(parse(t, text, R5))
		r5 = append(r5, ask("r5_"+strings.ReplaceAll(name, " ", "_"), AppendJSON(nil, n), n, R5))
	}
	for _, path := range packOnly(t, "examples/dicom-xml-generated/*.json") {
		n := parse(t, read(t, path), R4)
		r4 = append(r4, ask(filepath.Base(path), AppendJSON(nil, n), n, R4))
	}
	for _, to := range []Version{R4, R5} {
		n, err := Convert(parse(t, read(t, "testdata/r3.json"), R4), R3, to)
		if err != nil {
			t.Fatal(err)
		}
		if q := ask("r3", AppendJSON(nil, n), n, to); to == R4 {
			r4 = append(r4, q)
		} else {
			r5 = append(r5, q)
		}
	}
	var wg sync.WaitGroup
	for v, qs := range map[Version][]question{R4: r4, R5: r5} {
		wg.Go(func() {
			answers := verdicts(t, dir, v, qs)
			for _, q := range qs {
				errs, asked := answers[q.name]
				if !asked {
					t.Errorf("%v %s: the oracle said nothing", v, q.name)
				}
				if _, ok := otherwise[q.name]; asked && !ok && q.failed != (len(errs) > 0) {
					t.Errorf("%v %s: we find %v, HAPI %q", v, q.name, q.issues, errs)
				}
			}
		})
	}
	wg.Wait()
}
