package rolling

import (
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"time"

	"vigil/internal/sink"
)

// DefaultSizeLimit is Serilog's limit of a file where none is written: 1 GiB.
const DefaultSizeLimit = 1 << 30

// Interval is how often a new file is started.
type Interval uint8

// The intervals, with Serilog's names.
const (
	Infinite Interval = iota
	Year
	Month
	Day
	Hour
	Minute
)

// intervals has, for each Interval, its name and how the period is written in a
// file's name.
var intervals = [...]struct{ name, layout string }{
	Infinite: {"Infinite", ""},
	Year:     {"Year", "2006"},
	Month:    {"Month", "200601"},
	Day:      {"Day", "20060102"},
	Hour:     {"Hour", "2006010215"},
	Minute:   {"Minute", "200601021504"},
}

// ParseInterval reads a name of Serilog's, in any case.
func ParseInterval(s string) (Interval, error) {
	var names []string
	for i, v := range intervals {
		if strings.EqualFold(s, v.name) {
			return Interval(i), nil
		}
		names = append(names, v.name)
	}
	return 0, fmt.Errorf("rolling interval %q: want one of %s", s, strings.Join(names, ", "))
}

// String returns Serilog's name.
func (i Interval) String() string { return intervals[i].name }

// begin returns the beginning of the period that t is in, as a wall clock
// without a zone (in UTC).
func (i Interval) begin(t time.Time) time.Time {
	y, mo, d := t.Date()
	h, mi := t.Hour(), t.Minute()
	switch i {
	case Infinite:
		return time.Time{}
	case Year:
		mo, d, h, mi = 1, 1, 0, 0
	case Month:
		d, h, mi = 1, 0, 0
	case Day:
		h, mi = 0, 0
	case Hour:
		mi = 0
	}
	return time.Date(y, mo, d, h, mi, 0, 0, time.UTC)
}

// next returns the beginning of the period after the one that begins at t.
func (i Interval) next(t time.Time) time.Time {
	switch i {
	case Year:
		return t.AddDate(1, 0, 0)
	case Month:
		return t.AddDate(0, 1, 0)
	case Day:
		return t.AddDate(0, 0, 1)
	case Hour:
		return t.Add(time.Hour)
	case Minute:
		return t.Add(time.Minute)
	}
	return time.Time{}
}

// Options say how a file is written. Path and Line must be set.
type Options struct {
	Path string // with the period and the number put in before its extension
	Line sink.Line

	Interval Interval
	// SizeLimit is the size in bytes from which on a file is full; the line that
	// reaches it is still in it. 0 is unlimited.
	SizeLimit int64
	// MaxLines is how many lines a file has at most, in Aidbox's way; 0 is no
	// limit. It goes with neither Interval nor SizeLimit.
	MaxLines int
	// Generations is how many full files are kept with MaxLines; 0 is all.
	Generations int
	// RetainCount is how many files are kept, the current one included; 0 is all.
	RetainCount int
	// RetainTime is the age of its period from which on a file is removed; 0 is never.
	RetainTime time.Duration

	// Shared lets several processes write to the same file, by a lock for each write.
	Shared bool
	// Buffered makes one write(2) of a batch instead of one of each line.
	Buffered bool
	// FlushInterval is how long what was written may wait for the disk; 0 leaves
	// it to the system, [File.Sync] and [File.Close].
	FlushInterval time.Duration
	Encoding      Encoding

	Location *time.Location   // of the names; nil is time.Local
	Now      func() time.Time // nil is time.Now
	Logger   *slog.Logger     // nil discards
}

func (o *Options) complete() error {
	switch {
	case o.Path == "" || strings.HasSuffix(o.Path, "/"):
		return errors.New("it needs the path of a file")
	case o.Line == nil:
		return errors.New("it needs a format of lines")
	case o.MaxLines > 0 && (o.Interval != Infinite || o.SizeLimit > 0 || o.RetainCount > 0 || o.RetainTime > 0):
		return errors.New("a limit of lines goes with generations, not with an interval, a size or retention")
	case o.MaxLines > 0 && o.Shared:
		return errors.New("a file with a limit of lines cannot be shared")
	case o.MaxLines < 0 || o.Generations < 0 || o.SizeLimit < 0 || o.RetainCount < 0 || o.RetainTime < 0 || o.FlushInterval < 0:
		return errors.New("limits must not be negative")
	}
	if o.Location == nil {
		o.Location = time.Local
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	path, err := filepath.Abs(o.Path)
	o.Path = path
	return err
}
