package auth

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// Issuer is a party whose tokens are taken.
type Issuer struct {
	URL       string   // its name: the iss of its tokens, exactly
	Keys      string   // URL or file of its JWK set; empty asks URL where it is (OpenID Connect Discovery)
	Audience  []string // a token must be for one of these; empty is [Config.Audience]
	RoleClaim string   // where the role is; empty is [Config.RoleClaim]
}

// Config says whom to believe.
type Config struct {
	// Secrets verify tokens that no [Issuer] claims: each a literal of at least 32
	// characters for HS256, or the text of a JWK or JWK set. During a rotation
	// there are two.
	Secrets       []string
	SecretsBase64 bool     // the secrets are base64 of what they are
	KeyFiles      []string // JWK sets, as Secrets; read again when they change
	KeyURLs       []string // JWK sets of public keys, as Secrets
	Issuers       []Issuer

	Audience  []string // a token that names an audience must name one of these; empty is any
	RoleClaim string   // see [ParsePath]; empty is .role
	AnonRole  string   // role of requests without credentials; empty refuses them

	Basic []Client      // who may come with a name and a secret
	Certs []CertSubject // who may come with a client certificate

	Grants    *Grants        // the roles that there are; nil is the default ones
	CacheSize int            // credentials remembered; 0 is 4096
	Roots     *x509.CertPool // authorities for KeyURLs and Issuers; nil is the system's
	Log       *slog.Logger
	Now       func() time.Time // nil is time.Now
}

// Authenticator tells who sent a request. It is safe for concurrent use.
type Authenticator struct {
	cfg     Config
	sources []*source
	basic   map[string]*client
	derive  chan struct{} // held while a secret is derived: it is slow on purpose
	certs   map[string]string
	anon    *Principal
	// What was right before: tokens, Basic credentials, certificates.
	tokens, passwords, seen, genuine *cache
	era                              atomic.Uint64 // changes when keys do
}

// recheck is how long a token is believed without a look at its key, in seconds.
const recheck = 60

// New checks the configuration. Keys at URLs are first asked for when a token
// needs them; an unreachable issuer does not keep the server from starting.
func New(c Config) (*Authenticator, error) {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.CacheSize == 0 {
		c.CacheSize = 4096
	}
	var err error
	if c.Grants == nil {
		if c.Grants, err = NewGrants(); err != nil {
			return nil, err
		}
	}
	a := &Authenticator{
		cfg: c, derive: make(chan struct{}, 1),
		tokens: newCache(c.CacheSize), passwords: newCache(c.CacheSize), seen: newCache(c.CacheSize), genuine: newCache(c.CacheSize),
	}
	if err := a.addKeys(); err != nil {
		return nil, err
	}
	if a.basic, err = readClients(c.Basic, c.Grants); err != nil {
		return nil, err
	}
	if a.certs, err = readCerts(c.Certs, c.Grants); err != nil {
		return nil, err
	}
	if c.AnonRole != "" {
		if !c.Grants.Known(c.AnonRole) {
			return nil, fmt.Errorf("anonymous role %q: there is no such role", c.AnonRole)
		}
		a.anon = &Principal{Role: c.AnonRole, Roles: []string{c.AnonRole}, Anonymous: true}
	}
	return a, nil
}

// addKeys makes the sources.
func (a *Authenticator) addKeys() error {
	role, err := ParsePath(a.cfg.RoleClaim)
	if err != nil {
		return err
	}
	var static []key
	for _, s := range a.cfg.Secrets {
		keys, err := secretKeys(s, a.cfg.SecretsBase64)
		if err != nil {
			return err
		}
		static = append(static, keys...)
	}
	if static != nil {
		s := a.source("secret", role)
		s.keys.Store(&static)
	}
	fetch := newFetcher(a.cfg.Roots)
	for _, f := range a.cfg.KeyFiles {
		if err := a.source(f, role).follow(f, fetch); err != nil {
			return err
		}
	}
	for _, u := range a.cfg.KeyURLs {
		if err := a.source(u, role).follow(u, fetch); err != nil {
			return err
		}
	}
	for _, i := range a.cfg.Issuers {
		if err := a.addIssuer(i, role, fetch); err != nil {
			return fmt.Errorf("issuer %q: %w", i.URL, err)
		}
	}
	return nil
}

