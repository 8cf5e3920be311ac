package query

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// megabyte repeats a text up to a megabyte.
func megabyte(s string) string { return strings.Repeat(s, 1<<20/len(s)) }

// TestWorstTexts holds that no pattern that is taken costs much on a long text.
// The bound is wide, for slow machines and the race detector; what is guarded
// against takes minutes.
func TestWorstTexts(t *testing.T) {
	underscores := strings.Repeat("_", 400_000)
	numbers := make([]string, 100_000)
	texts := make([]string, len(numbers))
	for i := range numbers {
		numbers[i], texts[i] = fmt.Sprint(i), fmt.Sprintf(`"%d"`, i)
	}
	array := func(list []string) string { return "[" + strings.Join(list, ",") + "]" }
	object := func(value string) string {
		var b strings.Builder
		for i := range 50_000 {
			fmt.Fprintf(&b, `,"k%d":%s`, i, value)
		}
		return "{" + b.String()[1:] + "}"
	}
	nested := strings.Repeat("[", 100) + array(numbers) + strings.Repeat("]", 100)
	backwards := slices.Clone(numbers)
	slices.Reverse(backwards)
	words := strings.Join(numbers[:3000], " ")
	for _, c := range []struct {
		name    string
		typ     Type
		op      Op
		operand string
		value   string
		want    truth
	}{
		{"underscores", Text, Like, "%" + underscores + "x%", megabyte("a"), no},
		{"underscores between", Text, ILike, "a%" + underscores + "%" + underscores + "%x", megabyte("a"), no},
		{"underscores that fit", Text, Like, "%" + underscores + "%" + underscores + "b", megabyte("a") + "b", yes},
		{"many percent signs", Text, Like, megabyte("a%")[2:] + "x", megabyte("a"), no},
		{"a long literal", Text, Like, "%" + strings.Repeat("a", 500_000) + "b%", megabyte("a"), no},
		{"literals and underscores", Text, Like, "%" + strings.Repeat("a_", maxWildPart/2-1) + "b%", megabyte("a"), no},
		{"short parts", Text, Like, "%" + strings.Repeat("a_", 31) + "b%", megabyte("a"), no},
		{"wide characters", Text, Like, "%" + strings.Repeat("é_", maxWildPart/3-1) + "b%", megabyte("é"), no},
		{"all words alike", Text, PhFTS, strings.Repeat("a ", 9000), megabyte("a "), no},
		{"many words", Text, PlFTS, words + " missing", megabyte(words), no},
		{"prefixes", Text, FTS, strings.Repeat("a:* <-> ", 2000) + "b", megabyte("a "), no},
		{"comments", Text, FTS, "missing", megabyte("<!--"), no},
		{"tags", Text, FTS, "missing", megabyte(`<a b="`), no},
		{"entities", Text, FTS, "missing", megabyte("&a"), no},
		{"hosts", Text, FTS, "missing", megabyte("1e1."), no},
		{"addresses", Text, FTS, "missing", megabyte("1e1.")[:1<<19] + "1@" + megabyte("1e1.")[:1<<19], no},
		{"directories", Text, FTS, "missing", megabyte("/."), no},
		{"homes", Text, FTS, "missing", megabyte("~/"), no},
		{"parents", Text, FTS, "missing", megabyte("../"), no},
		{"compounds", Text, FTS, "missing", megabyte("a-"), no},
		{"versions", Text, FTS, "missing", megabyte("1."), no},
		{"scalars", JSONB, Cs, array(backwards), array(numbers), yes},
		{"texts", JSONB, Cs, array(append(slices.Clone(texts), "0")), array(texts), no},
		{"contained", JSONB, Cd, array(numbers), array(backwards), yes},
		{"members", JSONB, Cs, object("1"), object("1"), yes},
		{"containers of many", JSONB, Cs, object("[1]"), object("[2,1]"), yes},
		{"deep", JSONB, Cs, nested, nested, yes},
	} {
		start := time.Now()
		cnd, err := (&compiler{schema: oneColumn(c.typ)}).test(&Test{Path: Path{Column: "c"}, Op: c.op, Value: c.operand})
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		got := cnd(t.Context(), oneCell{Type: c.typ, Valid: true, B: []byte(c.value)})
		took := time.Since(start)
		t.Logf("%s: %v", c.name, took)
		if got != c.want || took > 8*time.Second {
			t.Errorf("%s: %v in %v, want %v in no time", c.name, got, took, c.want)
		}
	}
}

func oneColumn(typ Type) *Schema {
	return &Schema{Table: "t", Columns: []Column{{Name: "c", Type: typ}}}
}

