package gateway

import "bytes"

// maxScrubbed bounds the bodies that are looked through for secrets before the
// spool has them: a longer one is a bundle, whose secrets are redacted when it
// becomes part of a record, as everything is.
const maxScrubbed = 64 << 10

// scrub returns b without the passwords and tokens that are in it, as far as they
// can be seen without reading it: in forms, and in JSON that is not encoded. What
// is more to redact is redacted when the record is made. b does not change.
func scrub(b []byte, contentType, coding string, keep bool) []byte {
	media, plain := plainMedia(contentType, coding)
	if len(b) == 0 || !plain {
		return b
	}
	var none *rules // redact secrets only
	switch kind := kindOf(media, b); {
	case kind == kindForm:
		return none.form(b)
	case len(b) > maxScrubbed && !keep, kind != kindJSON && kind != kindLines, !namesSecret(b):
		return b
	case kind == kindLines:
		b, _ = none.lines(b)
	default:
		b, _ = none.json(b)
	}
	return b
}

// namesSecret reports whether anything between two quotes is the name of a secret.
func namesSecret(b []byte) bool {
	var low [32]byte
	for {
		i := bytes.IndexByte(b, '"')
		if i < 0 {
			return false
		}
		if i >= 3 && i <= len(low) {
			for j, c := range b[:i] {
				if low[j] = c; c >= 'A' && c <= 'Z' {
					low[j] = c | 0x20
				}
			}
			if isSecret(string(low[:i])) {
				return true
			}
		}
		b = b[i+1:]
	}
}
