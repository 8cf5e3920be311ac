package template

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// vectors is the form of Serilog's own cases.
type vectors struct {
	Cases []struct {
		Template string
		MT       string `json:"mt"`
		TS       string `json:"ts"`
		Props    map[string]any
		Expect   string
	}
	Widths map[string][]string `json:"level_t_widths"`
}

// TestVectors prints the cases of Serilog's own tests.
func TestVectors(t *testing.T) {
	text, err := os.ReadFile("../../../../shared/data/serilog/output_template_vectors.json")
	if errors.Is(err, fs.ErrNotExist) {
		t.Log("the vectors are not here: TestAppend has cases of our own")
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	var v vectors
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	if len(v.Cases) < 20 || len(v.Widths) != 6 {
		t.Fatalf("%d cases and %d levels", len(v.Cases), len(v.Widths))
	}
	for _, c := range v.Cases {
		e := &Event{Level: Information, Message: ParseMessage(c.MT)}
		if c.TS != "" {
			if e.Time, err = time.Parse(time.RFC3339Nano, c.TS); err != nil {
				t.Fatal(err)
			}
		}
		for _, name := range []string{"Bar", "Foo", "Message", "Name", "Obj", "ThreadId"} {
			if value, ok := c.Props[name]; ok {
				e.Properties = append(e.Properties, Property{name, valueOf(value)})
			}
		}
		if len(e.Properties) != len(c.Props) {
			t.Fatalf("%s: a property that the test does not know", c.Template)
		}
		if got := appendTo(t, c.Template, e); got != c.Expect {
			t.Errorf("%s over %s: %q, want %q", c.Template, c.MT, got, c.Expect)
		}
	}
	for name, widths := range v.Widths {
		level, ok := ParseLevel(name)
		if !ok {
			t.Fatalf("no level %s", name)
		}
		for i, want := range widths {
			format := "{Level:t" + string(rune('1'+i)) + "}"
			if i >= 9 {
				format = "{Level:t1" + string(rune('0'+i-9)) + "}"
			}
			if got := appendTo(t, format, &Event{Level: level}); got != want {
				t.Errorf("%s of %s: %q, want %q", format, name, got, want)
			}
		}
	}
}

func valueOf(v any) Value {
	switch v := v.(type) {
	case string:
		return Text(v)
	case float64:
		return Int(int64(v))
	case map[string]any:
		var fields []Property
		for name, f := range v {
			fields = append(fields, Property{name, valueOf(f)})
		}
		return Struct(fields...)
	}
	return Value{}
}

func appendTo(t *testing.T, template string, e *Event) string {
	t.Helper()
	p, err := Parse(template)
	if err != nil {
		t.Fatal(err)
	}
	return string(p.Append(nil, e))
}

func TestAppend(t *testing.T) {
	e := &Event{
		Time:  time.Date(2024, 1, 31, 15, 4, 5, 678_901_200, time.FixedZone("", 3600)),
		Level: Warning, Message: ParseMessage("{Who} read {@What:j} {Gone} {N,6:0.0}|"),
		Exception: "System.Exception: no\n   at here", Trace: "0af7", Span: "b7ad",
		Properties: []Property{
			{"Who", Text(`the "nurse"`)},
			{"What", List(Text("a"), Int(1), Bool(true), Value{})},
			{"N", Float(12.34)},
			{"When", Time(time.Date(2024, 2, 1, 0, 0, 0, 0, time.UTC))},
			{"Smile", Text("😀")},
			{"12", Int(7)},
			{"a.b", Text("dots")},
		},
	}
	for template, want := range map[string]string{
		"": "",
		"{Timestamp:yyyy-MM-dd HH:mm:ss.fff zzz} [{Level:u3}] {Who}": `2024-01-31 15:04:05.678 +01:00 [WRN] the "nurse"`,
		"{{}} }} {{Who}}":                   "{} } {Who}",
		"{Who":                              "{Who",
		"{Who,}{Who,x}{Who,+5}{Who,-}{}{ }": "{Who,}{Who,x}{Who,+5}{Who,-}{}{ }",
		"{1a}{a-b}{Who,0}":                  "{1a}{a-b}{Who,0}",
		"{12}{a.b}":                         "7dots",
		"{Who,12}|{Who,-12}|":               ` the "nurse"|the "nurse" |`,
		"{Smile,4}|":                        "  😀|", // two UTF-16 units
		"{Nobody,10}|":                      "|",
		"{Who:u}":                           `THE "NURSE"`,
		"{Message}":                         `"the \"nurse\"" read ["a", 1, True, null] {Gone}   12.3|`,
		"{Message:lj}":                      `the "nurse" read ["a", 1, True, null] {Gone}   12.3|`,
		"{What}":                            `["a", 1, True, null]`,
		"{When}":                            "02/01/2024 00:00:00 +00:00",
		"{N:x,y}":                           "xy", // a picture without places, and commas are for thousands
		"{Exception}":                       `System.Exception: no\u000a   at here` + "\n",
		"{TraceId,6}{SpanId}":               "  0af7b7ad",
		"{Level:w}{Level:u}{Level:u20}{Level:u0}": "warningWARNINGWARNING",
		"{UtcTimestamp:o}":                        "2024-01-31T14:04:05.6789012Z",
		"{NewLine,3}":                             "  \n",
	} {
		if got := appendTo(t, template, e); got != want {
			t.Errorf("%s: %q, want %q", template, got, want)
		}
	}
	rest := appendTo(t, "{Properties:j} {Smile}{12}{a.b}", e)
	if want := `{"When":"2024-02-01T00:00:00.0000000+00:00"} 😀7dots`; rest != want {
		t.Errorf("the rest: %s, want %s", rest, want)
	}
}

func TestTimes(t *testing.T) {
	zone := time.FixedZone("", -(9*3600 + 30*60))
	at := time.Date(805, 3, 9, 0, 7, 8, 120_000_000, zone)
	for format, want := range map[string]string{
		"":                       "03/09/0805 00:07:08 -09:30",
		"d":                      "03/09/0805",
		"D":                      "Wednesday, 09 March 0805",
		"f":                      "Wednesday, 09 March 0805 00:07",
		"F":                      "Wednesday, 09 March 0805 00:07:08",
		"g":                      "03/09/0805 00:07",
		"G":                      "03/09/0805 00:07:08",
		"m":                      "March 09",
		"o":                      "0805-03-09T00:07:08.1200000-09:30",
		"r":                      "Wed, 09 Mar 0805 09:37:08 GMT",
		"s":                      "0805-03-09T00:07:08",
		"t":                      "00:07",
		"u":                      "0805-03-09 09:37:08Z",
		"y":                      "0805 March",
		"%d %M %h %H %m %s %t":   "9 3 12 0 7 8 A",
		"dd ddd dddd ddddd":      "09 Wed Wednesday Wednesday",
		"M MM MMM MMMM":          "3 03 Mar March",
		"y yy yyy yyyy yyyyy":    "5 05 805 0805 00805",
		"hh:mm:ss tt ttt":        "12:07:08 AM AM",
		"f ff fffffff":           "1 12 1200000",
		"F FF FFFFFFF ss.FFF":    "1 12 12 08.12",
		"z zz zzz K":             "-9 -09 -09:30 -09:30",
		"'the' \"day\" \\d g gg": "the day d A.D. A.D.",
		"yyyyMMdd'T'HHmm":        "08050309T0007",
		"Öre":                    "Öre",
	} {
		l, err := parseLayout(format)
		if err != nil {
			t.Errorf("%s: %v", format, err)
			continue
		}
		if got := string(l.append(nil, at, false)); got != want {
			t.Errorf("%s: %s, want %s", format, got, want)
		}
	}
	whole := time.Date(2024, 1, 1, 13, 0, 0, 0, time.UTC)
	if got := string(layoutOr("h:ss.FFF tt").append(nil, whole, false)); got != "1:00 PM" {
		t.Errorf("a whole second: %s", got)
	}
	for _, format := range []string{"Q", "U", "'open", "yyyy\\", "%", "%%", "ffffffff"} {
		if _, err := parseLayout(format); err == nil {
			t.Errorf("%s is taken", format)
		}
		if _, err := Parse("{Timestamp:" + format + "}"); err == nil {
			t.Errorf("{Timestamp:%s} is taken", format)
		}
	}
}

func TestNumbers(t *testing.T) {
	for _, c := range []struct {
		value  Value
		format string
		want   string
	}{
		{Int(-42), "", "-42"},
		{Int(42), "D5", "00042"},
		{Int(-42), "d5", "-00042"},
		{Int(255), "X", "FF"},
		{Int(255), "x4", "00ff"},
		{Int(-1), "X", "FFFFFFFFFFFFFFFF"},
		{Int(5), "B8", "00000101"},
		{Int(1234567), "N0", "1,234,567"},
		{Int(1234567), "N", "1,234,567.00"},
		{Int(1234567), "F1", "1234567.0"},
		{Int(1234567), "E2", "1.23E+006"},
		{Int(1234567), "G3", "1.23E+06"},
		{Int(12), "P0", "1,200 %"},
		{Int(-3), "C", "(¤3.00)"},
		{Int(0), "N2", "0.00"},
		{Int(-9223372036854775808), "N0", "-9,223,372,036,854,775,808"},
		{Float(0.1), "", "0.1"},
		{Float(1e14), "", "100000000000000"},
		{Float(1e15), "", "1E+15"},
		{Float(123456789012345680), "", "1.2345678901234568E+17"},
		{Float(0.0001), "", "0.0001"},
		{Float(0.00001), "", "1E-05"},
		{Float(-0.5), "F0", "-1"},
		{Float(2.345), "F2", "2.35"},
		{Float(999.999), "F2", "1000.00"},
		{Float(0.004), "F2", "0.00"},
		{Float(0.1234), "P1", "12.3 %"},
		{Float(1234.5), "e3", "1.235e+003"},
		{Float(0), "E1", "0.0E+000"},
		{Int(1234), "#,##0.00", "1,234.00"},
		{Int(7), "000", "007"},
		{Int(7), "###", "7"},
		{Int(0), "###", ""},
		{Float(0.5), ".00", ".50"},
		{Float(0.5), "#.##", ".5"},
		{Int(1234567), "#,,.0", "1.2"},
		{Float(0.256), "0%", "26%"},
		{Float(-5), "0;(0);zero", "(5)"},
		{Int(0), "0;(0);zero", "zero"},
		{Float(12345), "0.00E+00", "1.23E+04"},
		{Int(15), "'n='0", "n=15"},
		{Int(5551234), "000-0000", "555-1234"},
	} {
		if got := string(c.value.scalar(nil, c.format)); got != c.want {
			t.Errorf("%+v as %q: %q, want %q", c.value, c.format, got, c.want)
		}
	}
}

// TestOneLine shows that no value can break a line, whatever the template.
func TestOneLine(t *testing.T) {
	hostile := rapid.StringOf(rapid.RuneFrom([]rune("a\n\r\t\x00\x1b[\u2028\u202e\ufeff\"\\é😀")))
	template, err := Parse("{Timestamp:u} {A} {A,20} {A:l} {Message} {Message:lj} {Properties} {Properties:j} {TraceId}{NewLine}")
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		s := hostile.Draw(t, "text") + string([]byte{0xff})[:rapid.IntRange(0, 1).Draw(t, "bad")]
		e := &Event{Message: ParseMessage("{B} and {C}"), Trace: s, Properties: []Property{
			{"A", Text(s)}, {"B", List(Text(s))}, {"C", Struct(Property{s, Text(s)})}, {s, Text(s)},
		}}
		line := string(template.Append(nil, e))
		if !utf8.ValidString(line) || strings.Count(line, "\n") != 1 || strings.ContainsAny(strings.TrimSuffix(line, "\n"), "\n\r\x00\x1b\u2028\u202e\ufeff") {
			t.Fatalf("%q", line)
		}
	})
}

