package query

import (
	"strconv"
	"strings"
)

// tsNode is a node of a text search query; nil is a query of nothing.
type tsNode struct {
	op          byte // one of & | ! and < for a phrase; 0 for a word, '.' for a place without one
	left, right *tsNode
	distance    int // of a phrase: right is so many words behind left
	word        string
	prefix      bool // :*
	never       bool // it asks for weights that the words of a plain text do not have
	index       int  // among the words of the query
}

const (
	maxDistance = 16384
	maxWords    = 10_000 // of one query; PostgreSQL's limit is 1 MB
)

// parseTSQuery reads the operand of one of the text search operators.
func parseTSQuery(op Op, s string) (*tsNode, error) {
	if len(s) > 2*maxWords { // a word takes two bytes
		return nil, errorf("54000", "string is too long for tsquery (%d bytes, max %d bytes)", len(s), 2*maxWords)
	}
	switch op {
	case PlFTS:
		return clean(operandNode(s, '&', false, false)), nil
	case PhFTS:
		return clean(operandNode(s, '<', false, false)), nil
	}
	p := tsParser{in: s, web: op == WFTS}
	if op == WFTS {
		n, err := p.web1()
		return clean(n), err
	}
	p.space()
	if p.i >= len(s) {
		return nil, nil
	}
	n, err := p.binary(0)
	if err != nil {
		return nil, err
	}
	if p.i < len(s) {
		return nil, p.syntax()
	}
	return clean(n), nil
}

// operandNode cuts an operand into words, joined by an operator.
func operandNode(s string, op byte, prefix, never bool) *tsNode {
	var n *tsNode
	z := tokens{in: []byte(s)}
	for word, ok := z.next(); ok; word, ok = z.next() {
		if len(word) > maxWord {
			continue
		}
		leaf := &tsNode{word: string(appendLowerASCII(nil, word)), prefix: prefix, never: never}
		if n == nil {
			n = leaf
		} else {
			n = &tsNode{op: op, left: n, right: leaf, distance: 1}
		}
	}
	if n == nil {
		return &tsNode{op: '.'}
	}
	return n
}

// tsParser reads the syntax of to_tsquery and websearch_to_tsquery.
type tsParser struct {
	in    string
	i     int
	web   bool
	depth int
}

func (p *tsParser) syntax() error {
	return errorf(codeBadQuery, "syntax error in tsquery: \"%s\"", cut(p.in))
}

func (p *tsParser) noOperand() error {
	return errorf(codeBadQuery, "no operand in tsquery: \"%s\"", cut(p.in))
}

func (p *tsParser) space() {
	for p.i < len(p.in) && arraySpace(p.in[p.i]) {
		p.i++
	}
}

// priority orders the binary operators.
func priority(op byte) int {
	switch op {
	case '|':
		return 1
	case '&':
		return 2
	case '<':
		return 3
	}
	return 0
}

// binary reads operators that bind tighter than least, and their operands.
func (p *tsParser) binary(least int) (*tsNode, error) {
	left, err := p.operand()
	if err != nil {
		return nil, err
	}
	for {
		p.space()
		from := p.i
		op, distance, err := p.operator()
		if err != nil {
			return nil, err
		}
		if priority(op) <= least {
			p.i = from
			return left, nil
		}
		right, err := p.binary(priority(op))
		if err != nil {
			return nil, err
		}
		left = &tsNode{op: op, left: left, right: right, distance: distance}
	}
}

// operator reads a binary operator; 0 is none.
func (p *tsParser) operator() (op byte, distance int, err error) {
	if p.i >= len(p.in) {
		return 0, 0, nil
	}
	switch c := p.in[p.i]; c {
	case '&', '|':
		p.i++
		return c, 0, nil
	case '<':
		end := strings.IndexByte(p.in[p.i:], '>')
		if end < 0 {
			return 0, 0, p.syntax()
		}
		text := p.in[p.i+1 : p.i+end]
		p.i += end + 1
		if text == "-" {
			return '<', 1, nil
		}
		if text == "" || strings.Trim(text, "0123456789") != "" {
			return 0, 0, p.syntax()
		}
		n, err := strconv.Atoi(text)
		if err != nil || n > maxDistance {
			return 0, 0, errorf(codeBadParameter, "distance in phrase operator must be an integer value between zero and %d inclusive", maxDistance)
		}
		return '<', n, nil
	}
	return 0, 0, nil
}

// maxNesting bounds the recursion over operators and parentheses.
const maxNesting = 1000

// operand reads a word, a negation or parentheses.
func (p *tsParser) operand() (*tsNode, error) {
	if p.depth++; p.depth > maxNesting {
		return nil, errorf("54001", "stack depth limit exceeded")
	}
	defer func() { p.depth-- }()
	p.space()
	if p.i >= len(p.in) {
		return nil, p.noOperand()
	}
	switch p.in[p.i] {
	case '!':
		p.i++
		x, err := p.operand()
		return &tsNode{op: '!', right: x}, err
	case '(':
		p.i++
		x, err := p.binary(0)
		if err != nil {
			return nil, err
		}
		if p.space(); p.i >= len(p.in) || p.in[p.i] != ')' {
			return nil, p.syntax()
		}
		p.i++
		return x, nil
	case ')', '&', '|', ':':
		return nil, p.syntax()
	}
	word, err := p.word()
	if err == nil && word == "" {
		err = p.syntax()
	}
	if err != nil {
		return nil, err
	}
	prefix, never, err := p.flags()
	if err != nil {
		return nil, err
	}
	return operandNode(word, '<', prefix, never), nil
}

