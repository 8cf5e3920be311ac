package ledger

import (
	"bytes"
	"fmt"
)

// Expect is what a log is compared with: at Size its root must be Root. Name
// says where that is from, such as "checkpoint".
type Expect struct {
	Name string
	Size int64
	Root Hash
}

// Problem is something that is not as it was signed.
type Problem struct {
	Index int64  // place in the log; -1: not one place
	Table string // of the event at Index; empty: not known
	ID    int64
	Text  string
}

// String returns the problem in one line.
func (p Problem) String() string {
	switch {
	case p.Index < 0:
		return p.Text
	case p.Table == "":
		return fmt.Sprintf("index %d: %s", p.Index, p.Text)
	}
	return fmt.Sprintf("index %d, table %s, id %d: %s", p.Index, p.Table, p.ID, p.Text)
}

// maxProblems bounds what a verifier remembers; the first are the ones that count.
const maxProblems = 20

// VerifierConfig is what a [Verifier] compares with.
type VerifierConfig struct {
	// Tile returns width hashes of a tile; nil: no tiles are compared, and
	// then no single event can be named.
	Tile func(level int, n int64, width int) ([]byte, error)
	// Size is how many entries there should be, and what tiles are asked for.
	Size   int64
	Expect []Expect
}

// Verifier makes a log again from its entries, in order, and compares it with
// tiles and signed roots. It holds a few tiles, however long the log is. It is
// not safe for concurrent use.
type Verifier struct {
	c            VerifierConfig
	records      *Log // made from the entries
	stored       *Log // made from the tiles' leaf hashes
	tile         []byte
	lastID       map[string]int64
	wrong        bool  // an entry differs from its tile
	wrongAt      int64 // the first that does
	wrongProblem int   // its place in problems
	proved       int64 // the largest size at which the entries made an expected root
	lost         bool  // a tile could not be had
	failed       bool  // an entry is missing, so that nothing after it counts
	problems     []Problem
	buf          []byte
}

// NewVerifier returns a verifier at the log's begin.
func NewVerifier(c VerifierConfig) *Verifier {
	v := &Verifier{c: c, stored: NewLog("", discardTiles{}), lastID: map[string]int64{}}
	v.records = NewLog("", compareTiles{v})
	return v
}

// Add takes the next leaf record.
func (v *Verifier) Add(record []byte) {
	var table string
	var id int64
	if l, err := ParseLeaf(record); err == nil {
		table, id = l.Table, l.ID
	} else {
		v.report(v.Size(), "", 0, err.Error())
	}
	v.add(HashLeaf(record), table, id)
}

// AddEntry takes the next event. Its commitment is made anew from the document.
func (v *Verifier) AddEntry(e *Entry) {
	if v.failed {
		return
	}
	if want := v.Size(); e.Index != want {
		v.failed = true
		if e.Index > want {
			v.report(want, "", 0, fmt.Sprintf("the entry is missing: the next one there is has index %d", e.Index))
		} else {
			v.report(e.Index, e.Leaf.Table, e.Leaf.ID, fmt.Sprintf("the entry comes out of order, where %d belongs", want))
		}
		return
	}
	l := &e.Leaf
	v.buf = e.Record(v.buf[:0])
	v.add(HashLeaf(v.buf), l.Table, l.ID)
	if last, ok := v.lastID[l.Table]; ok && l.ID <= last {
		v.report(e.Index, l.Table, l.ID, fmt.Sprintf("the id does not follow %d, the one before it in its table", last))
	}
	v.lastID[l.Table] = l.ID
}

// Unreadable says that the next entry is there but cannot be read. What is
// after it does not count.
func (v *Verifier) Unreadable(err error) {
	v.failed = true
	v.report(v.Size(), "", 0, fmt.Sprintf("the entry cannot be read: %v", err))
}

// add takes the next leaf hash.
func (v *Verifier) add(h Hash, table string, id int64) {
	i := v.Size()
	if i == v.c.Size {
		v.report(i, table, id, "the log should end before this entry")
	}
	if stored, ok := v.storedHash(i); ok {
		if stored != h {
			if !v.wrong {
				v.wrong, v.wrongAt, v.wrongProblem = true, i, len(v.problems)
				v.report(i, table, id, "the event is not what was logged")
			}
		}
		v.stored.Append(stored)
	}
	v.records.Append(h)
	if (i+1)%tileWidth == 0 {
		for _, l := range [...]*Log{v.records, v.stored} {
			_ = l.Flush() // compareTiles reports what it finds
			l.Publish(i + 1)
		}
	}
	for _, x := range v.c.Expect {
		if x.Size == i+1 {
			v.compare(x)
		}
	}
}

