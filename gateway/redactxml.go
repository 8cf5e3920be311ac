package gateway

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"
)

// xml is [rules.json] for XML. An element that is named is replaced with all that
// is in it.
func (r *rules) xml(text []byte) ([]byte, bool) {
	x := xmlRedactor{rules: r, d: xml.NewDecoder(bytes.NewReader(text))}
	x.d.CharsetReader = charsetReader
	for {
		start := int(x.d.InputOffset())
		t, err := x.d.RawToken()
		if err != nil {
			whole := errors.Is(err, io.EOF) && len(x.stack) == 0 && x.any
			for i := range x.stack { // what was cut in the middle
				if e := &x.stack[i]; e.act != keepValue {
					x.edits = append(x.edits, edit{e.start, len(text), e.with})
				}
			}
			return apply(text, x.good, x.edits), whole
		}
		switch t := t.(type) {
		case xml.StartElement:
			if len(x.stack) >= maxDepth {
				return apply(text, x.good, x.edits), false
			}
			x.begin(&t, start)
		case xml.EndElement:
			if len(x.stack) == 0 || x.stack[len(x.stack)-1].name != t.Name.Local {
				return apply(text, x.good, x.edits), false
			}
			x.end()
		}
		x.good = int(x.d.InputOffset())
	}
}

type xmlRedactor struct {
	rules *rules
	d     *xml.Decoder
	stack []xmlElement
	edits []edit
	good  int
	any   bool
}

// xmlElement is an element that is open.
type xmlElement struct {
	name  string
	path  []string
	start int
	act   action
	with  string
	param parameter
}

func (x *xmlRedactor) begin(t *xml.StartElement, start int) {
	x.any = true
	e := xmlElement{name: t.Name.Local, start: start}
	var value string
	for _, a := range t.Attr {
		if a.Name.Local == "value" {
			value = a.Value
		}
	}
	if isType(e.name) {
		e.path = []string{e.name}
	} else {
		if n := len(x.stack); n > 0 {
			e.path = append(e.path, x.stack[n-1].path...)
		}
		e.path = append(e.path, e.name)
	}
	if e.act = x.rules.field(e.path); e.act != keepValue && value == "" {
		e.act = redactValue // nothing that a pseudonym could be made of
	}
	if with, ok := x.rules.value(e.path, value, e.act); ok {
		var b strings.Builder
		_ = xml.EscapeText(&b, []byte(with)) // a Builder takes everything
		e.with = "<" + e.name + ` value="` + b.String() + `"/>`
		e.act = max(e.act, redactValue)
	}
	if n := len(x.stack); n > 0 && e.name == "name" {
		p := &x.stack[n-1].param
		p.unknown, p.secret = false, isSecret(strings.ToLower(value))
	}
	e.param.unknown = true
	x.stack = append(x.stack, e)
}

func (x *xmlRedactor) end() {
	n := len(x.stack) - 1
	e := x.stack[n]
	x.stack = x.stack[:n]
	to := int(x.d.InputOffset())
	if e.act != keepValue {
		x.edits = append(x.edits, edit{e.start, to, e.with})
	}
	x.edits = e.param.redact(x.edits, false)
	if n > 0 && strings.HasPrefix(e.name, "value") {
		p := &x.stack[n-1].param
		p.values = append(p.values, edit{e.start, to, "<" + e.name + ` value="` + redacted + `"/>`})
	}
}
