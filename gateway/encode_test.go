package gateway

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"vigil"
)

// TestEncodeExchange compares the encoder with encoding/json: every field of
// vigil.Exchange, also one that is added later, with all sorts of strings.
func TestEncodeExchange(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var x vigil.Exchange
		fill(t, reflect.ValueOf(&x).Elem(), 0)
		got := encodeExchange(&x)
		want, err := document(&x)
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != string(want) {
			t.Fatalf("got\n%s\nwant\n%s", got, want)
		}
	})
}

// fill gives every field of v a value, or none.
func fill(t *rapid.T, v reflect.Value, depth int) {
	if rapid.IntRange(0, 9).Draw(t, "empty") == 0 {
		return
	}
	switch v.Interface().(type) {
	case time.Time:
		v.Set(reflect.ValueOf(time.Unix(rapid.Int64Range(0, 1<<32).Draw(t, "s"), rapid.Int64Range(0, 999_999_999).Draw(t, "ns")).UTC()))
		return
	case json.RawMessage:
		v.SetBytes([]byte(rapid.SampledFrom([]string{`1`, `"a\u0000\\u0000"`, `{"a":[null,true]}`, `"<&>"`}).Draw(t, "raw")))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(strings.Join(rapid.SliceOfN(rapid.SampledFrom(words), 0, 4).Draw(t, "words"), ""))
	case reflect.Int, reflect.Int64:
		v.SetInt(rapid.Int64().Draw(t, "n"))
	case reflect.Bool:
		v.SetBool(rapid.Bool().Draw(t, "b"))
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(t, v.Elem(), depth+1)
	case reflect.Struct:
		for i := range v.NumField() {
			fill(t, v.Field(i), depth)
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Struct && depth > 0 {
			return
		}
		n := rapid.IntRange(0, 3).Draw(t, "len")
		v.Set(reflect.MakeSlice(v.Type(), n, n))
		for i := range n {
			if v.Type().Elem().Kind() == reflect.Uint8 {
				v.Index(i).SetUint(uint64(rapid.Byte().Draw(t, "byte")))
				continue
			}
			fill(t, v.Index(i), depth+1)
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for i := range rapid.IntRange(0, 3).Draw(t, "len") {
			e := reflect.New(v.Type().Elem()).Elem()
			fill(t, e, depth+1)
			if e.Kind() == reflect.Slice && e.Len() == 0 { // no JSON
				e.SetBytes([]byte("null"))
			}
			v.SetMapIndex(reflect.ValueOf(words[i]+string(rune('a'+i))), e)
		}
	default:
		t.Fatalf("a field of kind %s: teach the encoder, then this", v.Kind())
	}
}

// words are what strings are made of.
var words = []string{"a", "Patient/1", `"`, `\`, "\x00", "\n", "\r\t\b\f", "\x1b[31m", "\x7f", "<&>", "é", "\u2028", "\u2029", "\u202e", "\xff", "\xed\xa0\x80", "𝒳", "\ufffd", `\u0000`}
