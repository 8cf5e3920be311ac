package firely

import (
	"net/url"
	"slices"
	"strings"
	"time"

	"vigil/internal/format/template"
)

// lineProperties are the properties that a line may print, beside those of
// Properties in the settings.
var lineProperties = []string{
	"Application", "RequestResponse", "MachineName", "RequestId", "Ip", "ConnectionId", "UserId", "Username", "Path",
	"Parameters", "Action", "Resource", "ResourceKey", "SearchResultSummary", "StatusCode", "CorrelationId",
}

// sink reads one element of WriteTo: an object with Name and Args, or a name.
func (s *Settings) sink(r *reader, n *node, level template.Level, async *Async) {
	name := r.text(n.part("Name"), "")
	if name == "" && len(n.parts) == 0 {
		name = n.value
	}
	r.known(n, "a sink", "Name", "Args")
	args := n.part("Args")
	if args == nil {
		args = &node{at: n.at}
	}
	r.expand(args)
	k := Sink{At: n.at, Async: async, Level: s.level(r, args.part("restrictedToMinimumLevel"), level)}
	switch {
	case strings.EqualFold(name, "Async"):
		s.async(r, n, args, level, async)
		return
	case strings.EqualFold(name, "File"):
		k.Kind, k.File = KindFile, s.file(r, n, args)
	case strings.EqualFold(name, "Console"):
		r.known(args, "the sink Console", "outputTemplate", "theme", "standardErrorFromLevel", "restrictedToMinimumLevel", "formatter")
		k.Kind = KindConsole
		k.Console = &Console{
			Template: s.template(r, args.part("outputTemplate")),
			Stderr:   s.level(r, args.part("standardErrorFromLevel"), template.Fatal) <= template.Information,
		}
	case strings.EqualFold(name, "Seq"):
		k.Kind, k.Seq = KindSeq, s.seq(r, n, args)
	case strings.EqualFold(name, "Elasticsearch"):
		k.Kind, k.Elasticsearch = KindElasticsearch, s.elasticsearch(r, n, args)
	case name == "":
		r.failf(n, "the sink has no Name: want File, Async, Console, Seq or Elasticsearch")
		return
	default:
		r.failf(n, "there is no sink %q here: want File, Async, Console, Seq or Elasticsearch", name)
		return
	}
	if k.Level > template.Information {
		s.Warnings = append(s.Warnings, n.at+": the sink "+name+" is for the level "+k.Level.String()+" on, and audit lines are of the level Information: nothing is written there")
		return
	}
	s.Sinks = append(s.Sinks, k)
}

func empty(n *node) bool { return n == nil || n.null || n.value == "" }

// async reads the sinks behind a queue.
func (s *Settings) async(r *reader, n, args *node, level template.Level, within *Async) {
	r.known(args, "the sink Async", "configure", "bufferSize", "blockWhenFull", "monitor")
	if within != nil {
		r.failf(n, "Async within Async: one queue is enough")
		return
	}
	a := &Async{
		BufferSize: int(min(r.count(args.part("bufferSize"), 10_000, 1), 10_000_000)),
		Drop:       !r.truth(args.part("blockWhenFull"), true),
	}
	if a.Drop {
		s.Warnings = append(s.Warnings, n.at+": blockWhenFull is false, so audit lines are thrown away when the buffer is full; leave it out to lose none")
	}
	configure := args.part("configure")
	if configure == nil || len(configure.parts) == 0 {
		r.failf(n, "Async has nothing behind it: want configure with sinks")
		return
	}
	for _, p := range configure.parts {
		s.sink(r, p, level, a)
	}
}

// file reads the arguments of the sink File.
func (s *Settings) file(r *reader, n, args *node) *File {
	r.known(args, "the sink File", "path", "outputTemplate", "rollingInterval", "fileSizeLimitBytes", "rollOnFileSizeLimit",
		"retainedFileCountLimit", "retainedFileTimeLimit", "shared", "buffered", "flushToDiskInterval", "encoding",
		"restrictedToMinimumLevel", "formatter", "levelSwitch", "hooks")
	for _, name := range []string{"formatter", "levelSwitch", "hooks"} {
		if p := args.part(name); !empty(p) {
			r.failf(p, "%s names a class of .NET and cannot be used here: use outputTemplate", name)
		}
	}
	f := &File{
		Path:            r.text(args.part("path"), ""),
		Template:        s.template(r, args.part("outputTemplate")),
		Interval:        r.text(args.part("rollingInterval"), "Infinite"),
		SizeLimit:       1 << 30,
		RollOnSizeLimit: r.truth(args.part("rollOnFileSizeLimit"), false),
		RetainCount:     int(min(r.count(args.part("retainedFileCountLimit"), 0, 1), 1<<30)),
		RetainTime:      r.span(args.part("retainedFileTimeLimit"), 0),
		Shared:          r.truth(args.part("shared"), false),
		Buffered:        r.truth(args.part("buffered"), false),
		FlushInterval:   r.span(args.part("flushToDiskInterval"), 0),
		Encoding:        encoding(r, args.part("encoding")),
	}
	if f.Path == "" {
		r.failf(n, "the sink File has no path")
	}
	if p := args.part("fileSizeLimitBytes"); p != nil {
		f.SizeLimit = r.count(p, 0, 1) // empty and null are unlimited
	}
	intervals := []string{"Infinite", "Year", "Month", "Day", "Hour", "Minute"}
	i := slices.IndexFunc(intervals, func(s string) bool { return strings.EqualFold(s, f.Interval) })
	if i < 0 {
		r.failf(args.part("rollingInterval"), "there is no rollingInterval %q: want %s", f.Interval, strings.Join(intervals, ", "))
	} else {
		f.Interval = intervals[i]
	}
	if f.Shared && f.Buffered {
		r.failf(n, "a file cannot be shared and buffered: what is buffered could come between the lines of another process")
	}
	return f
}

