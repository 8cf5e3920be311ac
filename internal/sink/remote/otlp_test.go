package remote

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"vigil/internal/sink"
)

func TestOTLP(t *testing.T) {
	r := bodyOf(t, func(c Config) (*Sink, error) {
		return NewOTLP(c, OTLPOptions{Resource: map[string]string{"service.name": "gw", "deployment.environment": "t"}})
	}, "otlp", `{"ts":"2024-01-31T13:35:43.123Z","lvl":"warn","d":15,"x":[1.5,true,null,{"y":"z"}],"big":123456789012345678901,"s":"a\"b"}`, `"text"`)
	at := strconv.FormatInt(taken.UnixNano(), 10)
	want := `{"resourceLogs":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"gw"}},{"key":"deployment.environment","value":{"stringValue":"t"}}]},"scopeLogs":[{"scope":{"name":"vigil"},"logRecords":[` +
		`{"timeUnixNano":"1706708143123000000","observedTimeUnixNano":"` + at + `","severityNumber":13,"severityText":"warn","body":{"kvlistValue":{"values":[{"key":"ts","value":{"stringValue":"2024-01-31T13:35:43.123Z"}},{"key":"lvl","value":{"stringValue":"warn"}},{"key":"d","value":{"intValue":"15"}},{"key":"x","value":{"arrayValue":{"values":[{"doubleValue":1.5},{"boolValue":true},{},{"kvlistValue":{"values":[{"key":"y","value":{"stringValue":"z"}}]}}]}}},{"key":"big","value":{"stringValue":"123456789012345678901"}},{"key":"s","value":{"stringValue":"a\"b"}}]}},"attributes":[{"key":"vigil.table","value":{"stringValue":"logs"}},{"key":"log.record.uid","value":{"stringValue":"` + events("1")[0].UID.String() + `"}}]},` +
		`{"timeUnixNano":"` + at + `","observedTimeUnixNano":"` + at + `","body":{"stringValue":"\"text\""},"attributes":[{"key":"vigil.table","value":{"stringValue":"logs"}},{"key":"log.record.uid","value":{"stringValue":"` + events("1", "2")[1].UID.String() + `"}}]}]}]}]}`
	if diff := cmp.Diff(want, r.body); diff != "" || r.path != "/v1/logs" || !json.Valid([]byte(r.body)) {
		t.Errorf("path %s, body (-want +got):\n%s", r.path, diff)
	}
	r = bodyOf(t, func(c Config) (*Sink, error) {
		c.Line = sink.Envelope
		return NewOTLP(c, OTLPOptions{})
	}, "otlp", `{"level":"critical"}`)
	if !strings.Contains(r.body, `"severityNumber":21,"severityText":"critical"`) {
		t.Errorf("the severity of the document in an envelope: %s", r.body)
	}
	// A server that wants protobuf refuses no line.
	var none aside
	deaf := serve(t, say(400, "json encoding isn't supported for opentelemetry format. Use protobuf encoding"))
	if err := must(t)(NewOTLP(config(deaf.URL, &none), OTLPOptions{})).Write(t.Context(), events("1")); err == nil || len(none.got) > 0 {
		t.Errorf("a server without JSON: %v, set aside %v", err, none.got)
	}
	// A partial success must not be sent again.
	for rejected, want := range map[int]int{1: 1, 2: 2, 3: 2} {
		srv := serve(t, say(200, fmt.Sprintf(`{"partialSuccess":{"rejectedLogRecords":"%d","errorMessage":"too old"}}`, rejected)))
		var a aside
		s := must(t)(NewOTLP(config(srv.URL, &a), OTLPOptions{}))
		if err := s.Write(t.Context(), events("1", "2")); err != nil || len(a.got) != want || len(srv.requests()) != 1 || !strings.Contains(a.got[0].Reason, "too old") {
			t.Errorf("%d rejected: %v, set aside %v", rejected, err, a.got)
		}
	}
}
