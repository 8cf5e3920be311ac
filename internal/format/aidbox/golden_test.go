package aidbox_test

import (
	"bufio"
	"encoding/json"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"vigil/internal/format/aidbox"
)

// klog is output of Aidbox's own logger for events.ndjson, observed.
const klog = "../../../../shared/data/aidbox/klog_golden/"

// klogLines reads a file of klog, or skips the test where it is not there.
func klogLines(t *testing.T, name string) []string {
	t.Helper()
	f, err := os.Open(klog + name)
	if err != nil {
		t.Skip("without the observed output of klog: ", err)
	}
	defer f.Close()
	var lines []string
	for sc := bufio.NewScanner(f); sc.Scan(); {
		lines = append(lines, sc.Text())
	}
	return lines
}

func parse(t *testing.T, line string) (v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(line), &v); err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	return v
}

// TestGoogleAsKlog compares with klog's lines, parsed: their keys have no order.
func TestGoogleAsKlog(t *testing.T) {
	in, want := klogLines(t, "events.ndjson"), klogLines(t, "google.ndjson")
	if len(in) == 0 || len(in) != len(want) {
		t.Fatalf("%d events, %d lines", len(in), len(want))
	}
	for i := range in {
		got := string(aidbox.AppendGoogle(nil, []byte(in[i])))
		if !reflect.DeepEqual(parse(t, got), parse(t, want[i])) {
			t.Errorf("%s\ngot  %s\nwant %s", in[i], got, want[i])
		}
	}
}

// TestPrettyAsKlog compares with klog's text. Two things differ on purpose: a
// line stays one line, and control characters are escaped.
func TestPrettyAsKlog(t *testing.T) {
	in := klogLines(t, "events.ndjson")
	text := strings.Join(klogLines(t, "pretty.txt"), "\n")
	text = strings.ReplaceAll(text, "java.lang.NPE\n at x", `java.lang.NPE\n at x`)
	text = strings.ReplaceAll(text, "\x01", `\u0001`)
	want := strings.Split(text, "\n")
	if len(in) == 0 || len(in) != len(want) {
		t.Fatalf("%d events, %d lines", len(in), len(want))
	}
	for i := range in {
		got := string(aidbox.AppendPretty(nil, []byte(in[i])))
		if sorted(got) != sorted(want[i]) {
			t.Errorf("%s\ngot  %q\nwant %q", in[i], got, want[i])
		}
	}
}

var ednMap = regexp.MustCompile(`\{.*\}$`)

// sorted returns a line with the members of its map in the order of the alphabet.
func sorted(line string) string {
	return ednMap.ReplaceAllStringFunc(line, func(m string) string {
		parts := strings.Split(strings.Trim(m, "{}"), ", ")
		for i := range parts {
			for j := range i {
				if parts[i] < parts[j] {
					parts[i], parts[j] = parts[j], parts[i]
				}
			}
		}
		return "{" + strings.Join(parts, ", ") + "}"
	})
}
