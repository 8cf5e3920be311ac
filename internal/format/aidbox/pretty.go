package aidbox

import (
	"bytes"
	"slices"
	"time"

	"vigil"
	"vigil/internal/jsonb"
)

// The colours of klog, Aidbox's logger.
const (
	green  = "\x1b[0;32m"
	gray   = "\x1b[0;37m"
	yellow = "\x1b[0;33m"
	cyan   = "\x1b[0;36m"
	red    = "\x1b[0;31m"
	plainC = "\x1b[m"
	reset  = "\x1b[m"
)

// Pretty returns the line format with lines for people, as Aidbox's logger
// prints them on a terminal. Control characters inside texts are escaped, so
// that nothing in a line can steer the terminal or look like another line; the
// colours are the only escape sequences.
func Pretty(line func([]byte, *vigil.Event) []byte) func([]byte, *vigil.Event) []byte {
	return each(line, AppendPretty)
}

// AppendPretty appends one line for people, without a newline. What is no object
// is appended with its control characters escaped.
func AppendPretty(dst, line []byte) []byte {
	if jsonb.Kind(line) != '{' {
		return visible(dst, line)
	}
	p := pretty{dst: dst, from: len(dst), line: line}
	for name, val := range jsonb.Members(line) {
		if i := slices.Index(shownNames[:], name); i >= 0 && present(val) {
			p.vals[i] = val
		}
	}
	p.head()
	p.rest()
	return p.dst
}

// pretty prints one line: words with spaces between them.
type pretty struct {
	dst  []byte
	from int
	line []byte
	vals [len(shownNames)][]byte // of the members that have a place of their own
}

// shownNames are the members that have a place of their own.
var shownNames = [...]string{
	"ev", "ts", "tn", "w", "lvl", "d", "err", "w_m", "w_url", "w_qs", "w_st", "msg", "sql", "db_prm", "rtp", "rid", "etr", "access-policy-id",
}

// get returns a member, nil where it is null or not there.
func (p *pretty) get(name string) []byte { return p.vals[slices.Index(shownNames[:], name)] }

// shown returns the text of a member: of what is no text the JSON.
func (p *pretty) shown(name string) []byte {
	val := p.get(name)
	if val == nil {
		return nil
	}
	if jsonb.Kind(val) == '"' {
		return plain(val)
	}
	return val
}

// word appends the parts as one word, in a colour where there is one.
func (p *pretty) word(colour string, parts ...[]byte) {
	if len(p.dst) > p.from {
		p.dst = append(p.dst, ' ')
	}
	p.dst = append(p.dst, colour...)
	for _, part := range parts {
		p.dst = visible(p.dst, part)
	}
	if colour != "" {
		p.dst = append(p.dst, reset...)
	}
}

// head appends what every line begins with: tn, the time, lvl, the end of w, d, err.
func (p *pretty) head() {
	if tn := p.shown("tn"); tn != nil {
		p.word("", tn)
	}
	ts := p.shown("ts")
	if t, err := time.Parse(time.RFC3339Nano, string(ts)); err == nil {
		ts = t.UTC().AppendFormat(nil, time.TimeOnly)
	}
	if ts != nil {
		p.word("", ts)
	}
	if lvl := p.shown("lvl"); lvl != nil {
		p.word("", []byte(":"), lvl)
	}
	if w := []rune(string(p.shown("w"))); len(w) > 0 {
		p.word(gray, []byte(string(w[max(0, len(w)-5):])))
	}
	if d := p.shown("d"); d != nil {
		p.word("", []byte("["), d, []byte("ms]"))
	}
	if err := p.shown("err"); err != nil {
		p.word(red, err)
	}
}

// rest appends what depends on the kind of line.
func (p *pretty) rest() {
	switch ev := p.shown("ev"); string(ev) {
	case "w/req":
		p.word(yellow, bytes.ToUpper(p.shown("w_m")))
		p.word(plainC, p.shown("w_url"))
		if qs := p.shown("w_qs"); qs != nil {
			p.dst = visible(append(p.dst, '?'), qs)
		}
		p.note()
	case "w/resp":
		p.word(yellow, p.shown("w_st"))
	case "auth/authorized-access-policy":
		p.word(plainC, []byte("policy"))
		p.word(green, p.shown("access-policy-id"))
	case "resource/create", "resource/update", "resource/delete":
		p.word(plainC, ev[len("resource/"):])
		p.word(green, p.shown("rtp"), []byte("/"), p.shown("rid"))
	case "db/q", "db/ex":
		p.word(cyan, p.shown("sql"))
		if prm := p.get("db_prm"); prm != nil {
			p.dst = edn(append(p.dst, ' '), prm)
		}
	case "w/ex":
		p.word(red, p.shown("msg"))
		p.word(red, p.shown("etr"))
	case "log":
		p.word(plainC, p.shown("msg"))
		p.others()
	default:
		p.word(yellow, []byte(":"), ev)
		p.word(plainC, p.shown("msg"))
		p.others()
	}
}

// note appends the message of a line whose form has no place for one in Aidbox:
// Vigil's notes on what a record lacks.
func (p *pretty) note() {
	if msg := p.shown("msg"); msg != nil {
		p.word(plainC, msg)
	}
}

// others appends the members that are not shown yet, as a map of EDN.
func (p *pretty) others() {
	p.dst = append(p.dst, ' ', '{')
	n := 0
	for name, val := range jsonb.Members(p.line) {
		switch name {
		case "tn", "ts", "lvl", "w", "ev", "msg":
			continue
		}
		if n++; n > 1 {
			p.dst = append(p.dst, ", "...)
		}
		p.dst = append(keyword(p.dst, name), ' ')
		p.dst = edn(p.dst, val)
	}
	p.dst = append(p.dst, '}')
}
