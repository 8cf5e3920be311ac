package fhir

import (
	"encoding/xml"
	"slices"
	"strings"
)

// A divVisitor sees the parts of a narrative in their order. Both may be nil.
type divVisitor struct {
	tag  func(name string, attrs []xmlAttr)
	text func(raw string)
}

// div reads an XHTML element from its start tag on, with everything in it, and
// leaves the position behind it. Namespaces are not resolved.
func (s *xmlScanner) div(v divVisitor) error {
	var open []string
	for {
		switch {
		case s.pos == len(s.src):
			return s.errorf("a narrative without end")
		case s.at("<!--"):
			if err := s.comment(); err != nil {
				return err
			}
		case s.at("<![CDATA["):
			end := strings.Index(s.src[s.pos:], "]]>")
			if end < 0 {
				return s.errorf("CDATA without end")
			}
			if v.text != nil {
				v.text(s.src[s.pos+9 : s.pos+end])
			}
			s.pos += end + 3
		case s.at("<?"):
			if err := s.instruction(); err != nil {
				return err
			}
		case s.at("</"):
			name, err := s.endTag()
			if err != nil {
				return err
			}
			if name != open[len(open)-1] {
				return s.errorf("an end tag that does not match")
			}
			if open = open[:len(open)-1]; len(open) == 0 {
				return nil
			}
		case s.at("<"):
			name, empty, err := s.startTag()
			if err != nil {
				return err
			}
			if v.tag != nil {
				v.tag(name, s.attrs)
			}
			if len(open) == maxDivDepth {
				return s.errorf("nested deeper than is allowed")
			}
			if empty && len(open) == 0 {
				return nil
			}
			if !empty {
				open = append(open, name)
			}
		default:
			if err := s.text(v.text); err != nil {
				return err
			}
		}
	}
}

// text reads character data up to the next tag.
func (s *xmlScanner) text(visit func(raw string)) error {
	end := strings.IndexByte(s.src[s.pos:], '<')
	if end < 0 {
		return s.errorf("a narrative without end")
	}
	raw := s.src[s.pos : s.pos+end]
	if strings.Contains(raw, "]]>") {
		return s.errorf("]]> in text")
	}
	for i := strings.IndexByte(raw, '&'); i >= 0; {
		if _, size := reference(raw[i:]); size == 0 {
			return s.errorf("a reference that is not one of XML's own")
		}
		next := strings.IndexByte(raw[i+1:], '&')
		if next < 0 {
			break
		}
		i += 1 + next
	}
	if visit != nil {
		visit(raw)
	}
	s.pos += end
	return nil
}

// readDiv reads the narrative at the position as the text that JSON has for it:
// XHTML in a default namespace.
func (s *xmlScanner) readDiv() (string, error) {
	start := s.pos
	var prefix string
	declared := false
	first := true
	err := s.div(divVisitor{tag: func(name string, attrs []xmlAttr) {
		if !first {
			return
		}
		first = false
		if p, _, ok := strings.Cut(name, ":"); ok {
			prefix = p + ":"
		}
		for _, a := range attrs {
			declared = declared || a.name == "xmlns" && a.value == nsXHTML
		}
	}})
	if err != nil {
		return "", err
	}
	raw := s.src[start:s.pos]
	if strings.IndexByte(raw, '\r') >= 0 {
		raw = strings.ReplaceAll(strings.ReplaceAll(raw, "\r\n", "\n"), "\r", "\n")
	}
	if prefix != "" {
		raw = strings.ReplaceAll(strings.ReplaceAll(raw, "</"+prefix, "</"), "<"+prefix, "<")
	}
	if !declared {
		raw = "<div xmlns=\"" + nsXHTML + "\"" + strings.TrimPrefix(raw, "<div")
	}
	return raw, nil
}

