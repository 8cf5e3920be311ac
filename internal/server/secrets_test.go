package server

import "testing"

func TestWithoutSecrets(t *testing.T) {
	const jwt = "eyJhbGciOiJIUzI1NiJ9.eyJyb2xlIjoiYWRtaW4ifQ.c2lnbmF0dXJl_-"
	for query, want := range map[string]string{
		"":                            "",
		"id=eq.1&event->>token=eq.7":  "id=eq.1&event->>token=eq.7", // a field of documents
		"patient=Patient/1&_count=2":  "patient=Patient/1&_count=2",
		"access_token=abc":            "access_token=REDACTED",
		"id=eq.1&Token=a b&x=y":       "id=eq.1&Token=REDACTED b&x=y",
		"GET /_logs?access_token=a.b": "GET /_logs?access_token=REDACTED",
		"a=1&client_secret=x&b=2":     "a=1&client_secret=REDACTED&b=2",
		"auth=" + jwt + "&b=2":        "auth=REDACTED&b=2",
		"GET /" + jwt + "/x":          "GET /REDACTED/x",
		"password=hunter2":            "password=REDACTED",
	} {
		if got := withoutSecrets(query); got != want {
			t.Errorf("%q: %q, want %q", query, got, want)
		}
	}
}
