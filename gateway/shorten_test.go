package gateway

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// TestShorten reads shortened copies as it reads the bodies: long strings of every
// kind lie between what is recorded, and reads cut the body anywhere.
func TestShorten(t *testing.T) {
	filler := rapid.Custom(func(t *rapid.T) string {
		n := rapid.SampledFrom([]int{0, 10, dullKept - 1, dullKept + dullBlock, 100_000}).Draw(t, "n")
		unit := rapid.SampledFrom([]string{"A", "é", `\`, `"`, `{"id":"x"}`, `]`, "\n", "aGVs/+", `<`, `'`}).Draw(t, "unit")
		return strings.Repeat(unit, n/len(unit))
	})
	rapid.Check(t, func(t *rapid.T) {
		text := func(s string) string {
			b, err := json.Marshal(s)
			if err != nil {
				t.Fatal(err)
			}
			return string(b)
		}
		space := strings.Repeat(rapid.SampledFrom([]string{" ", "\n"}).Draw(t, "space"), rapid.SampledFrom([]int{0, 1, 30_000}).Draw(t, "spaces"))
		deep := strings.Repeat("["+space, 3) + "1" + strings.Repeat(space+"]", 3)
		body := fmt.Sprintf(`{"resourceType":"Binary","data":%s,"n":%s,"securityContext":{"reference":%s},%s"subject":{"reference":"Patient/p"},"x":%s,"id":"b","meta":{"versionId":"7","tag":%s}}`,
			text(filler.Draw(t, "data")), deep, text(rapid.SampledFrom([]string{"Patient/q", strings.Repeat("z", dullKept)}).Draw(t, "context")),
			space, text(filler.Draw(t, "more")), text(filler.Draw(t, "tag")))

		// A string that is spelled in escapes is six times as long, and is not shortened.
		c := bodyCopy{g: &Gateway{c: Config{MaxBody: 4 << 20, MaxMemory: 1 << 30}}, structure: structureOf("application/fhir+json; charset=utf-8", "")}
		for rest := []byte(body); len(rest) > 0; {
			n := min(len(rest), rapid.SampledFrom([]int{1000, 1448, dullBlock, 32 << 10, 100_000}).Draw(t, "read"))
			c.write(rest[:n])
			rest = rest[n:]
		}
		if c.cut {
			t.Fatal("the copy was cut")
		}
		var whole, short extractor
		if err := scanJSON([]byte(body), &whole); err != nil {
			t.Fatalf("the body: %v", err)
		}
		if err := scanJSON(c.b, &short); err != nil {
			t.Errorf("the copy of %d bytes: %v", len(c.b), err)
		}
		if diff := cmp.Diff(whole.root, short.root, cmp.AllowUnexported(resource{})); diff != "" {
			t.Errorf("in the copy: %s", diff)
		}
	})
}

// TestShortenSize holds little of attachments, in JSON and in XML.
func TestShortenSize(t *testing.T) {
	data := strings.Repeat("c3ludGhldGlj", 50_000)
	for media, body := range map[string]string{
		"application/fhir+json": `{"resourceType":"Binary","data":"` + data + `","id":"b"}`,
		"application/fhir+xml":  `<Binary xmlns="http://hl7.org/fhir"><data value="` + data + `"/><id value="b"/></Binary>`,
	} {
		c := bodyCopy{g: &Gateway{c: Config{MaxBody: 1 << 20, MaxMemory: 1 << 30}}, structure: structureOf(media, "")}
		c.write([]byte(body))
		if len(c.b) > 3*dullKept {
			t.Errorf("%s: %d bytes of %d are copied", media, len(c.b), len(body))
		}
		var x extractor
		err := scanJSON(c.b, &x)
		if strings.HasSuffix(media, "xml") {
			x = extractor{}
			err = scanXML(c.b, &x)
		}
		if err != nil || x.root == nil || x.root.id != "b" {
			t.Errorf("%s: read as %+v, %v", media, x.root, err)
		}
	}
	for _, media := range []string{"", "application/octet-stream", "application/fhir+ndjson"} {
		if s := structureOf(media, ""); s != "" {
			t.Errorf("%s is shortened", media)
		}
	}
	if structureOf("application/fhir+json", "gzip") != "" {
		t.Error("what is encoded is shortened")
	}
}