// word reads one operand as it is written: up to white space, an operator or a
// colon, with quotes and backslashes.
func (p *tsParser) word() (string, error) {
	var b strings.Builder
	quoted := false
	if p.in[p.i] == '\'' && !p.web {
		quoted = true
		p.i++
	}
	for p.i < len(p.in) {
		c := p.in[p.i]
		switch {
		case quoted && c == '\'':
			if p.i++; p.i >= len(p.in) || p.in[p.i] != '\'' {
				return b.String(), nil
			}
		case c == '\\' && !p.web:
			if p.i++; p.i >= len(p.in) {
				return "", errorf(codeBadQuery, "there is no escaped character: \"%s\"", cut(p.in))
			}
			c = p.in[p.i]
		case quoted:
		case arraySpace(c), strings.IndexByte("!&|()", c) >= 0, c == ':', p.web && c == '"':
			return b.String(), nil
		}
		b.WriteByte(c)
		p.i++
	}
	if quoted {
		return "", p.syntax()
	}
	return b.String(), nil
}

// flags reads what may follow a word behind a colon: * and weights.
func (p *tsParser) flags() (prefix, never bool, err error) {
	if p.i >= len(p.in) || p.in[p.i] != ':' {
		return false, false, nil
	}
	weights, d := false, false
	for p.i++; p.i < len(p.in); p.i++ {
		switch p.in[p.i] | 0x20 {
		case '*' | 0x20:
			prefix = true
		case 'a', 'b', 'c':
			weights = true
		case 'd':
			weights, d = true, true
		default:
			return prefix, weights && !d, nil
		}
	}
	return prefix, weights && !d, nil
}

// web1 reads the syntax of web search engines: words that must all be there,
// "phrases", or between alternatives, and - before what must not be there. Any text is right.
func (p *tsParser) web1() (*tsNode, error) {
	var or, and *tsNode
	not := 0
	for p.i < len(p.in) {
		c := p.in[p.i]
		var x *tsNode
		switch {
		case arraySpace(c), c == ':', strings.IndexByte("!&|()", c) >= 0:
			p.i++
			continue
		case c == '-':
			not++
			p.i++
			continue
		case c == '"':
			end := strings.IndexByte(p.in[p.i+1:], '"')
			if end < 0 {
				end = len(p.in) - p.i - 1
			}
			x = operandNode(p.in[p.i+1:p.i+1+end], '<', false, false)
			p.i = min(len(p.in), p.i+end+2)
		case and != nil && not == 0 && p.or():
			or, and = join('|', or, and), nil
			p.i += 2
			continue
		default:
			word, err := p.word()
			if err != nil {
				return nil, err
			}
			x = operandNode(word, '<', false, false)
		}
		for ; not > 0; not-- {
			x = &tsNode{op: '!', right: x}
		}
		and = join('&', and, x)
	}
	return join('|', or, and), nil
}

func join(op byte, left, right *tsNode) *tsNode {
	switch {
	case left == nil:
		return right
	case right == nil:
		return left
	}
	return &tsNode{op: op, left: left, right: right}
}

// or says whether the word or is here and something behind it.
func (p *tsParser) or() bool {
	rest := p.in[p.i:]
	if len(rest) < 3 || !strings.EqualFold(rest[:2], "or") {
		return false
	}
	if c := rest[2]; isLetter(c) || isDigit(c) || c == '-' || c == '_' {
		return false
	}
	return strings.Trim(rest[3:], " \t\n\v\f\r") != "" || !arraySpace(rest[2])
}

// clean takes the places without a word out of a query. In a phrase the words
// around them keep their distance.
func clean(n *tsNode) *tsNode {
	n, _, _ = n.clean()
	return n
}

// clean returns also by how much the distances to the left and to the right of
// the node grow.
func (n *tsNode) clean() (out *tsNode, left, right int) {
	if n == nil {
		return nil, 0, 0
	}
	switch n.op {
	case 0:
		return n, 0, 0
	case '.':
		return nil, 0, 0
	case '!':
		n.right, left, right = n.right.clean()
		if n.right == nil {
			return nil, left, right
		}
		return n, left, right
	}
	var ll, lr, rl, rr int
	n.left, ll, lr = n.left.clean()
	n.right, rl, rr = n.right.clean()
	phrase := n.op == '<'
	switch {
	case n.left == nil && n.right == nil:
		if phrase {
			return nil, ll + n.distance + rl, ll + n.distance + rl
		}
		return nil, max(ll, rl), max(ll, rl)
	case n.left == nil:
		if phrase {
			return n.right, ll + n.distance + rl, rr
		}
		return n.right, rl, rr
	case n.right == nil:
		if phrase {
			return n.left, ll, lr + n.distance + rr
		}
		return n.left, ll, lr
	case phrase:
		n.distance += lr + rl
		return n, ll, rr
	}
	return n, max(ll, rl), max(lr, rr)
}
