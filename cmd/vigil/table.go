package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/term"
	wide "golang.org/x/text/width"

	"vigil/internal/jsonb"
)

// width returns the columns of the terminal that w is, 0 if it is none.
func width(w io.Writer) int {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return 0
	}
	n, _, err := term.GetSize(int(f.Fd()))
	if err != nil || n < 1 {
		return 80
	}
	return n
}

// table prints rows in columns. Rows are held until flush, which measures them;
// later rows keep to what was measured.
type table struct {
	w      *bufio.Writer
	screen int // columns of the terminal; 0 cuts nothing
	held   [][]string
	widths []int
}

func newTable(w io.Writer) *table {
	return &table{w: bufio.NewWriter(w), screen: width(w)}
}

// add adds a row. What a terminal would obey is escaped.
func (t *table) add(cells []string) {
	row := make([]string, len(cells))
	for i, c := range cells {
		row[i] = visible(c)
	}
	if t.widths != nil {
		t.print(row)
		return
	}
	t.held = append(t.held, row)
}

// flush prints what is held.
func (t *table) flush() error {
	if t.widths == nil && len(t.held) > 0 {
		t.measure()
	}
	for _, row := range t.held {
		t.print(row)
	}
	t.held = nil
	return t.w.Flush()
}

// measure gives each column what its longest cell needs; where that is more
// than the screen has, the widest ones give way.
func (t *table) measure() {
	t.widths = []int{}
	for _, row := range t.held {
		for i, c := range row {
			if i == len(t.widths) {
				t.widths = append(t.widths, 0)
			}
			t.widths[i] = max(t.widths[i], columns(c))
		}
	}
	if t.screen == 0 {
		return
	}
	const least = 4
	for {
		sum, widest := 2*(len(t.widths)-1), 0
		for i, n := range t.widths {
			sum += n
			if n > t.widths[widest] {
				widest = i
			}
		}
		if sum <= t.screen || t.widths[widest] <= least {
			return
		}
		t.widths[widest] = max(least, t.widths[widest]-(sum-t.screen+1)/2-1)
	}
}

func (t *table) print(row []string) {
	for i, c := range row {
		most := 0
		if i < len(t.widths) {
			most = t.widths[i]
		}
		if t.screen > 0 {
			c = cut(c, most)
		}
		_, _ = t.w.WriteString(c)
		if i < len(row)-1 {
			_, _ = t.w.WriteString(strings.Repeat(" ", max(0, most-columns(c))+2))
		}
	}
	_ = t.w.WriteByte('\n')
}

// columns is how many columns of a terminal s takes.
func columns(s string) int {
	n := 0
	for _, r := range s {
		n += columnsOf(r)
	}
	return n
}

func columnsOf(r rune) int {
	switch {
	case unicode.In(r, unicode.Mn, unicode.Me):
		return 0
	case r < 0x1100:
		return 1
	}
	switch wide.LookupRune(r).Kind() {
	case wide.EastAsianWide, wide.EastAsianFullwidth:
		return 2
	}
	return 1
}

// cut shortens s to most columns, and shows that it did.
func cut(s string, most int) string {
	if columns(s) <= most {
		return s
	}
	n := 0
	for i, r := range s {
		if n += columnsOf(r); n > most-1 {
			return s[:i] + "…"
		}
	}
	return s
}

// obeyed tells whether a terminal may do something at r instead of showing it:
// control characters, and those that change the direction of the text.
func obeyed(r rune) bool {
	return jsonb.Hidden(r) || unicode.Is(unicode.Cf, r)
}

// visible escapes what a terminal would obey, as JSON does.
func visible(s string) string {
	if strings.IndexFunc(s, func(r rune) bool { return obeyed(r) || r == utf8.RuneError }) < 0 {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case r == '\r':
			b.WriteString(`\r`)
		case obeyed(r):
			for _, unit := range utf16.AppendRune(nil, r) {
				fmt.Fprintf(&b, `\u%04x`, unit)
			}
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// harmless passes text on to a terminal with everything escaped that the
// terminal would obey, line ends apart. In JSON the escapes are JSON's own. In
// CSV a line end within a cell is escaped as well, so that no cell looks like a
// line of its own.
type harmless struct {
	w      io.Writer
	csv    bool
	quoted bool   // within the quotes of a cell
	rest   []byte // the beginning of a character
}

func (h *harmless) Write(p []byte) (int, error) {
	text := append(h.rest, p...)
	end := len(text)
	for i := 1; i <= min(utf8.UTFMax-1, len(text)); i++ {
		if c := text[len(text)-i]; utf8.RuneStart(c) {
			if !utf8.FullRune(text[len(text)-i:]) {
				end = len(text) - i
			}
			break
		}
	}
	var b strings.Builder
	for i, line := range strings.Split(string(text[:end]), "\n") {
		if i > 0 && h.csv && h.quoted {
			b.WriteString(`\n`)
		} else if i > 0 {
			b.WriteByte('\n')
		}
		if strings.Count(line, `"`)%2 == 1 {
			h.quoted = !h.quoted
		}
		b.WriteString(visible(line))
	}
	h.rest = append([]byte(nil), text[end:]...)
	if _, err := io.WriteString(h.w, b.String()); err != nil {
		return 0, err
	}
	return len(p), nil
}
