package journal

import "fmt"

// Report is what [Check] found.
type Report struct {
	Files  int
	Frames int
	Bytes  int64    // that the frames take
	Last   Position // of the last frame; zero if there is none
}

// Check verifies the journal in dir without changing anything; nobody may be
// writing it. The first damaged place is returned as a [*CorruptError].
func Check(dir string, o Options) (Report, error) {
	j := newJournal(o)
	if j.dir == nil {
		j.dir = osFolder(dir)
	}
	if err := j.scan(); err != nil {
		return Report{}, fmt.Errorf("check journal: %w", err)
	}
	r := Report{Files: len(j.kept)}
	for _, s := range j.kept {
		r.Frames += s.frames
		r.Bytes += s.end - blockSize
		if s.frames > 0 {
			r.Last = s.last
		}
	}
	return r, nil
}
