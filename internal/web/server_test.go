package web

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"io/fs"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// TestStopFinishesWhatBegan checks that a request in the middle gets its answer,
// that a tail is told to end, and that nobody new is let in.
func TestStopFinishesWhatBegan(t *testing.T) {
	begun, goOn := make(chan struct{}, 2), make(chan struct{})
	s := NewServer(ServerConfig{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begun <- struct{}{}
		switch r.URL.Path {
		case "/tail":
			<-Stopping(r.Context())
			io.WriteString(w, "end of tail")
		default:
			<-goOn
			if r.Context().Err() != nil {
				t.Error("the context of a request that had begun is over")
			}
			io.WriteString(w, "acknowledged")
		}
	})})
	l := listen(t)
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx, l) }()
	answers := make(chan string, 2)
	for _, path := range []string{"/work", "/tail"} {
		go func() {
			resp, err := http.Get("http://" + l.Addr().String() + path)
			if err != nil {
				answers <- err.Error()
				return
			}
			defer resp.Body.Close()
			b, _ := io.ReadAll(resp.Body)
			answers <- string(b)
		}()
		<-begun
	}
	cancel()
	if got := <-answers; got != "end of tail" {
		t.Errorf("tail: %s", got)
	}
	for end := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			break // the listener closes soon after the tail was told to end
		}
		c.Close()
		if time.Now().After(end) {
			t.Fatal("somebody new is let in")
		}
	}
	close(goOn)
	if got := <-answers; got != "acknowledged" {
		t.Errorf("work: %s", got)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
}

func TestStopCutsOffAfterGrace(t *testing.T) {
	begun := make(chan struct{})
	s := NewServer(ServerConfig{Grace: 20 * time.Millisecond, Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(begun)
		<-r.Context().Done()
	})})
	l := listen(t)
	served := make(chan error, 1)
	go func() { served <- s.Serve(t.Context(), l) }()
	go http.Get("http://" + l.Addr().String())
	<-begun
	// Serve stops the server too, and one of both finds it cut off by the other.
	if err := errors.Join(s.Stop(t.Context()), <-served); err == nil || !strings.Contains(err.Error(), "cut off") {
		t.Errorf("got %v", err)
	}
}

// TestBoundsOnRequests has what net/http must refuse by our configuration.
func TestBoundsOnRequests(t *testing.T) {
	s := NewServer(ServerConfig{
		Limits: Limits{Header: 100 * time.Millisecond, HeaderBytes: 4 << 10, Stall: 100 * time.Millisecond},
		// It answers without reading: the rest of a body must not hold the connection.
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "answer") }),
	})
	l := listen(t)
	go s.Serve(t.Context(), l)
	t.Cleanup(func() { s.Stop(context.Background()) })
	for name, tt := range map[string]struct{ send, want string }{
		"half a header":   {"GET / HTTP/1.1\r\nHost: x\r\nX-", ""},
		"nothing":         {"", ""},
		"huge header":     {"GET / HTTP/1.1\r\nHost: x\r\nX-A: " + strings.Repeat("a", 20<<10) + "\r\n\r\n", "431"},
		"unread body":     {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nhalf", "answer"},
		"OPTIONS for all": {"OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "answer"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, err := net.Dial("tcp", l.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			c.SetDeadline(time.Now().Add(time.Minute))
			if _, err := io.WriteString(c, tt.send); err != nil {
				t.Fatal(err)
			}
			b, err := io.ReadAll(c) // ends when the server hangs up
			if ne, ok := err.(net.Error); ok && ne.Timeout() {
				t.Error("the server does not hang up")
			}
			if !strings.Contains(string(b), tt.want) {
				t.Errorf("got %q, want %q", b, tt.want)
			}
		})
	}
}

// issue makes a certificate for name, by itself where there is no parent.
func issue(t *testing.T, name string, parent *tls.Certificate) tls.Certificate {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: parent == nil, BasicConstraintsValid: true,
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	by, key := c, any(k)
	if parent != nil {
		by, key = parent.Leaf, parent.PrivateKey
	}
	der, err := x509.CreateCertificate(rand.Reader, c, by, &k.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: k, Leaf: leaf}
}

// save writes a certificate and its key.
func save(t *testing.T, dir string, c tls.Certificate) (cert, key string) {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for name, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: c.Certificate[0]}, key: {Type: "PRIVATE KEY", Bytes: der}} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

