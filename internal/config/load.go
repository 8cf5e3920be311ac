package config

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// The names of the files that are looked for in the directory.
const (
	FileYAML   = "vigil.yaml"
	FileDotenv = ".env"
)

// origin is where a value came from.
type origin struct {
	from string // as Setting.Source
}

// loader gathers the layers, lowest first, into a Config. Errors are collected,
// so that an operator sees all of them at once.
type loader struct {
	c        *Config
	dir      string
	settings []setting
	byName   map[string]setting
	aliases  []alias
	errs     []error
}

// Load returns the effective configuration: flags over environ over the .env
// file in dir over vigil.yaml in dir over the defaults.
//
// Flags are by the name that [Flags] gives, or by the setting's; an empty one
// counts, so leave out what was not given. The flag "config" (or VIGIL_CONFIG) names a YAML file that
// must then exist. Environ is as [os.Environ] returns it; an empty variable
// counts as not set. The error names every fault, with the nearest right name of
// an unknown key, and never shows a value.
func Load(flags map[string]string, environ []string, dir string) (*Config, error) {
	l := &loader{
		c:        &Config{origins: map[string]origin{}},
		dir:      dir,
		settings: settings(),
		byName:   map[string]setting{},
		aliases:  append(aliases(), aidboxAliases()...),
	}
	for _, s := range l.settings {
		l.byName[s.name] = s
		l.set(s, value{text: s.def}, "default")
	}
	env := environMap(environ)
	dotenv := l.readDotenv()
	l.readYAML(flags["config"], env, dotenv)
	l.env(dotenv, " in "+FileDotenv)
	l.env(env, "")
	l.flags(flags)
	if len(l.errs) > 0 {
		return nil, errors.Join(l.errs...)
	}
	if l.c.Postgres.StateDir == "" {
		l.c.Postgres.StateDir = stateDir(env["STATE_DIRECTORY"])
	}
	l.finish()
	if err := l.c.Validate(); err != nil {
		return nil, err
	}
	return l.c, nil
}

// Flags returns the names of the flags that [Load] understands, "config" apart,
// with their documentation.
func Flags() map[string]string {
	m := map[string]string{}
	for _, s := range settings() {
		m[s.flag()] = s.doc
	}
	return m
}

func (l *loader) fail(format string, args ...any) {
	l.errs = append(l.errs, fmt.Errorf(format, args...))
}

// set gives one setting a value. An empty default leaves the zero value.
func (l *loader) set(s setting, v value, from string) {
	if from == "default" && v.text == "" {
		return
	}
	if err := s.kind.set(l.c, v); err != nil {
		if s.secret {
			err = errors.New("its value cannot be read")
		}
		l.fail("%s: %w", from, err)
		return
	}
	l.c.origins[s.name] = origin{from: from}
}

func environMap(environ []string) map[string]string {
	m := map[string]string{}
	for _, kv := range environ {
		if k, v, ok := strings.Cut(kv, "="); ok {
			m[k] = v
		}
	}
	return m
}

func (l *loader) readDotenv() map[string]string {
	b, err := os.ReadFile(filepath.Join(l.dir, FileDotenv))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		l.fail("read configuration: %w", err)
		return nil
	}
	values, warnings, err := parseDotenv(string(b))
	if err != nil {
		l.fail("%s: %w", FileDotenv, err)
	}
	for _, w := range warnings {
		l.c.Warnings = append(l.c.Warnings, FileDotenv+": "+w)
	}
	return values
}

// env applies variables: PostgREST's and logserver's first, so that ours win
// over them within one source.
func (l *loader) env(vars map[string]string, suffix string) {
	known := map[string]bool{"VIGIL_CONFIG": true}
	for _, a := range l.aliases {
		known[a.env] = true
		if text := vars[a.env]; text != "" {
			l.alias(a, text, a.env+suffix)
		}
	}
	for _, s := range l.settings {
		known[s.env()] = true
		if s.secret || s.file {
			known[s.env()+"_FILE"] = true
			l.secretFile(s, vars[s.env()+"_FILE"], s.env()+"_FILE"+suffix)
		}
		if text := vars[s.env()]; text != "" {
			l.set(s, value{text: text}, s.env()+suffix)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(vars)) {
		switch {
		case !ours(name) || known[name] || foreign(name, vars[name]):
		case strings.HasPrefix(name, "PGRST_APP_SETTINGS_"):
			l.ignore(name, name+suffix)
		default:
			l.fail("%s%s: unknown setting%s", name, suffix, meant(name, maps.Keys(known)))
		}
	}
}

func (l *loader) alias(a alias, text, from string) {
	if a.setting == "" {
		l.ignore(a.env, from)
		return
	}
	s := l.byName[a.setting]
	if a.set == nil {
		l.set(s, value{text: text}, from)
		return
	}
	if err := a.set(l.c, text, l.dir); err != nil {
		l.fail("%s: %w", from, err)
		return
	}
	if old := l.c.origins[a.setting].from; a.setting == "listen" && old != "default" && old != "" {
		from = old + ", " + from // host and port may come from two places
	}
	l.c.origins[a.setting] = origin{from: from}
}

func (l *loader) ignore(name, from string) {
	l.c.Ignored = append(l.c.Ignored, Setting{Name: name, Source: from})
}

func (l *loader) secretFile(s setting, file, from string) {
	if file == "" {
		return
	}
	text, err := readSecretFile(file, l.dir)
	if err != nil {
		l.fail("%s: %w", from, err)
		return
	}
	l.set(s, value{text: text}, from)
}

// foreign reports whether the variable is not for the server: VIGIL_TOKEN is
// what commands send to one, and Kubernetes sets some in every container beside
// a service called vigil.
func foreign(name, text string) bool {
	rest, ok := strings.CutPrefix(name, "VIGIL_")
	if !ok {
		return false
	}
	return rest == "TOKEN" || rest == "SERVICE_HOST" || strings.HasPrefix(rest, "SERVICE_PORT") ||
		rest == "PORT" && strings.Contains(text, "://") ||
		strings.HasPrefix(rest, "PORT_") && (strings.Contains(rest, "_TCP") || strings.Contains(rest, "_UDP"))
}

func (l *loader) flags(flags map[string]string) {
	byFlag := map[string]setting{}
	for _, s := range l.settings {
		byFlag[s.flag()], byFlag[s.name] = s, s
	}
	for _, name := range slices.Sorted(maps.Keys(flags)) {
		if name == "config" {
			continue
		}
		s, ok := byFlag[name]
		if !ok {
			l.fail("--%s: unknown flag%s", name, meant(name, maps.Keys(byFlag)))
			continue
		}
		l.set(s, value{text: flags[name]}, "--"+name)
	}
}

// finish settles what depends on several settings.
func (l *loader) finish() {
	c := l.c
	c.addAidboxSinks()
	c.Auth.Secrets = slices.DeleteFunc(c.Auth.Secrets, func(s string) bool { return s == "" })
	if c.OpenAPIURL == "" {
		c.OpenAPIURL = c.BaseURL
	}
	if c.PostgresURI != "" {
		c.Warnings = append(c.Warnings, "PGRST_DB_URI names a database, which is not used: events are kept in "+redact(c.Store))
	}
	if len(c.Ignored) > 0 {
		var names []string
		for _, s := range c.Ignored {
			names = append(names, s.Name)
		}
		c.Warnings = append(c.Warnings, "these settings of PostgREST mean nothing to Vigil and are ignored: "+strings.Join(names, ", "))
	}
}
