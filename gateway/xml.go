package gateway

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
)

// scanXML tells s what is in b as if it were FHIR's JSON: an element with a
// value is a value, and an element that begins with a capital is a resource,
// whose name becomes the value resourceType. Entities beyond XML's own five are
// an error and nothing outside the body is ever read.
func scanXML(b []byte, s sink) error {
	d := xml.NewDecoder(bytes.NewReader(b))
	d.Strict = true
	d.CharsetReader = charsetReader
	var (
		// One letter for each open element: (o)bject, (r)esource inside its
		// property, (s)kipped.
		open []byte
		any  bool
	)
	for {
		t, err := d.Token()
		switch {
		case errors.Is(err, io.EOF) && any && len(open) == 0:
			return nil
		case errors.Is(err, io.EOF):
			return errCut
		case err != nil:
			if e, ok := errors.AsType[*xml.SyntaxError](err); ok && e.Msg == "unexpected EOF" {
				return errCut
			}
			return errSyntax
		}
		switch t := t.(type) {
		case xml.StartElement:
			if len(open) >= maxDepth {
				return errDepth
			}
			if len(open) == 0 && any {
				return errSyntax
			}
			open = append(open, startElement(&t, s, open))
			any = true
		case xml.EndElement:
			if open[len(open)-1] == 'o' {
				s.close()
			}
			open = open[:len(open)-1]
		}
	}
}

// startElement returns the letter of t.
func startElement(t *xml.StartElement, s sink, open []byte) byte {
	if len(open) > 0 && open[len(open)-1] == 's' {
		return 's'
	}
	name := []byte(t.Name.Local)
	if c := name[0]; c >= 'A' && c <= 'Z' {
		if len(open) == 0 {
			s.open(nil)
			s.value([]byte("resourceType"), name)
			return 'o'
		}
		s.value([]byte("resourceType"), name)
		return 'r'
	}
	for _, a := range t.Attr {
		if a.Name.Local == "value" && a.Name.Space == "" {
			s.value(name, []byte(a.Value))
			return 's'
		}
	}
	s.open(name)
	return 'o'
}
