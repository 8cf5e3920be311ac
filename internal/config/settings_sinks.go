package config

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Sink is a destination outside of Vigil that events are copied to. Which of the
// fields a type has is in sinkKeys; docs/sinks.md says what they mean.
type Sink struct {
	Name   string   `yaml:"name"` // empty is the type
	Type   string   `yaml:"type"`
	Format string   `yaml:"format"` // of the lines; empty is envelope
	Tables []string `yaml:"tables"` // empty is all
	Where  string   `yaml:"where"`  // filters as in a URL of the API
	Level  string   `yaml:"level"`  // least level of a line
	From   string   `yaml:"from"`   // start or now: where a new sink begins
	// Template is the outputTemplate of the format template.
	Template   string          `yaml:"template"`
	Transforms []SinkTransform `yaml:"transforms"`
	Async      *SinkAsync      `yaml:"async"`

	BatchLines int           `yaml:"batch-lines"`
	BatchBytes Size          `yaml:"batch-bytes"`
	BatchTime  time.Duration `yaml:"batch-time"` // how long a batch waits to become full
	Refused    string        `yaml:"refused"`    // file for what the destination will never take, instead of the table quarantine

	Path                   string        `yaml:"path"`
	RollingInterval        string        `yaml:"rolling-interval"`
	FileSizeLimit          string        `yaml:"file-size-limit"` // empty is 1 GiB; unlimited
	RollOnFileSizeLimit    *bool         `yaml:"roll-on-file-size-limit"`
	RetainedFileCountLimit int           `yaml:"retained-file-count-limit"`
	RetainedFileTimeLimit  time.Duration `yaml:"retained-file-time-limit"`
	Shared                 bool          `yaml:"shared"`
	Buffered               bool          `yaml:"buffered"`
	FlushToDiskInterval    time.Duration `yaml:"flush-to-disk-interval"`
	Encoding               string        `yaml:"encoding"`
	MaxLines               int           `yaml:"max-lines"`
	Generations            int           `yaml:"generations"`

	URL          string            `yaml:"url"`
	Headers      map[string]string `yaml:"headers"`
	User         string            `yaml:"user"`
	Password     string            `yaml:"password"`
	PasswordFile string            `yaml:"password-file"`
	APIKey       string            `yaml:"api-key"`
	APIKeyFile   string            `yaml:"api-key-file"`
	CA           string            `yaml:"ca"`
	Gzip         bool              `yaml:"gzip"`
	Timeout      time.Duration     `yaml:"timeout"`
	Index        string            `yaml:"index"`
	Nodes        []string          `yaml:"nodes"` // further addresses of the cluster that URL is of
	Labels       map[string]string `yaml:"labels"`
	Resource     map[string]string `yaml:"resource"`
	Site         string            `yaml:"site"`
	Tags         string            `yaml:"tags"`
	Source       string            `yaml:"source"`
	SourceType   string            `yaml:"source-type"`
	Service      string            `yaml:"service"`
	Host         string            `yaml:"host"`
	Ack          bool              `yaml:"ack"`
	EventLimit   Size              `yaml:"event-limit"`
}

// SinkTransform changes or leaves out lines, as Aidbox's log transforms do.
type SinkTransform struct {
	Ev         []string    `yaml:"ev"` // lines that it is for; empty is all
	Ignore     bool        `yaml:"ignore"`
	Filter     *SinkFilter `yaml:"filter"`
	Trim       *SinkTrim   `yaml:"trim"`
	Dissoc     []string    `yaml:"dissoc"`
	SelectKeys []string    `yaml:"select-keys"`
}

// SinkFilter leaves out lines whose number at Path is below (min) or above (max) Value.
type SinkFilter struct {
	Path  []string `yaml:"path"`
	Op    string   `yaml:"op"`
	Value float64  `yaml:"value"`
}

// SinkTrim cuts the text at Path to Length characters.
type SinkTrim struct {
	Path   []string `yaml:"path"`
	Length int      `yaml:"length"`
}

