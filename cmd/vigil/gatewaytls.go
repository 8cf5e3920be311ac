package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"vigil/internal/config"
)

// upstreamCerts is TLS towards an upstream, which follows its files: a renewed
// certificate is used by new connections. While the files are broken the last
// good ones stay in use. It is safe for concurrent use.
type upstreamCerts struct {
	files config.UpstreamTLS
	name  string // of the server
	log   *slog.Logger

	mu      sync.Mutex
	config  *tls.Config
	stamp   [3]fileStamp
	checked time.Time
}

// fileStamp tells one version of a file from the next.
type fileStamp struct {
	mod  time.Time
	size int64
}

// lookAgain is how often the files are looked at.
const lookAgain = 10 * time.Second

func newUpstreamCerts(files config.UpstreamTLS, name string, log *slog.Logger) (*upstreamCerts, error) {
	if files.Name != "" {
		name = files.Name
	}
	c := &upstreamCerts{files: files, name: name, log: log}
	c.stamp, c.checked = c.stamps(), time.Now()
	var err error
	c.config, err = c.load()
	return c, err
}

// current returns the configuration of the next connection.
func (c *upstreamCerts) current() (*tls.Config, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := time.Now(); now.Sub(c.checked) >= lookAgain {
		c.checked = now
		if s := c.stamps(); s != c.stamp {
			config, err := c.load()
			if err != nil {
				c.log.Error("the new certificates for the upstream cannot be used; the old ones stay", "err", err)
			} else {
				c.config, c.stamp = config, s
				c.log.Info("certificates for the upstream reloaded")
			}
		}
	}
	return c.config, nil
}

func (c *upstreamCerts) stamps() (s [3]fileStamp) {
	for i, name := range []string{c.files.CA, c.files.Cert, c.files.Key} {
		if fi, err := os.Stat(name); err == nil {
			s[i] = fileStamp{fi.ModTime(), fi.Size()}
		}
	}
	return s
}

func (c *upstreamCerts) load() (*tls.Config, error) {
	config := &tls.Config{ServerName: c.name, MinVersion: tls.VersionTLS12, NextProtos: protocols}
	if c.files.CA != "" {
		var err error
		if config.RootCAs, err = readAuthorities(c.files.CA); err != nil {
			return nil, err
		}
	}
	if c.files.Cert != "" {
		pair, err := tls.LoadX509KeyPair(c.files.Cert, c.files.Key)
		if err != nil {
			return nil, fmt.Errorf("load certificate for upstream: %w", err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}

// readAuthorities reads the certificates of authorities.
func readAuthorities(path string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("load authorities: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("load authorities: no certificate in %s", path)
	}
	return pool, nil
}
