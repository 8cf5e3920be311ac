package config

import (
	"maps"
	"strings"
	"testing"
)

func TestParseDotenv(t *testing.T) {
	for _, c := range []struct {
		name, src string
		want      map[string]string
		warnings  int
	}{
		{"plain", "A=1\nB=two words\r\nC=\n", map[string]string{"A": "1", "B": "two words", "C": ""}, 0},
		{"colon", "A: 1\nB:2\nC = x: y", map[string]string{"A": "1", "B": "2", "C": "x: y"}, 0},
		{"comments", "# A=1\n  # B=2\nC=3 # three\nD=a#b\nE=#\n", map[string]string{"C": "3", "D": "a#b", "E": ""}, 0},
		{"export", "export A=1", map[string]string{"A": "1"}, 0},
		{"quotes", `PGRST_A="x y" # c` + "\nVIGIL_B='it\"s'\nC=\"q\"", map[string]string{"PGRST_A": "x y", "VIGIL_B": `it"s`, "C": "q"}, 2},
		{"escapes", `A="a\"b\\c\d"`, map[string]string{"A": `a"b\c\d`}, 0},
		{"unmatched quotes", "A=\"x\nB='y\"\nC=z\"\nD='a'b", map[string]string{"A": `"x`, "B": `'y"`, "C": `z"`, "D": "'a'b"}, 0},
		{"last counts", "A=1\nA=2", map[string]string{"A": "2"}, 0},
		{"byte order mark", "\ufeffA=1", map[string]string{"A": "1"}, 0},
		{"base64", "A=ab+/cd==", map[string]string{"A": "ab+/cd=="}, 0},
		{"other lines", "hello\n=x\nA=1", map[string]string{"A": "1"}, 2},
	} {
		got, warnings, err := parseDotenv(c.src)
		if err != nil || !maps.Equal(got, c.want) || len(warnings) != c.warnings {
			t.Errorf("%s: %q, warnings %q, %v", c.name, got, warnings, err)
		}
	}
}

func FuzzParseDotenv(f *testing.F) {
	f.Add("A=1\nB: \"x\\\"\" # c\nexport C='d'\nPGRST_X")
	f.Fuzz(func(t *testing.T, src string) {
		values, warnings, err := parseDotenv(src)
		if err != nil && values != nil {
			t.Fatal("values beside an error")
		}
		// What was read is read the same from its plainest spelling.
		for k, v := range values {
			if k == "" || strings.ContainsAny(k, "=: \t\n") {
				t.Fatalf("key %q", k)
			}
			if strings.ContainsAny(v, "\n\r\x00\"'\\#") || strings.TrimSpace(v) != v || v == "" {
				continue
			}
			again, _, err := parseDotenv(k + "=" + v)
			if err != nil || again[k] != v {
				t.Fatalf("%q=%q is read as %q, %v", k, v, again[k], err)
			}
		}
		for _, w := range warnings {
			if len(w) > 300 && len(src) < 100 {
				t.Fatalf("warning %q", w)
			}
		}
	})
}

func TestDistance(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"a", "", 1}, {"kitten", "sitting", 3}, {"abc", "abc", 0}, {"ab", "ba", 2}} {
		if got := distance(c.a, c.b); got != c.want || distance(c.b, c.a) != c.want {
			t.Errorf("%q, %q: %d, want %d", c.a, c.b, got, c.want)
		}
	}
}
