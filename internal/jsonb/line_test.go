package jsonb_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"unicode"

	"vigil/internal/jsonb"
)

func FuzzLine(f *testing.F) {
	for _, s := range []string{
		`{"a" : [1, 2.50e3],` + "\n" + `"b":"x\"\\ \u0001` + "\u007f\u0085\u2028\u2029é" + `"}`,
		"\xff\x00\x1b[31m\r\n\t", `"\\"`, ` [ ] `, "\u202e", "",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		s := jsonb.AppendLineString(nil, text)
		checkLine(t, s)
		var back string
		want := strings.ReplaceAll(string([]rune(string(text))), "\x00", "\uFFFD")
		if err := json.Unmarshal(s, &back); err != nil || back != want {
			t.Fatalf("%q became %s, which is %q (%v)", text, s, back, err)
		}
		if jsonb.Check(text, jsonb.Limits{Depth: 100}) != nil {
			return
		}
		line := jsonb.AppendLine(nil, text)
		checkLine(t, line)
		var was, is any
		if json.Unmarshal(text, &was) != nil {
			return // a number that only PostgreSQL takes
		}
		if err := json.Unmarshal(line, &is); err != nil || !reflect.DeepEqual(was, is) {
			t.Fatalf("%s became %s (%v)", text, line, err)
		}
	})
}

// checkLine fails where something in b could end a line or steer a terminal.
func checkLine(t *testing.T, b []byte) {
	t.Helper()
	for _, r := range string(b) {
		if unicode.IsControl(r) || r == 0x2028 || r == 0x2029 {
			t.Fatalf("%q holds %U", b, r)
		}
	}
}

func TestEditLines(t *testing.T) {
	double := func(dst, line []byte) []byte {
		if len(line) == 0 {
			return dst // left out
		}
		return append(append(append(dst, line...), line...), '\n')
	}
	for in, want := range map[string]string{
		"": "", "a": "aa\n", "a\n": "aa\n", "a\nbc\n": "aa\nbcbc\n", "\n": "", "a\n\nb": "aa\nbb\n",
	} {
		for _, before := range []string{"", "kept\n", "no end"} {
			for _, room := range []int{0, 1000} { // with and without a new array
				dst := append(make([]byte, 0, len(before)+len(in)+room), before+in...)
				if got := string(jsonb.EditLines(dst, len(before), double)); got != before+want {
					t.Errorf("%q behind %q became %q", in, before, got)
				}
			}
		}
	}
}
