package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"vigil/internal/config"
)

// startSpeaking starts s with HTTP/1, or with HTTP/2 without TLS, and returns a client
// that speaks the same.
func startSpeaking(s *httptest.Server, two bool) *http.Client {
	p := new(http.Protocols)
	p.SetHTTP1(!two)
	p.SetUnencryptedHTTP2(two)
	s.Config.Protocols = p
	s.Start()
	return &http.Client{Transport: &http.Transport{Protocols: p}}
}

// TestStalledReaders has clients that stop reading, by HTTP/1 and HTTP/2: the
// handler is not held for ever. Who reads a quiet answer to its end gets it.
func TestStalledReaders(t *testing.T) {
	const stall = 300 * time.Millisecond
	for _, two := range []bool{false, true} {
		ended := make(chan error, 1)
		s := httptest.NewUnstartedServer(patient(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/quiet" {
				for range 3 {
					io.WriteString(w, "x")
					_ = http.NewResponseController(w).Flush()
					time.Sleep(2 * stall)
				}
				return
			}
			var err error
			for err == nil {
				_, err = w.Write(make([]byte, 64<<10))
			}
			ended <- err
		}), stall))
		client := startSpeaking(s, two)
		resp, err := client.Get(s.URL + "/endless")
		if err != nil {
			t.Fatal(err)
		}
		select {
		case <-ended:
		case <-time.After(time.Minute):
			t.Errorf("%s: the handler still writes", resp.Proto)
		}
		resp.Body.Close()
		if resp, err = client.Get(s.URL + "/quiet"); err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(resp.Body); string(b) != "xxx" || err != nil {
			t.Errorf("%s: %q, %v", resp.Proto, b, err)
		}
		resp.Body.Close()
		client.CloseIdleConnections()
		s.CloseClientConnections()
		s.Close()
	}
}

// TestStalledSenders has clients that stop sending: neither the handler is held for
// ever, nor the server that waits for the rest after it, and each gets an answer or
// loses its connection.
func TestStalledSenders(t *testing.T) {
	const stall = 100 * time.Millisecond
	s := httptest.NewServer(patient(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/read" {
			if _, err := io.Copy(io.Discard, r.Body); err != nil {
				w.WriteHeader(http.StatusRequestTimeout)
				return
			}
		}
		io.WriteString(w, "x")
	}), stall))
	defer s.Close()
	defer s.CloseClientConnections()
	for _, path := range []string{"/read", "/unread"} {
		for _, body := range []string{
			"Content-Length: 100\r\n\r\n", "Content-Length: 100\r\n\r\nx", "Transfer-Encoding: chunked\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n",
		} {
			conn, err := net.Dial("tcp", s.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.WriteString(conn, "POST "+path+" HTTP/1.1\r\nHost: h\r\n"+body)
			_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second))
			if _, err := io.ReadAll(conn); errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("%s, %q: the connection is held", path, body)
			}
			conn.Close()
		}
	}
}

// TestSlowTakers sends bodies to a server that takes them slowly, by HTTP/1 and
// HTTP/2: that the client has to wait is not its fault.
func TestSlowTakers(t *testing.T) {
	const stall = time.Second // in which a busy machine gets to send what is wanted
	for _, two := range []bool{false, true} {
		t.Run(fmt.Sprintf("HTTP/2 %v", two), func(t *testing.T) {
			t.Parallel()
			s := httptest.NewUnstartedServer(patient(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				n := 0
				buf := make([]byte, 4<<10)
				for i := 0; ; i++ {
					if i < 2 {
						time.Sleep(2 * stall)
					}
					m, err := r.Body.Read(buf)
					n += m
					if err == io.EOF {
						break
					}
					if err != nil {
						t.Error(err)
						return
					}
				}
				fmt.Fprint(w, n)
			}), stall))
			client := startSpeaking(s, two)
			resp, err := client.Post(s.URL, "", strings.NewReader(strings.Repeat("x", 1<<20)))
			if err != nil {
				t.Fatal(err)
			}
			if b, err := io.ReadAll(resp.Body); string(b) != fmt.Sprint(1<<20) || err != nil {
				t.Errorf("%s: %q, %v", resp.Proto, b, err)
			}
			resp.Body.Close()
			client.CloseIdleConnections()
			s.Close()
		})
	}
}

// TestUpstreamCertificates renews the gateway's certificate for the upstream and
// then breaks its file: new connections show the new one, and go on showing it.
func TestUpstreamCertificates(t *testing.T) {
	ca := newAuthority(t)
	shown := make(chan string, 10)
	l := upstreamThatAsks(t, ca, shown)
	files := ca.files("first.test")
	c, err := newUpstreamCerts(config.UpstreamTLS{CA: ca.path, Cert: files[0], Key: files[1], Name: "server.test"}, "127.0.0.1", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ask := func(want string) {
		t.Helper()
		c.mu.Lock()
		c.checked = time.Time{} // as if it were time to look again
		c.mu.Unlock()
		conn, err := c.dial(t.Context(), "tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if got := <-shown; got != want {
			t.Errorf("shown is %s, want %s", got, want)
		}
	}
	ask("first.test")
	renewed := ca.files("second.test")
	for i, name := range renewed {
		if err := os.Rename(name, files[i]); err != nil {
			t.Fatal(err)
		}
		later := time.Now().Add(time.Hour)
		if err := os.Chtimes(files[i], later, later); err != nil {
			t.Fatal(err)
		}
	}
	ask("second.test")
	if err := os.WriteFile(files[0], []byte("broken"), 0o600); err != nil {
		t.Fatal(err)
	}
	ask("second.test")
}

// upstreamThatAsks takes connections with TLS and tells whose certificates it was
// shown.
func upstreamThatAsks(t *testing.T, ca *authority, shown chan<- string) net.Listener {
	t.Helper()
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		ClientCAs: ca.pool, ClientAuth: tls.RequireAndVerifyClientCert, Certificates: []tls.Certificate{ca.pair("server.test")},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			if c := conn.(*tls.Conn); c.Handshake() == nil {
				shown <- c.ConnectionState().PeerCertificates[0].Subject.CommonName
			} else {
				shown <- "nothing that can be believed"
			}
			conn.Close()
		}
	}()
	return l
}