// encoding reads the name of an encoding, also as the member of a class of .NET.
func encoding(r *reader, n *node) string {
	name := r.text(n, "")
	if before, class, ok := strings.Cut(name, "::"); ok {
		name, _, _ = strings.Cut(class, ",")
		_ = before
	}
	switch strings.ToLower(strings.TrimSpace(name)) {
	case "", "utf8", "utf-8":
		return ""
	case "unicode", "utf-16", "utf-16le":
		return "utf-16"
	case "bigendianunicode", "utf-16be":
		return "utf-16be"
	case "latin1", "iso-8859-1":
		return "latin1"
	case "ascii", "us-ascii":
		return "ascii"
	}
	r.failf(n, "there is no encoding %q here: want UTF-8, UTF-16, UTF-16BE, Latin1 or ASCII", name)
	return ""
}

// template reads an output template and refuses what was probably not meant.
func (s *Settings) template(r *reader, n *node) *template.Template {
	text := r.text(n, DefaultTemplate)
	t, err := template.Parse(text)
	if err != nil {
		r.failf(n, "%v", err)
		return nil
	}
	for _, part := range t.Suspects() {
		r.failf(n, "%q in the outputTemplate is no property and would be printed as it is: write {Name}, or {{ for a brace", part)
	}
	for _, name := range t.Names() {
		own := slices.ContainsFunc(s.Properties, func(p template.Property) bool { return p.Name == name })
		if !own && !slices.Contains(lineProperties, name) {
			r.failf(n, "the outputTemplate names %q, which no audit line has: there are %s", name, strings.Join(lineProperties, ", "))
		}
	}
	return t
}

// seq reads the arguments of the sink Seq.
func (s *Settings) seq(r *reader, n, args *node) *Seq {
	r.known(args, "the sink Seq", "serverUrl", "apiKey", "batchPostingLimit", "period", "bufferBaseFilename", "bufferSizeLimitBytes",
		"eventBodyLimitBytes", "queueSizeLimit", "restrictedToMinimumLevel", "controlLevelSwitch", "retainedInvalidPayloadsLimitBytes",
		"messageHandler", "payloadFormatter", "formatProvider")
	for _, name := range []string{"bufferBaseFilename", "queueSizeLimit", "bufferSizeLimitBytes"} {
		if p := args.part(name); !empty(p) {
			s.Warnings = append(s.Warnings, p.at+": "+name+" is not needed: lines for Seq wait on disk, and none is dropped")
		}
	}
	q := &Seq{
		ServerURL:  r.text(args.part("serverUrl"), ""),
		APIKey:     r.text(args.part("apiKey"), ""),
		BatchLimit: int(min(r.count(args.part("batchPostingLimit"), 1000, 1), 100_000)),
		Period:     r.span(args.part("period"), 2*time.Second),
		BodyLimit:  r.count(args.part("eventBodyLimitBytes"), 262_144, 1),
	}
	s.address(r, n, "serverUrl", q.ServerURL)
	return q
}

// elasticsearch reads the arguments of the sink Elasticsearch, of both packages
// that give one.
func (s *Settings) elasticsearch(r *reader, n, args *node) *Elasticsearch {
	r.known(args, "the sink Elasticsearch", "nodeUris", "nodes", "indexFormat", "batchPostingLimit", "period", "restrictedToMinimumLevel",
		"autoRegisterTemplate", "autoRegisterTemplateVersion", "templateName", "typeName", "batchAction", "username", "password", "apiKey",
		"inlineFields", "renderMessage", "numberOfShards", "numberOfReplicas", "connectionTimeout", "emitEventFailure", "queueSizeLimit", "bufferBaseFilename")
	e := &Elasticsearch{
		IndexFormat: r.text(args.part("indexFormat"), "logstash-{0:yyyy.MM.dd}"),
		BatchLimit:  int(min(r.count(args.part("batchPostingLimit"), 50, 1), 100_000)),
		Period:      r.span(args.part("period"), 2*time.Second),
		Inline:      r.truth(args.part("inlineFields"), false),
		User:        r.text(args.part("username"), ""), Password: r.text(args.part("password"), ""), APIKey: r.text(args.part("apiKey"), ""),
	}
	e.Nodes = strings.FieldsFunc(r.text(args.part("nodeUris"), ""), func(c rune) bool { return c == ';' || c == ',' || c == ' ' })
	if nodes := args.part("nodes"); nodes != nil {
		for _, p := range nodes.parts {
			e.Nodes = append(e.Nodes, p.value)
		}
	}
	if len(e.Nodes) == 0 {
		r.failf(n, "the sink Elasticsearch has no nodeUris")
	}
	for _, u := range e.Nodes {
		s.address(r, n, "nodeUris", u)
	}
	return e
}

// address refuses what is no URL that can be reached by HTTP.
func (s *Settings) address(r *reader, n *node, name, text string) {
	u, err := url.Parse(text)
	if text == "" || err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		r.failf(n, "%s is no address: want one such as http://localhost:5341", name)
	}
}
