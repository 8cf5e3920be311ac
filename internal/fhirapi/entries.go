package fhirapi

import (
	"bytes"
	"errors"
	"net/http"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"

	"vigil/internal/format/fhir"
	"vigil/internal/jsonb"
	"vigil/internal/web"
)

// maxEntries is how many entries a Bundle may have: a bound on memory, since what
// is kept of the shortest one is far larger than it is.
const maxEntries = 10_000

// bundle is a Bundle that was read.
type bundle struct {
	kind    string // batch, transaction, collection
	entries []*entry
}

// entry is an entry of a Bundle on its way.
type entry struct {
	method, url string
	header      http.Header // conditions of the request
	asked       bool        // it has a request
	condition   string      // of a create: search parameters
	text        []byte      // of the resource, as JSON; nil where there is none
	node        *fhir.Node  // of a resource that came as XML; let go of once it is judged

	taken  *taken
	answer *answer
	shown  *fhir.Node // the resource that the answer has
	err    error
}

// isBundle reports whether a document is a Bundle, by its first words.
func isBundle(doc []byte, xml bool) bool {
	if xml {
		head := doc[:min(len(doc), 1024)]
		return bytes.Contains(head, []byte("<Bundle")) && !bytes.Contains(head, []byte("<AuditEvent"))
	}
	if jsonb.Kind(doc) != '{' || !bytes.Contains(doc, []byte(`"Bundle"`)) || jsonb.Check(doc, jsonb.Limits{}) != nil {
		return false
	}
	t, ok := jsonb.Get(doc, "resourceType")
	return ok && string(t) == `"Bundle"`
}

// readBundle reads a Bundle. Its entries are not judged yet.
func (a *API) readBundle(c *call) (*bundle, error) {
	if c.in.xml {
		return a.readXMLBundle(c)
	}
	if err := jsonb.Check(c.body, jsonb.Limits{Depth: a.Limits.Depth + 4, Text: jsonb.Printed(c.body)}); err != nil {
		return nil, err
	}
	if jsonb.Kind(c.body) != '{' {
		return nil, fail(http.StatusBadRequest, "structure", "a Bundle must be a JSON object")
	}
	b := &bundle{}
	seen := map[string]bool{}
	kind := ""
	for name, value := range jsonb.Members(c.body) {
		if seen[name] {
			return nil, fail(http.StatusBadRequest, "structure", "a member of the Bundle is there twice")
		}
		seen[name] = true
		switch name {
		case "resourceType":
			kind = text(value)
		case "type":
			b.kind = text(value)
		case "entry":
			if jsonb.Kind(value) != '[' {
				return nil, fail(http.StatusBadRequest, "structure", "Bundle.entry must be an array")
			}
			for element := range jsonb.Elements(value) {
				if jsonb.Kind(element) != '{' {
					return nil, fail(http.StatusBadRequest, "structure", "each of Bundle.entry must be an object")
				}
				if b.entries = append(b.entries, jsonEntry(element)); len(b.entries) > maxEntries {
					return nil, errEntries()
				}
			}
		}
	}
	if kind != "Bundle" {
		return nil, errNoBundle(kind)
	}
	return b, nil
}

// text returns the content of a JSON string, "" of anything else.
func text(value []byte) string {
	if jsonb.Kind(value) != '"' {
		return ""
	}
	return string(jsonb.AppendText(nil, value))
}

// jsonEntry reads an entry, whose text goes on pointing into the body.
func jsonEntry(element []byte) *entry {
	e := &entry{}
	for name, value := range jsonb.Members(element) {
		switch name {
		case "resource":
			if e.text != nil {
				e.err = fail(http.StatusBadRequest, "structure", "the entry has two resources")
			}
			e.text = value
		case "request":
			e.asked = jsonb.Kind(value) == '{'
			for name, value := range jsonb.Members(value) {
				e.request(name, text(value))
			}
		}
	}
	return e
}

