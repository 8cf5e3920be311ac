package template

import "strings"

// A Level is a level of Serilog.
type Level uint8

// The levels, the least first.
const (
	Verbose Level = iota
	Debug
	Information
	Warning
	Error
	Fatal
)

// levels has the name of each level at each width, the last for all greater ones.
var levels = [...][]string{
	Verbose:     {"V", "Vb", "Vrb", "Verb", "Verbo", "Verbos", "Verbose"},
	Debug:       {"D", "De", "Dbg", "Dbug", "Debug"},
	Information: {"I", "In", "Inf", "Info", "Infor", "Inform", "Informa", "Informat", "Informati", "Informatio", "Information"},
	Warning:     {"W", "Wn", "Wrn", "Warn", "Warni", "Warnin", "Warning"},
	Error:       {"E", "Er", "Err", "Eror", "Error"},
	Fatal:       {"F", "Fa", "Ftl", "Fatl", "Fatal"},
}

// String returns the name of l, such as Information.
func (l Level) String() string {
	if int(l) >= len(levels) {
		return "Information"
	}
	names := levels[l]
	return names[len(names)-1]
}

// ParseLevel returns the level of that name, in any case.
func ParseLevel(name string) (Level, bool) {
	for l := range levels {
		if strings.EqualFold(Level(l).String(), name) {
			return Level(l), true
		}
	}
	return Information, false
}

// append appends the name of l in a format such as u3: upper case, three letters.
func (l Level) append(dst []byte, format string) []byte {
	name := l.String()
	if len(format) != 2 && len(format) != 3 {
		return append(dst, casing(name, format)...)
	}
	width := int(format[1] - '0')
	if len(format) == 3 {
		width = width*10 + int(format[2]-'0')
	}
	if width < 1 {
		return dst
	}
	if int(l) < len(levels) {
		name = levels[l][min(width, len(levels[l]))-1]
	}
	switch format[0] {
	case 'w':
		name = strings.ToLower(name)
	case 'u':
		name = strings.ToUpper(name)
	case 't':
	default:
		name = casing(l.String(), format)
	}
	return append(dst, name...)
}