// addIssuer makes the source of one issuer.
func (a *Authenticator) addIssuer(i Issuer, role *Path, fetch *fetcher) error {
	if i.URL == "" {
		return errors.New("an issuer needs its URL")
	}
	if slices.ContainsFunc(a.sources, func(s *source) bool { return s.issuer == i.URL }) {
		return errors.New("configured twice")
	}
	s := a.source(i.URL, role)
	s.issuer = i.URL
	if i.RoleClaim != "" {
		var err error
		if s.role, err = ParsePath(i.RoleClaim); err != nil {
			return err
		}
	}
	if len(i.Audience) > 0 {
		s.audience, s.strict = i.Audience, true
	}
	if i.Keys != "" {
		return s.follow(i.Keys, fetch)
	}
	if err := fetch.allow(i.URL); err != nil {
		return err
	}
	s.fetch, s.age, s.gap = fetch.discover(i.URL), remoteAge, remoteGap
	return nil
}

// source adds a source without keys.
func (a *Authenticator) source(name string, role *Path) *source {
	s := &source{
		name: name, audience: a.cfg.Audience, role: role, now: a.cfg.Now, log: a.cfg.Log,
		changed: func() { a.era.Add(1) },
	}
	a.sources = append(a.sources, s)
	return s
}

// follow makes s read its keys from a URL, or from a file, which is read now.
func (s *source) follow(where string, fetch *fetcher) error {
	if strings.HasPrefix(where, "https://") || strings.HasPrefix(where, "http://") {
		s.fetch, s.age, s.gap = fetch.jwks(where), remoteAge, remoteGap
		return fetch.allow(where)
	}
	s.fetch, s.age, s.gap = readFile(where), fileAge, time.Second
	s.tried = s.now()
	keys, err := s.fetch(context.Background())
	if err != nil {
		return err
	}
	s.set(keys)
	return nil
}

// Authenticate returns who sent r. Its errors are [vigil.Error]s with PostgREST's
// codes, Unauthenticated but for the ones that ask to come again; [Challenge] has
// their header. Requests with an Authorization header are never anonymous.
func (a *Authenticator) Authenticate(r *http.Request) (*Principal, error) {
	header := r.Header["Authorization"]
	if len(header) == 0 {
		if len(a.certs) > 0 && r.TLS != nil && len(r.TLS.VerifiedChains) > 0 {
			return a.certificate(r.TLS.VerifiedChains[0][0])
		}
		if a.anon == nil {
			return nil, refuse(codeAnonymous, "Anonymous access is disabled")
		}
		return a.anon, nil
	}
	if len(header) > 1 {
		return nil, refuse(codeToken, "More than one Authorization header")
	}
	scheme, rest, _ := strings.Cut(header[0], " ")
	rest = strings.Trim(rest, " ")
	switch {
	case len(scheme) == 6 && strings.EqualFold(scheme, "Bearer"):
		return a.bearer(r.Context(), rest)
	case strings.EqualFold(scheme, "Basic") && len(a.basic) > 0:
		return a.password(r.Context(), rest)
	}
	e := refuse(codeToken, "Authentication scheme not supported")
	e.Hint = "Send the header Authorization: Bearer with a JSON Web Token."
	return nil, e
}

// bearer returns who sent a token, from the cache where it was verified already.
func (a *Authenticator) bearer(ctx context.Context, s string) (*Principal, error) {
	if len(a.sources) == 0 {
		return nil, refuse(codeNoSecret, "Server lacks JWT secret")
	}
	if s == "" || len(s) > maxToken {
		_, err := parseToken(s)
		return nil, err
	}
	now := a.cfg.Now().Unix()
	era := a.era.Load()
	sum := digest(s)
	if c, ok := a.tokens.get(&sum); ok && c.era == era && now < c.until {
		if err := c.times.check(now); err != nil {
			return nil, err
		}
		return c.principal, nil
	}
	a.tokens.forget(&sum)
	p, t, err := a.verify(ctx, s, now)
	if err != nil {
		return nil, err
	}
	a.tokens.put(&sum, cached{principal: p, times: t, until: min(now+recheck, t.exp+leeway+1), era: era})
	return p, nil
}

// VerifyToken returns nil where a token's signature, times and audience are
// right, whatever it lets its bearer do here: for who stands before another
// server. What was right is remembered for a minute.
func (a *Authenticator) VerifyToken(ctx context.Context, s string) error {
	now := a.cfg.Now().Unix()
	era := a.era.Load()
	sum := digest(s)
	if c, ok := a.genuine.get(&sum); ok && c.era == era && now < c.until {
		return c.times.check(now)
	}
	_, _, t, err := a.check(ctx, s, now)
	if err != nil {
		return err
	}
	a.genuine.put(&sum, cached{times: t, until: min(now+recheck, t.exp+leeway+1), era: era})
	return nil
}

