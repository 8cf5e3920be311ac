package postgrest

import (
	"testing"

	"vigil/internal/store"
)

func TestCORS(t *testing.T) {
	const here, there = "https://here.example", "https://there.example"
	preflight := [][2]string{{"Access-Control-Request-Method", "POST"}, {"Access-Control-Request-Headers", "authorization,content-type"}}
	tests := []struct {
		name          string
		origins       []string
		method        string
		origin        string
		headers       [][2]string
		allow, expose string // wanted headers
		status        int
	}{
		{"off", nil, "GET", here, nil, "", "", 200},
		{"off, preflight", nil, "OPTIONS", here, preflight, "", "", 200},
		{"configured", []string{here}, "GET", here, nil, here, exposed, 200},
		{"another", []string{here}, "GET", there, nil, "", "", 200},
		{"same origin", []string{here}, "GET", "", nil, "", "", 200},
		{"every one", []string{"*"}, "GET", there, nil, "*", exposed, 200},
		{"preflight", []string{here}, "OPTIONS", here, preflight, here, "", 200},
		{"an error can be read too", []string{here}, "DELETE", here, nil, here, exposed, 405},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFace(t, openMemory(t, store.Config{}), func(c *Config) { c.CORSOrigins = tt.origins })
			headers := tt.headers
			if tt.origin != "" {
				headers = append([][2]string{{"Origin", tt.origin}}, headers...)
			}
			res := f.exchange(t, tt.method, "/events", headers, "")
			if got := res.Header.Get("Access-Control-Allow-Origin"); got != tt.allow || res.StatusCode != tt.status {
				t.Errorf("%d, allow %q", res.StatusCode, got)
			}
			if got := res.Header.Get("Access-Control-Expose-Headers"); got != tt.expose {
				t.Errorf("expose %q", got)
			}
			if tt.allow != "" && tt.method == "OPTIONS" && res.Header.Get("Access-Control-Allow-Methods") != "GET, POST, OPTIONS, HEAD" {
				t.Errorf("preflight: %v", res.Header)
			}
		})
	}
}
