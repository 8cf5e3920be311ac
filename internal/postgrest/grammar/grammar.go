// Package grammar reads PostgREST's query strings into [query.Query]: the
// grammar of PostgREST 12.0.2 with what later versions added, and with their
// texts for what is wrong.
//
// It differs on purpose where PostgREST ignores something: a limit or offset
// that is no number is refused, as are bytes that are not UTF-8 or are zero.
// And it reads event.tags=cs.{login}, which once was documented, as
// event->tags=cs.["login"].
package grammar

import (
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"vigil/internal/query"
)

// Bounds of what is read; what is beyond fails with a clear text.
const (
	MaxLength = 1 << 20 // bytes of a query string
	MaxDepth  = 50      // parentheses in parentheses
)

// Request is what a query string asks for.
type Request struct {
	Query query.Query
	// Columns is what columns= lists, without duplicates. HasColumns tells an
	// absent parameter from none.
	Columns    []string
	HasColumns bool
	OnConflict []string
}

// Error is what is wrong with a query string, worded as PostgREST words it.
// Message and Details repeat parts of the query string, nothing else.
type Error struct {
	Status  int // HTTP status
	Code    string
	Message string
	Details string // empty is null
	Hint    string // empty is null
}

// Error implements error.
func (e *Error) Error() string {
	if e.Details == "" {
		return e.Message
	}
	return e.Message + ": " + e.Details
}

// Parse reads the raw query string of a request to a table. The names of the
// table's jsonb columns are needed for event.tags=cs.{login} alone. Errors are
// of type *[Error]. Whether tables and columns exist is not looked at.
func Parse(table, rawQuery string, jsonb ...string) (*Request, error) {
	p := parser{jsonb: jsonb, req: Request{Query: query.Query{Table: table, Limit: -1}}}
	if rawQuery == "" || rawQuery == "?" {
		return &p.req, nil
	}
	if len(rawQuery) > MaxLength {
		return nil, &Error{
			Status: http.StatusRequestURITooLong, Code: "PGRST100",
			Message: fmt.Sprintf("the query string has more than %d bytes", MaxLength),
		}
	}
	for k, v := range pairs(rawQuery) {
		if v == nil {
			continue // a parameter without = is nothing
		}
		if err := checkText(k, *v); err != nil {
			return nil, err
		}
		p.params = append(p.params, param{k, *v})
	}
	if err := p.parse(); err != nil {
		return nil, err
	}
	return &p.req, nil
}

// checkText refuses what PostgreSQL cannot take for text.
func checkText(texts ...string) error {
	for _, s := range texts {
		at := strings.IndexByte(s, 0)
		if at < 0 && utf8.ValidString(s) {
			continue
		}
		seq := "0x00"
		if at < 0 {
			for i := 0; i < len(s); {
				c, n := utf8.DecodeRuneInString(s[i:])
				if c == utf8.RuneError && n == 1 {
					seq = fmt.Sprintf("0x%02x", s[i])
					break
				}
				i += n
			}
		}
		return &Error{
			Status: http.StatusBadRequest, Code: "22021",
			Message: `invalid byte sequence for encoding "UTF8": ` + seq,
		}
	}
	return nil
}

type param struct{ key, value string }

// last returns the part of the key behind its last dot.
func (p param) last() string { return p.key[strings.LastIndexByte(p.key, '.')+1:] }

// parser holds one query string on its way into a Request.
type parser struct {
	jsonb  []string
	params []param
	req    Request
	where  []query.Expr // of the parameter at the same place, nil for none

	// names of embedded relations before filters, order, ranges and logic, in
	// the order in which PostgREST looks them up
	embedded [4][][]string
}

const (
	ofFilter = iota
	ofOrder
	ofRange
	ofLogic
)

// parse reads the parameters in the order in which PostgREST does, so that the
// same mistake of several is the one that is told.
func (p *parser) parse() error {
	p.where = make([]query.Expr, len(p.params))
	for _, step := range []func() error{p.orders, p.logics, p.columns, p.selects, p.filters, p.conflict, p.ranges, p.embeds} {
		if err := step(); err != nil {
			return err
		}
	}
	conditions := slices.DeleteFunc(p.where, func(x query.Expr) bool { return x == nil })
	switch len(conditions) {
	case 0:
	case 1:
		p.req.Query.Where = conditions[0]
	default:
		p.req.Query.Where = query.And(conditions)
	}
	return nil
}

// read runs a parser over text, a second time where it has to tell what is
// wrong; what and shown name the thing in the error.
func read(what, shown, text string, f func(*input) reply) error {
	in := newInput(text)
	in.quiet = true
	r := f(in)
	if r.ok && in.fatal == "" {
		return nil
	}
	in = &input{text: in.text}
	r = f(in)
	switch {
	case in.fatal != "":
		return &Error{
			Status: http.StatusBadRequest, Code: "PGRST100",
			Message: fmt.Sprintf(`"failed to parse %s (%s)" %s`, what, short(shown), in.place(in.pos)), Details: in.fatal,
		}
	case !r.ok:
		return &Error{
			Status: http.StatusBadRequest, Code: "PGRST100",
			Message: fmt.Sprintf(`"failed to parse %s (%s)" %s`, what, short(shown), in.place(r.err.pos)), Details: r.err.String(),
		}
	}
	return nil
}

