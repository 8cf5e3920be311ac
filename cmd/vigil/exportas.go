package main

import (
	"fmt"

	"vigil"
	"vigil/internal/config"
	"vigil/internal/format/convert"
	"vigil/internal/format/fhir"
	"vigil/internal/jsonb"
)

// asLogserver returns what makes of a row of audit_events one of a logserver's
// table: with its id, and the AuditEvent as a document of logserver's schema.
func asLogserver(cfg *config.Config) func(line []byte) ([]byte, error) {
	c := convert.New(convert.Config{Zone: cfg.Zone, BaseURL: cfg.BaseURL})
	var out []byte
	return func(line []byte) ([]byte, error) {
		id, _ := jsonb.Get(line, "id")
		event, _ := jsonb.Get(line, "event")
		n, err := fhir.ParseJSON(event, fhir.Limits{})
		if err == nil {
			event, err = c.Logserver(n, fhir.Guess(n))
		}
		if err != nil {
			return nil, fmt.Errorf("row %s of %s: %w", id, vigil.TableAuditEvents, err)
		}
		out = append(append(append(out[:0], `{"id":`...), id...), `,"event":`...)
		out = append(append(out, event...), '}')
		return out, nil
	}
}