// SinkAsync is a buffer in memory, as Serilog's Async wrapper is.
type SinkAsync struct {
	BufferSize int `yaml:"buffer-size"`
	// BlockWhenFull false, written out, drops what finds no room.
	BlockWhenFull *bool `yaml:"block-when-full"`
}

const (
	sinkCommon = "name type format template tables where level from transforms async batch-lines"
	sinkHTTP   = " batch-bytes batch-time refused url headers user password password-file ca gzip timeout"
)

// sinkKeys has the keys of each type; the ones behind the bar must be given.
var sinkKeys = map[string]string{
	"file": sinkCommon + " rolling-interval file-size-limit roll-on-file-size-limit retained-file-count-limit retained-file-time-limit" +
		" shared buffered flush-to-disk-interval encoding max-lines generations|path",
	"stdout":        sinkCommon + "|",
	"elasticsearch": sinkCommon + sinkHTTP + " api-key api-key-file index nodes|url",
	"loki":          sinkCommon + sinkHTTP + " labels|url",
	"datadog":       sinkCommon + sinkHTTP + " api-key api-key-file site tags source service host|",
	"splunk":        sinkCommon + sinkHTTP + " api-key api-key-file index source source-type host ack|url",
	"otlp":          sinkCommon + sinkHTTP + " resource|url",
	"seq":           sinkCommon + sinkHTTP + " api-key api-key-file event-limit|url",
	"http":          sinkCommon + sinkHTTP + "|url",
}

