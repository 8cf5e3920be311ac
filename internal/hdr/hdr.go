// Package hdr is the settings of auditing of Oracle Healthcare Data Repository's
// FHIR server: hdr_fhir.properties (8.1) and hdr_fhir.yaml (8.2), as a site has
// them. They govern Oracle's own products only: what the gateway captures stays
// the same.
package hdr

import (
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Settings are what a file says of auditing.
type Settings struct {
	File     string // name of the file
	Enabled  bool
	Store    Store
	Payloads bool // the payloads are kept
}

// A Store is where Oracle's server writes its audit records.
type Store string

// The stores.
const (
	ToFile  Store = "FILE" // a line of audit-hdr-fhir.log each
	ToTable Store = "DB"   // a row of OHF_HDR_FHIR_AUDIT each
)

// LogFile is the name of the file that ToFile writes.
const LogFile = "audit-hdr-fhir.log"

// The settings files; a site has one of them.
const (
	PropertiesFile = "hdr_fhir.properties"
	YAMLFile       = "hdr_fhir.yaml"
)

// Load reads the settings in dir; nil where there is no file. Errors name the
// file, the line and, where it helps, the column, and what was expected.
func Load(dir fs.FS) (*Settings, error) {
	properties, err1 := fs.ReadFile(dir, PropertiesFile)
	text, err2 := fs.ReadFile(dir, YAMLFile)
	switch {
	case err1 == nil && err2 == nil:
		return nil, fmt.Errorf("there are both %s and %s: keep the one of the version that you run", PropertiesFile, YAMLFile)
	case err1 == nil:
		return parseProperties(PropertiesFile, string(properties))
	case err2 == nil:
		return parseYAML(YAMLFile, string(text))
	case !errors.Is(err1, fs.ErrNotExist):
		return nil, fmt.Errorf("read the settings of Oracle HDR: %w", err1)
	case !errors.Is(err2, fs.ErrNotExist):
		return nil, fmt.Errorf("read the settings of Oracle HDR: %w", err2)
	}
	return nil, nil
}

// set takes one setting, under its name in the properties file.
func (s *Settings) set(key, value, at string) error {
	truth := func(b *bool) error {
		switch strings.ToLower(value) {
		case "true":
			*b = true
		case "false":
			*b = false
		default:
			return fmt.Errorf("%s: %s is %q: want true or false", at, key, value)
		}
		return nil
	}
	switch key {
	case "audit.enabled":
		return truth(&s.Enabled)
	case "audit.savemessagepayload.enabled":
		return truth(&s.Payloads)
	case "audit.datastore.type":
		switch store := Store(strings.ToUpper(value)); store {
		case ToFile, ToTable:
			s.Store = store
		default:
			return fmt.Errorf("%s: %s is %q: want FILE or DB", at, key, value)
		}
	case "audit.standard": // CUSTOM is the twelve columns
		if !strings.EqualFold(value, "CUSTOM") {
			return fmt.Errorf("%s: %s is %q: only CUSTOM, which is the twelve columns, is known here", at, key, value)
		}
	default:
		return fmt.Errorf("%s: there is no setting %s: want audit.enabled, audit.datastore.type, audit.standard or audit.savemessagepayload.enabled", at, key)
	}
	return nil
}

// isAudit reports whether a key of the properties file is about auditing. The
// other ones are for other parts of Oracle's server.
func isAudit(key string) bool { return key == "audit" || strings.HasPrefix(key, "audit.") }

// parseProperties reads a file as java.util.Properties does.
func parseProperties(name, text string) (*Settings, error) {
	s := &Settings{File: name, Store: ToFile}
	seen := map[string]int{}
	lines := strings.Split(strings.ReplaceAll(strings.TrimPrefix(text, "\ufeff"), "\r\n", "\n"), "\n")
	for i := 0; i < len(lines); i++ {
		at, first := i+1, lines[i]
		line := strings.TrimLeft(first, " \t\f")
		if line == "" || line[0] == '#' || line[0] == '!' {
			continue
		}
		for continues(line) && i+1 < len(lines) {
			i++
			line = line[:len(line)-1] + strings.TrimLeft(lines[i], " \t\f")
		}
		key, value := keyValue(line)
		place := fmt.Sprintf("%s:%d:%d", name, at, 1+len(first)-len(strings.TrimLeft(first, " \t\f")))
		if !isAudit(key) {
			continue
		}
		if before, ok := seen[key]; ok {
			return nil, fmt.Errorf("%s: %s is set twice, first in line %d", place, key, before)
		}
		seen[key] = at
		if err := s.set(key, strings.TrimSpace(value), place); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// continues reports whether a line ends with an odd number of backslashes.
func continues(line string) bool {
	n := len(line) - len(strings.TrimRight(line, `\`))
	return n%2 == 1
}

// keyValue splits a line at its first =, : or white space that no backslash
// stands before.
func keyValue(line string) (key, value string) {
	var b strings.Builder
	i := 0
	for ; i < len(line) && !strings.ContainsRune("=: \t\f", rune(line[i])); i++ {
		if line[i] == '\\' && i+1 < len(line) {
			i++
		}
		b.WriteByte(line[i])
	}
	rest := strings.TrimLeft(line[i:], " \t\f")
	if rest != "" && (rest[0] == '=' || rest[0] == ':') {
		rest = strings.TrimLeft(rest[1:], " \t\f")
	}
	return b.String(), strings.ReplaceAll(rest, `\`, "")
}

// equals is the line of Oracle's own sample that has = where YAML wants a colon.
var equals = regexp.MustCompile(`(?m)^(\s+savemessagepayload_enabled)\s*=\s*`)

// parseYAML reads a file of version 8.2.
func parseYAML(name, text string) (*Settings, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(equals.ReplaceAllString(text, "$1: ")), &doc); err != nil {
		return nil, syntaxError(name, text, err)
	}
	s := &Settings{File: name, Store: ToFile}
	if len(doc.Content) == 0 {
		return s, nil
	}
	root := doc.Content[0]
	if root.Kind != yaml.MappingNode {
		return nil, fmt.Errorf("%s:%d:%d: want settings, such as audit", name, root.Line, root.Column)
	}
	seen := false
	for i := 0; i+1 < len(root.Content); i += 2 {
		key, value := root.Content[i], root.Content[i+1]
		if key.Value != "audit" {
			continue
		}
		if seen {
			return nil, fmt.Errorf("%s:%d:%d: audit is there twice", name, key.Line, key.Column)
		}
		seen = true
		if err := s.audit(name, value); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// syntaxError names the place that the parser's message is about: it knows the line
// alone, so that the column is that of the line's first character.
func syntaxError(name, text string, err error) error {
	what := strings.TrimPrefix(err.Error(), "yaml: ")
	var n int
	if _, scan := fmt.Sscanf(what, "line %d:", &n); scan != nil || n < 1 {
		return fmt.Errorf("%s: %s", name, what)
	}
	_, what, _ = strings.Cut(what, ": ")
	column := 1
	if lines := strings.Split(text, "\n"); n <= len(lines) {
		column += len(lines[n-1]) - len(strings.TrimLeft(lines[n-1], " \t"))
	}
	return fmt.Errorf("%s:%d:%d: %s: want YAML such as audit: and, farther right, enabled: true", name, n, column, what)
}

// audit reads the section audit.
func (s *Settings) audit(name string, section *yaml.Node) error {
	if section.Kind != yaml.MappingNode {
		return fmt.Errorf("%s:%d:%d: audit has no settings: want enabled, datastore_type and savemessagepayload_enabled, farther right than audit", name, section.Line, section.Column)
	}
	keys := map[string]string{
		"enabled": "audit.enabled", "datastore_type": "audit.datastore.type", "datastore.type": "audit.datastore.type", "standard": "audit.standard",
		"savemessagepayload_enabled": "audit.savemessagepayload.enabled", "savemessagepayload.enabled": "audit.savemessagepayload.enabled",
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(section.Content); i += 2 {
		key, value := section.Content[i], section.Content[i+1]
		place := fmt.Sprintf("%s:%d:%d", name, key.Line, key.Column)
		setting, ok := keys[key.Value]
		if !ok {
			return fmt.Errorf("%s: there is no setting %s: want enabled, datastore_type, standard or savemessagepayload_enabled", place, key.Value)
		}
		if seen[setting] {
			return fmt.Errorf("%s: %s is set twice", place, key.Value)
		}
		seen[setting] = true
		if value.Kind != yaml.ScalarNode {
			return fmt.Errorf("%s: %s is no single value", place, key.Value)
		}
		if err := s.set(setting, value.Value, place); err != nil {
			return err
		}
	}
	return nil
}
