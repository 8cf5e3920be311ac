package web

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// CertificateFiles names what a TLS listener shows and whom it lets in.
type CertificateFiles struct {
	Cert, Key string // PEM files
	ClientCA  string // PEM file of the authorities that client certificates come from; empty asks for none
	Required  bool   // refuse clients without a certificate; otherwise they may come with a token
	Log       *slog.Logger
	Now       func() time.Time // nil is time.Now
}

// reloadAfter is how often the files are looked at, when somebody connects.
const reloadAfter = 10 * time.Second

// Certificates is TLS configuration that follows its files: a renewed
// certificate is used without a restart. While the files are broken the last
// good ones stay in use. It is safe for concurrent use.
type Certificates struct {
	files CertificateFiles

	mu      sync.Mutex
	config  *tls.Config
	stamp   [3]stamp
	checked time.Time
}

// stamp tells one version of a file from the next.
type stamp struct {
	mod  time.Time
	size int64
}

// LoadCertificates reads the files.
func LoadCertificates(f CertificateFiles) (*Certificates, error) {
	if f.Now == nil {
		f.Now = time.Now
	}
	if f.Log == nil {
		f.Log = slog.New(slog.DiscardHandler)
	}
	if f.Required && f.ClientCA == "" {
		return nil, errors.New("load TLS certificate: client certificates are required, but no client CA file is named")
	}
	c := &Certificates{files: f}
	if err := c.Reload(); err != nil {
		return nil, err
	}
	return c, nil
}

// Reload reads the files now; after an error the old ones stay in use.
func (c *Certificates) Reload() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.load(c.stamps())
}

// Config returns the configuration for a listener.
func (c *Certificates) Config() *tls.Config {
	c.mu.Lock()
	defer c.mu.Unlock()
	config := c.config.Clone()
	config.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) { return c.current(), nil }
	return config
}

// current returns the configuration for the next connection.
func (c *Certificates) current() *tls.Config {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.files.Now()
	if now.Sub(c.checked) < reloadAfter {
		return c.config
	}
	c.checked = now
	if s := c.stamps(); s != c.stamp {
		if err := c.load(s); err != nil {
			c.files.Log.Error("the new TLS certificate cannot be used; the old one stays", "err", err)
		} else {
			c.files.Log.Info("TLS certificate reloaded", "file", c.files.Cert)
		}
	}
	return c.config
}

// stamps looks at the files. One that cannot be seen has the zero stamp.
func (c *Certificates) stamps() (s [3]stamp) {
	for i, name := range []string{c.files.Cert, c.files.Key, c.files.ClientCA} {
		if fi, err := os.Stat(name); err == nil {
			s[i] = stamp{fi.ModTime(), fi.Size()}
		}
	}
	return s
}

// load reads the files, whose stamps were s. The lock is held.
func (c *Certificates) load(s [3]stamp) error {
	pair, err := tls.LoadX509KeyPair(c.files.Cert, c.files.Key)
	if err != nil {
		return fmt.Errorf("load TLS certificate: %w", err)
	}
	config := &tls.Config{
		Certificates: []tls.Certificate{pair},
		MinVersion:   tls.VersionTLS12,
		NextProtos:   []string{"h2", "http/1.1"},
	}
	if c.files.ClientCA != "" {
		pem, err := os.ReadFile(c.files.ClientCA)
		if err != nil {
			return fmt.Errorf("load client CA: %w", err)
		}
		config.ClientCAs = x509.NewCertPool()
		if !config.ClientCAs.AppendCertsFromPEM(pem) {
			return fmt.Errorf("load client CA: no certificate in %s", c.files.ClientCA)
		}
		config.ClientAuth = tls.VerifyClientCertIfGiven
		if c.files.Required {
			config.ClientAuth = tls.RequireAndVerifyClientCert
		}
	}
	c.config, c.stamp, c.checked = config, s, c.files.Now()
	return nil
}
