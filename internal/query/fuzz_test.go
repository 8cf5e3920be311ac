package query

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// FuzzArray holds that an array literal which is read is printed such that it
// is read again as the same.
func FuzzArray(f *testing.F) {
	for _, s := range literals {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		v, err := inputArray(s)
		if err != nil {
			return
		}
		printed := string(appendArray(nil, v.List))
		again, err := inputArray(printed)
		if err != nil || !slices.Equal(again.List, v.List) {
			t.Errorf("%q is %q, printed %q, read as %q (%v)", s, v.List, printed, again.List, err)
		}
	})
}

// FuzzLike holds the matcher against the definition of LIKE.
func FuzzLike(f *testing.F) {
	for i := range 200 {
		f.Add(joined(likePieces, i, i%4), joined(subjectPieces, i+7, i%5))
	}
	f.Fuzz(func(t *testing.T, pattern, s string) {
		if len(pattern) > 12 || len(s) > 24 || !utf8.ValidString(pattern) || !utf8.ValidString(s) {
			return
		}
		match, err := compileLike(pattern, false)
		if err != nil {
			return
		}
		if got, want := match([]byte(s)), likeByDefinition([]rune(pattern), []rune(s)); got != want {
			t.Errorf("%q like %q: %v, want %v", s, pattern, got, want)
		}
	})
}

func likeByDefinition(p, s []rune) bool {
	switch {
	case len(p) == 0:
		return len(s) == 0
	case p[0] == '%':
		return likeByDefinition(p[1:], s) || len(s) > 0 && likeByDefinition(p, s[1:])
	case len(s) == 0:
		return false
	case p[0] == '_':
		return likeByDefinition(p[1:], s[1:])
	case p[0] == '\\':
		p = p[1:]
	}
	return p[0] == s[0] && likeByDefinition(p[1:], s[1:])
}

// FuzzTextSearch holds that any query over any text ends, and that a text has
// each of its own words.
func FuzzTextSearch(f *testing.F) {
	for i := range 50 {
		f.Add(texts().Example(i), texts().Example(i+50))
	}
	for _, s := range []string{"a & b", "!(a | b)", "a <-> !b", "a <3> b:*", "'x y':AB", "((", "or -\"a", "!!!!a"} {
		f.Add(s, "a b c")
	}
	f.Fuzz(func(t *testing.T, q, doc string) {
		for _, op := range []Op{FTS, PlFTS, PhFTS, WFTS} {
			m, err := compileTextSearch(Text, &Test{Op: op, Value: q})
			if err == nil {
				m.text(t.Context(), []byte(doc), true)
			}
		}
		m, err := compileTextSearch(Text, &Test{Op: PhFTS, Value: doc})
		z := tokens{in: []byte(doc)}
		word, ok := z.next()
		if err != nil || !ok || len(word) > maxWord || strings.ContainsAny(doc, "\x00") {
			return
		}
		if m.text(t.Context(), []byte(doc), true) != yes && len(doc) < 1000 && len(word) > 0 {
			t.Errorf("%q does not have its own phrase", doc)
		}
	})
}

// FuzzRegex holds that what is accepted matches without an error, and that
// nothing else than an Error comes of the rest.
func FuzzRegex(f *testing.F) {
	for i := range 200 {
		f.Add(joined(regexPieces, i, i%5), i%2 == 0)
	}
	f.Fuzz(func(t *testing.T, pattern string, fold bool) {
		match, err := compileRegex(pattern, fold)
		if err != nil {
			if e, ok := err.(*Error); !ok || e.Code != codeBadRegex {
				t.Errorf("%q: %v", pattern, err)
			}
			return
		}
		match(t.Context(), []byte("subject Été\n"))
	})
}

// FuzzTime holds that a time which is read is printed such that it is read
// again as the same.
func FuzzTime(f *testing.F) {
	for _, s := range literals {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, typ := range []Type{Date, Timestamp, Timestamptz} {
			v, err := inputTime(s, typ, time.Unix(0, 0).UTC())
			if err != nil {
				continue
			}
			printed := v.AppendText(nil)
			if bytes.HasSuffix(printed, []byte("BC")) || len(printed) > 32 {
				continue // an offset moved it out of what can be written
			}
			again, err := inputTime(string(printed), typ, time.Time{})
			if err != nil || again.I != v.I {
				t.Errorf("%q as %s is %s, which is %v (%v)", s, typ, printed, again, err)
			}
		}
	})
}
