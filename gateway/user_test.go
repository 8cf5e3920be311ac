package gateway_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"vigil"
	"vigil/gateway"
)

func itoa(n int) string { return strconv.Itoa(n) }

// serve sends one request to a handler on a socket. Status 0 is no answer, or
// one that breaks off.
func serve(t *testing.T, h http.Handler, method string) (int, string) {
	t.Helper()
	front := httptest.NewUnstartedServer(h)
	front.Config.ErrorLog = quiet()
	front.Start()
	defer front.Close()
	r, err := http.NewRequestWithContext(t.Context(), method, front.URL+"/fhir/Patient/p", strings.NewReader(""))
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(r)
	if err != nil {
		return 0, ""
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, string(b)
	}
	return resp.StatusCode, string(b)
}

// token is a JWT with these claims and no real signature.
func token(claims string) string {
	e := base64.RawURLEncoding.EncodeToString
	return e([]byte(`{"alg":"RS256"}`)) + "." + e([]byte(claims)) + "." + e([]byte("signature-of-nobody"))
}

func TestUsers(t *testing.T) {
	full := token(`{"sub":"u-1","name":"Nurse One","preferred_username":"nurse1","fhirUser":"Practitioner/d-1","azp":"app-1","client_id":"app-2",
		"jti":"t-1","iss":"https://idp.example","scope":"openid user/*.rs","purpose_of_use":["TREAT",{"system":"s","code":"ETREAT"}],
		"extensions":{"ihe_iua":{"subject_name":"Other","purpose_of_use":[{"coding":[{"code":"BTG"}]}]}}}`)
	bearer := vigil.User{
		Subject: "u-1", Name: "Nurse One", Username: "nurse1", FHIRUser: "Practitioner/d-1", Client: "app-2", TokenID: "t-1",
		Issuer: "https://idp.example", Scope: "openid user/*.rs", By: "bearer",
	}
	verified := bearer
	verified.Verified = true
	genuine := gateway.VerifierFunc(func(_ context.Context, tok string) error {
		if tok != full {
			return errors.New("forged")
		}
		return nil
	})
	for name, c := range map[string]struct {
		authorization string
		verifier      gateway.TokenVerifier
		want          vigil.User
		purpose       []string
	}{
		"none":        {"", nil, vigil.User{}, nil},
		"bearer":      {"Bearer " + full, nil, bearer, []string{"TREAT", "ETREAT", "BTG"}},
		"lower case":  {"bearer " + full, nil, bearer, []string{"TREAT", "ETREAT", "BTG"}},
		"verified":    {"Bearer " + full, genuine, verified, []string{"TREAT", "ETREAT", "BTG"}},
		"forged":      {"Bearer " + token(`{"sub":"u-2"}`), genuine, vigil.User{Subject: "u-2", By: "bearer"}, nil},
		"scope list":  {"Bearer " + token(`{"sub":5,"scp":["a","b"],"appid":"c"}`), nil, vigil.User{Subject: "5", Scope: "a b", Client: "c", By: "bearer"}, nil},
		"opaque":      {"Bearer abcdef0123", nil, vigil.User{By: "bearer"}, nil},
		"no JSON":     {"Bearer a." + base64.RawURLEncoding.EncodeToString([]byte("{")) + ".c", nil, vigil.User{By: "bearer"}, nil},
		"odd claims":  {"Bearer " + token(`{"sub":{"a":1},"name":["x"],"iss":null,"scope":7,"purpose_of_use":true}`), nil, vigil.User{Scope: "7", By: "bearer"}, nil},
		"basic":       {"Basic " + base64.StdEncoding.EncodeToString([]byte("clerk:pass:word")), nil, vigil.User{Subject: "clerk", Username: "clerk", By: "basic"}, nil},
		"bad basic":   {"Basic %%%", nil, vigil.User{}, nil},
		"other":       {"Negotiate abc", nil, vigil.User{}, nil},
		"header only": {"", nil, vigil.User{}, nil}, // X-User of somebody untrusted
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, http.NotFoundHandler(), func(c2 *gateway.Config) { c2.Verifier, c2.UserHeader = c.verifier, "X-User" })
			headers := []string{"X-User: intruder"}
			if c.authorization != "" {
				headers = append(headers, "Authorization: "+c.authorization)
			}
			s.get("/fhir/Patient/p", headers...)
			s.get("/fhir/Patient/p", headers...) // from the cache
			for _, x := range s.exchanges() {
				if x.User != c.want || !reflect.DeepEqual(x.Purpose, c.purpose) {
					t.Errorf("user %+v, purpose %v", x.User, x.Purpose)
				}
			}
		})
	}
}

