package sink

import (
	"fmt"
	"strings"

	"vigil"
	"vigil/internal/jsonb"
)

// A Level is the least grave of the lines that pass, with Aidbox's names and
// numbers: the smaller the graver.
type Level int

// The levels. Off lets through only what has a level that is not known.
const (
	Off   Level = 0
	Fatal Level = 100
	Error Level = 200
	Warn  Level = 300
	Info  Level = 400
	Debug Level = 500
	Trace Level = 600
	All   Level = 1 << 30
)

var levelNames = map[string]Level{
	"off": Off, "fatal": Fatal, "error": Error, "warn": Warn, "info": Info, "debug": Debug, "trace": Trace, "all": All, "true": All,
}

// lineLevels has the levels of lines: Aidbox's, and other systems' words for them.
var lineLevels = map[string]Level{
	"fatal": Fatal, "error": Error, "warn": Warn, "info": Info, "debug": Debug, "trace": Trace,
	"critical": Fatal, "alert": Fatal, "emergency": Fatal, "err": Error, "warning": Warn,
	"notice": Info, "informational": Info, "information": Info, "verbose": Trace,
}

// levelKeys are the members in which a line's level may stand; the first one
// that is there counts.
var levelKeys = []string{"lvl", "level", "severity", "levelname", "@l"}

// ParseLevel reads a level as Aidbox's settings write it: off, fatal, error,
// warn, info, debug, trace, all, or true for all.
func ParseLevel(s string) (Level, error) {
	l, ok := levelNames[strings.ToLower(strings.TrimSpace(s))]
	if !ok {
		return 0, fmt.Errorf("level %q: want off, fatal, error, warn, info, debug, trace or all", s)
	}
	return l, nil
}

// LevelText returns the level that a line gives itself, as it is written there; of
// an envelope it is the document's. The line must be a JSON object.
func LevelText(line []byte) (text []byte, ok bool) {
	for _, object := range [...][]byte{line, Enclosed(line)} {
		if object == nil {
			continue
		}
		for _, key := range levelKeys {
			if v, ok := jsonb.Get(object, key); ok && jsonb.Kind(v) == '"' {
				return jsonb.AppendText(nil, v), true
			}
		}
	}
	return nil, false
}

// Passes reports whether a line passes. One without a level is info; one whose
// level is not known always passes, as in Aidbox.
func (l Level) Passes(line []byte) bool {
	if l >= All || !isObject(line) {
		return true
	}
	if text, ok := LevelText(line); ok {
		return lineLevels[strings.ToLower(string(text))] <= l
	}
	return Info <= l
}

// Lines returns a [Line] with only those lines that pass.
func (l Level) Lines(line Line) Line {
	if l >= All {
		return line
	}
	return edit(line, func(dst, text []byte) []byte {
		if !l.Passes(text) {
			return dst
		}
		return append(append(dst, text...), '\n')
	})
}

// edit returns a Line whose every line has gone through f, which appends what
// there is to be in its place, newline included.
func edit(line Line, f func(dst, text []byte) []byte) Line {
	return func(dst []byte, e *vigil.Event) []byte {
		return jsonb.EditLines(line(dst, e), len(dst), f)
	}
}

// isObject reports whether the line is a JSON object.
func isObject(line []byte) bool {
	return len(line) > 1 && line[0] == '{' && jsonb.Check(line, jsonb.Limits{}) == nil
}
