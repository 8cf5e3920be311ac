package auth

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/hex"
	"math/big"
	"strings"
	"testing"
	"time"

	"vigil"
)

// cheapHash is HashSecret with few iterations.
func cheapHash(t testing.TB, s string) string {
	t.Helper()
	salt := []byte("0123456789abcdef")
	h, err := pbkdf2.Key(sha256.New, s, salt, 1000, sha256.Size)
	if err != nil {
		t.Fatal(err)
	}
	enc := base64.RawStdEncoding.EncodeToString
	return "pbkdf2-sha256$1000$" + enc(salt) + "$" + enc(h)
}

func basic(id, secret string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(id+":"+secret))
}

func TestBasic(t *testing.T) {
	full, err := HashSecret("pa:ss wörd")
	if err != nil {
		t.Fatal(err)
	}
	a := mustNew(t, Config{AnonRole: "web_anon", Basic: []Client{{"app", cheapHash(t, "one"), "event_writer"}, {"slow", full, "auditor"}}})
	const no = "PGRST301 Client name or secret is wrong"
	for name, tt := range map[string]struct{ header, want string }{
		"right":            {basic("app", "one"), "role event_writer"},
		"full strength":    {basic("slow", "pa:ss wörd"), "role auditor"},
		"scheme in lower":  {"basic" + strings.TrimPrefix(basic("app", "one"), "Basic"), "role event_writer"},
		"wrong secret":     {basic("app", "two"), no},
		"empty secret":     {basic("app", ""), no},
		"unknown":          {basic("nobody", "one"), no},
		"no colon":         {"Basic " + base64.StdEncoding.EncodeToString([]byte("app")), no},
		"not base64":       {"Basic %%%", no},
		"empty":            {"Basic", no},
		"huge":             {basic("app", strings.Repeat("x", 10_000)), no},
		"bearer of Basic":  {"Bearer " + strings.TrimPrefix(basic("app", "one"), "Basic "), "PGRST300 Server lacks JWT secret"},
		"another's secret": {basic("slow", "one"), no},
	} {
		times := 1
		if tt.want != no { // the second time from memory
			times = 2
		}
		for range times {
			p, err := a.Authenticate(request(tt.header))
			if got := outcome(p, err); got != tt.want {
				t.Errorf("%s: %s, want %s", name, got, tt.want)
			}
			if tt.want == no && Challenge(err) != `Basic realm="vigil", charset="UTF-8"` {
				t.Errorf("%s: challenge %s", name, Challenge(err))
			}
		}
	}
	if p, err := a.Authenticate(request(basic("app", "one"))); err != nil || p.Client != "app" || !p.Authenticated || p.Anonymous {
		t.Errorf("%+v, %v", p, err)
	}
}

// TestBasicOneAtATime checks that guesses queue up for one core, not for all.
func TestBasicOneAtATime(t *testing.T) {
	a := mustNew(t, Config{Basic: []Client{{"app", cheapHash(t, "one"), "event_writer"}}})
	a.derive <- struct{}{}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if p, err := a.Authenticate(request(basic("app", "one")).WithContext(ctx)); err == nil {
		t.Errorf("%+v", p)
	}
	_, err := a.Authenticate(request(basic("app", "one")))
	if vigil.KindOf(err) != vigil.TooMany || Challenge(err) != "" {
		t.Errorf("got %v, %q", err, Challenge(err))
	}
	<-a.derive
	if p, err := a.Authenticate(request(basic("app", "one"))); err != nil {
		t.Errorf("%+v, %v", p, err)
	}
}

