package gateway_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"vigil/gateway"
)

// TestSpoolHasNoSecrets looks at what the spool is given: passwords and tokens in
// forms and in JSON are replaced before that, whatever the level.
func TestSpoolHasNoSecrets(t *testing.T) {
	const secret = "hunter2"
	for name, c := range map[string]struct {
		level                          gateway.Level
		reqType, req, respType, answer string
	}{
		"token endpoint": {
			gateway.Metadata, "application/x-www-form-urlencoded", "grant_type=password&username=u&password=" + secret,
			"application/json;charset=UTF-8", `{"Access_Token":"` + secret + `","expires_in":3600}`,
		},
		"resource": {
			gateway.Metadata, "application/json", `{"resourceType":"User","id":"u","password":{"nested":["` + secret + `"]}}`,
			"application/fhir+json", `{"resourceType":"Client","id":"c","secret" : "` + secret + `"}`,
		},
		"parameters": {
			gateway.Metadata, "application/fhir+json", `{"resourceType":"Parameters","parameter":[{"valueString":"` + secret + `","name":"newPassword"}]}`,
			"application/fhir+json", `{"resourceType":"Patient","id":"p"}`,
		},
		"long, and kept": {
			gateway.RequestResponse, "application/fhir+json", `{"x":"` + strings.Repeat("y", 100<<10) + `","password":"` + secret + `"}`,
			"application/fhir+ndjson", `{"a":1}` + "\n" + `{"token":"` + secret + `"}` + "\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := &steps{}
			g, err := gateway.New(gateway.Config{Spool: s, Level: c.level})
			if err != nil {
				t.Fatal(err)
			}
			h := g.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if b, err := io.ReadAll(r.Body); err != nil || string(b) != c.req {
					t.Errorf("the server got %q, %v", b, err)
				}
				w.Header().Set("Content-Type", c.respType)
				io.WriteString(w, c.answer)
			}))
			r := httptest.NewRequest(http.MethodPost, "/fhir/x", strings.NewReader(c.req))
			r.Header.Set("Content-Type", c.reqType)
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Body.String() != c.answer {
				t.Errorf("the client got %q", w.Body)
			}
			var exchanges int
			for _, rec := range s.recs {
				exchanges += bytes.Count(rec, []byte("/fhir/x"))
				if bytes.Contains(rec, []byte(secret)) {
					t.Errorf("the spool has %q", rec)
				}
			}
			if exchanges != 1 {
				t.Errorf("%d exchanges", exchanges)
			}
		})
	}
}
