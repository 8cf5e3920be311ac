package auth

import (
	"context"
	"encoding/json"
	"strconv"
	"time"

	"vigil"
)

// A Principal is who sent a request. It may be shared between requests: nobody
// changes it.
type Principal struct {
	Subject string   // sub of the token, or the certificate's subject
	Issuer  string   // iss of the token
	Client  string   // client_id or azp of the token, or the Basic user
	KeyID   string   // kid of the key that verified the token, or the certificate's SHA-256
	Role    string   // the role the request acts in
	Roles   []string // every role known here that the token names, Role first
	Scopes  []string // OAuth scopes of the token

	// Anonymous tells that the role is the one of requests without credentials;
	// a token may name that role too.
	Anonymous bool
	// Authenticated tells that credentials were given and were right.
	Authenticated bool
	// Claims are the token's, numbers as json.Number; nil without a token.
	Claims map[string]any

	scoped Action // what SMART scopes allow where no role does
}

// Sender returns what is stored with the events that p hands over through listener.
func (p *Principal) Sender(listener, peer string) *vigil.Sender {
	return &vigil.Sender{
		Subject: p.Subject, Issuer: p.Issuer, Client: p.Client, KeyID: p.KeyID, Role: p.Role,
		Listener: listener, Peer: peer, Authenticated: p.Authenticated,
	}
}

// Scope returns a text that is the same for the same sender across tokens and
// key rotations, and different for different ones: what idempotency keys belong to.
func (p *Principal) Scope() string {
	b := make([]byte, 0, 64)
	for _, s := range [...]string{p.Issuer, p.Subject, p.Client, p.Role} {
		b = append(strconv.AppendQuote(b, s), ' ')
	}
	return string(strconv.AppendBool(b, p.Authenticated))
}

// Name returns a short text for logs and records of access: the subject, else
// the client, else nothing.
func (p *Principal) Name() string {
	if p.Subject != "" {
		return p.Subject
	}
	return p.Client
}

// Limit returns a context that ends with p's token, for answers that go on: now
// is the time. Without a token, or with one that does not end, only cancel and
// ctx end it. The caller calls cancel.
func (p *Principal) Limit(ctx context.Context, now time.Time) (limited context.Context, cancel context.CancelFunc) {
	if exp, ok := p.Claims["exp"].(json.Number); ok {
		if sec, err := exp.Float64(); err == nil {
			return context.WithTimeout(ctx, time.Unix(int64(sec), 0).Sub(now))
		}
	}
	return context.WithCancel(ctx)
}