// request takes one element of entry.request.
func (e *entry) request(name, value string) {
	header := ""
	switch name {
	case "method":
		e.method = value
	case "url":
		e.url = value
	case "ifNoneExist":
		header = "If-None-Exist"
	case "ifNoneMatch":
		header = "If-None-Match"
	case "ifModifiedSince":
		header = "If-Modified-Since"
	}
	if header != "" && value != "" {
		if e.header == nil {
			e.header = http.Header{}
		}
		e.header.Set(header, value)
	}
}

// readXMLBundle reads a Bundle in XML.
func (a *API) readXMLBundle(c *call) (*bundle, error) {
	b := &bundle{}
	head, err := fhir.ParseBundle(c.body, c.in.version, a.limits(), func(n *fhir.Node) error {
		if len(b.entries) >= maxEntries {
			return errEntries()
		}
		e := &entry{node: n.Child("resource")}
		if request := n.Child("request"); request != nil {
			e.asked = true
			for _, child := range request.Children {
				e.request(child.Name, child.Text())
			}
		}
		b.entries = append(b.entries, e)
		return nil
	})
	if err != nil {
		return nil, err
	}
	if head.Resource != "Bundle" {
		return nil, errNoBundle(head.Resource)
	}
	b.kind = head.Child("type").Text()
	return b, nil
}

// judge reads the resources of the entries that shall be taken, on all
// processors, each entry for itself.
func (r *reader) judge(entries []*entry) {
	const each = 8 // entries that a worker takes at a time
	var wg sync.WaitGroup
	chunks := make(chan []*entry)
	for range min(runtime.GOMAXPROCS(0), len(entries)/each+1) {
		wg.Go(func() {
			for chunk := range chunks {
				for _, e := range chunk {
					if err := guarded(func() error { e.judge(r); return nil }); err != nil {
						e.err = err
						r.api.Log.Error("an entry of a Bundle could not be read", "err", err)
					}
				}
			}
		})
	}
	for len(entries) > 0 {
		n := min(each, len(entries))
		chunks <- entries[:n]
		entries = entries[n:]
	}
	close(chunks)
	wg.Wait()
}

// guarded returns a panic of f as an error: outside the goroutine of a request
// nothing else keeps it from ending the server.
func guarded(f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &web.PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	return f()
}

func (e *entry) judge(r *reader) {
	switch {
	case e.err != nil:
	case e.node != nil:
		e.taken, e.err = r.node(e.node, nil)
		e.node = nil
	case e.text != nil:
		e.taken, e.err = r.json(e.text)
	default:
		e.err = fail(http.StatusBadRequest, "required", "the entry has no resource")
	}
}

// document returns the text of the entry's resource, as JSON.
func (e *entry) document() []byte {
	if e.node != nil {
		return fhir.AppendJSON(nil, e.node)
	}
	return e.text
}

// located returns the issues of an error with the entry that they are about.
func located(err error, i int) *Error {
	e := *asError(err)
	issues := make([]fhir.Issue, len(e.Issues))
	prefix := "Bundle.entry[" + strconv.Itoa(i) + "]"
	for j, issue := range e.Issues {
		if rest, ok := strings.CutPrefix(issue.Location, auditEvent); ok {
			issue.Location = prefix + ".resource" + rest
		} else {
			issue.Location = prefix
		}
		issues[j] = issue
	}
	e.Issues = issues
	return &e
}

func errEntries() *Error {
	return fail(http.StatusRequestEntityTooLarge, "too-long", "a Bundle may have "+strconv.Itoa(maxEntries)+" entries: send several")
}

func errNoBundle(kind string) *Error {
	const want = "the base takes a Bundle of type batch, transaction or collection"
	if kind == auditEvent {
		return fail(http.StatusBadRequest, "invalid", want+"; an AuditEvent is posted to /"+auditEvent)
	}
	return fail(http.StatusBadRequest, "invalid", want)
}

// isFinal reports whether an error says that the same request would fail again.
func isFinal(err error) bool {
	e, ok := errors.AsType[*Error](err)
	if !ok {
		e = asError(err)
	}
	return e.Status >= 400 && e.Status < 500 && e.Status != http.StatusTooManyRequests
}