// verify checks a token in full.
func (a *Authenticator) verify(ctx context.Context, s string, now int64) (*Principal, times, error) {
	t, k, when, err := a.check(ctx, s, now)
	if err != nil {
		return nil, times{}, err
	}
	p, err := a.principal(t, k)
	return p, when, err
}

// check checks the signature, the times and the audience of a token.
func (a *Authenticator) check(ctx context.Context, s string, now int64) (*token, *candidate, times, error) {
	t, err := parseToken(s)
	if err != nil {
		return nil, nil, times{}, err
	}
	k := a.find(ctx, t)
	if k == nil {
		return nil, nil, times{}, noKey()
	}
	if t.claimsErr != nil {
		return nil, nil, times{}, refuse(codeClaims, "Parsing claims failed")
	}
	when, err := readTimes(t.claims)
	if err == nil {
		err = when.check(now)
	}
	if err == nil {
		err = checkAudience(t.claims, k.from.audience, k.from.strict)
	}
	return t, k, when, err
}

// find returns the key that verifies t, nil where none does. Where no key that
// is known could, the sources are asked for new ones.
func (a *Authenticator) find(ctx context.Context, t *token) *candidate {
	sources := a.sourcesFor(text(t.claims, "iss"))
	for _, s := range sources {
		s.refresh(s.age) // in the background, for those that come later
	}
	tried, found := try(sources, t)
	unread := slices.ContainsFunc(sources, func(s *source) bool { return s.keys.Load() == nil })
	if found != nil || tried && !unread || strings.HasPrefix(t.alg, "HS") {
		return found
	}
	timeout := time.NewTimer(waitTime)
	defer timeout.Stop()
	for _, s := range sources {
		done := s.refresh(0)
		if done == nil {
			continue
		}
		select {
		case <-done:
		case <-timeout.C:
			return nil
		case <-ctx.Done():
			return nil
		}
	}
	_, found = try(sources, t)
	return found
}

// try tries the keys of sources; tried tells whether any fitted.
func try(sources []*source, t *token) (tried bool, found *candidate) {
	var some [8]candidate
	all := some[:0]
	for _, s := range sources {
		all = s.candidates(all, t)
	}
	for i := range all {
		if all[i].verifies(t) {
			return true, &candidate{all[i].key, all[i].from}
		}
	}
	return len(all) > 0, nil
}

// sourcesFor returns the sources that may verify tokens of an issuer: its own,
// or where it is not configured those that are nobody's in particular.
func (a *Authenticator) sourcesFor(issuer string) []*source {
	if slices.ContainsFunc(a.sources, func(s *source) bool { return s.issuer != "" && s.issuer == issuer }) {
		return slices.DeleteFunc(slices.Clone(a.sources), func(s *source) bool { return s.issuer != issuer })
	}
	if !slices.ContainsFunc(a.sources, func(s *source) bool { return s.issuer != "" }) {
		return a.sources
	}
	return slices.DeleteFunc(slices.Clone(a.sources), func(s *source) bool { return s.issuer != "" })
}

// principal reads who a verified token is of: the first role that is known, else
// what its SMART scopes allow, else the anonymous role where it names none.
func (a *Authenticator) principal(t *token, k *candidate) (*Principal, error) {
	p := &Principal{
		Subject: text(t.claims, "sub"), Issuer: text(t.claims, "iss"), Client: text(t.claims, "client_id", "azp"),
		KeyID: k.id, Authenticated: true, Claims: t.claims, Scopes: scopesOf(t.claims),
	}
	named := k.from.role.Find(t.claims)
	for _, r := range named {
		if a.cfg.Grants.Known(r) && !slices.Contains(p.Roles, r) {
			p.Roles = append(p.Roles, r)
		}
	}
	if len(p.Roles) > 0 {
		p.Role = p.Roles[0]
	} else if p.scoped, p.Role = smart(p.Scopes); p.Role != "" {
		p.Roles = []string{p.Role}
	} else if len(named) > 0 {
		return nil, noRole(named[0])
	} else if a.anon == nil {
		return nil, refuse(codeAnonymous, "Anonymous access is disabled")
	} else {
		p.Role, p.Roles = a.anon.Role, a.anon.Roles
	}
	p.Anonymous = a.anon != nil && p.Role == a.anon.Role
	return p, nil
}

// digest is what a credential is remembered by.
func digest(s string) [sha256.Size]byte { return sha256.Sum256([]byte(s)) }

// Grants returns the roles that there are.
func (a *Authenticator) Grants() *Grants { return a.cfg.Grants }
