package query

import (
	"bytes"
	"unicode/utf8"
)

// tokens finds the words of a text as PostgreSQL's default parser does where
// letters are classified as in the C locale: every character beyond ASCII is a
// letter. Words are
//
//   - runs of letters and digits, and compounds of them with hyphens, which are
//     words both whole and in parts: mme-calc, mme, calc;
//   - numbers, with sign, fraction and exponent, and versions such as 1.2.3;
//   - hosts, e-mail addresses, URLs (whole, host and path), and file names.
//
// Tags, entities and protocols are none. PostgreSQL's parser is a long table
// with corners of its own; texts that mix several of these kinds without white space
// between them, and what is within <script> and <style>, may be cut otherwise here.
type tokens struct {
	in []byte
	i  int
	// queue holds the parts of a word that is still to be given: compounds and URLs.
	queue [][]byte
	memo  tokenMemo
}

// tokenMemo holds what was looked for in vain, so that no text is gone over
// more than a few times.
type tokenMemo struct {
	name, domain span // in which no host name ends
	file         span // in which no file name begins behind a slash
	open         bool // no comment ends in what is left
}

// span is the bytes from one place up to another.
type span struct{ from, to int }

func (s span) has(i int) bool { return s.from <= i && i < s.to }

// next returns the next word, as it is written.
func (z *tokens) next() (word []byte, ok bool) {
	if len(z.queue) > 0 {
		word, z.queue = z.queue[0], z.queue[1:]
		return word, true
	}
	blank := false // behind a blank only some characters begin a word
	for z.i < len(z.in) {
		c := z.in[z.i]
		end := -1
		switch {
		case isLetter(c), isDigit(c):
			end = z.word(z.i)
		case c == '-' || c == '+':
			end = z.signed(z.i)
		case c == '/', (c == '.' || c == '~') && !blank:
			end = z.path(z.i)
		case c == '<' || c == '&':
			if over := z.markup(z.i); over > 0 {
				z.i, blank = over, false
				continue
			}
		}
		if end > 0 {
			word, z.i = z.in[z.i:end], end
			return word, true
		}
		if end == protocol {
			blank = false
			continue
		}
		z.i++
		blank = true
	}
	return nil, false
}

// protocol is what word returns where it has passed over a protocol.
const protocol = -2

func isASCIILetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }

func isLetter(c byte) bool { return isASCIILetter(c) || c >= utf8.RuneSelf }

func isASCIIAlnum(c byte) bool { return isASCIILetter(c) || isDigit(c) }

// at returns the byte at i, 0 beyond the text.
func (z *tokens) at(i int) byte {
	if i < len(z.in) {
		return z.in[i]
	}
	return 0
}

// run returns the end of the bytes from i on that are in a class.
func (z *tokens) run(i int, class func(byte) bool) int {
	for i < len(z.in) && class(z.in[i]) {
		i++
	}
	return i
}

// word returns the end of the word that begins with the letter or digit at i.
func (z *tokens) word(i int) int {
	letters := z.run(i, isASCIILetter)
	digits := z.run(i, isDigit)
	if letters > i || digits > i && (z.at(digits) == '.' || isASCIILetter(z.at(digits))) {
		if end := z.address(i); end > 0 {
			return end
		}
	}
	if digits > i {
		if end := z.number(digits); end > 0 {
			return end
		}
	}
	end := z.run(i, func(c byte) bool { return isLetter(c) || isDigit(c) })
	ascii := z.run(i, isASCIIAlnum) == end
	switch next := z.at(end); {
	case letters == end && next == ':' && z.at(end+1) == '/' && z.at(end+2) == '/':
		z.i = end + 3
		return protocol
	case next == '/' && (ascii || digits == i) && (letters == end || z.hasDigit(i, end)):
		if over := z.fileFirst(end + 1); over > 0 {
			return over
		}
	case next == '.' && (letters == end || digits < end && z.hasDigit(i, end)):
		if fileStart(z.at(end + 1)) {
			return z.file(end + 1)
		}
	case next == '-' && digits < end:
		return z.compound(i, end)
	}
	return end
}

func (z *tokens) hasDigit(from, to int) bool { return z.run(from, isLetter) < to }

// number returns the end of the number whose first digits end at i, 0 if they
// are part of something else.
func (z *tokens) number(i int) int {
	end := i
	if z.at(i) == '.' && isDigit(z.at(i+1)) {
		end = z.run(i+1, isDigit)
		versions := 0
		for z.at(end) == '.' && isDigit(z.at(end+1)) {
			end = z.run(end+1, isDigit)
			versions++
		}
		if versions > 0 {
			return end
		}
	}
	if over := z.exponent(end); over > 0 {
		return over
	}
	switch {
	case end > i:
		return end
	case z.at(i) == '/':
		if over := z.fileFirst(i + 1); over > 0 {
			return over
		}
	case isLetter(z.at(i)):
		return 0
	}
	return i
}

// exponent returns the end of the exponent at i, 0 if there is none.
func (z *tokens) exponent(i int) int {
	if z.at(i)|0x20 != 'e' {
		return 0
	}
	i++
	if c := z.at(i); c == '+' || c == '-' {
		i++
	}
	if !isDigit(z.at(i)) {
		return 0
	}
	return z.run(i, isDigit)
}

// signed returns the end of the number with a sign at i.
func (z *tokens) signed(i int) int {
	if !isDigit(z.at(i + 1)) {
		return -1
	}
	end := z.run(i+1, isDigit)
	if z.at(end) == '.' && isDigit(z.at(end+1)) {
		end = z.run(end+1, isDigit)
		if z.at(end) == '.' && isDigit(z.at(end+1)) {
			return -1 // a version behind a hyphen
		}
	}
	if over := z.exponent(end); over > 0 {
		return over
	}
	return end
}

