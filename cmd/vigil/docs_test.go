package main

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"vigil/internal/config"
)

// docPage is a file that people read.
type docPage struct {
	path string // below the module's root
	text string
}

// module is where the root of the module is seen from here.
const module = "../.."

// pages reads the files that patterns below the module's root name.
func pages(t *testing.T, patterns ...string) []docPage {
	t.Helper()
	var out []docPage
	for _, pattern := range patterns {
		paths, err := filepath.Glob(filepath.Join(module, pattern))
		if err != nil || len(paths) == 0 {
			t.Fatalf("%s: no such files (%v)", pattern, err)
		}
		for _, path := range paths {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			rel, err := filepath.Rel(module, path)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, docPage{filepath.ToSlash(rel), string(text)})
		}
	}
	return out
}

var (
	link      = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading   = regexp.MustCompile(`(?m)^#+ (.*)$`)
	fence     = regexp.MustCompile("(?ms)^ *```([a-z]*)\n(.*?)^ *```")
	span      = regexp.MustCompile("`([^`\n]+)`")
	notAnchor = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

// anchors returns the fragments that a page's headings can be reached by.
func anchors(text string) map[string]bool {
	out := map[string]bool{}
	for _, m := range heading.FindAllStringSubmatch(fence.ReplaceAllString(text, ""), -1) {
		out[strings.ReplaceAll(notAnchor.ReplaceAllString(strings.ToLower(m[1]), ""), " ", "-")] = true
	}
	return out
}

// TestDocsLinks follows every relative link of the documentation.
func TestDocsLinks(t *testing.T) {
	for _, p := range pages(t, "*.md", "docs/*.md") {
		for _, m := range link.FindAllStringSubmatch(fence.ReplaceAllString(p.text, ""), -1) {
			path, anchor, _ := strings.Cut(m[1], "#")
			if strings.Contains(path, "://") {
				continue
			}
			text := p.text
			if path != "" {
				b, err := os.ReadFile(filepath.Join(module, filepath.Dir(p.path), path))
				if err != nil {
					t.Errorf("%s: the link %s leads nowhere: %v", p.path, m[1], err)
					continue
				}
				text = string(b)
			}
			if anchor != "" && !anchors(text)[anchor] {
				t.Errorf("%s: the link %s: there is no such heading", p.path, m[1])
			}
		}
	}
}

// TestDocsReachable expects each page to be named in the README.
func TestDocsReachable(t *testing.T) {
	readme := pages(t, "README.md")[0].text
	for _, p := range pages(t, "docs/*.md", "ARCHITECTURE.md", "CONTRIBUTING.md") {
		if !strings.Contains(readme, "]("+p.path+")") {
			t.Errorf("README.md does not lead to %s", p.path)
		}
	}
}

// commandLine finds calls of the program; the group is what stands behind it.
var commandLine = regexp.MustCompile(`(?:^|[\s(;|/])vigil((?: +(?:'[^']*'|"[^"]*"|[^\s;|&)'"]+))+)`)

// calls returns the calls of the program in a page's code.
func calls(p docPage) []string {
	var code []string
	if strings.HasSuffix(p.path, ".md") {
		for _, m := range fence.FindAllStringSubmatch(p.text, -1) {
			if m[1] != "yaml" {
				code = append(code, strings.Split(strings.ReplaceAll(m[2], "\\\n", " "), "\n")...)
			}
		}
		for _, m := range span.FindAllStringSubmatch(fence.ReplaceAllString(p.text, ""), -1) {
			code = append(code, m[1])
		}
	} else {
		for line := range strings.Lines(p.text) {
			if rest, is := strings.CutPrefix(strings.TrimSpace(line), "#   "); is {
				code = append(code, rest)
			}
		}
	}
	var out []string
	for _, line := range code {
		for _, m := range commandLine.FindAllStringSubmatch(line, -1) {
			out = append(out, m[1])
		}
	}
	return out
}

// TestDocsCommands expects every command and every flag that the documentation
// names to be there.
func TestDocsCommands(t *testing.T) {
	parser, err := kong.New(&cli{}, kong.Writers(io.Discard, io.Discard), kong.Vars{"version": ""})
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, p := range pages(t, "*.md", "docs/*.md", "compose.yaml", "docker-compose*.yaml", "packaging/*") {
		for _, call := range calls(p) {
			words := strings.Fields(call)
			if words[0] == "/vigil" { // the program in the container of that name
				words = words[1:]
			}
			node := parser.Model.Node
			for len(words) > 0 {
				i := slices.IndexFunc(node.Children, func(n *kong.Node) bool { return n.Name == words[0] })
				if i < 0 {
					break
				}
				node, words = node.Children[i], words[1:]
			}
			if node == parser.Model.Node {
				if named := 'a' <= words[0][0] && words[0][0] <= 'z'; named {
					t.Errorf("%s: vigil%s: there is no such command", p.path, call)
				}
				continue
			}
			found++
			for _, word := range words {
				name, _, _ := strings.Cut(strings.TrimPrefix(word, "--"), "=")
				if strings.HasPrefix(word, "--") && name != "" && !hasFlag(node, name) {
					t.Errorf("%s: vigil%s: there is no flag --%s", p.path, call, name)
				}
			}
		}
	}
	if found < 50 {
		t.Errorf("found %d calls only: the pattern is wrong", found)
	}
}

// hasFlag reports whether a command takes a flag; those that read the
// configuration take every setting.
func hasFlag(node *kong.Node, name string) bool {
	own := map[string]bool{"help": true, "version": true}
	for _, f := range node.Flags {
		own[f.Name] = true
	}
	_, setting := config.Flags()[name]
	return own[name] || own["set"] && setting
}

// TestDocsQuestions asks every question that docs/questions.md has.
func TestDocsQuestions(t *testing.T) {
	dir, out := t.TempDir(), new(strings.Builder)
	std := &stdio{In: strings.NewReader(`{"action": "read"}`), Out: out, Err: out, Dir: dir}
	here := "--store=dir:" + filepath.Join(dir, "data")
	if code := run(t.Context(), []string{"import", here, "-"}, std); code != 0 {
		t.Fatal(out)
	}
	asked := 0
	for _, m := range fence.FindAllStringSubmatch(pages(t, "docs/questions.md")[0].text, -1) {
		for question := range strings.Lines(m[2]) {
			if question = strings.TrimSpace(question); m[1] != "" || strings.HasPrefix(question, "vigil ") {
				continue
			}
			out.Reset()
			if code := run(t.Context(), []string{"query", here, question}, std); code != 0 {
				t.Errorf("%s: %s", question, out)
			}
			asked++
		}
	}
	if asked < 10 {
		t.Errorf("asked %d questions only: the pattern is wrong", asked)
	}
}

// TestDocsSettings expects variables that the documentation names to be those of
// settings, and its YAML to be a configuration.
func TestDocsSettings(t *testing.T) {
	variable := regexp.MustCompile(`\bVIGIL_[A-Z_]+\b`)
	known := map[string]bool{"VIGIL_TOKEN": true, "VIGIL_CONFIG": true}
	for name := range config.Flags() {
		env := "VIGIL_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
		known[env], known[env+"_FILE"] = true, true
	}
	read := 0
	for _, p := range pages(t, "*.md", "docs/*.md", "*.yaml", "*.env", "Dockerfile", "packaging/*") {
		for _, name := range variable.FindAllString(p.text, -1) {
			if !known[name] && !strings.HasPrefix(name, "VIGIL_TEST_") { // those are of tests
				t.Errorf("%s: there is no setting with the name %s", p.path, name)
			}
		}
		for _, m := range fence.FindAllStringSubmatch(p.text, -1) {
			if m[1] != "yaml" || strings.HasPrefix(m[2], " ") { // a part of a list
				continue
			}
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "vigil.yaml"), []byte(m[2]), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := config.Load(nil, nil, dir); err != nil {
				t.Errorf("%s: the YAML %.40q… is refused: %v", p.path, m[2], err)
			}
			read++
		}
	}
	if read < 2 {
		t.Errorf("found %d pieces of YAML only: the pattern is wrong", read)
	}
}