// divMarkup returns the text of a narrative as it may stand in XML: references
// to HTML's entities become characters, and the namespace is declared. ok is
// false where it is no XHTML.
func divMarkup(div string) (markup string, ok bool) {
	if strings.Contains(div, "&") {
		div = resolveHTML(div)
	}
	s := xmlScanner{src: strings.TrimSpace(div)}
	if s.check() != nil || !s.at("<div") {
		return "", false
	}
	first, namespace, foreign := true, "", false
	err := s.div(divVisitor{tag: func(name string, attrs []xmlAttr) {
		foreign = foreign || strings.Contains(name, ":") || first && name != "div"
		for _, a := range attrs {
			if a.name == "xmlns" && first {
				namespace = a.value
			}
			foreign = foreign || strings.Contains(a.name, ":") && a.name != "xml:lang"
		}
		first = false
	}})
	if err != nil || foreign || s.pos < len(s.src) || namespace != "" && namespace != nsXHTML {
		return "", false
	}
	if namespace == "" {
		return `<div xmlns="` + nsXHTML + `"` + strings.TrimPrefix(s.src, "<div"), true
	}
	return s.src, true
}

// resolveHTML replaces references to entities of HTML that XML does not know.
func resolveHTML(s string) string {
	var b strings.Builder
	for {
		i := strings.IndexByte(s, '&')
		if i < 0 {
			b.WriteString(s)
			return b.String()
		}
		b.WriteString(s[:i])
		s = s[i:]
		end := strings.IndexByte(s[:min(len(s), 12)], ';')
		if _, size := reference(s); end > 1 && size == 0 {
			if char, ok := xml.HTMLEntity[s[1:end]]; ok {
				b.WriteString(char)
				s = s[end+1:]
				continue
			}
		}
		b.WriteByte('&')
		s = s[1:]
	}
}

// Elements and attributes that FHIR allows in narratives (R4 and R5, Narrative, rule txt-1).
const (
	divTags = " a abbr acronym b big blockquote br caption cite code col colgroup dd dfn div dl dt em" +
		" h1 h2 h3 h4 h5 h6 hr i img li ol p pre q s samp small span strike strong sub sup table tbody td tfoot th thead tr tt u ul var kbd del ins address map area "
	divAttrs = " title style class id lang xml:lang dir accesskey tabindex xmlns idref" +
		" name href alt src height width border cellspacing cellpadding align valign summary rules frame abbr axis headers scope rowspan colspan" +
		" span charoff char bgcolor nowrap clear type value start compact cite datetime noshade size charset hreflang rel rev shape coords target longdesc usemap ismap "
)

// divProblem says what is wrong with a narrative, "" for nothing (rules txt-1 and txt-2).
func divProblem(div string) (txt1, txt2 string) {
	s := xmlScanner{src: strings.TrimSpace(div)}
	content, namespace := false, false
	err := s.check()
	if err == nil && !s.at("<div") {
		return "the narrative must be one <div> element", ""
	}
	if err == nil {
		err = s.div(divVisitor{
			tag: func(name string, attrs []xmlAttr) {
				namespace = namespace || slices.Contains(attrs, xmlAttr{"xmlns", nsXHTML})
				if txt1 == "" {
					txt1 = tagProblem(name, attrs)
				}
				if txt1 == "" && !namespace {
					txt1 = "the narrative must be in the namespace " + nsXHTML
				}
				content = content || name == "img"
			},
			text: func(raw string) { content = content || strings.TrimSpace(raw) != "" },
		})
	}
	switch {
	case err != nil:
		return "the narrative is not well-formed XHTML; of references it may have XML's five and those by number", ""
	case s.pos < len(s.src):
		return "the narrative must be one <div> element", ""
	case !content:
		txt2 = "the narrative has no text"
	}
	return txt1, txt2
}

func tagProblem(name string, attrs []xmlAttr) string {
	if !strings.Contains(divTags, " "+name+" ") {
		return "a narrative may not have this element: only basic formatting, lists, tables, links and images, no scripts, forms or frames"
	}
	for _, a := range attrs {
		if !strings.Contains(divAttrs, " "+a.name+" ") {
			return "a narrative may not have this attribute: no event handlers"
		}
		if (a.name == "href" || a.name == "src") && strings.HasPrefix(strings.ToLower(strings.TrimSpace(a.value)), "javascript:") {
			return "a narrative may not have scripts"
		}
	}
	return ""
}