func certificate(t testing.TB, name string, end time.Time) *x509.Certificate {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name, Organization: []string{"Example"}},
		DNSNames: []string{name + ".example"}, NotAfter: end,
	}, &x509.Certificate{Subject: pkix.Name{CommonName: "Test CA"}}, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestCertificates(t *testing.T) {
	c := newClock()
	end := c.t.Add(time.Hour)
	dn, dns, print, none := certificate(t, "dn", end), certificate(t, "dns", end), certificate(t, "print", end), certificate(t, "none", end)
	sum := sha256.Sum256(print.Raw)
	a := mustNew(t, Config{Secrets: []string{secret}, AnonRole: "web_anon", Now: c.now, Certs: []CertSubject{
		{"CN=dn,O=Example", "event_logger"}, {"dns:dns.example", "auditor"}, {"sha256:" + strings.ToUpper(hex.EncodeToString(sum[:])), "admin"},
	}})
	ask := func(c *x509.Certificate, verified bool, auth ...string) string {
		r := request(auth...)
		r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{c}}
		if verified {
			r.TLS.VerifiedChains = [][]*x509.Certificate{{c}}
		}
		return outcome(a.Authenticate(r))
	}
	for range 2 {
		for name, tt := range map[string]struct{ got, want string }{
			"name":             {ask(dn, true), "role event_logger"},
			"alternative name": {ask(dns, true), "role auditor"},
			"fingerprint":      {ask(print, true), "role admin"},
			"unknown":          {ask(none, true), "PGRST301 The client certificate is not known"},
			"not verified":     {ask(dn, false), "role web_anon"},
			"a token counts":   {ask(dn, true, "Bearer "+raw(t, `{"alg":"HS256"}`, `{"role":"auditor"}`, secret)), "role auditor"},
			"a broken token":   {ask(dn, true, "Bearer x"), "PGRST301 Expected 3 parts in JWT; got 1"},
		} {
			if tt.got != tt.want {
				t.Errorf("%s: %s, want %s", name, tt.got, tt.want)
			}
		}
	}
	c.t = end.Add(time.Second)
	if got := ask(dn, true); got != "PGRST301 The client certificate has expired" {
		t.Error(got)
	}
}

func TestGrants(t *testing.T) {
	g, err := NewGrants(Grant{"nurse", "ward", Insert}, Grant{"nurse", "ward", Select}, Grant{"idle", "", 0}, Grant{"web_anon", "notes", Select})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		role, table string
		want        Action
	}{
		{"web_anon", "events", Select},
		{"web_anon", "events_view", Select},
		{"web_anon", "audit_events", 0},
		{"web_anon", "notes", Select},
		{"event_logger", "events", All},
		{"event_logger", "events_view", Select},
		{"event_logger", "system", 0},
		{"admin", "system", Select}, // adding there is granted by name only
		{"gateway", "system", Insert},
		{"gateway", "events", 0},
		{"event_writer", "events", Insert},
		{"event_writer", "events_view", 0},
		{"auditor", "system", Select},
		{"auditor", "anything", Select},
		{"admin", "audit_events", All},
		{"nurse", "ward", All},
		{"nurse", "events", 0},
		{"idle", "events", 0},
		{"nobody", "events", 0},
		{"", "events", 0},
	} {
		p := &Principal{Role: tt.role}
		for _, a := range []Action{Select, Insert, All} {
			err := g.Check(p, tt.table, a)
			if (err == nil) != (tt.want&a == a) {
				t.Errorf("%s may %v on %s: %v", tt.role, a, tt.table, err)
			}
			if err != nil && vigil.KindOf(err) != vigil.Forbidden {
				t.Errorf("%v", err)
			}
		}
		if g.Check(p, tt.table, 0) == nil {
			t.Error("nothing was asked for, and it was granted")
		}
	}
	for table, want := range map[string]string{"events": "permission denied for table events", "events_view": "permission denied for view events_view"} {
		err := g.Check(&Principal{Role: "web_anon", Anonymous: true}, table, Insert)
		if got := outcome(nil, err); got != "42501 "+want || Challenge(err) != "Bearer" {
			t.Errorf("%s, %s", got, Challenge(err))
		}
	}
	if _, err := NewGrants(Grant{"", "events", Select}); err == nil {
		t.Error("a grant to nobody")
	}
	for s, want := range map[string]Action{"select": Select, "INSERT": Insert, "select, insert": All, "all": All, "delete": 0, "": 0} {
		a, err := ParseAction(s)
		if a != want || (err == nil) != (want != 0) {
			t.Errorf("ParseAction(%q) = %v, %v", s, a, err)
		}
		if again, err := ParseAction(a.String()); want != 0 && (err != nil || again != a) {
			t.Errorf("%v does not come back: %v, %v", a, again, err)
		}
	}
}

