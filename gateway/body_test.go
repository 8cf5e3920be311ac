package gateway_test

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/zstd"

	"vigil/gateway"
)

// TestCodings undoes content codings for the record, and never for the client.
func TestCodings(t *testing.T) {
	plain := []byte(`{"resourceType":"Patient","id":"p","meta":{"versionId":"4"}}`)
	encode := func(open func(io.Writer) io.WriteCloser, b []byte) []byte {
		var out bytes.Buffer
		w := open(&out)
		w.Write(b)
		w.Close()
		return out.Bytes()
	}
	gz := func(b []byte) []byte {
		return encode(func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) }, b)
	}
	for name, c := range map[string]struct {
		coding, version, note string
		body                  []byte
	}{
		"none":       {"", "4", "", plain},
		"gzip":       {"gzip", "4", "", gz(plain)},
		"twice":      {"gzip, x-gzip", "4", "", gz(gz(plain))},
		"zlib":       {"deflate", "4", "", encode(func(w io.Writer) io.WriteCloser { return zlib.NewWriter(w) }, plain)},
		"bare":       {"deflate", "4", "", encode(func(w io.Writer) io.WriteCloser { f, _ := flate.NewWriter(w, 5); return f }, plain)},
		"zstd":       {"zstd", "4", "", encode(func(w io.Writer) io.WriteCloser { z, _ := zstd.NewWriter(w); return z }, plain)},
		"br":         {"br", "", `response body is not read: its coding "br" is not known`, []byte("whatever")},
		"not gzip":   {"gzip", "", "response body is not read: its coding gzip is damaged", []byte("whatever, but no gzip")},
		"half gzip":  {"gzip", "", "response body is not read: its coding gzip is damaged or cut", gz(plain)[:20]},
		"bomb":       {"gzip", "", "response body is read to 16777216 bytes only", gz(append([]byte(`{"a":"`), make([]byte, 64<<20)...))},
		"cut":        {"", "4", "response body is recorded from its first 4096 bytes only", append(plain[:len(plain)-1:len(plain)-1], (`,"x":"` + strings.Repeat("x", 5000) + `"}`)...)},
		"not JSON":   {"", "", "response body is not read whole: the body is not well-formed", []byte(`{"resourceType":?}`)},
		"deep":       {"", "", "response body is not read whole: the body is nested too deep", bytes.Repeat([]byte(`[`), 3000)},
		"nothing":    {"", "", "", nil},
		"white":      {"", "", "response body is not read whole: the body ends in the middle", []byte("   ")},
		"two values": {"", "4", "response body is not read whole: the body is not well-formed", append(plain[:len(plain):len(plain)], "{}"...)},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "application/fhir+json")
				if c.coding != "" {
					w.Header().Set("Content-Encoding", c.coding)
				}
				w.Write(c.body)
			}), func(g *gateway.Config) {
				if name == "cut" {
					g.MaxBody = 4096
				}
			})
			resp, body := s.get("/fhir/Patient/p", "Accept-Encoding: gzip, identity")
			if body != string(c.body) || resp.Header.Get("Content-Encoding") != c.coding {
				t.Errorf("client got %d bytes in %s", len(body), resp.Header.Get("Content-Encoding"))
			}
			if x := s.only(); x.Version != c.version || strings.Join(x.Notes, "; ") != c.note || x.ResponseBytes != int64(len(c.body)) {
				t.Errorf("version %s, notes %v", x.Version, x.Notes)
			}
		})
	}
}

// TestXML reads hostile XML without following it anywhere.
func TestXML(t *testing.T) {
	for name, c := range map[string]struct{ body, version, note string }{
		"good":     {`<Patient xmlns="http://hl7.org/fhir"><id value="p"/><meta><versionId value="4"><extension url="x"><valueString value="y"/></extension></versionId></meta></Patient>`, "4", ""},
		"entity":   {`<!DOCTYPE P [<!ENTITY e SYSTEM "file:///etc/hostname">]><Patient><meta><versionId value="&e;"/></meta></Patient>`, "", "response body is not read whole: the body is not well-formed"},
		"laughs":   {`<!DOCTYPE P [<!ENTITY a "aa"><!ENTITY b "&a;&a;">]><Patient><id value="&b;"/></Patient>`, "", "response body is not read whole: the body is not well-formed"},
		"deep":     {strings.Repeat("<a>", 10_000), "", "response body is not read whole: the body is nested too deep"},
		"cut":      {`<Patient><meta><versionId value="4"/></meta><na`, "4", "response body is not read whole: the body ends in the middle"},
		"two":      {`<Patient/><Patient/>`, "", "response body is not read whole: the body is not well-formed"},
		"encoding": {`<?xml version="1.0" encoding="EBCDIC-US"?><Patient/>`, "", "response body is not read whole: the body is not well-formed"},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "application/fhir+xml")
				io.WriteString(w, c.body)
			}))
			s.get("/fhir/Patient/p")
			if x := s.only(); x.Version != c.version || strings.Join(x.Notes, "; ") != c.note {
				t.Errorf("version %s, notes %v", x.Version, x.Notes)
			}
		})
	}
}

// TestBigBodies passes 100 MB up and down, four at a time, in little memory.
func TestBigBodies(t *testing.T) {
	size := int64(100 << 20)
	if testing.Short() {
		size = 16 << 20
	}
	s := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/fhir+json")
		n, err := io.Copy(io.Discard, r.Body)
		if err != nil || n != size {
			t.Errorf("%d bytes arrived, %v", n, err)
		}
		io.CopyN(w, zeros{}, size)
	}), func(c *gateway.Config) { c.MaxBody = 1 << 20 })
	var before runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	stop := make(chan struct{})
	var peak atomic.Uint64
	go func() {
		var m runtime.MemStats
		for tick := time.NewTicker(10 * time.Millisecond); ; {
			select {
			case <-stop:
				tick.Stop()
				return
			case <-tick.C:
				runtime.ReadMemStats(&m)
				peak.Store(max(peak.Load(), m.HeapAlloc))
			}
		}
	}()
	done := make(chan error)
	for range 4 {
		go func() {
			resp, err := http.Post(s.front.URL+"/fhir/Binary", "application/fhir+json", io.LimitReader(zeros{}, size))
			if err == nil {
				var n int64
				if n, err = io.Copy(io.Discard, resp.Body); n != size && err == nil {
					err = fmt.Errorf("%d bytes came back", n)
				}
				resp.Body.Close()
			}
			done <- err
		}()
	}
	for range 4 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	close(stop)
	grown := int64(peak.Load()) - int64(before.HeapAlloc)
	t.Logf("heap grew by %d MB at most", grown>>20)
	if grown > 64<<20 {
		t.Errorf("heap grew by %d MB", grown>>20)
	}
	for _, x := range s.exchanges() {
		if x.RequestBytes != size || x.ResponseBytes != size || !x.Complete || len(x.Notes) < 2 {
			t.Errorf("recorded %+v", x)
		}
	}
	if st := s.g.Stats(); st.Copied != 0 {
		t.Errorf("%d bytes of copies are left", st.Copied)
	}
}

// TestMemoryBound copies no more than all requests together may hold.
func TestMemoryBound(t *testing.T) {
	s := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.CopyN(w, zeros{}, 100_000) }),
		func(c *gateway.Config) { c.MaxMemory = 10_000 })
	s.get("/fhir/Patient/p")
	if x := s.only(); x.ResponseBytes != 100_000 || len(x.Notes) == 0 || !strings.Contains(x.Notes[0], "is recorded from its first") {
		t.Errorf("recorded %+v", x)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}