func TestCertificates(t *testing.T) {
	ca := issue(t, "ca", nil)
	dir, caDir := t.TempDir(), t.TempDir()
	caFile, _ := save(t, caDir, ca)
	cert, key := save(t, dir, issue(t, "first", &ca))
	now := time.Now()
	certs, err := LoadCertificates(CertificateFiles{Cert: cert, Key: key, ClientCA: caFile, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	s := NewServer(ServerConfig{TLS: certs, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, c := range r.TLS.VerifiedChains {
			io.WriteString(w, c[0].Subject.CommonName)
		}
	})})
	l := listen(t)
	go s.Serve(t.Context(), l)
	defer s.Stop(t.Context())
	roots := x509.NewCertPool()
	roots.AddCert(ca.Leaf)
	ask := func(client ...tls.Certificate) (server, body string) {
		t.Helper()
		tr := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: "localhost", Certificates: client}, ForceAttemptHTTP2: true, DisableKeepAlives: true}
		resp, err := (&http.Client{Transport: tr}).Get("https://" + l.Addr().String())
		if err != nil {
			return "", "refused"
		}
		defer resp.Body.Close()
		b, _ := io.ReadAll(resp.Body)
		if resp.ProtoMajor != 2 {
			t.Errorf("%s", resp.Proto)
		}
		return resp.TLS.PeerCertificates[0].Subject.CommonName, string(b)
	}
	want := func(step, server, body string, client ...tls.Certificate) {
		t.Helper()
		if s, b := ask(client...); s != server || b != body {
			t.Errorf("%s: %q, %q; want %q, %q", step, s, b, server, body)
		}
	}
	want("no client certificate", "first", "")
	want("client certificate", "first", "app", issue(t, "app", &ca))
	stranger := issue(t, "stranger", nil)
	if _, body := ask(stranger); body == "stranger" {
		t.Error("a certificate of nobody's was verified")
	}
	save(t, dir, issue(t, "second", &ca))
	want("too soon to look", "first", "")
	now = now.Add(reloadAfter)
	want("renewed", "second", "")
	if err := os.WriteFile(key, []byte("half a key"), 0o600); err != nil {
		t.Fatal(err)
	}
	now = now.Add(reloadAfter)
	want("broken files", "second", "")
	if err := certs.Reload(); err == nil {
		t.Error("broken files: no error")
	}
	save(t, dir, issue(t, "third", &ca))
	if err := certs.Reload(); err != nil {
		t.Error(err)
	}
	want("told to reload", "third", "")
}

func TestCertificatesRequired(t *testing.T) {
	ca := issue(t, "ca", nil)
	caFile, _ := save(t, t.TempDir(), ca)
	cert, key := save(t, t.TempDir(), issue(t, "server", &ca))
	certs, err := LoadCertificates(CertificateFiles{Cert: cert, Key: key, ClientCA: caFile, Required: true})
	if err != nil {
		t.Fatal(err)
	}
	if got := certs.Config().ClientAuth; got != tls.RequireAndVerifyClientCert {
		t.Errorf("client certificates: %v", got)
	}
	for _, f := range []CertificateFiles{
		{Cert: cert, Key: key, Required: true},
		{Cert: cert, Key: caFile},
		{Cert: cert, Key: key, ClientCA: key},
		{Cert: cert, Key: key, ClientCA: "none"},
	} {
		if _, err := LoadCertificates(f); err == nil {
			t.Errorf("%+v: no error", f)
		}
	}
}

func TestUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "v.sock")
	l, err := Listen("unix:" + path)
	if err != nil {
		t.Fatal(err)
	}
	fi, err := os.Stat(path)
	if err != nil || fi.Mode().Perm() != 0o600 || fi.Mode().Type() != fs.ModeSocket {
		t.Errorf("%v, %v", fi, err)
	}
	if left, err := filepath.Glob(filepath.Join(filepath.Dir(path), ".*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	cert, key := save(t, t.TempDir(), issue(t, "server", nil))
	certs, err := LoadCertificates(CertificateFiles{Cert: cert, Key: key})
	if err != nil {
		t.Fatal(err)
	}
	s := NewServer(ServerConfig{TLS: certs, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "peer "+(*Edge)(nil).Peer(r))
	})})
	go s.Serve(t.Context(), l)
	tr := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}, DisableKeepAlives: true}
	resp, err := (&http.Client{Transport: tr}).Get("http://vigil/")
	if err != nil {
		t.Fatal(err)
	}
	if b, _ := io.ReadAll(resp.Body); string(b) != "peer " {
		t.Errorf("%q", b)
	}
	resp.Body.Close()
	if _, err := Listen("unix:" + path); err == nil || !strings.Contains(err.Error(), "another process") {
		t.Errorf("in use: %v", err)
	}
	if err := s.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("the socket is left behind")
	}
}

func TestUnixSocketReplaces(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "v.sock")
	stale, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	stale.SetUnlinkOnClose(false)
	stale.Close() // as kill -9 leaves it
	l, err := Listen("unix:" + path)
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	if err := os.WriteFile(path, []byte("data"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Listen("unix:" + path); err == nil {
		t.Error("a file was replaced")
	}
	if b, err := os.ReadFile(path); err != nil || string(b) != "data" {
		t.Errorf("%q, %v", b, err)
	}
	if _, err := Listen("unix:" + filepath.Join(dir, "none", "v.sock")); err == nil {
		t.Error("no directory: no error")
	}
}
