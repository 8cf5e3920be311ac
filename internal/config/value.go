package config

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// value is what a source says of one setting: text from flags and environment,
// a node from YAML.
type value struct {
	text string
	node *yaml.Node // nil where it came as text
}

// scalar returns the text of a value that must be one.
func (v value) scalar() (string, error) {
	switch {
	case v.node == nil:
		return v.text, nil
	case v.node.Kind == yaml.ScalarNode && v.node.Tag == "!!null":
		return "", nil
	case v.node.Kind == yaml.ScalarNode:
		return v.node.Value, nil
	}
	return "", fmt.Errorf("want one value, not a list or a map")
}

// list returns the parts of a comma-separated text or of a YAML sequence.
func (v value) list() ([]string, error) {
	if v.node == nil || v.node.Kind == yaml.ScalarNode {
		s, err := v.scalar()
		if err != nil {
			return nil, err
		}
		var out []string
		for part := range strings.SplitSeq(s, ",") {
			if part = strings.TrimSpace(part); part != "" {
				out = append(out, part)
			}
		}
		return out, nil
	}
	var out []string
	if err := v.node.Decode(&out); err != nil {
		return nil, fmt.Errorf("want a list of texts")
	}
	return out, nil
}

// decode reads a structured value strictly: a key that dst has no field for is
// an error. Text is read as YAML, of which JSON is a part.
func (v value) decode(dst any) error {
	text := []byte(v.text)
	if v.node != nil {
		var err error
		if text, err = yaml.Marshal(v.node); err != nil {
			return err
		}
	}
	dec := yaml.NewDecoder(bytes.NewReader(text))
	dec.KnownFields(true)
	return dec.Decode(dst)
}

// A kind reads values of one type into a field of a Config and prints it.
type kind struct {
	name string // for the documentation
	set  func(*Config, value) error
	show func(*Config) string
}

func text(field func(*Config) *string) kind {
	return kind{
		name: "text",
		set: func(c *Config, v value) (err error) {
			*field(c), err = v.scalar()
			return err
		},
		show: func(c *Config) string { return *field(c) },
	}
}

// parsed is a kind whose one text is read by parse.
func parsed[T any](name string, field func(*Config) *T, parse func(string) (T, error), show func(T) string) kind {
	return kind{
		name: name,
		set: func(c *Config, v value) error {
			s, err := v.scalar()
			if err != nil {
				return err
			}
			t, err := parse(s)
			if err != nil {
				return err
			}
			*field(c) = t
			return nil
		},
		show: func(c *Config) string { return show(*field(c)) },
	}
}

func boolean(field func(*Config) *bool) kind {
	return parsed("true or false", field, parseBool, strconv.FormatBool)
}

func integer[T int | int64](field func(*Config) *T) kind {
	return parsed("number", field, func(s string) (T, error) {
		n, err := strconv.ParseInt(s, 10, 0)
		if err != nil || n < 0 {
			return 0, fmt.Errorf("want a number from 0 up")
		}
		return T(n), nil
	}, func(n T) string { return strconv.FormatInt(int64(n), 10) })
}

func size(field func(*Config) *int64) kind {
	return parsed("size", field, parseSize, formatSize)
}

func duration(field func(*Config) *time.Duration) kind {
	return parsed("duration", field, func(s string) (time.Duration, error) {
		d, err := time.ParseDuration(s)
		if err != nil || d < 0 {
			return 0, fmt.Errorf("want a duration such as 10s or 2m")
		}
		return d, nil
	}, time.Duration.String)
}

func texts(field func(*Config) *[]string) kind {
	return kind{
		name: "list",
		set: func(c *Config, v value) (err error) {
			*field(c), err = v.list()
			return err
		},
		show: func(c *Config) string { return strings.Join(*field(c), ",") },
	}
}

func prefixes(field func(*Config) *[]netip.Prefix) kind {
	return kind{
		name: "list",
		set: func(c *Config, v value) error {
			list, err := v.list()
			if err != nil {
				return err
			}
			*field(c) = nil
			for _, s := range list {
				p, err := parsePrefix(s)
				if err != nil {
					return err
				}
				*field(c) = append(*field(c), p)
			}
			return nil
		},
		show: func(c *Config) string {
			var b []string
			for _, p := range *field(c) {
				b = append(b, p.String())
			}
			return strings.Join(b, ",")
		},
	}
}