// oneCell is a row of one column.
type oneCell Value

func (c oneCell) Value(int) Value { return Value(c) }

// TestLongMatchesEnd holds that what does take long ends with its context.
func TestLongMatchesEnd(t *testing.T) {
	containers := make([]string, 60_000)
	for i := range containers {
		containers[i] = fmt.Sprintf("[%d]", i)
	}
	forwards := "[" + strings.Join(containers, ",") + "]"
	slices.Reverse(containers)
	backwards := "[" + strings.Join(containers, ",") + "]"
	many := make([]Expr, 20_000)
	for i := range many {
		many[i] = Test{Path: Path{Column: "c"}, Op: Like, Value: "%a_b_c" + fmt.Sprint(i) + "%"}
	}
	for name, c := range map[string]struct {
		typ   Type
		where Expr
		value string
	}{
		"match":      {Text, Test{Op: Match, Value: "(a?){200}(a|b){200}x"}, megabyte("ab")},
		"any":        {Text, Test{Op: Like, Quant: QuantAny, Value: "{" + strings.Repeat(`%a_b_c%,`, 20_000) + "x}"}, megabyte("a")},
		"tests":      {Text, Or(many), megabyte("a")},
		"containers": {JSONB, Test{Op: Cs, Value: backwards}, forwards},
	} {
		if x, ok := c.where.(Test); ok {
			x.Path.Column = "c"
			c.where = x
		}
		p, err := Compile(&Query{Where: c.where, Limit: -1}, oneColumn(c.typ), time.Time{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		start := time.Now()
		_, err = p.MatchContext(ctx, oneCell{Type: c.typ, Valid: true, B: []byte(c.value)})
		took := time.Since(start)
		cancel()
		t.Logf("%s: %v", name, took)
		if !errors.Is(err, context.DeadlineExceeded) || took > 3*time.Second {
			t.Errorf("%s ends with %v after %v, want the context's error soon", name, err, took)
		}
	}
}

func TestPatternLimits(t *testing.T) {
	for name, c := range map[string]struct {
		op      Op
		pattern string
		code    string // empty where it is taken
	}{
		"long like":     {Like, strings.Repeat("a", maxLike+1), codeLimit},
		"longest like":  {Like, strings.Repeat("a", maxLike), ""},
		"wild like":     {ILike, "%" + strings.Repeat("a_", maxWildPart/2) + "b%", codeLimit},
		"fixed like":    {Like, strings.Repeat("a_", maxWildPart) + "b%", ""},
		"repetition":    {Match, "(a{100}){100}", codeBadRegex},
		"repetitions":   {IMatch, strings.Repeat("[ab]{255}", 5), codeBadRegex},
		"one":           {Match, "[ab]{255}", ""},
		"long match":    {Match, "[" + strings.Repeat("a", maxRegex) + "]", codeBadRegex},
		"nested":        {Match, strings.Repeat("(a", 2000) + strings.Repeat(")", 2000), codeBadRegex},
		"typical match": {Match, "^(login|logout) of [A-Z][a-z]+/[0-9]{1,20}$", ""},
	} {
		_, err := textTest(c.op, c.pattern)
		e, _ := errors.AsType[*Error](err)
		switch {
		case c.code == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case c.code != "" && (e == nil || e.Code != c.code || len(e.Message) > 200 || e.Details == ""):
			t.Errorf("%s: %+v, want code %s with details", name, err, c.code)
		}
	}
}

// TestWildFinder holds the finder of long parts against trying at each place.
func TestWildFinder(t *testing.T) {
	piece := rapid.SampledFrom([]string{"a", "b", "é", "日", "a", "a"})
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 150).Draw(t, "length")
		l, err := parseLike("%a"+strings.Join(rapid.SliceOfN(rapid.SampledFrom([]string{"a", "_", "_", "é"}), n, n).Draw(t, "part"), "")+"a%", false)
		if err != nil {
			t.Fatal(err)
		}
		p := l.parts[1]
		p.wild = nil
		s := []byte(strings.Join(rapid.SliceOfN(piece, 0, 300).Draw(t, "text"), ""))
		if at := rapid.IntRange(0, len(s)).Draw(t, "at"); rapid.Bool().Draw(t, "has it") && at < len(s) && s[at] < 0x80 {
			s = append(append(slices.Clone(s[:at]), strings.ReplaceAll(string(p.text), "_", "é")...), s[at:]...)
		}
		want := -1
		for i := range string(s) {
			if n := p.prefix(s[i:]); n >= 0 {
				want = i + n
				break
			}
		}
		if got := newWildFinder(&p).find(s); got != want {
			t.Errorf("%q in %q: ends at %d, want %d", p.text, s, got, want)
		}
		if got := p.find(s); len(p.any) > 0 && got != want {
			t.Errorf("%q in %q: find gives %d, want %d", p.text, s, got, want)
		}
	})
}

