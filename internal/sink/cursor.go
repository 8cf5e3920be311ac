package sink

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"vigil"
	"vigil/internal/durable"
)

// cursor is how far a follower has come. It is a JSON file, written aside,
// synced and renamed, so that it is always a whole one.
type cursor struct {
	Next int64  `json:"next"`          // place in the log of the event to give next
	UID  string `json:"uid,omitempty"` // of the last event before it, to know the log again
	// Last is the place of that event; places between it and Next were of other
	// tables, or filtered out.
	Last int64 `json:"last,omitempty"`
}

// loadCursor reads the file; where there is none, ok is false.
func loadCursor(path string) (c cursor, ok bool, err error) {
	b, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return cursor{}, false, nil
	case err != nil:
		return cursor{}, false, fmt.Errorf("read cursor: %w", err)
	}
	if err := json.Unmarshal(b, &c); err != nil || c.Next < 0 {
		return cursor{}, false, fmt.Errorf("read cursor: %s is damaged: remove it to give every event again", path)
	}
	if c.UID != "" {
		if _, err := vigil.ParseUID(c.UID); err != nil {
			return cursor{}, false, fmt.Errorf("read cursor: %s is damaged: remove it to give every event again", path)
		}
	}
	return c, true, nil
}

// save writes the file so that it survives the loss of power.
func (c cursor) save(path string) error {
	b, err := json.Marshal(c)
	if err != nil {
		return err
	}
	if err := durable.WriteFile(path, append(b, '\n')); err != nil {
		return fmt.Errorf("save cursor: %w", err)
	}
	return nil
}
