package config

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"
)

// readYAML applies the YAML file: the one that is named, else vigil.yaml in the
// directory if there is one.
func (l *loader) readYAML(flag string, env, dotenv map[string]string) {
	path := flag
	for _, vars := range []map[string]string{env, dotenv} {
		if path == "" {
			path = vars["VIGIL_CONFIG"]
		}
	}
	named := path != ""
	if !named {
		path = filepath.Join(l.dir, FileYAML)
	}
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) && !named {
		return
	}
	if err != nil {
		l.fail("read configuration: %w", err)
		return
	}
	l.yaml(filepath.Base(path), b)
}

// yaml applies the text of a YAML file called name.
func (l *loader) yaml(name string, text []byte) {
	var doc yaml.Node
	err := yaml.NewDecoder(bytes.NewReader(text)).Decode(&doc)
	switch {
	case errors.Is(err, io.EOF):
	case err != nil:
		l.fail("%s: %w", name, err)
	case len(doc.Content) != 1 || isNull(doc.Content[0]):
	case doc.Content[0].Kind != yaml.MappingNode:
		l.fail("%s: want settings as `name: value`", name)
	default:
		l.mapping(name, "", doc.Content[0], map[string]bool{})
	}
}

// mapping applies the settings of one YAML map; prefix is the group it is in.
func (l *loader) mapping(file, prefix string, m *yaml.Node, seen map[string]bool) {
	for i := 0; i+1 < len(m.Content); i += 2 {
		k, v := m.Content[i], m.Content[i+1]
		if v.Kind == yaml.AliasNode {
			v = v.Alias
		}
		name := prefix + k.Value
		s, known := l.byName[name]
		switch {
		case seen[name]:
			l.fail("%s line %d: %s is there twice", file, k.Line, name)
		case known && !isNull(v):
			l.set(s, value{node: v}, name+" in "+file)
		case known, isNull(v) && l.isGroup(name):
		case v.Kind == yaml.MappingNode && l.isGroup(name):
			l.mapping(file, name+".", v, seen)
		default:
			l.fail("%s line %d: unknown setting %s%s", file, k.Line, name, meant(name, maps.Keys(l.byName)))
		}
		seen[name] = true
	}
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

// isGroup reports whether settings begin with the name and a dot.
func (l *loader) isGroup(name string) bool {
	for _, s := range l.settings {
		if strings.HasPrefix(s.name, name+".") {
			return true
		}
	}
	return false
}
