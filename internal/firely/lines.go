package firely

import (
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"vigil"
	"vigil/internal/format/template"
)

// A Liner makes audit lines of exchanges. It is safe for concurrent use.
type Liner struct {
	settings *Settings
	machine  string
	zone     *time.Location
	message  *template.Template
	pool     sync.Pool // of *scratch
}

// scratch is what a Liner uses again for the next exchange.
type scratch struct {
	event    template.Event
	exchange vigil.Exchange
	reader   exchangeReader
}

// message is the message template of every line: what Seq and Elasticsearch show
// of an event, and tell kinds of events by.
const message = "[Audit] {RequestResponse} {Action} {Path} [StatusCode: {StatusCode}]"

// Liner returns what makes the lines that s asks for, with times in zone.
func (s *Settings) Liner(zone *time.Location) *Liner {
	l := &Liner{settings: s, zone: zone, message: template.ParseMessage(message)}
	l.pool.New = func() any { return &scratch{} }
	if s.MachineName {
		l.machine, _ = os.Hostname() // without a name the property is empty
	}
	return l
}

// Events calls yield with each line of an exchange, as what a template prints: one
// for the request and one for the response of the whole, and between them those of
// the entries of a batch or transaction. The event is reused for the next line.
// Excluded exchanges, excluded entries and those outside the scope have none.
func (l *Liner) Events(x *vigil.Exchange, yield func(*template.Event)) {
	s := l.pool.Get().(*scratch)
	defer l.pool.Put(s)
	l.events(&s.event, x, yield)
}

func (l *Liner) events(e *template.Event, x *vigil.Exchange, yield func(*template.Event)) {
	if !l.settings.File.covers(x) || l.settings.Excludes(x) {
		return
	}
	e.Level, e.Message = template.Information, l.message
	whole := account{Exchange: x, whole: x}
	l.line(e, &whole, request, yield)
	for i := range x.Entries {
		if l.settings.ExcludesEntry(x, &x.Entries[i]) {
			continue
		}
		entry := account{Exchange: &x.Entries[i], whole: x}
		l.line(e, &entry, request, yield)
		l.line(e, &entry, response, yield)
	}
	l.line(e, &whole, response, yield)
}

// account is an exchange or an entry of one, which has the sender and the
// connection of the whole.
type account struct {
	*vigil.Exchange
	whole    *vigil.Exchange
	resource string // type and id, once they were put together
}

const (
	request  = "[Request]"
	response = "[Response]"
)

// line gives one line to yield.
func (l *Liner) line(e *template.Event, a *account, what string, yield func(*template.Event)) {
	w := a.whole
	status, at := int64(-1), w.Start
	if what == response {
		status, at = int64(a.Status), w.Start.Add(w.Duration)
	}
	e.Time = at.In(l.zone)
	p := append(e.Properties[:0], l.settings.Properties...)
	text := func(name, value string) {
		p = append(p, template.Property{Name: name, Value: template.Text(value)})
	}
	text("RequestResponse", what)
	if l.settings.MachineName {
		text("MachineName", l.machine)
	}
	text("RequestId", first(w.RequestID, w.ID))
	if len(w.Peer) > 0 {
		text("Ip", w.Peer[0])
	}
	text("ConnectionId", w.Connection)
	if l.settings.UserNames {
		text("UserId", first(w.User.Subject, w.User.Client))
		text("Username", first(w.User.Name, w.User.Username))
	}
	text("Path", first(a.Path, w.Path))
	text("Parameters", parameters(a))
	text("Action", action(a.Exchange))
	text("Resource", a.Type)
	text("ResourceKey", key(a, what))
	if what == response {
		text("SearchResultSummary", summary(a.Exchange))
	}
	p = append(p, template.Property{Name: "StatusCode", Value: template.Int(status)})
	text("CorrelationId", l.correlation(w))
	e.Properties = p
	yield(e)
}

// correlation returns the correlation id: the header's that the settings name, what
// the gateway took for one, or the exchange's own id, which is a UUID as the one
// that the enricher makes where the header is absent.
func (l *Liner) correlation(x *vigil.Exchange) string {
	if name := l.settings.CorrelationHeader; name != "" {
		for header, value := range x.Headers {
			if strings.EqualFold(header, name) && value != "" {
				return value
			}
		}
	}
	return first(x.Correlation, x.ID)
}