func TestSMART(t *testing.T) {
	const none = "none" // it is not about AuditEvents, or no scope of SMART
	for s, want := range map[string]string{
		"system/AuditEvent.c": "insert", "system/AuditEvent.r": "read", "system/AuditEvent.s": "search",
		"system/AuditEvent.u": "", "system/AuditEvent.d": "", "system/AuditEvent.ud": "",
		"system/AuditEvent.cr": "read, insert", "system/AuditEvent.cs": "search, insert", "system/AuditEvent.ru": "read",
		"system/AuditEvent.ds": "search", "system/AuditEvent.rs": "select", "system/AuditEvent.rds": "select",
		"system/AuditEvent.crs": "select, insert", "system/AuditEvent.cruds": "select, insert", "system/AuditEvent.cud": "insert",
		"system/AuditEvent.read": "select", "system/AuditEvent.write": "insert", "system/AuditEvent.*": "select, insert",
		"system/*.read": "select", "system/*.crs": "select, insert", "system/*.r": "read", "system/*.*": "select, insert",
		"system/AuditEvent.rs?type=rest": "", "system/AuditEvent.read?type=rest": "",
		"system/AuditEvent.sr": none, "system/AuditEvent.rr": none, "system/AuditEvent.rsx": none, "system/AuditEvent.": none,
		"system/AuditEvent.?type=rest": none, "system/AuditEvent": none, "system/Patient.read": none, "system/Patient.cruds": none,
		"user/AuditEvent.read": none, "patient/AuditEvent.rs": none, "system/AuditEvents.rs": none, "System/AuditEvent.rs": none,
		"AuditEvent.rs": none, "openid": none, "": none,
	} {
		a, name := smartScope(s)
		got, as := a.String(), strings.ReplaceAll(s, "?type=rest", "?…")
		if name == "" {
			got, as = none, ""
		}
		if got != want || name != as {
			t.Errorf("%s: %q as %q, want %q", s, got, name, want)
		}
	}
	a := mustNew(t, Config{Secrets: []string{secret}})
	g := a.Grants()
	for scopes, want := range map[string]struct {
		allowed Action
		role    string
	}{
		`["launch","system/AuditEvent.c"]`:                       {Insert, "system/AuditEvent.c"},
		`"system/AuditEvent.r system/AuditEvent.s"`:              {Select, "system/AuditEvent.r"},
		`"system/AuditEvent.d openid system/AuditEvent.s"`:       {Search, "system/AuditEvent.s"},
		`"system/AuditEvent.u system/AuditEvent.d"`:              {0, "system/AuditEvent.u"},
		`"system/AuditEvent.rs?type=rest system/*.c openid x.y"`: {Insert, "system/*.c"},
	} {
		p, err := a.Authenticate(request("Bearer " + raw(t, `{"alg":"HS256"}`, `{"scope":`+scopes+`}`, secret)))
		if err != nil {
			t.Errorf("%s: %v", scopes, err)
			continue
		}
		if p.Role != want.role || g.Allowed(p, vigil.TableAuditEvents) != want.allowed || g.Allowed(p, vigil.TableEvents) != 0 {
			t.Errorf("%s: %+v, allowed %q, want %q", scopes, p, g.Allowed(p, vigil.TableAuditEvents), want.allowed)
		}
		for _, x := range []Action{Read, Search, Insert, Select, All} {
			switch err := g.Check(p, vigil.TableAuditEvents, x); {
			case want.allowed&x == x && err != nil:
				t.Errorf("%s: %s: %v", scopes, x, err)
			case want.allowed&x != x && vigil.KindOf(err) != vigil.Forbidden:
				t.Errorf("%s: %s: %v, want that it is forbidden", scopes, x, err)
			}
		}
	}
}
