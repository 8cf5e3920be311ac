package jsonb

// Hidden reports whether r could end a line, steer a terminal, or change the
// order in which a line is read: controls, the separators of lines and
// paragraphs, the marks of bidirectional text (Unicode Standard Annex 9) and the
// byte order mark. What shows text to people escapes or leaves out these.
func Hidden(r rune) bool {
	switch {
	case r < ' ', r >= 0x7f && r <= 0x9f:
		return true
	case r >= 0x200e && r <= 0x200f, r >= 0x2028 && r <= 0x202e, r >= 0x2066 && r <= 0x2069, r == 0x061c, r == 0xfeff:
		return true
	}
	return false
}

// AppendEscape appends r, below U+10000, as JSON escapes it: \u202e.
func AppendEscape(dst []byte, r rune) []byte {
	const hex = "0123456789abcdef"
	return append(dst, '\\', 'u', hex[r>>12&15], hex[r>>8&15], hex[r>>4&15], hex[r&15])
}