// TestNoSecrets looks for tokens and passwords in everything that is recorded.
func TestNoSecrets(t *testing.T) {
	s := start(t, http.NotFoundHandler(), func(c *gateway.Config) {
		c.PurposeHeader, c.AuditHeaders = "X-Purpose", []string{"x-ms-azurefhir-audit-", "X-Goog-Healthcare-Audit-"}
	})
	tok := token(`{"sub":"u"}`)
	secret := "s3cr3tvalue"
	s.get("/fhir/Patient?access_token="+secret+"&name=x&%61ccess_%74oken="+secret+"&client%5Fsecret="+secret+"&PASSWORD="+secret,
		"Authorization: Bearer "+tok, "Cookie: session="+secret, "X-Api-Key: "+secret, "If-None-Exist: token="+secret,
		"X-Purpose: TREAT, HPAYMT", "X-MS-AZUREFHIR-AUDIT-site: ward 7", "X-Goog-Healthcare-Audit-App: a", "X-Correlation-Id: corr-1",
		"X-Request-Id: req-1")
	s.get("/fhir/Patient", "Authorization: Basic "+base64.StdEncoding.EncodeToString([]byte("clerk:"+secret)),
		"Traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "X-Request-Id: with space")
	all := s.exchanges()
	for _, e := range s.log.all() {
		for _, bad := range []string{secret, "signature-of-nobody", tok[:30], strings.Split(tok, ".")[1], strings.Split(tok, ".")[2]} {
			if strings.Contains(string(e.Doc), bad) {
				t.Errorf("%s is in %s", bad, e.Doc)
			}
		}
	}
	x := all[0]
	if fmt.Sprint(x.Purpose) != "[TREAT HPAYMT]" || x.Headers["X-Ms-Azurefhir-Audit-Site"] != "ward 7" || len(x.Headers) != 2 ||
		x.Correlation != "corr-1" || x.RequestID != "req-1" || x.ID == "req-1" {
		t.Errorf("recorded %+v", x)
	}
	if x := all[1]; x.Correlation != "0af7651916cd43dd8448eb211c80319c" || x.RequestID != x.ID {
		t.Errorf("recorded %+v", x)
	}
}

// TestXAudit records what the caller sent, and never anything that a store
// would refuse.
func TestXAudit(t *testing.T) {
	for in, want := range map[string]string{
		`{"role":"nurse","n":1.50,"l":[1,{"a":null}]}`: `{"l":[1,{"a":null}],"n":1.50,"role":"nurse"}`,
		`{"a":1e999999,"b":"\ud800","c":"x\u0000y"}`:   `{"a":"1e999999","b":"�","c":"x\ufffdy"}`,
		`[1]`:   "",
		`null`:  "",
		`{"a":`: "",
		`{} x`:  "",
		`{"a":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `}`: "",
	} {
		s := start(t, http.NotFoundHandler())
		s.get("/fhir/Patient/p%00q%0d%1b%5b31m", "X-Audit: "+base64.StdEncoding.EncodeToString([]byte(in)))
		x := s.only()
		doc := string(s.log.all()[0].Doc)
		if want != "" && !strings.Contains(doc, `"audit":`+want) || want == "" && (x.Audit != nil || len(x.Notes) != 1) {
			t.Errorf("%s: %s", in, doc)
		}
		if strings.Contains(doc, `\u0000`) || strings.ContainsAny(doc, "\x00\r\n\x1b") || x.Key != "p�q\r\x1b[31m" || len(x.Patients) != 0 {
			t.Errorf("document %q", doc)
		}
	}
}

// TestTwoUserHeaders believes none of two: the trusted proxy may have set the one, and
// the client the other.
func TestTwoUserHeaders(t *testing.T) {
	s := start(t, http.NotFoundHandler(), func(c *gateway.Config) {
		c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
		c.UserHeader = "X-User"
	})
	s.get("/fhir/Patient/1", "X-User: root", "X-User: nurse-1")
	if u := s.only().User; u.By != "" || u.Subject != "" {
		t.Errorf("user %+v", u)
	}
}