// TestDocsTargets expects the README to give the test command that the checks of
// every change begin with, and every target of make that is named to be there.
func TestDocsTargets(t *testing.T) {
	makefile, run := pages(t, "Makefile")[0].text, pages(t, ".ci/run")[0].text
	target := regexp.MustCompile(`\bmake ([a-z]+(?:-[a-z]+)*)`)
	for _, p := range pages(t, "*.md", "docs/*.md") {
		code := strings.Join(append(span.FindAllString(p.text, -1), fence.FindAllString(p.text, -1)...), "\n")
		for _, m := range target.FindAllStringSubmatch(code, -1) {
			if !strings.Contains(makefile, "\n"+m[1]+":") {
				t.Errorf("%s: make %s: there is no such target", p.path, m[1])
			}
		}
	}
	if !strings.Contains(pages(t, "README.md")[0].text, "\nmake test ") || !strings.Contains(run, "\nmake test\n") {
		t.Error("README.md and .ci/run are to run the tests by the same command, make test")
	}
}

// TestDocsNotice expects every module that is linked into the binary to be named
// with its licence.
func TestDocsNotice(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "-f", "{{with .Module}}{{if not .Main}}{{.Path}}{{end}}{{end}}", ".").Output()
	if err != nil {
		t.Fatalf("list what is linked: %v", err)
	}
	modules := slices.Compact(slices.Sorted(slices.Values(strings.Fields(string(out)))))
	if len(modules) < 10 {
		t.Errorf("found %d modules only", len(modules))
	}
	notice := pages(t, "NOTICE.md")[0].text
	for _, name := range modules {
		if !strings.Contains(notice, "\n| "+name+" | ") {
			t.Errorf("NOTICE.md does not name %s and its licence", name)
		}
	}
}
