package fhirapi

import (
	"mime"
	"net/http"
	"strconv"
	"strings"

	"vigil/internal/format/fhir"
)

// form is how a resource is written.
type form struct {
	version fhir.Version
	xml     bool
	text    bool // plain text is wanted, for what has it
}

// contentType returns the media type of an answer. The version is named where it
// is not the usual one.
func (f form) contentType() string {
	t := "application/fhir+json; charset=utf-8"
	if f.xml {
		t = "application/fhir+xml; charset=utf-8"
	}
	if f.version == fhir.R5 {
		t += "; fhirVersion=5.0"
	}
	return t
}

// notations has the media types that are taken; true is XML.
var notations = map[string]bool{
	"application/fhir+json": false, "application/json": false, "text/json": false, "json": false, "application/json+fhir": false,
	"application/fhir+xml": true, "application/xml": true, "text/xml": true, "xml": true, "application/xml+fhir": true,
}

// versionOf reads the parameter fhirVersion.
func versionOf(s string, usual fhir.Version) (fhir.Version, bool) {
	switch s {
	case "":
		return usual, true
	case "4.0", "4.0.1", "4.0.0":
		return fhir.R4, true
	case "5.0", "5.0.0":
		return fhir.R5, true
	}
	return usual, false
}

// negotiate finds out how the body is written and how the answer shall be.
func (c *call) negotiate() error {
	if c.verb == http.MethodPost && c.kind != atSearch {
		if err := c.bodyForm(); err != nil {
			return err
		}
	}
	c.out.version, c.out.xml = c.of, c.in.xml
	if c.in.version != c.of {
		c.out.version = c.in.version
	}
	if f := c.query.Get("_format"); f != "" {
		return c.format(f)
	}
	return c.accept()
}

// format takes _format, which counts for more than Accept. A plus sign in a query
// is a space, and some clients do not escape it.
func (c *call) format(f string) error {
	f = strings.Replace(strings.Replace(f, "fhir json", "fhir+json", 1), "fhir xml", "fhir+xml", 1)
	t, params, err := mime.ParseMediaType(f)
	isXML, known := notations[t]
	v, ok := versionOf(params["fhirversion"], c.out.version)
	if err != nil || !known || !ok {
		return errAccept()
	}
	c.out = form{version: v, xml: isXML}
	return nil
}

// accept takes the best of what Accept offers: by quality, then as written.
func (c *call) accept() error {
	headers := c.header["Accept"]
	if len(headers) == 0 {
		return nil
	}
	best, bestQ, any := form{}, 0.0, false
	for part := range strings.SplitSeq(strings.Join(headers, ","), ",") {
		if strings.TrimSpace(part) == "" {
			continue
		}
		any = true
		t, params, err := mime.ParseMediaType(part)
		if err != nil {
			continue
		}
		f := c.out
		switch isXML, known := notations[t]; {
		case known:
			f.xml = isXML
		case t == "*/*", t == "application/*":
		case t == "text/plain" && c.kind == atProof:
			f.text = true
		default:
			continue
		}
		v, ok := versionOf(params["fhirversion"], c.out.version)
		q := 1.0
		if s, given := params["q"]; given {
			if q, err = strconv.ParseFloat(s, 64); err != nil {
				q = 0
			}
		}
		if f.version = v; ok && q > bestQ {
			best, bestQ = f, q
		}
	}
	if !any {
		return nil
	}
	if bestQ <= 0 {
		return errAccept()
	}
	c.out = best
	return nil
}

// bodyForm reads the Content-Type. A body without one is what its first
// character says.
func (c *call) bodyForm() error {
	header := c.header.Get("Content-Type")
	if header == "" {
		return nil
	}
	if len(c.header["Content-Type"]) > 1 { // a proxy before us may have gone by another
		return errContentType("there may be one Content-Type")
	}
	t, params, err := mime.ParseMediaType(header)
	isXML, known := notations[t]
	v, ok := versionOf(params["fhirversion"], c.of)
	switch cs := strings.ToLower(params["charset"]); {
	case err != nil || !known:
		return errContentType("this media type is not taken: send application/fhir+json or application/fhir+xml")
	case !ok:
		return errContentType("this fhirVersion is not taken: send 4.0 or 5.0")
	case cs != "" && cs != "utf-8" && cs != "utf8" && cs != "us-ascii":
		return errContentType("this charset is not taken: send UTF-8")
	}
	c.in = form{version: v, xml: isXML}
	return nil
}

// guessForm tells the notation of a body without a Content-Type. The answer is in
// it, too, where nothing else was asked for.
func (c *call) guessForm() {
	if c.header.Get("Content-Type") != "" {
		return
	}
	c.in.xml = looksXML(c.body)
	if len(c.header["Accept"]) == 0 && c.query.Get("_format") == "" {
		c.out.xml = c.in.xml
	}
}

func looksXML(doc []byte) bool {
	s := strings.TrimLeft(string(doc[:min(len(doc), 64)]), " \t\r\n\ufeff")
	return strings.HasPrefix(s, "<")
}
