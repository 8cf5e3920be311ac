package firely

import (
	"strconv"
	"time"

	"vigil"
	"vigil/internal/jsonb"
)

// exchangeReader reads of an exchange's document what lines are made of. A line has to
// cost little, and encoding/json takes longer for the whole document than all the
// rest together. It is used again for the next document, but not concurrently.
type exchangeReader struct {
	text  []byte // of all strings, one after the other
	texts []text
	peer  [1]string
	entry bool // what is read is an entry, which has the sender of the whole and no entries
}

// text is where a string that stands in exchangeReader.text goes.
type text struct {
	to   *string
	size int
}

// exchange reads doc into x, whose memory is used again, and reports whether it is
// an exchange. The strings are new memory.
func (d *exchangeReader) exchange(x *vigil.Exchange, doc []byte) bool {
	d.text, d.texts, d.entry = d.text[:0], d.texts[:0], false
	if jsonb.Kind(doc) != '{' || !d.read(x, doc) {
		return false
	}
	all := string(d.text)
	for _, t := range d.texts {
		*t.to, all = all[:t.size], all[t.size:]
	}
	return true
}

// read reads an exchange or an entry of one.
func (d *exchangeReader) read(x *vigil.Exchange, doc []byte) bool {
	*x = vigil.Exchange{Returned: x.Returned[:0], Entries: x.Entries[:0]}
	ok := true
	for name, val := range jsonb.Members(doc) {
		switch name {
		case "id":
			ok = d.string(&x.ID, val)
		case "requestId":
			ok = d.string(&x.RequestID, val)
		case "correlation":
			ok = d.string(&x.Correlation, val)
		case "connection":
			ok = d.string(&x.Connection, val)
		case "method":
			ok = d.string(&x.Method, val)
		case "route":
			ok = d.string(&x.Route, val)
		case "path":
			ok = d.string(&x.Path, val)
		case "query":
			ok = d.string(&x.RawQuery, val)
		case "interaction":
			ok = d.string(&x.Interaction, val)
		case "type":
			ok = d.string(&x.Type, val)
		case "key":
			ok = d.string(&x.Key, val)
		case "upstream":
			ok = d.string(&x.Upstream, val)
		default:
			ok = d.other(x, name, val)
		}
		if !ok {
			return false
		}
	}
	return true
}

// other reads the members that are no strings.
func (d *exchangeReader) other(x *vigil.Exchange, name string, val []byte) bool {
	if jsonb.Kind(val) == 'n' || d.entry && (name == "peer" || name == "entries") {
		return true
	}
	switch name {
	case "start":
		return x.Start.UnmarshalJSON(trimmed(val)) == nil
	case "duration":
		n, ok := number(val)
		x.Duration = time.Duration(n)
		return ok
	case "status":
		n, ok := number(val)
		x.Status = int(n)
		return ok
	case "peer":
		first, found := jsonb.Index(val, 0)
		if !found {
			return jsonb.Kind(val) == '['
		}
		x.Peer = d.peer[:]
		return d.string(&x.Peer[0], first)
	case "user":
		return d.user(&x.User, val)
	case "search":
		x.Search = new(vigil.Search)
		return d.search(x.Search, val)
	case "returned":
		return d.returned(x, val)
	case "headers":
		return d.headers(x, val)
	case "entries":
		return d.entries(x, val)
	}
	return true
}

func (d *exchangeReader) user(u *vigil.User, doc []byte) bool {
	if jsonb.Kind(doc) != '{' {
		return false
	}
	ok := true
	for name, val := range jsonb.Members(doc) {
		switch name {
		case "sub":
			ok = d.string(&u.Subject, val)
		case "name":
			ok = d.string(&u.Name, val)
		case "username":
			ok = d.string(&u.Username, val)
		case "client":
			ok = d.string(&u.Client, val)
		}
		if !ok {
			return false
		}
	}
	return true
}

func (d *exchangeReader) search(s *vigil.Search, doc []byte) bool {
	if jsonb.Kind(doc) != '{' {
		return false
	}
	for name, val := range jsonb.Members(doc) {
		n, isNumber := number(val)
		ok := true
		switch name {
		case "query":
			ok = d.string(&s.Query, val)
		case "total":
			if ok = isNumber || jsonb.Kind(val) == 'n'; isNumber {
				s.Total = &n
			}
		case "matches":
			s.Matches, ok = int(n), isNumber
		case "includes":
			s.Includes, ok = int(n), isNumber
		}
		if !ok {
			return false
		}
	}
	return true
}

func (d *exchangeReader) returned(x *vigil.Exchange, list []byte) bool {
	if jsonb.Kind(list) != '[' {
		return false
	}
	n := 0
	for range jsonb.Elements(list) {
		n++
	}
	if cap(x.Returned) < n {
		x.Returned = make([]string, n)
	}
	x.Returned = x.Returned[:n]
	n = 0
	for val := range jsonb.Elements(list) {
		if !d.string(&x.Returned[n], val) {
			return false
		}
		n++
	}
	return true
}

func (d *exchangeReader) headers(x *vigil.Exchange, doc []byte) bool {
	if jsonb.Kind(doc) != '{' {
		return false
	}
	x.Headers = map[string]string{}
	for name, val := range jsonb.Members(doc) {
		if jsonb.Kind(val) != '"' {
			return false
		}
		x.Headers[name] = string(jsonb.AppendText(nil, val))
	}
	return true
}

func (d *exchangeReader) entries(x *vigil.Exchange, list []byte) bool {
	if jsonb.Kind(list) != '[' {
		return false
	}
	n := 0
	for range jsonb.Elements(list) {
		n++
	}
	if cap(x.Entries) < n {
		x.Entries = make([]vigil.Exchange, n)
	}
	x.Entries = x.Entries[:n]
	n, d.entry = 0, true
	defer func() { d.entry = false }()
	for val := range jsonb.Elements(list) {
		if jsonb.Kind(val) != '{' || !d.read(&x.Entries[n], val) {
			return false
		}
		n++
	}
	return true
}

// string notes that to is the text of val; null leaves it empty.
func (d *exchangeReader) string(to *string, val []byte) bool {
	switch jsonb.Kind(val) {
	case 'n':
		return true
	case '"':
	default:
		return false
	}
	before := len(d.text)
	if plain, ok := jsonb.Plain(val); ok {
		d.text = append(d.text, plain...)
	} else {
		d.text = jsonb.AppendText(d.text, val)
	}
	d.texts = append(d.texts, text{to, len(d.text) - before})
	return true
}

// number reads a whole number.
func number(val []byte) (int64, bool) {
	if jsonb.Kind(val) != '0' {
		return 0, false
	}
	n, err := strconv.ParseInt(string(trimmed(val)), 10, 64)
	return n, err == nil
}

// trimmed is val without the white space around it.
func trimmed(val []byte) []byte {
	for len(val) > 0 && val[0] <= ' ' {
		val = val[1:]
	}
	for len(val) > 0 && val[len(val)-1] <= ' ' {
		val = val[:len(val)-1]
	}
	return val
}
