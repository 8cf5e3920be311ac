package main

import (
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"vigil/internal/auth"
	"vigil/internal/config"
)

// welcome prints what to paste next, and where things lie.
func (s *serving) welcome() {
	scheme := "http"
	if s.certs != nil {
		scheme = "https"
	}
	url := firstOf(s.cfg.BaseURL, scheme+"://"+reachable(s.listener.Addr().String()))
	out := s.std.Out
	fmt.Fprintf(out, "vigil %s listens on %s\n", version(), url)
	if s.admin != nil {
		fmt.Fprintf(out, "health and metrics: http://%s/ready, /metrics\n", reachable(s.admin.Addr().String()))
	}
	if kept, ok := s.store.(lastingStore); ok {
		fmt.Fprintf(out, "events:  %s\nkey:     %s\n", storeName(s.cfg), absolute(keyPath(s.cfg, kept)))
	} else {
		fmt.Fprintln(out, "events:  in memory only: they are gone when this process ends")
	}
	for _, f := range s.gateways.list {
		for _, u := range f.upstreams {
			fmt.Fprintf(out, "gateway: %s stands before %s\n", reachable(f.listener.Addr().String()), u.url)
		}
	}
	fmt.Fprintf(out, "secret:  %s\n", s.secretAt)
	fmt.Fprintf(out, "log key: %s (note it elsewhere: vigil verify --key takes it)\n", s.signer.Verifier())
	s.log.Info("vigil serves", "url", url, "store", config.Redact(s.cfg.Store), "log_key", s.signer.Verifier(), "version", version())
	if s.cfg.Auth.AnonRole != "" {
		s.log.Warn("requests without a token are answered: whoever reaches this server reads what the role may", "role", s.cfg.Auth.AnonRole)
	}
	if err := s.store.Err(); err != nil {
		s.log.Error("the store is open for reading only", "err", err)
		return
	}
	if len(s.gateways.list) > 0 && !s.cfg.IsPostgres() {
		fmt.Fprintf(out, "\nsee what passes the gateway:\n  %s\n", strings.Join(append([]string{program(), "tail exchanges"}, s.place()...), " "))
	}
	s.paste(url)
}

// paste prints commands that work as they are.
func (s *serving) paste(url string) {
	curl := "curl"
	if s.certs != nil {
		curl += " --cacert " + quote(absolute(s.cfg.TLS.Cert)) // for a certificate that is not known here
	}
	url = quote(url)
	fmt.Fprintf(s.std.Out, `
post an event and read it back:
  TOKEN=%s
  %s -i %s/events -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' -d '{"event": {"action": "read", "subject": "Patient/1"}}'
  %s -s %s'/events?order=id.desc&limit=5' -H "Authorization: Bearer $TOKEN"
`, s.token(), curl, url, curl, url)
}

// token returns what gives a token in a shell: the command that makes one, with
// the flags this server was given that it needs to make the same.
func (s *serving) token() string {
	secret, _, err := signingSecret(s.cfg)
	if err != nil {
		return "'a token of your issuer, with the role event_logger'"
	}
	if stateDir(s.cfg) == "" {
		// Nobody else can know the secret of a store in memory.
		t, err := auth.Mint(secret, "event_logger", time.Time{}, nil)
		if err != nil {
			return ""
		}
		return t
	}
	words := append([]string{program(), "token --role event_logger"}, s.place()...)
	for _, name := range slices.Sorted(maps.Keys(s.given.Set)) {
		if strings.HasPrefix(name, "jwt") {
			words = append(words, "--set "+quote(name+"="+s.given.Set[name]))
		}
	}
	return "$(" + strings.Join(words, " ") + ")"
}

// place returns the flags by which another command finds what this server has.
func (s *serving) place() (words []string) {
	if s.given.Config != "" {
		words = append(words, "--config "+quote(absolute(s.given.Config)))
	}
	// The secret of a database lies where that of a directory would, and its
	// address has a password in it.
	if abs := absolute(stateDir(s.cfg)); filepath.Base(abs) != "vigil-data" || s.cfg.Store != "dir:./vigil-data" && !s.cfg.IsPostgres() {
		words = append(words, "--store "+quote("dir:"+abs))
	}
	return words
}

// program returns how this program was called: go run leaves its binary in a
// directory that is gone afterwards.
func program() string {
	if strings.Contains(os.Args[0], "go-build") {
		return "go run ./cmd/vigil"
	}
	return quote(os.Args[0])
}

// absolute returns path from the root of the file system, for people.
func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}

// reachable returns an address that a client on this machine can use.
func reachable(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}
