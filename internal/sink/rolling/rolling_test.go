package rolling

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vigil"
	"vigil/internal/sink"
)

// plain is the Line of a document that is text.
func plain(dst []byte, e *vigil.Event) []byte { return append(append(dst, e.Doc...), '\n') }

func event(format string, args ...any) *vigil.Event {
	return &vigil.Event{Doc: fmt.Appendf(nil, format, args...)}
}

func write(t *testing.T, f *File, lines ...string) {
	t.Helper()
	for _, l := range lines {
		if err := f.Write(context.Background(), []*vigil.Event{event("%s", l)}); err != nil {
			t.Fatalf("write %q: %v", l, err)
		}
	}
}

func open(t *testing.T, o Options) *File {
	t.Helper()
	if o.Line == nil {
		o.Line = plain
	}
	f, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// files returns the text of every file in dir by its name.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	got := map[string]string{}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		got[e.Name()] = string(b)
	}
	return got
}

func expect(t *testing.T, dir string, want map[string]string) {
	t.Helper()
	if diff := cmp.Diff(want, files(t, dir)); diff != "" {
		t.Fatalf("files differ (-want +got):\n%s", diff)
	}
}

// clock is a clock that the test sets.
type clock struct{ t time.Time }

func (c *clock) now() time.Time { return c.t }

