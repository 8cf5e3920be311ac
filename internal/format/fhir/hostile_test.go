package fhir

import (
	"encoding/xml"
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"
)

// cost returns the time a function takes and the bytes it allocates.
func cost(f func()) (time.Duration, uint64) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start := time.Now()
	f()
	d := time.Since(start)
	runtime.ReadMemStats(&after)
	return d, after.TotalAlloc - before.TotalAlloc
}

// TestRefused: what is no resource is a SyntaxError, at little cost.
func TestRefused(t *testing.T) {
	const ns = ` xmlns="http://hl7.org/fhir"`
	deep := 100_000
	for name, doc := range map[string]string{
		"nothing":            ``,
		"white space":        " \n",
		"no object":          `[]`,
		"no type":            `{}`,
		"type of no text":    `{"resourceType":5}`,
		"empty type":         `{"resourceType":""}`,
		"type twice":         `{"resourceType":"A","resourceType":"A"}`,
		"member twice":       `{"resourceType":"A","a":1,"b":2,"a":3}`,
		"more":               `{"resourceType":"A"}{}`,
		"comma":              `{"resourceType":"A",}`,
		"colon":              `{"resourceType"}`,
		"word":               `{"resourceType":"A","a":nul}`,
		"NaN":                `{"resourceType":"A","a":NaN}`,
		"zero":               `{"resourceType":"A","a":01}`,
		"plus":               `{"resourceType":"A","a":+1}`,
		"point":              `{"resourceType":"A","a":1.}`,
		"exponent":           `{"resourceType":"A","a":1e}`,
		"control":            "{\"resourceType\":\"A\n\"}",
		"UTF-8":              "{\"resourceType\":\"A\xff\"}",
		"UTF-8 with escape":  "{\"resourceType\":\"\\n\xff\"}",
		"surrogate":          `{"resourceType":"A","a":"\ud800x"}`,
		"escape":             `{"resourceType":"A","a":"\x"}`,
		"end":                `{"resourceType":"A","a":"\`,
		"open":               `{"resourceType":"A"`,
		"array":              `{"resourceType":"A","a":[1,]}`,
		"deep objects":       `{"resourceType":"A","a":` + strings.Repeat(`{"a":`, deep),
		"deep arrays":        `{"resourceType":"A","a":` + strings.Repeat(`[`, deep),
		"deep extensions":    `{"resourceType":"A","a":` + strings.Repeat(`{"extension":[`, deep),
		"many entries":       `{"resourceType":"A","a":[` + strings.Repeat(`0,`, 200_000) + `0]}`,
		"document type":      `<!DOCTYPE AuditEvent SYSTEM "file:///etc/passwd"><AuditEvent` + ns + `/>`,
		"bomb":               `<!DOCTYPE a [<!ENTITY b "ha"><!ENTITY c "&b;&b;&b;&b;">]><AuditEvent` + ns + `><id value="&c;"/></AuditEvent>`,
		"entity":             `<AuditEvent` + ns + `><id value="&nbsp;"/></AuditEvent>`,
		"entity in text":     `<AuditEvent` + ns + `><text><div xmlns="http://www.w3.org/1999/xhtml">&xxe;</div></text></AuditEvent>`,
		"no character":       `<AuditEvent` + ns + `><id value="&#0;"/></AuditEvent>`,
		"control in XML":     "<AuditEvent" + ns + "><id value=\"\x01\"/></AuditEvent>",
		"no namespace":       `<AuditEvent/>`,
		"other namespace":    `<AuditEvent xmlns="http://example.org"/>`,
		"unknown prefix":     `<f:AuditEvent` + ns + `/>`,
		"foreign element":    `<AuditEvent` + ns + `><x xmlns="http://example.org"/></AuditEvent>`,
		"XInclude":           `<AuditEvent` + ns + `><xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="file:///etc/passwd"/></AuditEvent>`,
		"text":               `<AuditEvent` + ns + `>hello</AuditEvent>`,
		"CDATA":              `<AuditEvent` + ns + `><![CDATA[x]]></AuditEvent>`,
		"end tag":            `<AuditEvent` + ns + `><id value="a"></AuditEvent></id>`,
		"attribute twice":    `<AuditEvent` + ns + `><id value="a" value="b"/></AuditEvent>`,
		"no quotes":          `<AuditEvent` + ns + `><id value=a/></AuditEvent>`,
		"many attributes":    `<AuditEvent` + ns + `><id ` + strings.Repeat(`a `, 10) + strings.Repeat(`b="" `, 100_000) + `/></AuditEvent>`,
		"UTF-16":             `<?xml version="1.0" encoding="UTF-16"?><AuditEvent` + ns + `/>`,
		"XML 1.1":            `<?xml version="1.1"?><AuditEvent` + ns + `/>`,
		"unclosed":           `<AuditEvent` + ns + `><agent>`,
		"after":              `<AuditEvent` + ns + `/><AuditEvent` + ns + `/>`,
		"deep elements":      `<AuditEvent` + ns + `>` + strings.Repeat(`<a>`, deep),
		"deep narrative":     `<AuditEvent` + ns + `><text><div xmlns="http://www.w3.org/1999/xhtml">` + strings.Repeat(`<b>`, deep),
		"many elements":      `<AuditEvent` + ns + `>` + strings.Repeat(`<a/>`, 200_000) + `</AuditEvent>`,
		"narrative in place": `<AuditEvent` + ns + `><div xmlns="http://www.w3.org/1999/xhtml"/></AuditEvent>`,
		"comment":            `<AuditEvent` + ns + `><!-- a -- b --></AuditEvent>`,
		"instruction":        `<AuditEvent` + ns + `><?></AuditEvent>`,
	} {
		var err error
		d, bytes := cost(func() { _, err = Parse([]byte(doc), R4, Limits{}) })
		var syntax *SyntaxError
		if !errors.As(err, &syntax) {
			t.Errorf("%s: %v", name, err)
		}
		if limit := uint64(len(doc))*2 + 32<<20; bytes > limit || d > 2*time.Second {
			t.Errorf("%s: took %v and %d bytes for %d", name, d, bytes, len(doc))
		}
		if err != nil && len(err.Error()) > 120 {
			t.Errorf("%s: long error", name)
		}
	}
}

// TestLarge: within the limits, hostile shapes cost no square of their size.
func TestLarge(t *testing.T) {
	const n = 50_000
	numbered := func(format func(string) string) string {
		var b strings.Builder
		for i := range n {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString(format(string(rune('a'+i%26)) + strings.Repeat("x", i%3) + time.Duration(i).String()))
		}
		return b.String()
	}
	for name, inner := range map[string]string{
		"members":    numbered(func(s string) string { return `"` + s + `":1` }),
		"siblings":   numbered(func(s string) string { return `"_` + s + `":{"id":"x"}` }),
		"contained":  `"contained":[` + numbered(func(s string) string { return `{"resourceType":"A","id":"` + s + `"}` }) + `]`,
		"references": `"entity":[` + strings.Repeat(`{"what":{"reference":"#x"}},`, 20_000) + `{}]`,
		"profiles":   `"meta":{"profile":[` + strings.Repeat(`"https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit.PatientRead",`, n) + `"x"]}`,
		"agents":     `"agent":[` + strings.Repeat(`{"type":{"coding":[{"code":"x"}]}},`, 20_000) + `{}]`,
		"narrative":  `"text":{"status":"generated","div":"<div>` + strings.Repeat(`<b>&amp;&nbsp;</b>`, n) + `</div>"}`,
		"ampersands": `"text":{"status":"generated","div":"` + strings.Repeat(`&`, 1_000_000) + `"}`,
		"string":     `"outcomeDesc":"` + strings.Repeat(`\u00fc`, 1_000_000) + `"`,
		"number":     `"recorded":` + strings.Repeat(`1`, 1_000_000),
		"range":      `"extension":[{"url":"urn:x","valueRange":{"low":{"value":1e999999999},"high":{"value":-1e999999999}}}]`,
	} {
		doc := []byte(`{"resourceType":"AuditEvent",` + inner + `}`)
		d, _ := cost(func() {
			n, err := ParseJSON(doc, Limits{Nodes: 200_000})
			if err != nil {
				t.Errorf("%s: %v", name, err)
				return
			}
			for _, v := range []Version{R4, R5} {
				Validate(n, Options{Version: v, Profiles: Refuse})
				out := AppendXML(nil, n, v)
				if _, err := ParseXML(out, v, Limits{Nodes: 400_000}); err != nil {
					t.Errorf("%s: %v", name, err)
				}
				if _, err := Convert(n, v, R4+R5-v); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
		})
		if d > 5*time.Second {
			t.Errorf("%s: took %v", name, d)
		}
	}
}

// TestXMLForms: the same resource in the ways that XML allows to write it.
func TestXMLForms(t *testing.T) {
	want := `{"resourceType":"AuditEvent","text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\"><b>a</b> &amp; b</div>"},"outcomeDesc":"<a> & \n \"b\"ü","agent":[{"id":"x","requestor":true}]}`
	for name, doc := range map[string]string{
		"plain": `<AuditEvent xmlns="http://hl7.org/fhir"><text><status value="generated"/><div xmlns="http://www.w3.org/1999/xhtml"><b>a</b> &amp; b</div></text>` +
			`<outcomeDesc value="&lt;a> &amp; &#10; &#x22;b&quot;ü"/><agent id="x"><requestor value="true"/></agent></AuditEvent>`,
		"with all that XML has": "\uFEFF<?xml version='1.0' encoding='utf-8'?>\r\n<!-- c --><?p i?>\n<AuditEvent xmlns='http://hl7.org/fhir' xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance' xsi:schemaLocation='a b'>\n <text><!-- c --><status value='generated'></status>" +
			"<div xmlns=\"http://www.w3.org/1999/xhtml\"><b>a</b> &amp; b</div></text>\n <outcomeDesc  value = '&lt;a&gt; &amp; &#xA; \"b\"&#252;' ></outcomeDesc ><agent id='x'>\t<requestor value='true'/></agent>\n</AuditEvent>\n<!-- c -->",
		"with prefixes": `<f:AuditEvent xmlns:f="http://hl7.org/fhir" xmlns:h="http://www.w3.org/1999/xhtml"><f:text><f:status value="generated"/><h:div><h:b>a</h:b> &amp; b</h:div></f:text>` +
			`<f:outcomeDesc value="&lt;a&gt; &amp; &#10; &quot;b&quot;ü"/><f:agent id="x"><f:requestor value="true"/></f:agent></f:AuditEvent>`,
	} {
		n, err := Parse([]byte(doc), R4, Limits{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := string(AppendJSON(nil, n)); got != want {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// TestXMLOrder: XML says when elements are out of order, and keeps them.
func TestXMLOrder(t *testing.T) {
	n := parse(t, []byte(`<AuditEvent xmlns="http://hl7.org/fhir"><recorded value="2026-01-02T03:04:05Z"/><type><code value="rest"/></type>`+
		`<agent><requestor value="no"/></agent><source foo="1"><id value="x"/><observer><display value="o"/></observer></source><agent><requestor value="false"/></agent></AuditEvent>`), R4)
	want := `{"resourceType":"AuditEvent","recorded":"2026-01-02T03:04:05Z","type":{"code":"rest"},"agent":[{"requestor":"no"},{"requestor":false}],"source":{"foo":"1","id":"x","observer":{"display":"o"}}}`
	if got := string(AppendJSON(nil, n)); got != want {
		t.Errorf("read as %s", got)
	}
	var got []string
	for _, i := range Validate(n, Options{}) {
		got = append(got, i.Location+" "+i.Code)
	}
	if s := strings.Join(got, ", "); s != "AuditEvent.type structure, AuditEvent.agent[0].requestor structure, AuditEvent.agent[1] structure, AuditEvent.source.foo structure, AuditEvent.source.id structure" {
		t.Error(s)
	}
}

// TestXMLOfAnything: members that XML cannot hold do not break the document.
func TestXMLOfAnything(t *testing.T) {
	for doc, want := range map[string]string{
		`"a b":1,"1":2,"":3,"outcomeDesc":"a\u0001\ufffe"`: `<outcomeDesc value="a` + "\uFFFD\uFFFD" + `"/>`,
		`"text":{"div":"<script>"}`:                        `<text><div xmlns="http://www.w3.org/1999/xhtml">&lt;script&gt;</div></text>`,
		`"text":{"div":"<div>a&nbsp;b</div>"}`:             `<text><div xmlns="http://www.w3.org/1999/xhtml">a` + "\u00a0" + `b</div></text>`,
		`"text":{"div":"<div/><x/>"}`:                      `<text><div xmlns="http://www.w3.org/1999/xhtml">&lt;div/&gt;&lt;x/&gt;</div></text>`,
		`"contained":[{"id":"a"}],"outcomeDesc":[]`:        `<contained><Resource><id value="a"/></Resource></contained>`,
		`"meta":null,"agent":[null,[1]]`:                   `<meta value="null"/><agent value="[1]"/>`,
	} {
		n := parse(t, []byte(`{"resourceType":"AuditEvent",`+doc+`}`), R4)
		out := AppendXML(nil, n, R4)
		if want = `<AuditEvent xmlns="http://hl7.org/fhir">` + want + `</AuditEvent>`; string(out) != want {
			t.Errorf("%s\nbecame %s\nnot    %s", doc, out, want)
		}
		if err := xml.Unmarshal(out, new(struct{})); err != nil {
			t.Errorf("%s: %v", out, err)
		}
	}
}
