package search

import (
	"fmt"
	"strconv"
	"strings"
)

// pageParameter is the parameter of links to other pages.
const pageParameter = "_page"

// position says where a page begins: after the event at a place in the log, or
// before it, in an answer over the log's first bound entries. It says nothing of
// what the event is.
type position struct {
	set    bool
	before bool
	bound  int64
	index  int64
}

// String returns a, after, or b, before, then bound and index.
func (p position) String() string {
	way := "a"
	if p.before {
		way = "b"
	}
	return way + strconv.FormatInt(p.bound, 36) + "." + strconv.FormatInt(p.index, 36)
}

func parsePosition(s string) (position, error) {
	p := position{set: true, before: strings.HasPrefix(s, "b")}
	fail := fmt.Errorf("this is no page of an answer: follow the links as they are, or search again")
	if len(s) < 4 || len(s) > 32 || s[0] != 'a' && s[0] != 'b' {
		return p, fail
	}
	bound, index, ok := strings.Cut(s[1:], ".")
	if !ok {
		return p, fail
	}
	var err error
	if p.bound, err = strconv.ParseInt(bound, 36, 64); err != nil {
		return p, fail
	}
	if p.index, err = strconv.ParseInt(index, 36, 64); err != nil || p.index < 0 || p.index >= p.bound {
		return p, fail
	}
	return p, nil
}
