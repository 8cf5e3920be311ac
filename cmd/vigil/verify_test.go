package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vigil"
	"vigil/internal/config"
	"vigil/internal/ledger"
	"vigil/internal/logapi"
	"vigil/internal/store/segment"
)

// logged is a store directory with a signed log in it.
type logged struct {
	dir        string
	key        string // verifier key
	checkpoint string // file with an older checkpoint
	size       int64
}

// signedStore makes a store of a few sealed segments and a journal, of which a
// checkpoint was signed half way and at the end.
func signedStore(t *testing.T) *logged {
	t.Helper()
	l := &logged{dir: filepath.Join(t.TempDir(), "store"), checkpoint: filepath.Join(t.TempDir(), "older")}
	s, p := l.open(t)
	for i := range 12 {
		l.write(t, s, 200)
		if i == 5 {
			if err := p.Now(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(l.checkpoint, s.Log().Checkpoint(), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := p.Now(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return l
}

func (l *logged) config(t *testing.T) *config.Config {
	t.Helper()
	cfg, err := (&settings{Store: "dir:" + l.dir}).load(&stdio{Dir: t.TempDir()}, nil)
	if err != nil {
		t.Fatal(err)
	}
	cfg.HeadSize = 100 << 10
	return cfg
}

// open opens the store with what signs its log.
func (l *logged) open(t *testing.T) (*segment.Store, *ledger.Publisher) {
	t.Helper()
	cfg := l.config(t)
	s, err := segment.Open(storeOptions(cfg), storeConfig(cfg, slog.New(slog.DiscardHandler), nil))
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ledger.LoadOrCreateKey(keyPath(cfg, s), s.Log().Origin())
	if err != nil {
		t.Fatal(err)
	}
	l.key, l.size = signer.Verifier(), s.Log().Size()
	p, err := ledger.NewPublisher(ledger.PublisherConfig{
		Log: s.Log(), Signer: signer, Guard: s.Guard(), StoreID: s.StoreID(), Epoch: s.Epoch(), LastIDs: s.LastIDs,
	})
	if err != nil {
		t.Fatal(err)
	}
	return s, p
}

func (l *logged) write(t *testing.T, s *segment.Store, n int) {
	t.Helper()
	var events []*vigil.Event
	for range n {
		events = append(events, &vigil.Event{
			Table: []string{vigil.TableEvents, vigil.TableLogs}[l.size%2], Format: vigil.FormatLogserver,
			Doc: fmt.Appendf(nil, `{"n": %d, "who": "Sample Person", "text": "%0200d"}`, l.size, l.size),
		})
		l.size++
	}
	if err := s.Write(t.Context(), events); err != nil {
		t.Fatal(err)
	}
}

// verify runs the command and returns what it prints.
func (l *logged) verify(t *testing.T, c verifyCmd) (string, error) {
	t.Helper()
	if c.URL == "" {
		c.Store = "dir:" + l.dir
	}
	var out bytes.Buffer
	err := c.Run(t.Context(), &stdio{Out: &out, Err: &out, Dir: t.TempDir()})
	return out.String(), err
}

func TestVerifyStore(t *testing.T) {
	l := signedStore(t)
	out, err := l.verify(t, verifyCmd{Key: l.key, Against: []string{l.checkpoint}})
	if err != nil || !strings.Contains(out, "2400 entries hold") || !strings.Contains(out, "the first 2400 are signed") || !strings.Contains(out, "of 1200 entries") {
		t.Errorf("%v: %s", err, out)
	}
	out, err = l.verify(t, verifyCmd{})
	if err != nil || !strings.Contains(out, "pin its key") {
		t.Errorf("without a key: %v: %s", err, out)
	}
	other, err := ledger.GenerateKey("log.example/other")
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := ledger.NewSigner(other)
	if err != nil {
		t.Fatal(err)
	}
	if out, err := l.verify(t, verifyCmd{Key: stranger.Verifier()}); err == nil || !strings.Contains(err.Error(), "not by the key you gave") || strings.Contains(out, "NOT") {
		t.Errorf("with a stranger's key: %v: %s", err, out)
	}
	for name, c := range map[string]verifyCmd{
		"both":          {URL: "http://127.0.0.1:1", settings: settings{Store: "dir:x"}},
		"no checkpoint": {Against: []string{filepath.Join(l.dir, "none")}},
		"not one":       {Against: []string{filepath.Join(l.dir, "manifest")}},
		"no key file":   {Key: "@" + filepath.Join(l.dir, "none")},
	} {
		if _, err := l.verify(t, c); !isUsage(err) {
			t.Errorf("%s: %v, want a usage error", name, err)
		}
	}
	nowhere := &logged{dir: filepath.Join(t.TempDir(), "none")}
	if _, err := nowhere.verify(t, verifyCmd{}); err == nil {
		t.Error("no store, and it holds")
	}
	if _, err := os.Stat(nowhere.dir); err == nil {
		t.Error("verifying made a store")
	}
}

func isUsage(err error) bool { _, ok := errors.AsType[usageError](err); return ok }

// TestVerifyDamage changes files of the store. Every change must be noticed.
func TestVerifyDamage(t *testing.T) {
	flip := func(pattern string, at func(size int64) int64) func(t *testing.T, l *logged) {
		return func(t *testing.T, l *logged) {
			files, err := filepath.Glob(filepath.Join(l.dir, pattern))
			if err != nil || len(files) == 0 {
				t.Fatalf("no %s: %v", pattern, err)
			}
			b, err := os.ReadFile(files[0])
			if err != nil {
				t.Fatal(err)
			}
			b[at(int64(len(b)))] ^= 1
			if err := os.WriteFile(files[0], b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	middle := func(size int64) int64 { return size / 2 }
	for name, c := range map[string]struct {
		do   func(t *testing.T, l *logged)
		want string
	}{
		"leaf tile":  {flip("log/0.tiles", func(int64) int64 { return 300 * 32 }), "index 300, table events, id 151: the tile has another hash"},
		"document":   {flip("segments/*", middle), ""},
		"manifest":   {flip("manifest", middle), ""},
		"tiles gone": {func(t *testing.T, l *logged) { remove(t, filepath.Join(l.dir, "log", "0.tiles")) }, ""},
		"guard": {func(t *testing.T, l *logged) {
			files, err := filepath.Glob(l.dir + ".guard/*")
			if err != nil || len(files) != 1 {
				t.Fatal(files, err)
			}
			b, err := os.ReadFile(files[0])
			if err != nil {
				t.Fatal(err)
			}
			b[len(b)/2] ^= 1
			if err := os.WriteFile(files[0], b, 0o600); err != nil {
				t.Fatal(err)
			}
		}, "damaged"},
		"signed anew": {func(t *testing.T, l *logged) {
			remove(t, filepath.Join(l.dir, "log.key"))
			s, p := l.open(t) // with a key of its own
			l.write(t, s, 1)
			if err := p.Now(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		}, "no signature by a known key"},
	} {
		t.Run(name, func(t *testing.T) {
			l := signedStore(t)
			key := l.key
			c.do(t, l)
			out, err := l.verify(t, verifyCmd{Key: key})
			if err == nil {
				t.Fatalf("not noticed: %s", out)
			}
			if !strings.Contains(out, c.want) {
				t.Errorf("says %q (%v), want %q", out, err, c.want)
			}
		})
	}
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

// TestVerifyServer verifies a log over HTTP while it grows.
func TestVerifyServer(t *testing.T) {
	l := signedStore(t)
	s, _ := l.open(t)
	defer s.Close()
	l.write(t, s, 10)
	api := logapi.New(logapi.Config{Store: s, Key: l.key, Authorize: func(r *http.Request, _ string) error {
		if r.Header.Get("Authorization") != "Bearer token-of-an-auditor" {
			return vigil.Errorf(vigil.Unauthenticated, "no")
		}
		return nil
	}})
	drop, change := 3, false
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if drop > 0 && r.URL.Path == "/log/entries" { // the connection breaks a few times
			drop--
			w = &short{ResponseWriter: w, left: 100_000}
		}
		if change {
			w = &changing{ResponseWriter: w}
		}
		if err := api.Serve(w, r); err != nil {
			w.WriteHeader(map[bool]int{true: 401, false: 404}[vigil.KindOf(err) == vigil.Unauthenticated])
		}
	}))
	defer srv.Close()
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("token-of-an-auditor\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := verifyCmd{URL: srv.URL, Token: "@" + token, Key: l.key, Against: []string{l.checkpoint}}
	out, err := l.verify(t, c)
	if err != nil || !strings.Contains(out, "2400 entries hold") || drop != 0 {
		t.Errorf("%v: %s", err, out)
	}
	if out, err := l.verify(t, verifyCmd{URL: srv.URL}); err == nil || out != "" || !strings.Contains(err.Error(), "could not be verified") || !strings.Contains(err.Error(), "--role auditor") {
		t.Errorf("without a token: %v: %s", err, out)
	}
	var printed bytes.Buffer
	byEnv := verifyCmd{URL: srv.URL}
	if err := byEnv.Run(t.Context(), &stdio{Out: &printed, Err: &printed, Dir: t.TempDir(), Env: []string{"VIGIL_TOKEN=token-of-an-auditor"}}); err != nil {
		t.Errorf("with a token from the environment: %v: %s", err, &printed)
	}
	change = true
	if out, err := l.verify(t, c); err == nil || !strings.Contains(out, "index 0, table events, id 1: the event is not what was logged") {
		t.Errorf("a changed event: %v: %s", err, out)
	}
	srv.Close()
	if _, err := l.verify(t, c); err == nil {
		t.Error("no server, and it holds")
	}
}

// short cuts an answer.
type short struct {
	http.ResponseWriter
	left int
}

func (s *short) Write(b []byte) (int, error) {
	if s.left -= len(b); s.left < 0 {
		panic(http.ErrAbortHandler)
	}
	return s.ResponseWriter.Write(b)
}

// changing changes the salt of each entry.
type changing struct{ http.ResponseWriter }

func (c *changing) Write(b []byte) (int, error) {
	if i := bytes.Index(b, []byte(`"salt":"`)); i >= 0 {
		b = bytes.Clone(b)
		at := i + len(`"salt":"`)
		if b[at]++; b[at] == 'A'+26 || b[at] == 'z'+1 || b[at] == '9'+1 || b[at] < '0' {
			b[at] = 'A'
		}
	}
	return c.ResponseWriter.Write(b)
}

// TestRecover puts a backup back.
func TestRecover(t *testing.T) {
	l := signedStore(t)
	backup := filepath.Join(t.TempDir(), "backup")
	if err := os.CopyFS(backup, os.DirFS(l.dir)); err != nil {
		t.Fatal(err)
	}
	recovers := func(reason string) (string, error) {
		var out bytes.Buffer
		c := recoverCmd{settings: settings{Store: "dir:" + l.dir}, Reason: reason}
		err := c.Run(t.Context(), &stdio{Out: &out, Err: &out, Dir: t.TempDir()})
		return out.String(), err
	}
	if out, err := recovers("a test"); err == nil {
		t.Fatalf("recovered a store that is in order: %s", out)
	}
	s, p := l.open(t)
	l.write(t, s, 50)
	if err := p.Now(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(l.checkpoint, s.Log().Checkpoint(), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := recovers("a test"); err == nil || !strings.Contains(err.Error(), "stop the server") {
		t.Errorf("while the store is open: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(l.dir); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(l.dir, os.DirFS(backup)); err != nil {
		t.Fatal(err)
	}
	for _, f := range []string{"log.key"} {
		if err := os.Chmod(filepath.Join(l.dir, f), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := l.verify(t, verifyCmd{}); err == nil || !strings.Contains(out, "2400 entries, but 2450 were signed") {
		t.Errorf("a backup was put back: %v: %s", err, out)
	}
	out, err := recovers("a backup of yesterday was put back")
	if err != nil || !strings.Contains(out, "epoch 2") {
		t.Fatalf("%v: %s", err, out)
	}
	s, p = l.open(t)
	if !strings.HasSuffix(s.Log().Origin(), "/e2") || s.Err() != nil {
		t.Errorf("origin %s, %v", s.Log().Origin(), s.Err())
	}
	var doc string
	for e, err := range s.Entries(context.Background(), 2400) {
		if err != nil {
			t.Fatal(err)
		}
		doc = e.Table + string(e.Doc)
	}
	if !strings.HasPrefix(doc, "system") || !strings.Contains(doc, "a backup of yesterday") {
		t.Errorf("the epoch begins with %s", doc)
	}
	if err := p.Now(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if out, err := l.verify(t, verifyCmd{Key: l.key}); err != nil {
		t.Errorf("after recovery: %v: %s", err, out)
	}
	if out, err := l.verify(t, verifyCmd{Key: l.key, Against: []string{l.checkpoint}}); err == nil {
		t.Errorf("it extends what was lost: %s", out)
	}
}