func zone(t *testing.T, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

// TestNames compares with the names in the documentation of Serilog's file sink.
func TestNames(t *testing.T) {
	at := time.Date(2024, 1, 31, 13, 5, 9, 0, time.UTC)
	for _, c := range []struct {
		path     string
		interval Interval
		seq      int
		want     string
	}{
		{"AuditLog.log", Infinite, 0, "AuditLog.log"},
		{"AuditLog.log", Infinite, 1, "AuditLog_001.log"},
		{"AuditLog.log", Year, 0, "AuditLog2024.log"},
		{"AuditLog.log", Month, 0, "AuditLog202401.log"},
		{"AuditLog.log", Day, 0, "AuditLog20240131.log"},
		{"AuditLog.log", Hour, 0, "AuditLog2024013113.log"},
		{"AuditLog.log", Minute, 0, "AuditLog202401311305.log"},
		{"log-.txt", Day, 2, "log-20240131_002.txt"},
		{"log-.txt", Day, 1000, "log-20240131_1000.txt"},
		{"log", Day, 0, "log20240131"},
		{"a.b.txt", Day, 0, "a.b20240131.txt"},
		{".audit", Day, 0, "20240131.audit"},
	} {
		n := newNames("/x/"+c.path, c.interval)
		if got := n.name(c.interval.begin(at), c.seq); got != c.want {
			t.Errorf("%s %s %d: %s, want %s", c.path, c.interval, c.seq, got, c.want)
		}
		m, ok := n.match(c.want)
		if !ok || m.seq != c.seq || !m.period.Equal(c.interval.begin(at)) {
			t.Errorf("%s: read back as %+v %t", c.want, m, ok)
		}
	}
}

func TestNamesOfOthers(t *testing.T) {
	n := newNames("/x/log-.txt", Day)
	for _, name := range []string{"log-.txt", "log-2024013.txt", "log-202401311.txt", "log-20240131_01.txt", "log-20240131.txt.gz", "xlog-20240131.txt", "log-20240131_00x.txt", "log-20240131_99999999999999999999.txt"} {
		if m, ok := n.match(name); ok {
			t.Errorf("%s is taken for %+v", name, m)
		}
	}
}

// TestPeriods writes over simulated days and years: each line is in the file
// that a clock on the wall names, and the intervals change nothing else.
func TestPeriods(t *testing.T) {
	for interval, layout := range map[Interval]string{Year: "2006", Month: "200601", Day: "20060102", Hour: "2006010215", Minute: "200601021504"} {
		t.Run(interval.String(), func(t *testing.T) {
			dir := t.TempDir()
			z := zone(t, "America/New_York")
			c := &clock{time.Date(2023, 12, 30, 22, 50, 0, 0, z)}
			f := open(t, Options{Path: filepath.Join(dir, "log.txt"), Interval: interval, Now: c.now, Location: z})
			want := map[string]string{"log" + c.t.Format(layout) + ".txt": ""} // Open makes the first
			steps := map[Interval]time.Duration{Year: 97 * 24 * time.Hour, Month: 11 * 24 * time.Hour, Day: 7 * time.Hour, Hour: 17 * time.Minute, Minute: 23 * time.Second}
			for i := range 60 {
				line := fmt.Sprintf("line %d at %s", i, c.t.Format(time.RFC3339))
				write(t, f, line)
				want["log"+c.t.In(z).Format(layout)+".txt"] += line + "\n"
				c.t = c.t.Add(steps[interval])
			}
			expect(t, dir, want)
		})
	}
}

// TestSummerTime writes through both changes of the clock. As in Serilog a new
// file begins when the clock on the wall passes the end of the period: the hour
// that comes twice is in one file, the one that is left out has none.
func TestSummerTime(t *testing.T) {
	z := zone(t, "Europe/Berlin")
	for _, c := range []struct {
		name  string
		start time.Time
		want  []string
	}{
		{"to summer", time.Date(2024, 3, 31, 0, 30, 0, 0, time.UTC), []string{"2024033101", "2024033103", "2024033104", "2024033105"}},
		{"to winter", time.Date(2024, 10, 26, 23, 30, 0, 0, time.UTC), []string{"2024102701", "2024102702", "2024102703", "2024102704"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			k := &clock{c.start}
			f := open(t, Options{Path: filepath.Join(dir, "log.txt"), Interval: Hour, Now: k.now, Location: z})
			lines := 0
			for last := ""; last < c.want[len(c.want)-1]; k.t = k.t.Add(10 * time.Minute) {
				write(t, f, k.t.In(z).Format(time.RFC3339))
				lines++
				last = strings.TrimSuffix(strings.TrimPrefix(filepath.Base(f.Name()), "log"), ".txt")
			}
			got := files(t, dir)
			var names []string
			for name, text := range got {
				names = append(names, strings.TrimSuffix(strings.TrimPrefix(name, "log"), ".txt"))
				lines -= strings.Count(text, "\n")
			}
			slices.Sort(names)
			if diff := cmp.Diff(c.want, names); diff != "" || lines != 0 {
				t.Errorf("%d lines missing; files (-want +got):\n%s", lines, diff)
			}
		})
	}
}

// TestClockBack keeps to the open file while the clock is before its period, as
// Serilog does.
func TestClockBack(t *testing.T) {
	dir := t.TempDir()
	c := &clock{time.Date(2024, 5, 2, 0, 0, 1, 0, time.UTC)}
	f := open(t, Options{Path: filepath.Join(dir, "a.log"), Interval: Day, Now: c.now, Location: time.UTC})
	write(t, f, "one")
	c.t = c.t.Add(-time.Hour)
	write(t, f, "two")
	expect(t, dir, map[string]string{"a20240502.log": "one\ntwo\n"})
}

func TestSizeLimit(t *testing.T) {
	dir := t.TempDir()
	c := &clock{time.Date(2024, 5, 2, 12, 0, 0, 0, time.UTC)}
	o := Options{Path: filepath.Join(dir, "a.log"), Interval: Day, SizeLimit: 10, Now: c.now, Location: time.UTC}
	f := open(t, o)
	write(t, f, "12345", "1234567890123", "next", "x", "last") // the line that reaches the limit is still in the file
	c.t = c.t.AddDate(0, 0, 1)
	write(t, f, "day", "two!!!!")
	want := map[string]string{
		"a20240502.log": "12345\n1234567890123\n", "a20240502_001.log": "next\nx\nlast\n", "a20240503.log": "day\ntwo!!!!\n",
	}
	expect(t, dir, want)
	f.Close()
	// A start goes on behind the highest number, and leaves a full file.
	f = open(t, o)
	write(t, f, "after")
	want["a20240503_001.log"] = "after\n"
	expect(t, dir, want)
}

func TestSizeLimitInfinite(t *testing.T) {
	dir := t.TempDir()
	o := Options{Path: filepath.Join(dir, "log.txt"), SizeLimit: 3}
	f := open(t, o)
	write(t, f, "one", "two", "three")
	f.Close()
	write(t, open(t, o), "four")
	expect(t, dir, map[string]string{"log.txt": "one\n", "log_001.txt": "two\n", "log_002.txt": "three\n", "log_003.txt": "four\n"})
}

func TestBuffered(t *testing.T) {
	dir := t.TempDir()
	f := open(t, Options{Path: filepath.Join(dir, "log.txt"), SizeLimit: 7, Buffered: true})
	if err := f.Write(context.Background(), []*vigil.Event{event("one"), event("two"), event("three"), event("four")}); err != nil {
		t.Fatal(err)
	}
	expect(t, dir, map[string]string{"log.txt": "one\ntwo\n", "log_001.txt": "three\nfour\n"})
}

func TestRetention(t *testing.T) {
	start := time.Date(2024, 1, 1, 12, 0, 0, 0, time.UTC)
	run := func(t *testing.T, o Options) map[string]string {
		dir := t.TempDir()
		c := &clock{start}
		o.Path, o.Interval, o.Now, o.Location = filepath.Join(dir, "a.log"), Day, c.now, time.UTC
		for _, other := range []string{"b20200101.log", "a20200101.txt", "a.log", "a2020010.log"} {
			if err := os.WriteFile(filepath.Join(dir, other), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		f := open(t, o)
		for i := range 40 {
			write(t, f, fmt.Sprint(i))
			c.t = c.t.AddDate(0, 0, 1)
		}
		got := files(t, dir)
		for _, other := range []string{"b20200101.log", "a20200101.txt", "a.log", "a2020010.log"} {
			if _, ok := got[other]; !ok {
				t.Errorf("%s, which belongs to somebody else, is gone", other)
			}
			delete(got, other)
		}
		return got
	}
	if got := run(t, Options{}); len(got) != 40 {
		t.Errorf("without limits %d files of 40 are there", len(got))
	}
	want := map[string]string{"a20240207.log": "37\n", "a20240208.log": "38\n", "a20240209.log": "39\n"}
	if diff := cmp.Diff(want, run(t, Options{RetainCount: 3})); diff != "" {
		t.Errorf("count (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want, run(t, Options{RetainTime: 60 * time.Hour})); diff != "" {
		t.Errorf("time (-want +got):\n%s", diff)
	}
}

func TestGenerations(t *testing.T) {
	for keep, want := range map[int]map[string]string{
		0: {"rot.log": "11\n12\n", "rot.log.old": "8\n9\n10\n", "rot.log.old.000001": "0\n1\n2\n3\n"[2:], "rot.log.old.000002": "4\n5\n6\n7\n"[2:]},
		1: {"rot.log": "11\n12\n", "rot.log.old": "8\n9\n10\n"},
		2: {"rot.log": "11\n12\n", "rot.log.old": "8\n9\n10\n", "rot.log.old.000002": "5\n6\n7\n"},
	} {
		dir := t.TempDir()
		if keep == 0 {
			want["rot.log.old.000001"], want["rot.log.old.000002"] = "2\n3\n4\n", "5\n6\n7\n"
		}
		o := Options{Path: filepath.Join(dir, "rot.log"), MaxLines: 3, Generations: keep}
		for i := 2; i <= 12; i++ { // a start in between counts the lines that are there
			f := open(t, o)
			write(t, f, fmt.Sprint(i))
			f.Close()
		}
		expect(t, dir, want)
	}
}

func TestEncodings(t *testing.T) {
	const text = "aé€😀"
	for name, want := range map[string]string{
		"":                                     text + "\n" + text + "\n",
		"utf-8":                                text + "\n" + text + "\n",
		"UTF-8-BOM":                            "\ufeff" + text + "\n" + text + "\n",
		"System.Text.Encoding::UTF8, mscorlib": "\ufeff" + text + "\n" + text + "\n",
		"utf-16":                               "\xff\xfe" + strings.Repeat("a\x00\xe9\x00\xac\x20\x3d\xd8\x00\xde\n\x00", 2),
		"utf-16BE":                             "\xfe\xff" + strings.Repeat("\x00a\x00\xe9\x20\xac\xd8\x3d\xde\x00\x00\n", 2),
		"latin1":                               strings.Repeat("a\xe9??\n", 2),
		"System.Text.Encoding::ASCII":          strings.Repeat("a???\n", 2),
	} {
		e, err := ParseEncoding(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, shared := range []bool{false, true} {
			dir := t.TempDir()
			o := Options{Path: filepath.Join(dir, "x"), Encoding: e, Shared: shared}
			write(t, open(t, o), text) // the mark comes once, at the beginning
			if !shared {
				o.Path = filepath.Join(dir, "x2")
				write(t, open(t, o), text)
				o.Path = filepath.Join(dir, "x")
				os.Remove(filepath.Join(dir, "x2"))
			}
			f := open(t, Options{Path: filepath.Join(t.TempDir(), "y"), Encoding: e, Shared: shared})
			write(t, f, text, text)
			if got, _ := os.ReadFile(f.Name()); string(got) != want {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
	}
	for _, bad := range []string{"utf-7", "ebcdic", "System.Text.Encoding::UTF32"} {
		if _, err := ParseEncoding(bad); err == nil {
			t.Errorf("%s is accepted", bad)
		}
	}
}

// TestTorn expects what a killed process left of a line to be completed when
// the line comes again, and to stay, ended, when it does not.
func TestTorn(t *testing.T) {
	utf16 := func(s string) string { return string(UTF16LE.appendText(nil, []byte(s))) }
	for _, c := range []struct {
		name, before, line, want string
		encoding                 Encoding
		shared                   bool
	}{
		{name: "whole", before: "one\n", line: "two", want: "one\ntwo\n"},
		{name: "again", before: "one\ntw", line: "two", want: "one\ntwo\n"},
		{name: "other", before: "one\ntwx", line: "two", want: "one\ntwx\ntwo\n"},
		{name: "first", before: "tw", line: "two", want: "two\n"},
		{name: "all but the newline", before: "two", line: "two", want: "two\n"},
		{name: "utf-16 again", before: "\xff\xfe" + utf16("one\ntw"), line: "two", want: "\xff\xfe" + utf16("one\ntwo\n"), encoding: UTF16LE},
		{name: "utf-16 half a character", before: "\xff\xfe" + utf16("one\ntw") + "o", line: "xx", want: "\xff\xfe" + utf16("one\ntw\nxx\n"), encoding: UTF16LE},
		{name: "utf-16 mark alone", before: "\xff\xfe", line: "two", want: "\xff\xfe" + utf16("two\n"), encoding: UTF16LE},
		{name: "shared", before: "one\ntw", line: "two", want: "one\ntw\ntwo\n", shared: true},
		{name: "shared whole", before: "one\n", line: "two", want: "one\ntwo\n", shared: true},
	} {
		path := filepath.Join(t.TempDir(), "log")
		if err := os.WriteFile(path, []byte(c.before), 0o600); err != nil {
			t.Fatal(err)
		}
		write(t, open(t, Options{Path: path, Encoding: c.encoding, Shared: c.shared}), c.line)
		if got, _ := os.ReadFile(path); string(got) != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestMovedAway(t *testing.T) {
	dir := t.TempDir()
	c := &clock{time.Date(2024, 5, 2, 0, 0, 1, 0, time.UTC)}
	f := open(t, Options{Path: filepath.Join(dir, "a.log"), Now: c.now})
	write(t, f, "one")
	if err := os.Rename(f.Name(), filepath.Join(dir, "rotated")); err != nil {
		t.Fatal(err)
	}
	c.t = c.t.Add(time.Second)
	write(t, f, "two")
	expect(t, dir, map[string]string{"rotated": "one\n", "a.log": "two\n"})
}

func TestLocked(t *testing.T) {
	dir := t.TempDir()
	o := Options{Path: filepath.Join(dir, "log.txt")}
	var open3 []*File
	for i := range 3 { // each takes the next number, as in Serilog
		f := open(t, o)
		write(t, f, fmt.Sprint(i))
		open3 = append(open3, f)
	}
	expect(t, dir, map[string]string{"log.txt": "0\n", "log_001.txt": "1\n", "log_002.txt": "2\n"})
	open3[1].Close()
	if _, err := Open(Options{Path: filepath.Join(dir, "log.txt"), MaxLines: 5, Line: plain}); !errors.Is(err, errLocked) {
		t.Errorf("a file that somebody else has, with generations: %v", err)
	}
}

func TestRefusedAtStart(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, o := range map[string]Options{
		"no path":              {Line: plain},
		"a directory":          {Path: dir + "/", Line: plain},
		"an existing one":      {Path: dir, Line: plain},
		"beneath a file":       {Path: filepath.Join(dir, "file", "log"), Line: plain},
		"no line":              {Path: filepath.Join(dir, "x")},
		"lines and interval":   {Path: filepath.Join(dir, "x"), Line: plain, MaxLines: 1, Interval: Day},
		"lines and size":       {Path: filepath.Join(dir, "x"), Line: plain, MaxLines: 1, SizeLimit: 1},
		"lines and sharing":    {Path: filepath.Join(dir, "x"), Line: plain, MaxLines: 1, Shared: true},
		"a negative retention": {Path: filepath.Join(dir, "x"), Line: plain, RetainCount: -1},
	} {
		if f, err := Open(o); err == nil {
			f.Close()
			t.Errorf("%s: opened", name)
		}
	}
	if _, err := Open(Options{Path: "/proc/vigil/log", Line: plain}); err == nil {
		t.Error("a path that cannot be written is opened")
	}
}

func TestDevice(t *testing.T) {
	f := open(t, Options{Path: "/dev/null"})
	write(t, f, "x")
	if err := f.Sync(); err != nil {
		t.Error(err)
	}
	full := open(t, Options{Path: "/dev/full"})
	if err := full.Write(context.Background(), []*vigil.Event{event("x")}); err == nil {
		t.Error("a full device took a line")
	}
}

func TestPartial(t *testing.T) {
	dir := t.TempDir()
	c := &clock{time.Date(2024, 5, 2, 0, 0, 0, 0, time.UTC)}
	f := open(t, Options{Path: filepath.Join(dir, "d", "a.log"), Interval: Day, SizeLimit: 4, Now: c.now, Location: time.UTC})
	// The first line makes the file full, and the next one cannot be opened.
	if err := os.Mkdir(filepath.Join(dir, "d", "a20240502_001.log"), 0o700); err != nil {
		t.Fatal(err)
	}
	events := []*vigil.Event{event("1234"), event("5678")}
	err := f.Write(context.Background(), events)
	p, ok := errors.AsType[*sink.Partial](err)
	if !ok || p.Done != 1 {
		t.Fatalf("error %v, want a Partial of 1", err)
	}
	if err := os.Remove(filepath.Join(dir, "d", "a20240502_001.log")); err != nil {
		t.Fatal(err)
	}
	if err := f.Write(context.Background(), events[1:]); err != nil {
		t.Fatal(err)
	}
	expect(t, filepath.Join(dir, "d"), map[string]string{"a20240502.log": "1234\n", "a20240502_001.log": "5678\n"})
}

func TestModes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "log")
	write(t, open(t, Options{Path: path}), "x")
	for p, max := range map[string]fs.FileMode{path: 0o640, filepath.Dir(path): 0o750} {
		info, err := os.Stat(p)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm()&^max != 0 {
			t.Errorf("%s has mode %v", p, info.Mode())
		}
	}
}

func TestParseInterval(t *testing.T) {
	for s, want := range map[string]Interval{"Day": Day, "minute": Minute, "INFINITE": Infinite} {
		if got, err := ParseInterval(s); err != nil || got != want {
			t.Errorf("%s: %v %v", s, got, err)
		}
	}
	if _, err := ParseInterval("Week"); err == nil || !strings.Contains(err.Error(), "Month") {
		t.Errorf("Week: %v", err)
	}
}
