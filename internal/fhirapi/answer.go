package fhirapi

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"vigil"
	"vigil/internal/format/fhir"
)

// answer is what an interaction comes to.
type answer struct {
	status   int
	header   http.Header // nil for none
	body     *fhir.Node  // nil for none
	text     []byte      // instead of body: plain text
	location string      // of what was made or found
	event    *vigil.Event
}

// set adds a header.
func (a *answer) set(name, value string) *answer {
	if a.header == nil {
		a.header = http.Header{}
	}
	a.header.Set(name, value)
	return a
}

// write sends the answer.
func (a *answer) write(w http.ResponseWriter, c *call) error {
	h := w.Header()
	for name, values := range a.header {
		h[name] = values
	}
	if h.Get("Cache-Control") == "" {
		h.Set("Cache-Control", "private, no-cache")
	}
	body := a.text
	switch {
	case a.text != nil:
		h.Set("Content-Type", "text/plain; charset=utf-8")
	case a.body != nil:
		body = c.out.print(make([]byte, 0, 4096), a.body)
		if c.query.Get("_pretty") == "true" && !c.out.xml {
			body = indent(body)
		}
		h.Set("Content-Type", c.out.contentType())
	}
	if a.status != http.StatusNotModified {
		h.Set("Content-Length", strconv.Itoa(len(body)))
	}
	w.WriteHeader(a.status)
	if c.verb == http.MethodHead || len(body) == 0 {
		return nil
	}
	_, err := w.Write(body)
	return err
}

// print appends a resource in this form.
func (f form) print(dst []byte, n *fhir.Node) []byte {
	if f.xml {
		return fhir.AppendXML(dst, n, f.version)
	}
	return fhir.AppendJSON(dst, n)
}

// indent makes JSON readable.
func indent(doc []byte) []byte {
	var b bytes.Buffer
	if json.Indent(&b, doc, "", "  ") != nil {
		return doc
	}
	return b.Bytes()
}

// instant writes a time as FHIR does.
func instant(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000Z") }

// entityTag is the ETag of every resource: there is one version.
const entityTag = `W/"1"`

// described returns an answer with the headers of an event's resource.
func described(status int, e *vigil.Event) *answer {
	a := &answer{status: status, event: e}
	return a.set("ETag", entityTag).set("Last-Modified", e.Received.UTC().Format(http.TimeFormat))
}

// versionURL returns the address of an event's one version.
func (c *call) versionURL(e *vigil.Event) string {
	return c.base + "/" + auditEvent + "/" + e.UID.String() + "/_history/1"
}
