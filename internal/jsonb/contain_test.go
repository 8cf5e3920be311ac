package jsonb_test

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"vigil/internal/jsonb"
)

// TestContainsOfMany holds that many elements and members are found as few are,
// which PostgreSQL is asked about.
func TestContainsOfMany(t *testing.T) {
	element := rapid.SampledFrom([]string{"1", "1.0", "10e-1", `"a"`, `"\u0061"`, "null", "true", "[1]", "[1,2]", `{"a":1}`, `{"a":1,"b":2}`, "-0", "0", `"1"`})
	list := rapid.SliceOfN(element, 1, 4)
	array := func(list []string) string { return "[" + strings.Join(list, ", ") + "]" }
	object := func(list []string, filling int) string {
		var b strings.Builder
		for i, v := range list {
			fmt.Fprintf(&b, `,"k%d":%s`, i%3, v) // a fourth hides the first
		}
		for i := range filling {
			fmt.Fprintf(&b, `,"\u0066%d":%d`, i, i)
		}
		return "{" + b.String()[1:] + "}"
	}
	held := 0
	rapid.Check(t, func(t *rapid.T) {
		a, b := list.Draw(t, "a"), list.Draw(t, "b")
		var repeated []string
		for range 10 {
			repeated = append(repeated, b...)
		}
		want := jsonb.Contains([]byte(array(a)), []byte(array(b)))
		if got := jsonb.Contains([]byte(array(a)), []byte(array(repeated))); got != want {
			t.Errorf("%v contains many of %v: %v, but once: %v", a, b, got, want)
		}
		if want {
			held++
		}
		want = jsonb.Contains([]byte(object(a, 0)), []byte(object(b, 0)))
		if got := jsonb.Contains([]byte(object(a, 30)), []byte(object(b, 20))); got != want {
			t.Errorf("%s contains %s: %v, but with more of both: %v", object(a, 0), object(b, 0), want, got)
		}
	})
	if held == 0 {
		t.Error("nothing contained anything")
	}
}

func TestContainsUntil(t *testing.T) {
	var b strings.Builder
	for i := range 20_000 {
		fmt.Fprintf(&b, ",[%d]", i)
	}
	doc := []byte("[" + b.String()[1:] + "]")
	asked := 0
	jsonb.ContainsUntil(doc, doc, func() bool {
		asked++
		return asked == 3
	})
	if asked != 3 {
		t.Errorf("asked %d times, want 3", asked)
	}
}
