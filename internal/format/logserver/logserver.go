// Package logserver knows the documents that applications post to an events
// table: the generations of uwcirg/logserver's events, its recommended schema,
// and what Keycloak sends to the same place.
//
// It reads documents; which facts they hold is data of package vigil, and
// evaluated by internal/format.
package logserver

import (
	"vigil/internal/jsonb"
)

// A Generation is one of the shapes that events have had. A document that is no
// object, or nothing known, is Gen0: every valid JSON text is an event.
type Generation uint8

// The generations.
const (
	Gen0        Generation = iota // no schema version: asctime, levelname, message
	Gen1                          // version 1: asctime with an offset
	Gen2                          // version 2
	Gen3                          // version 3.0: the recommended schema
	LTT                           // source_system LTT: event_time, user_id, event_type
	Keycloak                      // an event or admin event of Keycloak
	KeycloakLog                   // a line of Keycloak's log
)

// String returns a name for metrics and documentation.
func (g Generation) String() string {
	names := [...]string{"0", "1", "2", "3", "ltt", "keycloak", "keycloak-log"}
	if int(g) >= len(names) {
		return "unknown"
	}
	return names[g]
}

// GenerationOf recognises the generation of a document.
func GenerationOf(doc []byte) Generation {
	var f features
	for key, val := range jsonb.Members(doc) {
		f.see(key, val)
	}
	switch {
	case f.ltt:
		return LTT
	case f.realm && (f.kind || f.operation):
		return Keycloak
	case f.logger && f.sequence:
		return KeycloakLog
	}
	switch schemaVersion(f.version) {
	case "1", "1.0":
		return Gen1
	case "2", "2.0":
		return Gen2
	case "3", "3.0":
		return Gen3
	}
	if f.version == nil && f.source && f.occurred {
		return Gen3 // the schema without its version
	}
	return Gen0
}

// features are what tells generations apart.
type features struct {
	version                            []byte
	ltt, realm, kind, operation        bool
	logger, sequence, source, occurred bool
}

func (f *features) see(key string, val []byte) {
	switch key {
	case "version":
		f.version = val
	case "source_system":
		f.ltt = isText(val, "LTT")
	case "realmId", "authDetails":
		f.realm = true
	case "type":
		f.kind = jsonb.Kind(val) == '"'
	case "operationType":
		f.operation = true
	case "loggerName":
		f.logger = true
	case "sequence":
		f.sequence = true
	case "source":
		f.source = jsonb.Kind(val) == '{'
	case "occurred":
		f.occurred = true
	}
}

func isText(val []byte, text string) bool {
	return jsonb.Kind(val) == '"' && string(jsonb.AppendText(nil, val)) == text
}

// schemaVersion returns the text of a version that is one of the schema, such
// as 1 or 3.0. Applications that follow no schema put the version of their build
// there, such as A041-4-g55efbd8 or 1.2.3-test; for those it returns nothing.
func schemaVersion(val []byte) string {
	k := jsonb.Kind(val)
	if k != '"' && k != '0' {
		return ""
	}
	s := string(jsonb.AppendText(nil, val))
	dots := 0
	for i := range len(s) {
		switch c := s[i]; {
		case c == '.' && i > 0 && i < len(s)-1:
			dots++
		case !isDigit(c):
			return ""
		}
	}
	if dots > 1 || len(s) > 8 {
		return ""
	}
	return s
}

// Missing returns the elements that logserver's schema requires and the document
// lacks: severity (the logging system's own level counts), version and action.
// Such documents are taken all the same; who takes them counts this by source.
// Documents of other vocabularies (Keycloak's, FHIR's) lack nothing.
func Missing(doc []byte) []string {
	var severity, version, action bool
	for key, val := range jsonb.Members(doc) {
		given := jsonb.Kind(val) != 'n'
		switch key {
		case "severity", "level", "levelname":
			severity = severity || given
		case "version":
			version = given
		case "action":
			action = given
		case "resourceType", "realmId", "loggerClassName":
			return nil
		}
	}
	var out []string
	for _, e := range []struct {
		name  string
		given bool
	}{{"severity", severity}, {"version", version}, {"action", action}} {
		if !e.given {
			out = append(out, e.name)
		}
	}
	return out
}

// SourceOf returns what reported a document: the type of its source, else the
// name of its logger, else unknown.
func SourceOf(doc []byte) string {
	if source, ok := jsonb.Get(doc, "source"); ok {
		if val, ok := jsonb.Get(source, "type"); ok && jsonb.Kind(val) == '"' {
			return string(jsonb.AppendText(nil, val))
		}
	}
	if val, ok := jsonb.Get(doc, "name"); ok && jsonb.Kind(val) == '"' {
		return string(jsonb.AppendText(nil, val))
	}
	return "unknown"
}
