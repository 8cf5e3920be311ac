package firely

import (
	"errors"
	"io/fs"
	"strings"
	"time"

	"vigil/internal/format/template"
)

// Settings are what the files and variables of a site say, with our own defaults
// where they say nothing.
type Settings struct {
	// Files are the names of the settings files that were found.
	Files []string
	// Configured says that something is said of auditing. Without it the rest are
	// defaults that nobody asked for.
	Configured bool

	// File and Events say of which exchanges the audit lines and the AuditEvents
	// are written.
	File, Events Scope
	// UserNames puts the user's id and name into the lines.
	UserNames bool
	// Excluded are requests of which neither lines nor AuditEvents are written.
	Excluded []Excluded
	// CorrelationHeader is the header with the correlation id.
	CorrelationHeader string

	// Sinks are where the lines go.
	Sinks []Sink
	// Properties are the same in every line, such as Application.
	Properties  []template.Property
	MachineName bool // the enricher WithMachineName, which Firely's own files have

	// Warnings are for the operator: settings that are understood and do nothing.
	Warnings []string
}

// A Scope says of which exchanges something is written.
type Scope uint8

// The scopes.
const (
	None         Scope = iota
	Transactions       // batches and transactions with their entries
	All
)

// String returns none, transactions or all.
func (s Scope) String() string { return [...]string{"none", "transactions", "all"}[min(s, All)] }

// A Sink is one place where lines go. Kind says which of the others is set.
type Sink struct {
	Kind  Kind
	At    string         // where the settings say it
	Async *Async         // a queue stands before it
	Level template.Level // least level that goes there

	File          *File
	Console       *Console
	Seq           *Seq
	Elasticsearch *Elasticsearch
}

// A Kind of sink, as Serilog names it.
type Kind string

// The kinds.
const (
	KindFile          Kind = "File"
	KindConsole       Kind = "Console"
	KindSeq           Kind = "Seq"
	KindElasticsearch Kind = "Elasticsearch"
)

// Async is Serilog.Sinks.Async.
type Async struct {
	BufferSize int
	// Drop throws events away when the buffer is full, as Serilog does by default:
	// here only where blockWhenFull is written as false.
	Drop bool
}

// File is Serilog.Sinks.File.
type File struct {
	Path             string
	Template         *template.Template
	Interval         string // Infinite, Year, Month, Day, Hour or Minute
	SizeLimit        int64  // bytes; 0 is unlimited
	RollOnSizeLimit  bool
	RetainCount      int           // 0 keeps all
	RetainTime       time.Duration // 0 keeps all
	Shared, Buffered bool
	FlushInterval    time.Duration // 0: not at intervals
	Encoding         string        // empty is UTF-8
}

// Console is Serilog.Sinks.Console.
type Console struct {
	Template *template.Template
	Stderr   bool
}

// Seq is Serilog.Sinks.Seq.
type Seq struct {
	ServerURL, APIKey string
	BatchLimit        int
	Period            time.Duration
	BodyLimit         int64 // bytes of one event
}

// Elasticsearch is Serilog.Sinks.Elasticsearch.
type Elasticsearch struct {
	Nodes       []string
	IndexFormat string
	Inline      bool // properties are members of the document instead of its fields
	BatchLimit  int
	Period      time.Duration
	User        string
	Password    string
	APIKey      string
}

// DefaultTemplate is the output template of Firely Server's documentation.
const DefaultTemplate = "{Timestamp:yyyy-MM-dd HH:mm:ss.fff zzz} [{Application}] [Audit] {RequestResponse} [Machine: {MachineName}] [ReqId: {RequestId}] [IP-Address: {Ip}] [Connection: {ConnectionId}] [UserId: {UserId}] [Username: {Username}] [Path: {Path}] [Parameters: {Parameters}] [Action: {Action}] [Resource: {Resource} Key:{ResourceKey}] [Search results: {SearchResultSummary}] [StatusCode: {StatusCode}] {NewLine}"

// Load reads the settings in dir and in environ, which is as os.Environ. An error
// names every place that is wrong: file, line and column, or the variable.
func Load(dir fs.FS, environ []string) (*Settings, error) {
	log, logFound, err := layers(dir, logFiles, logPrefix, environ)
	if err != nil {
		return nil, err
	}
	app, appFound, err := layers(dir, appFiles, appPrefix, environ)
	if err != nil {
		return nil, err
	}
	s := &Settings{
		Files:      append(logFound, appFound...),
		Configured: log.part("AuditLog") != nil || app.part("Audit") != nil || app.part("PipelineOptions") != nil,
	}
	r := &reader{environ: environ}
	s.pipeline(r, app)
	s.excluded(r, app.path("Audit", "ExcludedRequests"))
	s.auditLog(r, log.part("AuditLog"))
	s.Warnings = append(s.Warnings, r.warnings...)
	if len(r.errs) > 0 {
		return nil, errors.Join(r.errs...)
	}
	return s, nil
}

