package auth

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"strings"
)

// CertSubject is somebody who comes with a client certificate.
type CertSubject struct {
	// Subject is the certificate's distinguished name as RFC 2253 has it, such as
	// CN=gateway,O=Example; or dns:NAME, uri:URI or email:ADDRESS for one of its
	// alternative names; or sha256:HEX for the very certificate.
	Subject string
	Role    string
}

// readCerts checks the configured subjects and returns their roles.
func readCerts(list []CertSubject, g *Grants) (map[string]string, error) {
	roles := make(map[string]string)
	for _, c := range list {
		if c.Subject == "" || roles[c.Subject] != "" {
			return nil, fmt.Errorf("certificate subject %q: want a name of its own", c.Subject)
		}
		if !g.Known(c.Role) {
			return nil, fmt.Errorf("certificate subject %q: there is no role %q", c.Subject, c.Role)
		}
		subject := c.Subject
		if hash, ok := strings.CutPrefix(subject, "sha256:"); ok {
			subject = "sha256:" + strings.ToLower(strings.ReplaceAll(hash, ":", ""))
		}
		roles[subject] = c.Role
	}
	return roles, nil
}

// certificate returns who has a certificate that TLS has verified.
func (a *Authenticator) certificate(c *x509.Certificate) (*Principal, error) {
	sum := sha256.Sum256(c.Raw)
	// The server's clock may have passed the end of a certificate on a connection
	// that began before it.
	if a.cfg.Now().After(c.NotAfter) {
		return nil, refuse(codeToken, "The client certificate has expired")
	}
	if known, ok := a.seen.get(&sum); ok {
		return known.principal, nil
	}
	fingerprint := hex.EncodeToString(sum[:])
	names := []string{"sha256:" + fingerprint, c.Subject.String()}
	for _, n := range c.DNSNames {
		names = append(names, "dns:"+n)
	}
	for _, n := range c.URIs {
		names = append(names, "uri:"+n.String())
	}
	for _, n := range c.EmailAddresses {
		names = append(names, "email:"+n)
	}
	for _, n := range names {
		role, ok := a.certs[n]
		if !ok {
			continue
		}
		p := &Principal{
			Subject: c.Subject.String(), Issuer: c.Issuer.String(), KeyID: fingerprint,
			Role: role, Roles: []string{role}, Authenticated: true,
		}
		a.seen.put(&sum, cached{principal: p})
		return p, nil
	}
	return nil, refuse(codeToken, "The client certificate is not known")
}
