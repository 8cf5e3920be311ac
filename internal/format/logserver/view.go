package logserver

import (
	"time"

	"vigil/internal/jsonb"
)

// ViewColumns returns the names of the columns of events_view: the row's id,
// then what [ViewRow] returns, in its order.
func ViewColumns() []string {
	return []string{"id", "schema_version", "occurred_at", "user_id", "event_type"}
}

// A Row is what events_view says of one event. What it does not say is null.
type Row struct {
	SchemaVersion string    // never null: legacy where the document has no version
	OccurredAt    time.Time // zero is null
	UserID        *string
	EventType     *string
}

// ViewRow returns the row of a document in events_view.
//
// It answers as logserver's view does, without that view's defects: a document
// whose times cannot be read gives null and does not fail the whole query,
// milliseconds since 1970 keep their milliseconds, Keycloak's user and type are
// mapped, and no document is left out for its source. The version of a build is
// no schema version. Times without a zone are in the given one.
func ViewRow(doc []byte, zone *time.Location) Row {
	var v viewValues
	for key, val := range jsonb.Members(doc) {
		if jsonb.Kind(val) == 'n' {
			val = nil
		}
		v.set(key, val)
	}
	return Row{
		SchemaVersion: v.schemaVersion(),
		OccurredAt:    firstTime(zone, v.eventTime, v.occurred, v.createdAt, v.asctime, v.timestamp, v.time),
		UserID:        firstText(firstElement(v.subject), v.subject, v.userID, v.keycloakUser, v.admin),
		EventType:     firstText(v.action, v.eventType, v.keycloakType, v.operation, v.message, firstElement(v.tags)),
	}
}

// viewValues are the members that the view is made of; nil where there is none
// or null.
type viewValues struct {
	sourceSystem, schema, version                            []byte
	eventTime, occurred, createdAt, asctime, timestamp, time []byte
	subject, userID, action, eventType, message, tags        []byte
	keycloakUser, keycloakType, admin, operation             []byte
}

func (v *viewValues) set(key string, val []byte) {
	switch key {
	case "source_system":
		v.sourceSystem = val
	case "schema_version":
		v.schema = val
	case "version":
		v.version = val
	case "event_time":
		v.eventTime = val
	case "occurred":
		v.occurred = val
	case "created_at":
		v.createdAt = val
	case "asctime":
		v.asctime = val
	case "timestamp":
		v.timestamp = val
	case "time":
		v.time = val
	case "subject":
		v.subject = val
	case "user_id":
		v.userID = val
	case "action":
		v.action = val
	case "event_type":
		v.eventType = val
	case "message":
		v.message = val
	case "tags":
		v.tags = val
	case "userId":
		v.keycloakUser = val
	case "type":
		v.keycloakType = val
	case "operationType":
		v.operation = val
	case "authDetails":
		v.admin, _ = jsonb.Get(val, "userId")
	}
}

func (v *viewValues) schemaVersion() string {
	if v.sourceSystem != nil && isText(v.sourceSystem, "LTT") {
		return "ltt"
	}
	for _, val := range [][]byte{v.schema, v.version} {
		if s := schemaVersion(val); val != nil && s != "" {
			return s
		}
	}
	return "legacy"
}

// firstTime returns the first of the values that can be read as a time.
func firstTime(zone *time.Location, vals ...[]byte) time.Time {
	for _, val := range vals {
		if k := jsonb.Kind(val); k != '"' && k != '0' {
			continue
		}
		if t, ok := ParseTime(jsonb.AppendText(nil, val), zone); ok {
			return t
		}
	}
	return time.Time{}
}

// firstText returns the text of the first value that is not null, as ->> gives it.
func firstText(vals ...[]byte) *string {
	for _, val := range vals {
		if val != nil && jsonb.Kind(val) != 'n' {
			s := string(jsonb.AppendText(nil, val))
			return &s
		}
	}
	return nil
}

// firstElement returns the first element of an array; nil for an empty one, for
// null and for anything else.
func firstElement(val []byte) []byte {
	e, ok := jsonb.Index(val, 0)
	if !ok || jsonb.Kind(e) == 'n' {
		return nil
	}
	return e
}
