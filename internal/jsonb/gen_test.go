package jsonb_test

import (
	"strconv"
	"strings"

	"pgregory.net/rapid"
)

// docs generates JSON texts that look for trouble: few keys, so that they are
// double and in common; keys and strings spelled with and without escapes;
// numbers that are equal and written differently; white space.
func docs() *rapid.Generator[string] { return docsOf(3) }

func docsOf(depth int) *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		kind := rapid.IntRange(0, 9).Draw(t, "kind")
		if depth == 0 && kind < 6 {
			kind = 6 + kind%4
		}
		ws := rapid.SampledFrom([]string{"", "", "", " ", "\n\t", " \r "}).Draw(t, "ws")
		switch {
		case kind < 4:
			var b strings.Builder
			for i := range rapid.IntRange(0, 4).Draw(t, "members") {
				if i > 0 {
					b.WriteString("," + ws)
				}
				b.WriteString(keys().Draw(t, "key") + ws + ":" + ws + docsOf(depth-1).Draw(t, "member"))
			}
			return "{" + ws + b.String() + ws + "}"
		case kind < 6:
			parts := rapid.SliceOfN(docsOf(depth-1), 0, 4).Draw(t, "elements")
			return "[" + ws + strings.Join(parts, ws+",") + ws + "]"
		case kind < 7:
			return numbers().Draw(t, "number")
		case kind < 9:
			return stringsOf().Draw(t, "string")
		}
		return ws + rapid.SampledFrom([]string{"null", "true", "false"}).Draw(t, "word") + ws
	})
}

func keys() *rapid.Generator[string] {
	return rapid.OneOf(
		rapid.SampledFrom([]string{`"a"`, `"b"`, `"aa"`, `"\u0061"`, `""`, `"é"`, `"\u00e9"`, `"z z"`, `"\"q"`, `"B"`}),
		stringsOf())
}

func stringsOf() *rapid.Generator[string] {
	piece := rapid.SampledFrom([]string{
		"a", "b", "login", "Z", " ", "é", "€", "😀", `\u0061`, `\u00E9`, `\ud83d\ude00`, `\n`, `\u000a`, `\t`, `\/`, "/", `\"`, `\\`, `\b`, `\f`,
		`\u001f`, "\x7f", `\u2028`, "<", "null", "12345678",
	})
	return rapid.Custom(func(t *rapid.T) string {
		return `"` + strings.Join(rapid.SliceOfN(piece, 0, 5).Draw(t, "pieces"), "") + `"`
	})
}

func numbers() *rapid.Generator[string] {
	return rapid.OneOf(
		rapid.SampledFrom([]string{
			"0", "-0", "0.0", "-0.00", "1", "1.0", "1.50", "10e-1", "1e5", "1E+2", "1e400", "-1e-3", "0e10", "0.0e1", "0e-5", "100", "1e2", "12.345e1",
			"0.001e2", "123456789012345678901234567890", "9007199254740993", "1.5e1", "0.00120e2", "-12.50",
		}),
		rapid.Custom(func(t *rapid.T) string {
			s := rapid.SampledFrom([]string{"", "-"}).Draw(t, "sign") + strconv.Itoa(rapid.IntRange(0, 120).Draw(t, "whole"))
			if rapid.Bool().Draw(t, "point") {
				s += "." + rapid.StringMatching(`[0-9]{1,4}`).Draw(t, "frac")
			}
			if rapid.Bool().Draw(t, "exp") {
				s += rapid.StringMatching(`[eE][+-]?[0-9]{1,2}`).Draw(t, "e")
			}
			return s
		}))
}

// broken generates texts that are often not JSON.
func broken() *rapid.Generator[string] {
	piece := rapid.SampledFrom([]string{
		"{", "}", "[", "]", ",", ":", `"a"`, `"`, "1", "-", "01", "1.", "1e", "e5", "tru", "true", "null", "nul", "NaN", " ", `"\u12"`, `"\ud800"`,
		`"\udc00"`, `"\ud800\ud800"`, `"\ud800x"`, `"\q"`, `"\é"`, "\"\t\"", "'", "login", "é", "+1", ".5", "1e400000", `"\u0000"`, `\`, "\x01",
		`"\ud83d\n"`, "1_0", "/*", `"\ud800\u0041"`, `"\`, `"\u00`, `"\u00zz"`, "1.5.2", "--1",
	})
	return rapid.OneOf(
		rapid.Custom(func(t *rapid.T) string {
			return strings.Join(rapid.SliceOfN(piece, 1, 6).Draw(t, "pieces"), "")
		}),
		rapid.Custom(func(t *rapid.T) string {
			doc := docs().Draw(t, "doc")
			i := rapid.IntRange(0, len(doc)).Draw(t, "at")
			j := min(len(doc), i+rapid.IntRange(0, 3).Draw(t, "cut"))
			return strings.ToValidUTF8(doc[:i]+piece.Draw(t, "piece")+doc[j:], "")
		}))
}

// examples draws n values, the same ones in every run.
func examples[T any](g *rapid.Generator[T], n int) []T {
	out := make([]T, n)
	for i := range out {
		out[i] = g.Example(i)
	}
	return out
}
