package rolling

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// names gives the files of one Path their names, as Serilog's PathRoller does.
type names struct {
	dir, prefix, ext string
	layout           string
	pattern          *regexp.Regexp
}

// member is a file of the directory that belongs to the Path.
type member struct {
	name   string
	period time.Time // wall clock without a zone; zero where the name has none that is a date
	seq    int       // 0: none
}

func newNames(path string, i Interval) names {
	base, ext := filepath.Base(path), filepath.Ext(path)
	n := names{dir: filepath.Dir(path), prefix: strings.TrimSuffix(base, ext), ext: ext, layout: intervals[i].layout}
	n.pattern = regexp.MustCompile("^" + regexp.QuoteMeta(n.prefix) + `(\d{` + strconv.Itoa(len(n.layout)) + `})(_[0-9]{3,})?` + regexp.QuoteMeta(ext) + "$")
	return n
}

// name returns the name of a period's file; seq 0 is the one without a number.
func (n names) name(period time.Time, seq int) string {
	s := n.prefix
	if n.layout != "" {
		s += period.Format(n.layout)
	}
	if seq > 0 {
		s += fmt.Sprintf("_%03d", seq)
	}
	return s + n.ext
}

// members lists what is there, the newest period and highest number first.
func (n names) members() ([]member, error) {
	entries, err := os.ReadDir(n.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var out []member
	for _, e := range entries {
		if m, ok := n.match(e.Name()); ok {
			out = append(out, m)
		}
	}
	slices.SortFunc(out, func(a, b member) int {
		return cmp.Or(b.period.Compare(a.period), cmp.Compare(b.seq, a.seq))
	})
	return out, nil
}

func (n names) match(name string) (member, bool) {
	parts := n.pattern.FindStringSubmatch(name)
	if parts == nil {
		return member{}, false
	}
	m := member{name: name}
	if n.layout != "" {
		m.period, _ = time.Parse(n.layout, parts[1]) // zero is no date
	}
	if parts[2] != "" {
		seq, err := strconv.Atoi(parts[2][1:])
		if err != nil {
			return member{}, false
		}
		m.seq = seq
	}
	return m, true
}

// latest returns the highest number of a period, 0 where there is none.
func (n names) latest(period time.Time) (int, error) {
	all, err := n.members()
	if err != nil {
		return 0, err
	}
	for _, m := range all {
		if m.period.Equal(period) {
			return m.seq, nil
		}
	}
	return 0, nil
}

// expired returns the files that are beyond the limits, current not among them.
func (n names) expired(current string, o Options, wall time.Time) ([]string, error) {
	if o.RetainCount == 0 && o.RetainTime == 0 {
		return nil, nil
	}
	all, err := n.members()
	if err != nil {
		return nil, err
	}
	var out []string
	kept := 1 // the current one
	for _, m := range all {
		if m.name == current {
			continue
		}
		tooMany := o.RetainCount > 0 && kept >= o.RetainCount
		tooOld := o.RetainTime > 0 && !m.period.IsZero() && m.period.Before(wall.Add(-o.RetainTime))
		if len(out) > 0 || tooMany || tooOld { // what is older than one that goes, goes
			out = append(out, m.name)
			continue
		}
		kept++
	}
	return out, nil
}

// generations are the full files of Aidbox's way.
type generations struct{ path string }

func (g generations) newest() string { return g.path + ".old" }

// older returns the numbers of the ones before the newest, rising.
func (g generations) older() ([]int, error) {
	entries, err := os.ReadDir(filepath.Dir(g.path))
	if err != nil {
		return nil, err
	}
	prefix := filepath.Base(g.newest()) + "."
	var out []int
	for _, e := range entries {
		rest, ok := strings.CutPrefix(e.Name(), prefix)
		if n, err := strconv.Atoi(rest); ok && err == nil && g.numbered(n) == filepath.Join(filepath.Dir(g.path), e.Name()) {
			out = append(out, n)
		}
	}
	slices.Sort(out)
	return out, nil
}

func (g generations) numbered(n int) string { return fmt.Sprintf("%s.%06d", g.newest(), n) }

// push makes the active file the newest generation and removes what is beyond
// keep; 0 keeps all. At every moment each line is in a file that a later push
// finds.
func (g generations) push(keep int) error {
	older, err := g.older()
	if err != nil {
		return err
	}
	if _, err := os.Stat(g.newest()); err == nil && keep != 1 {
		n := 1
		if len(older) > 0 {
			n = older[len(older)-1] + 1
		}
		if err := os.Rename(g.newest(), g.numbered(n)); err != nil {
			return err
		}
		older = append(older, n)
	}
	if err := os.Rename(g.path, g.newest()); err != nil {
		return err
	}
	for i := 0; keep > 0 && i < len(older)-(keep-1); i++ {
		if err := os.Remove(g.numbered(older[i])); err != nil {
			return err
		}
	}
	return nil
}