// parameters returns the parameters of the request, those of a search by POST
// included.
func parameters(a *account) string {
	if a.Search != nil && a.Search.Query != "" {
		return a.Search.Query
	}
	return a.RawQuery
}

// key returns the resource as type and id; what is created has its id from the
// response on.
func key(a *account, what string) string {
	if a.Key == "" || what == request && a.Interaction == "create" {
		return ""
	}
	if a.resource == "" {
		a.resource = a.Type + "/" + a.Key
	}
	return a.resource
}

// summary says what a search or a history found: the total and the resources with
// their versions.
func summary(x *vigil.Exchange) string {
	if x.Search == nil {
		return ""
	}
	var b strings.Builder
	if x.Search.Total != nil {
		b.WriteString("Total: " + strconv.FormatInt(*x.Search.Total, 10) + ", ")
	}
	b.WriteString("Matches: " + strconv.Itoa(x.Search.Matches))
	if x.Search.Includes > 0 {
		b.WriteString(", Includes: " + strconv.Itoa(x.Search.Includes))
	}
	for i, r := range x.Returned {
		b.WriteString([2]string{", Resources: ", ", "}[min(i, 1)] + r)
	}
	return b.String()
}

// actions are Firely Server's names of FHIR's interactions: the level, and what is
// done. Operations have theirs by what they are called on.
var actions = map[string]string{
	"read": "instance_read", "vread": "instance_vread", "update": "instance_update", "patch": "instance_patch", "delete": "instance_delete",
	"history-instance": "instance_history", "create": "type_create", "search-type": "type_search", "history-type": "type_history",
	"search-system": "system_search", "history-system": "system_history", "batch": "system_batch", "transaction": "system_transaction",
	"capabilities": "system_capabilities",
}

// action names what was asked for as Firely Server does; empty where it is none of
// FHIR's interactions.
func action(x *vigil.Exchange) string {
	if x.Interaction != "operation" {
		return actions[x.Interaction]
	}
	switch {
	case x.Key != "":
		return "instance_custom"
	case x.Type != "":
		return "type_custom"
	}
	return "system_custom"
}

// below returns the path of a request or an entry below the base of the FHIR server,
// whose URL is upstream where it is known.
func below(x *vigil.Exchange, upstream string) string {
	path := x.Path
	if u, err := url.Parse(upstream); err == nil && upstream != "" {
		base := strings.TrimSuffix(u.EscapedPath(), "/")
		if rest, ok := strings.CutPrefix(path, base); ok && (rest == "" || rest[0] == '/') {
			return rest
		}
		return path
	}
	// The route is the path below the base, with marks in the place of ids.
	if _, route, ok := strings.Cut(x.Route, " "); ok {
		parts, n := strings.Split(strings.Trim(path, "/"), "/"), strings.Count(strings.Trim(route, "/"), "/")+1
		if route == "/" {
			return "/"
		}
		if n <= len(parts) {
			return "/" + strings.Join(parts[len(parts)-n:], "/")
		}
	}
	return path
}

func first(s ...string) string {
	for _, v := range s {
		if v != "" {
			return v
		}
	}
	return ""
}

// Lines returns the line format that a template gives: the lines of each
// exchange, nothing for other events.
func (l *Liner) Lines(t *template.Template) func(dst []byte, e *vigil.Event) []byte {
	return l.Format(func(dst []byte, te *template.Event) []byte {
		if !t.HasMessage() { // so that {Properties} leaves out only what t itself prints
			te.Message = nil
		}
		dst = t.Append(dst, te)
		if len(dst) > 0 && dst[len(dst)-1] != '\n' {
			dst = append(dst, '\n') // a template without {NewLine} would run events together
		}
		return dst
	})
}

// Format returns the line format in which print appends each line, which ends
// with a line feed, and keeps nothing of its argument.
func (l *Liner) Format(print func(dst []byte, e *template.Event) []byte) func(dst []byte, e *vigil.Event) []byte {
	return func(dst []byte, e *vigil.Event) []byte {
		if e.Format != vigil.FormatExchange {
			return dst
		}
		s := l.pool.Get().(*scratch)
		defer l.pool.Put(s)
		if s.reader.exchange(&s.exchange, e.Doc) {
			l.events(&s.event, &s.exchange, func(te *template.Event) { dst = print(dst, te) })
		}
		return dst
	}
}
