package firely

import (
	"encoding/json"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"vigil"
	"vigil/internal/format/template"
)

// A Liner makes audit lines of exchanges. It is safe for concurrent use.
type Liner struct {
	settings *Settings
	machine  string
	zone     *time.Location
}

// Liner returns what makes the lines that s asks for, with times in zone.
func (s *Settings) Liner(zone *time.Location) *Liner {
	l := &Liner{settings: s, zone: zone}
	if s.MachineName {
		l.machine, _ = os.Hostname() // without a name the property is empty
	}
	return l
}

// Events calls yield with each line of an exchange, as what a template prints: one
// for the request and one for the response of the whole, and between them those of
// the entries of a batch or transaction. The event is reused for the next line.
// Excluded exchanges and those outside the scope have none.
func (l *Liner) Events(x *vigil.Exchange, yield func(*template.Event)) {
	if !l.settings.File.covers(x) || l.settings.Excludes(x) {
		return
	}
	e := &template.Event{Level: template.Information, Properties: make([]template.Property, 0, len(lineProperties)+len(l.settings.Properties))}
	whole := account{Exchange: x, whole: x}
	l.line(e, &whole, request, yield)
	for i := range x.Entries {
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
	whole *vigil.Exchange
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
	text("CorrelationId", w.Correlation)
	e.Properties = p
	yield(e)
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
	return a.Type + "/" + a.Key
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

// action names an interaction as Firely Server does: its level, and what is done.
func action(x *vigil.Exchange) string {
	switch x.Interaction {
	case "read", "vread", "update", "patch", "delete", "history-instance":
		return "instance_" + strings.TrimSuffix(x.Interaction, "-instance")
	case "create", "search-type", "history-type":
		return "type_" + strings.TrimSuffix(x.Interaction, "-type")
	case "search-system", "history-system", "batch", "transaction", "capabilities":
		return "system_" + strings.TrimSuffix(x.Interaction, "-system")
	case "operation":
		switch {
		case x.Key != "":
			return "instance_custom"
		case x.Type != "":
			return "type_custom"
		}
		return "system_custom"
	}
	return x.Interaction
}

// below returns the path of a request below the base of the FHIR server.
func below(x *vigil.Exchange) string {
	path := x.Path
	if u, err := url.Parse(x.Upstream); err == nil && x.Upstream != "" {
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
	return func(dst []byte, e *vigil.Event) []byte {
		x, ok := exchange(e)
		if !ok {
			return dst
		}
		l.Events(x, func(te *template.Event) {
			dst = t.Append(dst, te)
			if len(dst) > 0 && dst[len(dst)-1] != '\n' {
				dst = append(dst, '\n') // a template without {NewLine} would run events together
			}
		})
		return dst
	}
}

// exchange reads the exchange that an event holds.
func exchange(e *vigil.Event) (*vigil.Exchange, bool) {
	if e.Format != vigil.FormatExchange {
		return nil, false
	}
	x := new(vigil.Exchange)
	return x, json.Unmarshal(e.Doc, x) == nil
}
