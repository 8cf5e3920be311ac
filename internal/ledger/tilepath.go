package ledger

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// TilePath is a tile, or a bundle of entries, as C2SP tlog-tiles names it:
// <L>/<N>[.p/<W>] or entries/<N>[.p/<W>].
type TilePath struct {
	Entries bool  // a bundle of entries; Level is 0 then
	Level   int   // 0 to 63
	N       int64 // place within the level
	Width   int   // 1 to 255, or 256 for a full tile
}

// Partial reports whether the tile has less than 256 hashes.
func (t TilePath) Partial() bool { return t.Width < tileWidth }

// String returns the path, without "tile/" before it.
func (t TilePath) String() string {
	level := "entries"
	if !t.Entries {
		level = strconv.Itoa(t.Level)
	}
	n := fmt.Sprintf("%03d", t.N%1000)
	for rest := t.N / 1000; rest > 0; rest /= 1000 {
		n = fmt.Sprintf("x%03d/%s", rest%1000, n)
	}
	if t.Partial() {
		n += ".p/" + strconv.Itoa(t.Width)
	}
	return level + "/" + n
}

// ParseTilePath reads what [TilePath.String] writes, and nothing else.
func ParseTilePath(path string) (TilePath, error) {
	bad := errors.New("parse tile path: want <L>/<N>[.p/<W>] or entries/<N>[.p/<W>]")
	if len(path) > 60 {
		return TilePath{}, bad
	}
	level, rest, _ := strings.Cut(path, "/")
	t := TilePath{Width: tileWidth}
	var err error
	if level == "entries" {
		t.Entries = true
	} else if t.Level, err = strconv.Atoi(level); err != nil || t.Level < 0 || t.Level > 63 {
		return TilePath{}, bad
	}
	if n, width, ok := strings.Cut(rest, ".p/"); ok {
		rest = n
		if t.Width, err = strconv.Atoi(width); err != nil || t.Width < 1 || t.Width >= tileWidth {
			return TilePath{}, bad
		}
	}
	for part := range strings.SplitSeq(rest, "/") {
		digits, err := strconv.ParseUint(strings.TrimPrefix(part, "x"), 10, 16)
		if err != nil || digits > 999 || t.N > (1<<54)/1000 {
			return TilePath{}, bad
		}
		t.N = t.N*1000 + int64(digits)
	}
	if t.String() != path {
		return TilePath{}, bad
	}
	return t, nil
}
