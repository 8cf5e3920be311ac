package gateway

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"sync"

	"vigil"
)

// identity is who a request says it is from, and what for.
type identity struct {
	user    vigil.User
	purpose []string
}

// who reads the identity of r. What only a trusted proxy may say is believed
// only from one.
func (g *Gateway) who(r *http.Request, trusted bool) identity {
	var id identity
	scheme, rest, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	rest = strings.TrimSpace(rest)
	switch {
	case strings.EqualFold(scheme, "Bearer") && rest != "":
		id = g.users.claims(rest)
		id.user.By = "bearer"
		if g.c.Verifier != nil {
			id.user.Verified = g.c.Verifier.VerifyToken(r.Context(), rest) == nil
		}
	case strings.EqualFold(scheme, "Basic") && rest != "":
		if b, err := base64.StdEncoding.DecodeString(rest); err == nil {
			name, _, ok := strings.Cut(string(b), ":")
			if !ok {
				break // a token, or nothing that is known
			}
			id.user = vigil.User{Subject: clip(name, maxClaim), Username: clip(name, maxClaim), By: "basic"}
		}
	}
	g.certificate(r, &id.user)
	// Of two of them the client may have sent one, and the server take that.
	if name := r.Header.Get(g.c.UserHeader); g.c.UserHeader != "" && trusted && name != "" && id.user.By == "" && len(r.Header.Values(g.c.UserHeader)) == 1 {
		id.user = vigil.User{Subject: clip(name, maxClaim), Username: clip(name, maxClaim), By: "header", Verified: true}
	}
	if g.c.PurposeHeader != "" {
		for _, line := range r.Header.Values(g.c.PurposeHeader) {
			for code := range strings.SplitSeq(line, ",") {
				id.purpose = appendNew(id.purpose, clip(strings.TrimSpace(code), maxClaim))
			}
		}
	}
	return id
}

// certificate takes the client certificate's subject as the user, or beside a
// token as the client.
func (g *Gateway) certificate(r *http.Request, u *vigil.User) {
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		return
	}
	cert := r.TLS.PeerCertificates[0]
	switch {
	case u.By == "":
		*u = vigil.User{
			Subject: clip(cert.Subject.String(), maxClaim), Name: clip(cert.Subject.CommonName, maxClaim),
			By: "certificate", Verified: len(r.TLS.VerifiedChains) > 0,
		}
	case u.Client == "":
		u.Client = clip(cert.Subject.CommonName, maxClaim)
	}
}

// maxClaim bounds what is kept of anything that a caller says about itself.
const maxClaim = 1024

// claims is the part of a token that says who has it (RFC 7519, OpenID Connect,
// SMART App Launch, IHE IUA).
type claims struct {
	Subject   text    `json:"sub"`
	Name      text    `json:"name"`
	Username  text    `json:"preferred_username"`
	FHIRUser  text    `json:"fhirUser"`
	ClientID  text    `json:"client_id"`
	AZP       text    `json:"azp"`
	AppID     text    `json:"appid"`
	Issuer    text    `json:"iss"`
	ID        text    `json:"jti"`
	Scope     texts   `json:"scope"`
	SCP       texts   `json:"scp"`
	Purpose   codings `json:"purpose_of_use"`
	Purposes  codings `json:"purposeOfUse"`
	Extension struct {
		IUA struct {
			Name    text    `json:"subject_name"`
			Purpose codings `json:"purpose_of_use"`
		} `json:"ihe_iua"`
	} `json:"extensions"`
}

// text takes any JSON value and keeps a string, or a number as it is written.
type text string

func (t *text) UnmarshalJSON(b []byte) error {
	var s string
	switch {
	case b[0] == '"':
		if err := json.Unmarshal(b, &s); err != nil {
			return err
		}
	case b[0] == '-' || b[0] >= '0' && b[0] <= '9':
		s = string(b)
	}
	*t = text(clip(s, maxClaim))
	return nil
}

// texts takes a string, or a list of them, which it puts between spaces.
type texts string

func (t *texts) UnmarshalJSON(b []byte) error {
	var list []text
	if b[0] != '[' {
		var one text
		err := json.Unmarshal(b, &one)
		*t = texts(one)
		return err
	}
	if err := json.Unmarshal(b, &list); err != nil {
		return err
	}
	var words []string
	for _, s := range list {
		words = append(words, string(s))
	}
	*t = texts(clip(strings.Join(words, " "), maxClaim))
	return nil
}

// codings takes codes, codings, CodeableConcepts, and lists of them.
type codings []string

func (c *codings) UnmarshalJSON(b []byte) error {
	switch b[0] {
	case '[':
		var list []codings
		if err := json.Unmarshal(b, &list); err != nil {
			return err
		}
		for _, l := range list {
			*c = appendNew(*c, l...)
		}
	case '{':
		var o struct {
			Code   text    `json:"code"`
			Coding codings `json:"coding"`
		}
		if err := json.Unmarshal(b, &o); err != nil {
			return err
		}
		*c = appendNew(o.Coding, string(o.Code))
	default:
		var t text
		if err := json.Unmarshal(b, &t); err != nil {
			return err
		}
		*c = appendNew(nil, string(t))
	}
	if len(*c) > 16 {
		*c = (*c)[:16]
	}
	return nil
}

// userCache remembers the claims of tokens, since a token comes many times. It
// never leaves memory and is emptied when it is full.
type userCache struct {
	mu sync.Mutex
	m  map[string]identity
}

func (c *userCache) claims(token string) identity {
	c.mu.Lock()
	id, ok := c.m[token]
	c.mu.Unlock()
	if ok {
		return id
	}
	id = parseClaims(token)
	if len(token) > 16<<10 {
		return id
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.m == nil || len(c.m) >= 2048 {
		c.m = make(map[string]identity)
	}
	c.m[token] = id
	return id
}

// parseClaims reads the payload of a JWT without checking anything. A token that
// is none says nothing.
func parseClaims(token string) identity {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return identity{}
	}
	b, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "="))
	if err != nil {
		return identity{}
	}
	var c claims
	if json.Unmarshal(b, &c) != nil {
		return identity{}
	}
	u := vigil.User{
		Subject: string(c.Subject), Name: string(c.Name), Username: string(c.Username), FHIRUser: string(c.FHIRUser),
		Client: string(c.ClientID), Issuer: string(c.Issuer), TokenID: string(c.ID), Scope: string(c.Scope),
	}
	for _, other := range []text{c.AZP, c.AppID} {
		if u.Client == "" {
			u.Client = string(other)
		}
	}
	if u.Scope == "" {
		u.Scope = string(c.SCP)
	}
	if u.Name == "" {
		u.Name = string(c.Extension.IUA.Name)
	}
	return identity{user: u, purpose: appendNew(appendNew(c.Purpose, c.Purposes...), c.Extension.IUA.Purpose...)}
}

// VerifierFunc adapts a function to a [TokenVerifier].
type VerifierFunc func(ctx context.Context, token string) error

// VerifyToken implements [TokenVerifier].
func (f VerifierFunc) VerifyToken(ctx context.Context, token string) error { return f(ctx, token) }