// short keeps error texts short: what is shown of a long text is its beginning.
func short(s string) string {
	const most = 4096
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

// path reads the key of a parameter.
func (p *parser) path(key string) (embeds []string, path query.Path, err error) {
	err = read("tree path", key, key, func(in *input) (r reply) {
		embeds, path, r = in.treePath()
		return r
	})
	return embeds, path, err
}

func (p *parser) orders() error {
	seen := false
	for _, o := range p.params {
		if o.last() != "order" {
			continue
		}
		embeds, _, err := p.path(o.key)
		if err != nil {
			return err
		}
		var terms []term
		if err := read("order", o.value, o.value, func(in *input) (r reply) {
			terms, r = in.order()
			return r
		}); err != nil {
			return err
		}
		if len(embeds) > 0 {
			p.embedded[ofOrder] = append(p.embedded[ofOrder], embeds)
			continue
		}
		if seen { // the first one counts
			continue
		}
		seen = true
		for _, t := range terms {
			if t.relation != "" {
				p.embedded[ofOrder] = append(p.embedded[ofOrder], []string{t.relation})
				continue
			}
			p.req.Query.Order = append(p.req.Query.Order, t.Order)
		}
	}
	return nil
}

func (p *parser) columns() error {
	v, ok := p.first("columns")
	if !ok {
		return nil
	}
	p.req.HasColumns = true
	return read("columns parameter", v, v, func(in *input) reply {
		names, r := in.names()
		for _, n := range names {
			if !slices.Contains(p.req.Columns, n) {
				p.req.Columns = append(p.req.Columns, n)
			}
		}
		return r
	})
}

func (p *parser) conflict() error {
	v, ok := p.first("on_conflict")
	if !ok {
		return nil
	}
	return read("on_conflict parameter", v, v, func(in *input) (r reply) {
		p.req.OnConflict, r = in.names()
		return r
	})
}

func (p *parser) selects() error {
	v, ok := p.first("select")
	if !ok {
		return nil
	}
	return read("select parameter", v, v, func(in *input) (r reply) {
		p.req.Query.Select, r = in.selection()
		return r
	})
}

func (p *parser) first(key string) (string, bool) {
	for _, q := range p.params {
		if q.key == key {
			return q.value, true
		}
	}
	return "", false
}

// ranges reads limit= and offset=; of several the last counts.
func (p *parser) ranges() error {
	for _, q := range p.params {
		last := q.last()
		if last != "limit" && last != "offset" {
			continue
		}
		n, err := p.number(last, q.value)
		if err != nil {
			return err
		}
		embeds, _, err := p.path(q.key)
		switch {
		case err != nil:
			return err
		case len(embeds) > 0:
			p.embedded[ofRange] = append(p.embedded[ofRange], embeds)
		case last == "limit":
			p.req.Query.Limit = n
		default:
			p.req.Query.Offset = n
		}
	}
	if p.req.Query.Limit < -1 {
		return &Error{
			Status: http.StatusRequestedRangeNotSatisfiable, Code: "PGRST103",
			Message: "Requested range not satisfiable",
			Details: "Limit should be greater than or equal to zero.",
		}
	}
	return nil
}

// belowZero is a limit that is not "no limit".
const belowZero = -2

// number reads the value of limit= or offset=. What is more than there can be
// is as good as the most.
func (p *parser) number(what, value string) (int64, error) {
	s := strings.TrimSpace(value)
	n, err := strconv.ParseInt(s, 10, 64)
	if digits := strings.TrimPrefix(s, "-"); err != nil && digits != "" && strings.Trim(digits, "0123456789") == "" {
		n, err = math.MaxInt64, nil
		if digits != s {
			n = math.MinInt64
		}
	}
	switch {
	case err != nil || strings.HasPrefix(s, "+"):
		return 0, &Error{
			Status: http.StatusBadRequest, Code: "PGRST100",
			Message: fmt.Sprintf(`"failed to parse %s (%s)" (line 1, column 1)`, what, short(value)),
			Details: "expecting a whole number",
		}
	case n < 0 && what == "offset":
		return 0, &Error{
			Status: http.StatusBadRequest, Code: "PGRST100",
			Message: fmt.Sprintf(`"failed to parse offset (%s)" (line 1, column 1)`, short(value)),
			Details: "Offset should be greater than or equal to zero.",
		}
	case n < 0:
		return belowZero, nil
	}
	return n, nil
}

// embeds refuses names of relations that select= does not embed. Of several
// of a kind PostgREST tells the last.
func (p *parser) embeds() error {
	for _, group := range p.embedded {
		for _, names := range slices.Backward(group) {
			items := p.req.Query.Select
			for _, name := range names {
				i := slices.IndexFunc(items, func(it query.Item) bool {
					return it.Embed != "" && (it.Embed == name || it.Alias == name)
				})
				if i < 0 {
					return &Error{
						Status: http.StatusBadRequest, Code: "PGRST108",
						Message: "'" + name + "' is not an embedded resource in this request",
						Hint:    "Verify that '" + name + "' is included in the 'select' query parameter.",
					}
				}
				items = items[i].Items
			}
		}
	}
	return nil
}