// storedHash returns the leaf hash that the tiles have for an entry.
func (v *Verifier) storedHash(i int64) (Hash, bool) {
	var h Hash
	if v.c.Tile == nil || v.lost || i >= v.c.Size {
		return h, false
	}
	if i%tileWidth == 0 {
		width := int(min(tileWidth, v.c.Size-i))
		b, err := v.c.Tile(0, i/tileWidth, width)
		if err != nil || len(b) != width*HashSize {
			v.lost = true
			v.report(i, "", 0, fmt.Sprintf("the tile of this and the next entries cannot be had: %v", err))
			return h, false
		}
		v.tile = b
	}
	copy(h[:], v.tile[i%tileWidth*HashSize:])
	return h, true
}

// compare compares the roots at the present size with an expected one.
func (v *Verifier) compare(x Expect) {
	n, root := v.records.Head()
	if root == x.Root {
		v.proved = n
		return
	}
	tiles, tileRoot := v.stored.Head()
	switch {
	case tiles == n && tileRoot == x.Root:
		v.report(-1, "", 0, fmt.Sprintf("the events up to %d do not make the root of the %s, though the tiles do: events were changed", n, x.Name))
	case tiles == n && tileRoot == root:
		v.report(-1, "", 0, fmt.Sprintf("the root at %d is not that of the %s, though events and their leaf tiles agree: all were changed, or the tree above them, or it is another log's", n, x.Name))
	default:
		v.report(-1, "", 0, fmt.Sprintf("the events up to %d do not make the root of the %s", n, x.Name))
	}
}

// Finish compares what is left, and returns the problems, the first ones first;
// none: the log is what was signed.
func (v *Verifier) Finish() []Problem {
	n := v.Size()
	v.records.Publish(n)
	if v.wrong && v.wrongAt < v.proved && v.wrongProblem < len(v.problems) {
		v.problems[v.wrongProblem].Text = "the tile has another hash than the event, which is what was signed: the tile was changed"
	}
	if n < v.c.Size && !v.failed {
		v.report(n, "", 0, fmt.Sprintf("the log ends here, but should have %d entries", v.c.Size))
	}
	for _, x := range v.c.Expect {
		switch {
		case x.Size == 0 && x.Root != emptyRoot:
			v.report(-1, "", 0, "the root of the "+x.Name+" is not that of an empty log")
		case x.Size > n && x.Size > v.c.Size && !v.failed:
			v.report(n, "", 0, fmt.Sprintf("the log ends here, but the %s is of %d entries", x.Name, x.Size))
		}
	}
	if v.c.Tile != nil && !v.lost && n == v.c.Size {
		v.partials(n)
	}
	return v.problems
}

// partials compares the partial tiles above the leaves.
func (v *Verifier) partials(size int64) {
	for level := 1; level < tileLevels; level++ {
		width := partial(size, level)
		if width == 0 {
			continue
		}
		n := size >> (tileShift * (level + 1))
		want, err := v.records.Tile(level, n, width)
		if err == nil {
			v.compareTile(level, n, want)
		}
	}
}

// compareTile compares a tile above the leaves with what the events make. Where
// an event is wrong, so is everything above it, and is not reported again.
func (v *Verifier) compareTile(level int, n int64, want []byte) {
	if v.c.Tile == nil || v.wrong || v.lost {
		return
	}
	got, err := v.c.Tile(level, n, len(want)/HashSize)
	id := tileID{level, n}
	if err != nil {
		v.report(-1, "", 0, fmt.Sprintf("tile %d of level %d, over the entries from %d on, cannot be had: %v", n, level, id.start(), err))
	} else if !bytes.Equal(got, want) {
		v.report(-1, "", 0, fmt.Sprintf("tile %d of level %d, over the entries from %d on, is not what they make: the tile was changed", n, level, id.start()))
	}
}

// Size returns how many entries were taken.
func (v *Verifier) Size() int64 { return v.records.appended.Load() }

// Root returns the root that the entries make.
func (v *Verifier) Root() Hash {
	_, root := v.records.Head()
	return root
}

func (v *Verifier) report(index int64, table string, id int64, text string) {
	if len(v.problems) < maxProblems {
		v.problems = append(v.problems, Problem{Index: index, Table: table, ID: id, Text: text})
	}
}

// compareTiles has each full tile that the events make compared with the stored one.
type compareTiles struct{ v *Verifier }

func (c compareTiles) ReadTile(int, int64) ([]byte, error) { return nil, ErrRange }

func (c compareTiles) WriteTile(level int, n int64, data []byte) error {
	if level > 0 && (n+1)<<(tileShift*(level+1)) <= c.v.c.Size {
		c.v.compareTile(level, n, data)
	}
	return nil
}

// discardTiles keeps nothing.
type discardTiles struct{}

func (discardTiles) ReadTile(int, int64) ([]byte, error) { return nil, ErrRange }
func (discardTiles) WriteTile(int, int64, []byte) error  { return nil }