var sinkName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,62}$`)

func sinkSettings() []setting {
	return []setting{{
		section: "Sinks", name: "sinks",
		doc:  "Destinations that events are copied to, in YAML: `[{type: file, path: /var/log/audit.log, rolling-interval: Day}]`. The types are file, stdout, elasticsearch, loki, datadog, splunk, otlp, seq and http; docs/sinks.md has their keys.",
		kind: kind{name: "YAML", set: setSinks, show: showSinks},
	}}
}

// showSinks names the sinks. Their keys may hold secrets.
func showSinks(c *Config) string {
	var names []string
	for _, s := range c.Sinks {
		names = append(names, s.Name+" ("+s.Type+")")
	}
	return strings.Join(names, ", ")
}

func setSinks(c *Config, v value) error {
	list := v.node
	if list == nil {
		var doc yaml.Node
		if err := yaml.Unmarshal([]byte(v.text), &doc); err != nil {
			return errors.New("want a list of sinks in YAML or JSON")
		}
		if len(doc.Content) == 0 {
			c.Sinks = nil
			return nil
		}
		list = doc.Content[0]
	}
	if list.Kind != yaml.SequenceNode {
		return errors.New("want a list of sinks, each with a type")
	}
	var sinks []Sink
	for i, n := range list.Content {
		s, err := readSink(n)
		if err != nil {
			return fmt.Errorf("sink %d: %w", i+1, err)
		}
		sinks = append(sinks, s)
	}
	c.Sinks = sinks
	return nil
}

// readSink reads one sink and tells of keys that its type does not have.
func readSink(n *yaml.Node) (Sink, error) {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n.Kind != yaml.MappingNode {
		return Sink{}, errors.New("want keys and values, of which one is type")
	}
	given := map[string]*yaml.Node{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		given[n.Content[i].Value] = n.Content[i+1]
	}
	var typ string
	if t := given["type"]; t != nil {
		typ = t.Value
	}
	keys, ok := sinkKeys[typ]
	switch {
	case typ == "":
		return Sink{}, fmt.Errorf("it has no type: want one of %s", strings.Join(slices.Sorted(maps.Keys(sinkKeys)), ", "))
	case !ok:
		return Sink{}, fmt.Errorf("unknown type %s%s", typ, meant(typ, maps.Keys(sinkKeys)))
	}
	may, must, _ := strings.Cut(keys, "|")
	known := append(strings.Fields(may), strings.Fields(must)...)
	for _, key := range slices.Sorted(maps.Keys(given)) {
		if !slices.Contains(known, key) {
			return Sink{}, fmt.Errorf("line %d: a sink of type %s has no %s%s", given[key].Line, typ, key, meant(key, slices.Values(known)))
		}
	}
	for _, key := range strings.Fields(must) {
		if v := given[key]; v == nil || v.Value == "" && v.Kind == yaml.ScalarNode {
			return Sink{}, fmt.Errorf("a sink of type %s needs %s", typ, key)
		}
	}
	s, err := decodeSink(n)
	if s.Name == "" {
		s.Name = typ
	}
	return s, err
}

// decodeSink reads the values. The decoder's errors would repeat them.
func decodeSink(n *yaml.Node) (Sink, error) {
	var s Sink
	text, err := yaml.Marshal(n)
	if err != nil {
		return s, err
	}
	dec := yaml.NewDecoder(strings.NewReader(string(text)))
	dec.KnownFields(true)
	if err := dec.Decode(&s); err == nil {
		return s, nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 { // find the one that is wrong
		var one Sink
		key := n.Content[i].Value
		if b, err := yaml.Marshal(map[string]*yaml.Node{key: n.Content[i+1]}); err == nil {
			dec := yaml.NewDecoder(strings.NewReader(string(b)))
			dec.KnownFields(true)
			if dec.Decode(&one) != nil {
				return s, fmt.Errorf("line %d: the value of %s cannot be read", n.Content[i].Line, key)
			}
		}
	}
	return s, errors.New("a key is there twice")
}

// checkSinks reports sinks that cannot be opened whatever lies outside.
func (c *Config) checkSinks() []error {
	var errs []error
	seen := map[string]bool{}
	for _, s := range c.Sinks {
		add := func(format string, args ...any) {
			errs = append(errs, fmt.Errorf("sinks (%s): %s: %w", c.source("sinks"), s.Name, fmt.Errorf(format, args...)))
		}
		switch {
		case !sinkName.MatchString(s.Name):
			add("it cannot be called so: want a-z, 0-9, point, - and _, a letter or digit first, 63 characters at most")
		case seen[s.Name]:
			add("two sinks are called so: give one another name")
		}
		seen[s.Name] = true
		if s.From != "" && s.From != "start" && s.From != "now" {
			add("from: want start or now")
		}
		if s.Type == "datadog" && s.APIKey == "" && s.APIKeyFile == "" || s.Type == "splunk" && s.APIKey == "" && s.APIKeyFile == "" {
			add("it needs api-key or api-key-file")
		}
		for _, pair := range [][3]string{{"password", s.Password, s.PasswordFile}, {"api-key", s.APIKey, s.APIKeyFile}} {
			if pair[1] != "" && pair[2] != "" {
				add("give %s or %s-file, not both", pair[0], pair[0])
			}
		}
		for _, n := range []int{s.BatchLines, s.RetainedFileCountLimit, s.MaxLines, s.Generations} {
			if n < 0 {
				add("counts must not be negative")
				break
			}
		}
		if s.FileSizeLimit != "" && s.FileSizeLimit != "unlimited" {
			if _, err := parseSize(s.FileSizeLimit); err != nil {
				add("file-size-limit: %w, or unlimited", err)
			}
		}
	}
	return errs
}

// FileLimit returns the size from which on a file is full; 0 is unlimited.
func (s Sink) FileLimit(def int64) int64 {
	switch s.FileSizeLimit {
	case "":
		return def
	case "unlimited":
		return 0
	}
	n, err := parseSize(s.FileSizeLimit)
	if err != nil {
		return def // Validate has refused it
	}
	return n
}

// Secrets returns the password and the key, from their files where these are
// named.
func (s Sink) Secrets(dir string) (password, key string, err error) {
	password, key = s.Password, s.APIKey
	if s.PasswordFile != "" {
		if password, err = readSecretFile(s.PasswordFile, dir); err != nil {
			return "", "", err
		}
	}
	if s.APIKeyFile != "" {
		key, err = readSecretFile(s.APIKeyFile, dir)
	}
	return password, key, err
}
