package vigil

import (
	"encoding/json"
	"strings"
)

// ForGood reports whether err, of a [Writer], says that another attempt with the
// same events would end the same.
func ForGood(err error) bool {
	switch KindOf(err) {
	case Invalid, TooLarge, Unprocessable, Conflict, Unsupported:
		return true
	}
	return false
}

// Quarantined returns the event that keeps, in the table quarantine, what could
// not become an event of the table, or was refused there for good. by is who
// gives it.
func Quarantined(table string, doc []byte, reason error, by *Sender) *Event {
	why := strings.ReplaceAll(reason.Error(), "\x00", "\ufffd") // jsonb has no NUL
	b, err := json.Marshal(map[string]any{"reason": why, "for": table, "bytes": doc})
	if err != nil {
		b = []byte(`{"reason":"unknown"}`) // strings and bytes can always be written
	}
	return &Event{Table: TableQuarantine, Format: FormatSystem, Doc: b, Sender: by}
}
