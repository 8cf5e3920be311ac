package remote

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"vigil"
	"vigil/internal/sink"
)

// Config is what every kind of [Sink] needs. Name, URL, Line and SetAside must be set.
type Config struct {
	Name string // of the sink, in logs and in what is set aside
	URL  string // of the server; where it has no path, the kind's own is added
	Line sink.Line
	// SetAside keeps what the server will never take.
	SetAside sink.SetAside

	Header         map[string]string // added to every request
	User, Password string            // Basic; not used where empty
	CA             string            // PEM file of the authorities to trust instead of the system's
	Gzip           bool              // compress bodies
	Timeout        time.Duration     // of one request, answer included; 0 is 30 s
	BatchLines     int               // lines of one request, unless one event has more; 0 is the kind's default
	BatchBytes     int               // bytes of one request, unless one event has more; 0 is the kind's default

	// Time is when the event of a line happened; nil is [EventTime]. The line is a
	// JSON object, or empty where it is text.
	Time func(e *vigil.Event, line []byte) time.Time
	// Key names the batch that is being written. It is asked where events have no
	// UID yet; nil gives such events no id.
	Key func(context.Context) string

	Now    func() time.Time // nil is time.Now
	Logger *slog.Logger     // nil discards
}

func (c *Config) complete(lines, bytes int) error {
	if c.Name == "" || c.Line == nil || c.SetAside == nil {
		return errors.New("it needs a name, a format of lines and a place for what is refused")
	}
	if c.Timeout <= 0 {
		c.Timeout = 30 * time.Second
	}
	if c.BatchLines <= 0 {
		c.BatchLines = lines
	}
	if c.BatchBytes <= 0 {
		c.BatchBytes = bytes
	}
	if c.Time == nil {
		c.Time = EventTime
	}
	if c.Key == nil {
		c.Key = func(context.Context) string { return "" }
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return nil
}

// parseURL reads an address without ever repeating it: it may hold a password.
func parseURL(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, errors.New("want a URL such as https://logs.example.org:9200")
	}
	return u, nil
}

// client returns a client that goes to the addresses that it is given, and nowhere
// that these send it.
func (c *Config) client() (*http.Client, error) {
	t := &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    10 * time.Second,
		ResponseHeaderTimeout:  c.Timeout,
		IdleConnTimeout:        time.Minute,
		MaxIdleConnsPerHost:    2,
		MaxResponseHeaderBytes: 1 << 20,
		ForceAttemptHTTP2:      true,
	}
	if c.CA != "" {
		pem, err := os.ReadFile(c.CA)
		if err != nil {
			return nil, fmt.Errorf("read authorities: %w", err)
		}
		t.TLSClientConfig.RootCAs = x509.NewCertPool()
		if !t.TLSClientConfig.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("read authorities: %s has no certificate in PEM", c.CA)
		}
	}
	return &http.Client{
		Transport:     t,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}

// headers returns the headers of every request. The names and values that
// cannot be sent are an error, without the value.
func (c *Config) headers(contentType string) (http.Header, error) {
	h := http.Header{"Content-Type": {contentType}, "User-Agent": {"vigil"}}
	for name, v := range c.Header {
		if name == "" || strings.ContainsAny(name, " \t\r\n:") || strings.ContainsAny(v, "\r\n\x00") {
			return nil, fmt.Errorf("header %q cannot be sent", name)
		}
		h.Set(name, v)
	}
	return h, nil
}