// structured is a kind that is written in YAML (or JSON).
func structured[T any](field func(*Config) *T) kind {
	return kind{
		name: "YAML",
		set: func(c *Config, v value) error {
			var t T
			if err := v.decode(&t); err != nil {
				return err
			}
			*field(c) = t
			return nil
		},
		show: func(c *Config) string { return flow(*field(c)) },
	}
}

// namesOr is a structured list that may also be written as a comma-separated
// list of names, each of which one makes an element of.
func namesOr[T any](field func(*Config) *[]T, one func(string) T) kind {
	k := structured(field)
	k.name = "list or YAML"
	k.set = func(c *Config, v value) error {
		if v.node == nil && strings.ContainsAny(v.text, "[{\n") {
			return setStructured(field, c, v)
		}
		if v.node != nil && v.node.Kind == yaml.SequenceNode && len(v.node.Content) > 0 && v.node.Content[0].Kind == yaml.MappingNode {
			return setStructured(field, c, v)
		}
		names, err := v.list()
		if err != nil {
			return err
		}
		*field(c) = nil
		for _, n := range names {
			*field(c) = append(*field(c), one(n))
		}
		return nil
	}
	return k
}

func setStructured[T any](field func(*Config) *[]T, c *Config, v value) error {
	var t []T
	if err := v.decode(&t); err != nil {
		return err
	}
	*field(c) = t
	return nil
}

// flow prints v as one line of YAML; nothing for what is empty.
func flow(v any) string {
	var n yaml.Node
	if err := n.Encode(v); err != nil || len(n.Content) == 0 {
		return ""
	}
	n.Style = yaml.FlowStyle
	b, err := yaml.Marshal(&n)
	if err != nil {
		return ""
	}
	return strings.Join(strings.Fields(string(b)), " ")
}

func parseBool(s string) (bool, error) {
	switch strings.ToLower(s) {
	case "true", "yes", "on", "1":
		return true, nil
	case "false", "no", "off", "0":
		return false, nil
	}
	return false, fmt.Errorf("want true or false")
}

// units are longest first, so that MiB is not read as B.
var units = []struct {
	name string
	size int64
}{
	{"KiB", 1 << 10},
	{"MiB", 1 << 20},
	{"GiB", 1 << 30},
	{"TiB", 1 << 40},
	{"kB", 1e3},
	{"KB", 1e3},
	{"MB", 1e6},
	{"GB", 1e9},
	{"TB", 1e12},
	{"K", 1 << 10},
	{"M", 1 << 20},
	{"G", 1 << 30},
	{"B", 1},
	{"", 1},
}

func parseSize(s string) (int64, error) {
	for _, u := range units {
		digits, ok := strings.CutSuffix(s, u.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSpace(digits), 10, 64)
		if err != nil || n < 0 || n > (1<<62)/u.size {
			break
		}
		return n * u.size, nil
	}
	return 0, fmt.Errorf("want a size such as 10MiB")
}

func formatSize(n int64) string {
	for _, u := range []int{3, 2, 1, 0} {
		if n != 0 && n%units[u].size == 0 {
			return strconv.FormatInt(n/units[u].size, 10) + units[u].name
		}
	}
	return strconv.FormatInt(n, 10)
}

func parsePrefix(s string) (netip.Prefix, error) {
	if p, err := netip.ParsePrefix(s); err == nil {
		return p.Masked(), nil
	}
	a, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("want addresses or networks such as 10.0.0.0/8")
	}
	return netip.PrefixFrom(a, a.BitLen()), nil
}

// parseLevel takes slog's names and PostgREST's crit.
func parseLevel(s string) (slog.Level, error) {
	switch strings.ToLower(s) {
	case "debug":
		return slog.LevelDebug, nil
	case "info":
		return slog.LevelInfo, nil
	case "warn", "warning":
		return slog.LevelWarn, nil
	case "error", "crit":
		return slog.LevelError, nil
	}
	return 0, fmt.Errorf("want debug, info, warn or error")
}

func parseZone(s string) (*time.Location, error) {
	if s == "Local" {
		return nil, fmt.Errorf("want a zone's name such as Europe/Berlin: Local means another one on every machine")
	}
	if s == "" {
		return time.UTC, nil
	}
	z, err := time.LoadLocation(s)
	if err != nil {
		return nil, fmt.Errorf("want a zone's name such as Europe/Berlin")
	}
	return z, nil
}

// oneOf accepts the given words.
func oneOf(words ...string) func(string) (string, error) {
	return func(s string) (string, error) {
		for _, w := range words {
			if strings.EqualFold(s, w) {
				return w, nil
			}
		}
		return "", fmt.Errorf("want one of %s", strings.Join(words, ", "))
	}
}
