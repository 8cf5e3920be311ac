package hdr

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"
	"testing/fstest"
)

func load(kv ...string) (*Settings, error) {
	m := fstest.MapFS{}
	for i := 0; i < len(kv); i += 2 {
		m[kv[i]] = &fstest.MapFile{Data: []byte(kv[i+1])}
	}
	return Load(m)
}

func TestLoad(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       Settings
	}{
		{PropertiesFile, "", Settings{Store: ToFile}},
		{PropertiesFile, "#audit enabled - true or false\r\naudit.enabled=true\r\n#audit storage type - FILE or DB\r\naudit.datastore.type=FILE\r\naudit.savemessagepayload.enabled=false", Settings{Enabled: true, Store: ToFile}},
		{PropertiesFile, "! other parts\nserver.port = 8080\n  audit.enabled : TRUE \naudit.datastore.type db\naudit.savemessage\\\n   payload.enabled=true\n", Settings{Enabled: true, Store: ToTable, Payloads: true}},
		{YAMLFile, "", Settings{Store: ToFile}},
		{YAMLFile, "server:\n  port: 1\n", Settings{Store: ToFile}},
		{YAMLFile, "#audit enabled - true or false\naudit:\n      enabled: true\n\n   #audit storage type - FILE or DB\n      datastore_type: DB\n      standard: CUSTOM\n#payload\n      savemessagepayload_enabled: false\n", Settings{Enabled: true, Store: ToTable}},
		{YAMLFile, "audit:\n  enabled: true\n  savemessagepayload_enabled=true\n", Settings{Enabled: true, Store: ToFile, Payloads: true}},
	} {
		s, err := load(c.name, c.text)
		if err != nil {
			t.Errorf("%q: %v", c.text, err)
			continue
		}
		c.want.File = c.name
		if *s != c.want {
			t.Errorf("%q: %+v, want %+v", c.text, *s, c.want)
		}
	}
	if s, err := load(); s != nil || err != nil {
		t.Errorf("no file: %+v, %v", s, err)
	}
}

func TestRefused(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{PropertiesFile, "\naudit.enabled=yes", PropertiesFile + ":2:1: audit.enabled is \"yes\": want true or false"},
		{PropertiesFile, "audit.datastore.type=KAFKA", "want FILE or DB"},
		{PropertiesFile, "audit.enabel=true", "there is no setting audit.enabel"},
		{PropertiesFile, "audit.enabled=true\naudit.enabled=false", "set twice, first in line 1"},
		{YAMLFile, "audit:\n  enabled: maybe\n", YAMLFile + ":2:3: audit.enabled is \"maybe\""},
		{YAMLFile, "audit:\n  datastore: DB\n", YAMLFile + ":2:3: there is no setting datastore"},
		{YAMLFile, "audit: true\n", YAMLFile + ":1:8: audit has no settings"},
		{YAMLFile, "audit:\n\tenabled: true\n", YAMLFile + ":2:2: found character that cannot start any token: want YAML"},
		{PropertiesFile, "server.port=1\n\n  audit.savemessagepayload.enabled = ja", PropertiesFile + ":3:3: "},
		{YAMLFile, "- audit\n", "want settings, such as audit"},
		{YAMLFile, "audit:\n  standard: DICOM\n", "only CUSTOM"},
		{YAMLFile, "audit:\n  enabled: [true]\n", "no single value"},
		{YAMLFile, "audit:\n  datastore_type: DB\n  datastore.type: FILE\n", "set twice"},
	} {
		_, err := load(c.name, c.text)
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), c.name) {
			t.Errorf("%q: %v, want %s", c.text, err, c.want)
		}
	}
	if _, err := load(PropertiesFile, "", YAMLFile, ""); err == nil || !strings.Contains(err.Error(), "both") {
		t.Errorf("both files: %v", err)
	}
}

// TestSamples reads Oracle's own files.
func TestSamples(t *testing.T) {
	const dir = "../../../shared/data/oracle"
	for name, want := range map[string]Settings{
		PropertiesFile: {File: PropertiesFile, Enabled: true, Store: ToFile},
		YAMLFile:       {File: YAMLFile, Enabled: true, Store: ToTable},
	} {
		text, err := os.ReadFile(dir + "/" + name)
		if errors.Is(err, fs.ErrNotExist) {
			t.Log("the samples are not here: TestLoad has the same lines")
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		s, err := load(name, string(text))
		if err != nil || *s != want {
			t.Errorf("%s: %+v, %v", name, s, err)
		}
	}
}

func FuzzLoad(f *testing.F) {
	f.Add("audit.enabled=true\\\n\\", "audit:\n  enabled: true")
	f.Fuzz(func(t *testing.T, properties, text string) {
		for name, text := range map[string]string{PropertiesFile: properties, YAMLFile: text} {
			if s, err := load(name, text); err == nil && s.Store != ToFile && s.Store != ToTable {
				t.Fatalf("%q: %+v", text, s)
			}
		}
	})
}