func TestSuspects(t *testing.T) {
	p, err := Parse("{Ip} {Ip {a b} {Ip,wide} {{fine}}")
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(p.Suspects(), "|"); got != "{Ip {a b}|{Ip,wide}" {
		t.Errorf("suspects: %s", got)
	}
	if got := strings.Join(p.Names(), "|"); got != "Ip" {
		t.Errorf("names: %s", got)
	}
}

// FuzzParse: whatever the template, parsing and printing neither panic nor lose
// the text that is no property.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"{Timestamp:o} [{Level:u3}] {A,-5:000.0}", "{{{A}}}", "{A:#,##0.00E+00;(0)}", "{", "{Timestamp:'x"} {
		f.Add(s, 12.5)
	}
	f.Fuzz(func(t *testing.T, s string, n float64) {
		p, err := Parse(s)
		if err != nil {
			return
		}
		e := &Event{Level: Error, Message: ParseMessage(s), Properties: []Property{{"A", Float(n)}, {"B", Int(int64(n))}}}
		p.Append(nil, e)
		var back strings.Builder
		for _, tok := range p.tokens {
			if tok.kind == kindText && !tok.template {
				back.WriteString(strings.NewReplacer("{", "{{", "}", "}}").Replace(tok.raw))
				continue
			}
			back.WriteString(tok.raw)
		}
		again, err := Parse(back.String())
		if err != nil || len(again.Names()) != len(p.Names()) {
			t.Fatalf("%q became %q: %v", s, back.String(), err)
		}
	})
}

func BenchmarkAppend(b *testing.B) {
	p, err := Parse("{Timestamp:yyyy-MM-dd HH:mm:ss.fff zzz} [{Application}] [Audit] {RequestResponse} [Machine: {MachineName}] [ReqId: {RequestId}] [IP-Address: {Ip}] [Connection: {ConnectionId}] [UserId: {UserId}] [Username: {Username}] [Path: {Path}] [Parameters: {Parameters}] [Action: {Action}] [Resource: {Resource} Key:{ResourceKey}] [StatusCode: {StatusCode}] {NewLine}")
	if err != nil {
		b.Fatal(err)
	}
	e := &Event{Time: time.Now()}
	for _, name := range p.Names() {
		e.Properties = append(e.Properties, Property{name, Text("value of " + name)})
	}
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		dst = p.Append(dst[:0], e)
	}
}
