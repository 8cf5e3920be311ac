package main

import (
	"encoding/json"
	"strings"

	"vigil"
	"vigil/internal/format/fhir/balp"
	"vigil/internal/format/oracle"
	"vigil/internal/query"
	"vigil/internal/store"
)

// oracleView is Oracle HDR's audit table over the table exchanges. Payloads says
// whether the payloads that an exchange has are shown.
func oracleView(payloads bool) store.View {
	types := [oracle.NumColumns]query.Type{
		oracle.HTTPResCode: query.Int8, oracle.ProcessingTimeMillis: query.Int8,
		oracle.EventTimestamp: query.Timestamptz, oracle.AuditEvent: query.JSONB,
	}
	schema := query.Schema{
		Table: oracle.Table, ReadOnly: true,
		Comment: "What Oracle HDR's table OHF_HDR_FHIR_AUDIT says of each exchange",
	}
	for c := range oracle.NumColumns {
		if types[c] == 0 {
			types[c] = query.Text
		}
		schema.Columns = append(schema.Columns, query.Column{Name: strings.ToLower(c.String()), Type: types[c], Comment: c.Comment()})
	}
	plain := oracle.Options{Payloads: payloads}
	full := oracle.Options{Payloads: payloads, AuditEvents: balp.New(balp.Config{}).Events}
	return store.View{
		Schema: schema, Base: vigil.TableExchanges, SQL: oracleViewSQL(payloads),
		Value: func(e *vigil.Event, i int) query.Value {
			o := &plain
			if oracle.Column(i) == oracle.AuditEvent {
				o = &full
			}
			return oracleValue(e, o, oracle.Column(i), types[i])
		},
	}
}

// oracleValue returns a column of one exchange; null where the document is none.
func oracleValue(e *vigil.Event, o *oracle.Options, c oracle.Column, t query.Type) query.Value {
	var x vigil.Exchange
	if e.Format != vigil.FormatExchange || json.Unmarshal(e.Doc, &x) != nil {
		return query.Value{Type: t}
	}
	r, err := o.Of(&x)
	if err != nil {
		return query.Value{Type: t}
	}
	number := func(n int64, valid bool) query.Value { return query.Value{Type: t, Valid: valid, I: n} }
	text := func(s string) query.Value { return query.Value{Type: t, Valid: s != "", B: []byte(s)} }
	switch c {
	case oracle.AuditID:
		return text(r.AuditID)
	case oracle.UserID:
		return text(r.UserID)
	case oracle.ResourceName:
		return text(r.ResourceName)
	case oracle.HTTPReqType:
		return text(r.Method)
	case oracle.RequestURL:
		return text(r.URL)
	case oracle.HTTPResCode:
		return number(int64(r.Status), r.Status != 0)
	case oracle.SourceIPAddress:
		return text(r.SourceIP)
	case oracle.ProcessingTimeMillis:
		return number(r.ProcessingTime.Milliseconds(), true)
	case oracle.RequestPayload:
		return text(r.RequestPayload)
	case oracle.ResponsePayload:
		return text(r.ResponsePayload)
	case oracle.EventTimestamp:
		return number(r.Timestamp.UnixMicro(), !r.Timestamp.IsZero())
	}
	return text(string(r.AuditEvent))
}

// oracleViewSQL returns what makes the view in a database. The AuditEvent of an
// exchange is the next entry of the log, as a gateway hands them over together.
func oracleViewSQL(payloads bool) func(base string) string {
	body := func(name string) string {
		if !payloads {
			return "null::text"
		}
		b := "event->'" + name + "'->"
		return "coalesce(" + b + ">'text', 'base64:' || (" + b + ">'binary')) || case when " + b + "'cut' = 'true' then '" + oracle.CutMark + "' else '' end"
	}
	return func(base string) string {
		return strings.NewReplacer("BASE", base, "REQUEST", body("requestBody"), "RESPONSE", body("responseBody")).Replace(`
			select event->>'id' as audit_id,
				coalesce(event->'user'->>'sub', event->'user'->>'username', event->'user'->>'name', event->'user'->>'client') as user_id,
				event->>'type' as resource_name,
				event->>'method' as http_req_type,
				(event->>'path') || coalesce('?' || nullif(event->>'query', ''), '') as request_url,
				case when event->>'status' ~ '^[1-9][0-9]{0,8}$' then (event->>'status')::bigint end as http_res_code,
				event->'peer'->>0 as source_ip_address,
				case when event->>'duration' ~ '^[0-9]{1,18}$' then (event->>'duration')::bigint / 1000000 end as processing_time_millis,
				REQUEST as request_payload,
				RESPONSE as response_payload,
				vigil.time_of(event->'start', 'UTC') as event_timestamp,
				(select a.event from api.audit_events a where a._index = x._index + 1 and (x.event->>'requestId' is null
					or a.event @> jsonb_build_object('entity', jsonb_build_array(jsonb_build_object('what',
						jsonb_build_object('identifier', jsonb_build_object('value', x.event->'requestId'))))))) as atna_auditevent
			from BASE x`)
	}
}
