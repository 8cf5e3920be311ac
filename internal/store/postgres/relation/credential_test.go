package relation

import (
	"strings"
	"testing"
)

// What a policy or trigger may see of a request is never a credential, under
// whatever name a proxy passes it on.
func TestCredentialHeaders(t *testing.T) {
	for name, value := range map[string]string{
		"Authorization": "Bearer very-secret", "Proxy-Authorization": "Basic very-secret", "Cookie": "a=very-secret",
		"X-Api-Key": "very-secret", "Ocp-Apim-Subscription-Key": "very-secret", "X-Auth-Token": "very-secret",
		"X-Seq-ApiKey": "very-secret", "X-Passwd": "very-secret", "X-Session-Id": "very-secret", "DPoP": "very-secret",
		"X-Goog-Iap-Jwt-Assertion": "very-secret", "X-Amzn-Oidc-Data": "very-secret", "X-Upstream": " Bearer very-secret",
		"X-Identity": "eyJhbGciOiJIUzI1NiJ9.very-secret.x", "Referer": "https://example.org/?access_token=very-secret",
		"X-Original-Url": "/events?apikey=very-secret",
	} {
		headers := map[string]string{name: value, "X-Reason": "for care", "Referer-Policy": "none", "host": "example.org"}
		s := &Session{Role: "clerk", Headers: headers}
		st, err := s.settings(&DB{}, "api", &role{})
		if err != nil {
			t.Fatal(err)
		}
		var all strings.Builder
		for _, arg := range st.args {
			all.Write(arg)
		}
		if text := all.String(); strings.Contains(text, "very-secret") || !strings.Contains(text, `"x-reason":"for care"`) || !strings.Contains(text, `"host":"example.org"`) {
			t.Errorf("%s: %s", name, text)
		}
	}
}