// compound returns the end of the words joined by hyphens, of which the first
// is in [i, end), and queues the parts.
func (z *tokens) compound(i, end int) int {
	first := end
	for z.at(end) == '-' {
		over := z.run(end+1, func(c byte) bool { return isLetter(c) || isDigit(c) })
		if over == end+1 || z.run(end+1, isDigit) == over {
			break // nothing, or digits alone: these are a number with a sign
		}
		end = over
	}
	if end == first {
		return end
	}
	for from, j := i, i; j <= end; j++ {
		if j == end || z.in[j] == '-' {
			z.queue = append(z.queue, z.in[from:j])
			from = j + 1
		}
	}
	return end
}

// address returns the end of the host, URL or e-mail address at i, and queues
// the parts of a URL.
func (z *tokens) address(i int) int {
	end, local := z.host(i, &z.memo.name)
	if z.at(local) == '@' {
		if over, _ := z.host(local+1, &z.memo.domain); over > 0 {
			return z.port(over)
		}
	}
	if end <= 0 {
		return -1
	}
	end = z.port(end)
	if z.at(end) != '/' {
		return end
	}
	over := z.run(end, func(c byte) bool { return !arraySpace(c) && c != '"' && c != '\'' })
	z.queue = append(z.queue, z.in[i:end], z.in[end:over])
	return over
}

func (z *tokens) port(i int) int {
	if z.at(i) == ':' && isDigit(z.at(i+1)) {
		return z.run(i+1, isDigit)
	}
	return i
}

// host returns the end of the host name at i, which ends in a label of letters
// after a dot, -1 if there is none; and how far the characters of one go. None
// is where there was none from an earlier place on: all but the first label are
// the same.
func (z *tokens) host(i int, none *span) (end, reach int) {
	if none.has(i) {
		return -1, none.to
	}
	end, reach = z.labels(i)
	if end < 0 {
		*none = span{i, reach}
	}
	return end, reach
}

func (z *tokens) labels(i int) (end, reach int) {
	end = -1
	for first := true; ; first = false {
		label := i
		i = z.run(i, isASCIIAlnum)
		if i == label {
			return end, label - 1
		}
		if !first {
			if letters := z.run(label, isASCIILetter); letters-label >= 2 && !isDigit(z.at(letters)) {
				end = letters
			}
		}
		for z.at(i) == '-' && isASCIIAlnum(z.at(i+1)) {
			i = z.run(i+1, isASCIIAlnum)
		}
		if z.at(i) != '.' || !isASCIIAlnum(z.at(i+1)) {
			return end, i
		}
		i++
	}
}

// markup returns the end of the tag, comment or entity at i, -1 if there is none.
func (z *tokens) markup(i int) int {
	if z.in[i] == '&' {
		return z.entity(i + 1)
	}
	i++
	switch c := z.at(i); {
	case c == '!' && z.at(i+1) == '-' && z.at(i+2) == '-':
		if z.memo.open {
			return -1
		}
		if n := bytes.Index(z.in[i+3:], []byte("-->")); n >= 0 {
			return i + 3 + n + 3
		}
		z.memo.open = true
		return -1
	case c == '!' && z.at(i+1)|0x20 == 'd', c == '?' && z.at(i+1) == 'x':
		return z.tag(i + 2)
	case c == '/':
		if !isASCIILetter(z.at(i + 1)) {
			return -1
		}
		i++
	case !isASCIILetter(c) && c != ':' && c != '_':
		return -1
	}
	i = z.run(i, func(c byte) bool { return isLetter(c) || isDigit(c) || c == ':' || c == '_' || c == '.' || c == '-' })
	switch c := z.at(i); {
	case c == '>':
		return i + 1
	case c == '/' && z.at(i+1) == '>':
		return i + 2
	case i < len(z.in) && arraySpace(c):
		return z.tag(i)
	}
	return -1
}

// tag returns the end of a tag whose attributes begin at i.
func (z *tokens) tag(i int) int {
	for i < len(z.in) {
		switch c := z.in[i]; {
		case c == '>':
			return i + 1
		case c == '"' || c == '\'':
			for i++; i < len(z.in) && z.in[i] != c; i++ {
				if z.in[i] == '\\' {
					i++
				}
			}
		case isASCIIAlnum(c), arraySpace(c):
		default:
			if !tagByte[c] {
				return -1
			}
		}
		i++
	}
	return -1
}

// tagByte are the signs that attributes of a tag are written with.
var tagByte = [256]bool{'=': true, '-': true, '_': true, '#': true, '/': true, ':': true, '.': true, '&': true, '?': true, '%': true, '~': true}

func (z *tokens) entity(i int) int {
	if z.at(i) == '#' {
		digits := isDigit
		if i++; z.at(i)|0x20 == 'x' {
			i++
			digits = func(c byte) bool { return isDigit(c) || 'a' <= c|0x20 && c|0x20 <= 'f' }
		}
		if end := z.run(i, digits); end > i && z.at(end) == ';' {
			return end + 1
		}
		return -1
	}
	if c := z.at(i); !isASCIILetter(c) && c != ':' && c != '_' {
		return -1
	}
	end := z.run(i, func(c byte) bool { return isLetter(c) || isDigit(c) || c == ':' || c == '_' || c == '.' || c == '-' })
	if z.at(end) == ';' {
		return end + 1
	}
	return -1
}