// auditLog reads the section AuditLog, which is Serilog's configuration.
func (s *Settings) auditLog(r *reader, n *node) {
	r.known(n, "AuditLog", "Using", "MinimumLevel", "LevelSwitches", "WriteTo", "Enrich", "Properties", "Filter", "Destructure")
	for _, name := range []string{"Filter", "Destructure", "LevelSwitches"} {
		if p := n.part(name); p != nil && len(p.parts) > 0 {
			r.failf(p, "%s of the audit log is not supported: leave it out, and exclude requests by Audit:ExcludedRequests", name)
		}
	}
	level := s.minimum(r, n.part("MinimumLevel"))
	s.enrich(r, n.part("Enrich"))
	s.properties(n.part("Properties"))
	to := n.part("WriteTo")
	if to == nil {
		return
	}
	for _, p := range to.parts {
		s.sink(r, p, level, nil)
	}
}

// minimum reads MinimumLevel, which is a level, or an object with Default and with
// Override for names that messages come from, of which the longest counts.
func (s *Settings) minimum(r *reader, n *node) template.Level {
	if n == nil {
		return template.Verbose
	}
	r.known(n, "MinimumLevel", "Default", "Override", "ControlledBy")
	at, longest := n, 0
	if len(n.parts) > 0 {
		at = n.part("Default")
	}
	if override := n.part("Override"); override != nil {
		for _, p := range override.parts {
			if source := auditSource + "."; len(p.name) > longest && len(p.name) < len(source) &&
				strings.EqualFold(source[:len(p.name)], p.name) && source[len(p.name)] == '.' {
				at, longest = p, len(p.name)
			}
		}
	}
	level := s.level(r, at, template.Verbose)
	if level > template.Information {
		r.failf(at, "level %s would write no audit line: they are of the level Information. To have none, say Audit:EnableAuditFileLogging false in the appsettings", level)
	}
	return level
}

// auditSource is where Firely Server's audit lines come from.
const auditSource = "Vonk.Plugin.Audit"

// level reads the name of a level.
func (s *Settings) level(r *reader, n *node, otherwise template.Level) template.Level {
	name := r.text(n, "")
	if name == "" {
		return otherwise
	}
	l, ok := template.ParseLevel(name)
	if !ok {
		r.failf(n, "there is no level %q: want Verbose, Debug, Information, Warning, Error or Fatal", name)
		return otherwise
	}
	return l
}

// enrich reads the enrichers: names, or objects with Name and Args.
func (s *Settings) enrich(r *reader, n *node) {
	s.CorrelationHeader = "X-Correlation-Id"
	if n == nil {
		s.MachineName = true
		return
	}
	parts := n.parts
	if len(parts) == 0 {
		parts = []*node{n}
	}
	for _, p := range parts {
		name := p.value
		if name == "" {
			name = r.text(p.part("Name"), "")
		}
		switch name {
		case "FromLogContext", "":
		case "WithMachineName":
			s.MachineName = true
		case "WithCorrelationId", "WithCorrelationIdHeader":
			s.CorrelationHeader = r.text(p.path("Args", "headerKey"), r.text(p.path("Args", "headerName"), s.CorrelationHeader))
		case "WithThreadId", "WithProcessId", "WithProcessName", "WithThreadName", "WithEnvironmentName", "WithEnvironmentUserName", "WithSpan":
			s.Warnings = append(s.Warnings, p.at+": the enricher "+name+" tells of Firely Server's own process and adds nothing here")
		default:
			r.failf(p, "there is no enricher %q: want FromLogContext, WithMachineName or WithCorrelationIdHeader", name)
		}
	}
}

// properties reads the properties that every line has.
func (s *Settings) properties(n *node) {
	has := false
	if n != nil {
		for _, p := range n.parts {
			s.Properties = append(s.Properties, template.Property{Name: p.name, Value: template.Text(p.value)})
			has = has || p.name == "Application"
		}
	}
	if !has {
		s.Properties = append(s.Properties, template.Property{Name: "Application", Value: template.Text("Firely Server")})
	}
}