func TestSortMemory(t *testing.T) {
	p, err := Compile(&Query{Limit: -1, Order: []Order{{Path: Path{Column: "c"}}}}, oneColumn(Text), time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	block := make([]byte, 1<<20) // what a row's value points into
	for name, c := range map[string]struct {
		keep int64
		size int
		full bool
	}{
		"all":            {-1, 1000, true},
		"a huge offset":  {math.MaxInt64, 1000, true},
		"a small limit":  {10, 1000, false},
		"short keys":     {-1, 0, true},
		"limit and huge": {10, 200_000, true},
	} {
		s := sorter{p: p, keep: c.keep, max: 1 << 20, ended: func() bool { return false }}
		var last error
		n := 0
		for ; n < 20_000 && last == nil; n++ {
			last = s.add(oneCell{Type: Text, Valid: true, B: block[:c.size]})
			if len(s.entries) > 0 && c.size > 0 && &bytesOf(s.entries[0].keys[0].text)[0] == &block[0] {
				t.Fatalf("%s: a key that is kept keeps its block", name)
			}
		}
		e, ok := errors.AsType[*Error](last)
		if ok != c.full || ok && (e.Code != "53200" || e.Message != "out of memory" || e.Details == "" || e.Hint == "") {
			t.Errorf("%s: after %d rows %+v, want an error: %v", name, n, last, c.full)
		}
		if ok && (s.held() < 1<<20 || s.held() > 3<<20) {
			t.Errorf("%s: ended holding %d bytes", name, s.held())
		}
	}
}

// TestSortEnds holds that sorting itself ends with the context.
func TestSortEnds(t *testing.T) {
	s := sorter{p: &Program{}, ended: func() bool { return true }}
	n := 0
	s.p.order = []orderBy{{ref: ref{typ: Int8}}}
	for i := range 100_000 {
		s.entries = append(s.entries, entry{keys: []sortKey{{num: int64(i * 7919 % 100_003)}}, id: int64(i)})
	}
	slices.SortFunc(s.entries, func(a, b entry) int {
		d := s.compare(&a, &b)
		if d != 0 {
			n++
		}
		return d
	})
	if n > 4096 {
		t.Errorf("%d comparisons after the end", n)
	}
}

func TestLongValuesAreCut(t *testing.T) {
	long := strings.Repeat("9é", 5000)
	quoted := strings.Repeat("9", 5000)
	for _, c := range []struct {
		typ   Type
		value string
	}{
		{Int4, long},
		{Int8, quoted},
		{Float8, long},
		{Float8, "1e" + quoted},
		{Numeric, long},
		{Bool, long},
		{UUID, long},
		{Date, long},
		{Timestamptz, long},
		{Timestamptz, "2025-13-01" + strings.Repeat(" ", 5000)},
		{JSONB, long},
		{JSONB, quoted + "a"},
		{JSONB, `{"a" ` + quoted},
		{JSONB, `"` + long},
		{TextArray, long},
	} {
		_, err := input(c.value, c.typ, time.Time{})
		e, ok := errors.AsType[*Error](err)
		if !ok || len([]rune(e.Message)) > 200 || len([]rune(e.Details)) > 200 {
			t.Errorf("%s %.20q…: %d characters, %d in the details", c.typ, c.value, len(e.Message), len(e.Details))
		}
	}
	for _, x := range []Test{
		{Path: Path{Column: long}, Op: Eq},
		{Op: FTS, Value: "((" + long[:9000]},
		{Op: FTS, Value: "a", Lang: long},
		{Op: Like, Quant: QuantAny, Value: long},
		{Op: Match, Value: long + "("},
		{Op: FTS, Value: "a <" + quoted + "> b"},
	} {
		if x.Path.Column == "" {
			x.Path.Column = "c"
		}
		_, err := Compile(&Query{Where: x}, oneColumn(Text), time.Time{})
		if e, ok := errors.AsType[*Error](err); !ok || len([]rune(e.Message)) > 250 || len([]rune(e.Details)) > 250 {
			t.Errorf("%s: %v, want an error that is short", x.Op, err)
		}
	}
	if got := cut(strings.Repeat("é", 101)); got != strings.Repeat("é", 100)+"…" || cut(strings.Repeat("é", 100)) != strings.Repeat("é", 100) {
		t.Errorf("cut gives %s", got)
	}
}
