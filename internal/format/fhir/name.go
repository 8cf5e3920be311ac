package fhir

// IsID reports whether s can be the id of a resource (FHIR, datatypes, id).
func IsID(s string) bool {
	if s == "" || len(s) > 64 {
		return false
	}
	for i := range len(s) {
		if c := s[i]; !(c|0x20 >= 'a' && c|0x20 <= 'z' || isDigit(c) || c == '-' || c == '.') {
			return false
		}
	}
	return true
}

// IsTypeName reports whether s can be the name of a type of resources: a capital
// and letters, 64 at most. Servers have types of their own, so it is not asked
// whether FHIR has it.
func IsTypeName(s string) bool {
	if s == "" || len(s) > 64 || s[0] < 'A' || s[0] > 'Z' {
		return false
	}
	for i := range len(s) {
		if c := s[i] | 0x20; c < 'a' || c > 'z' {
			return false
		}
	}
	return true
}

// IsCode reports whether s can be a code: words with one blank between (FHIR,
// datatypes, code).
func IsCode(s string) bool {
	space := true // before the first character
	for i := range len(s) {
		switch s[i] {
		case ' ', '\t', '\n', '\r', '\v', '\f':
			if space {
				return false
			}
			space = true
		default:
			space = false
		}
	}
	return !space
}
