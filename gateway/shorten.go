package gateway

import (
	"bytes"
	"strings"
)

// What a record says of a body, ids and references and short texts, is never in
// the middle of a long stretch without any sign of structure: that is an attachment
// in base64, or a narrative. It is left out of copies, so that an upload of any size
// costs little more than what is recorded of it.
const (
	dullBlock = 2 << 10 // bytes that are looked at together
	dullKept  = 4 << 10 // of a stretch, and whatever is shorter, is kept
)

// The bytes that end a stretch. In JSON it begins and ends inside of one string,
// where no escape is cut, or outside where it opens and closes nothing.
const (
	structureJSON = `"\{}[]`
	structureXML  = `<"'>&`
)

// structureString is what matters inside of a JSON string.
const structureString = `"\`

// structureOf returns the bytes that matter in a body of this type; "" where all do.
func structureOf(contentType, coding string) string {
	media, _ := plainMedia(contentType, coding)
	switch media {
	case "application/fhir+json", "application/json":
		return structureJSON
	case "application/fhir+xml", "application/xml", "text/xml":
		return structureXML
	}
	return ""
}

// plainMedia returns the media type of a body, in lower case and without parameters,
// and false where the body is encoded: its bytes are not those of that type.
func plainMedia(contentType, coding string) (string, bool) {
	if coding != "" && !strings.EqualFold(coding, "identity") {
		return "", false
	}
	media, _, _ := strings.Cut(contentType, ";")
	return strings.ToLower(strings.TrimSpace(media)), true
}

// dull reports whether no byte of structure is in p.
func dull(p []byte, structure string) bool {
	for i := range len(structure) {
		if bytes.IndexByte(p, structure[i]) >= 0 {
			return false
		}
	}
	return true
}

// opensString reports whether the text after a block of JSON is in a string for
// certain: the last byte of structure is a quote, and what follows it could not
// come after the end of a string.
func opensString(block []byte) bool {
	last := bytes.LastIndexByte(block, '"') + 1
	return last > 0 && last < len(block) && strings.IndexByte(",:]} \t\r\n", block[last]) < 0 && dull(block[last:], structureJSON)
}
