package fhirapi

import "strings"

// preferences is what the Prefer headers of a request ask for (RFC 7240). Where
// one is asked for twice the first wins; what is not known is not looked at.
type preferences struct {
	ret      string // minimal, representation, OperationOutcome
	handling string // strict, lenient
	async    bool   // respond-async
}

func parsePrefer(headers []string) (p preferences) {
	for _, h := range headers {
		for part := range strings.FieldsFuncSeq(h, func(r rune) bool { return r == ',' || r == ';' }) {
			name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
			value = strings.Trim(strings.TrimSpace(value), `"`)
			switch strings.ToLower(strings.TrimSpace(name)) {
			case "return":
				if p.ret == "" && (value == "minimal" || value == "representation" || value == "OperationOutcome") {
					p.ret = value
				}
			case "handling":
				if p.handling == "" && (value == "strict" || value == "lenient") {
					p.handling = value
				}
			case "respond-async":
				p.async = true
			}
		}
	}
	return p
}
