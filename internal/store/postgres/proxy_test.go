package postgres_test

import (
	"bytes"
	"io"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// proxy stands between a store and its server, and cuts the connection on which
// the store writes when it is told to.
type proxy struct {
	mu    sync.Mutex
	to    string
	armed bool
	left  int  // messages that still pass
	reply bool // answers are counted, and not what is sent
	cuts  int
	shut  bool // no connection is let through
	open  map[net.Conn]bool
	late  *lateCommit
}

// lateCommit has what is sent next on the connection that writes reach the server
// after the client was cut off, and before the first message that follows a
// rollback on another one.
type lateCommit struct {
	armed   bool
	server  net.Conn
	held    []byte
	release func() // called when the server has it all
}

// hold takes a message of the connection that writes, with what follows it, and
// reports whether it is the one that is to be late.
func (p *proxy) hold(buf []byte, client, server net.Conn) bool {
	p.mu.Lock()
	l := p.late
	if l == nil || !l.armed {
		p.mu.Unlock()
		return false
	}
	l.armed = false
	p.mu.Unlock()
	_ = client.SetReadDeadline(time.Now().Add(500 * time.Millisecond))
	rest, _ := io.ReadAll(client) // it waits for the answer, then
	p.mu.Lock()
	l.held, l.server = append(bytes.Clone(buf), rest...), server
	p.mu.Unlock()
	_ = client.Close()
	return true
}

// goOn lets the server have what was held.
func (p *proxy) goOn() {
	p.mu.Lock()
	l := p.late
	p.late = nil
	p.mu.Unlock()
	if l == nil || l.server == nil {
		return
	}
	_, _ = l.server.Write(l.held)
	l.release()
	_ = l.server.Close()
}

// newProxy returns a proxy and the address of the database through it.
func newProxy(t testing.TB, to string) (*proxy, string) {
	t.Helper()
	u, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{to: u.Host, open: map[net.Conn]bool{}}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go p.serve(c)
		}
	}()
	u.Host = l.Addr().String()
	return p, u.String()
}

// arm has the proxy cut the connection instead of passing on the message after
// n others: of the answers, or of what is sent.
func (p *proxy) arm(n int, reply bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.armed, p.left, p.reply = true, n, reply
}

// refuse ends all connections and takes no others, or takes them again.
func (p *proxy) refuse(yes bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.shut = yes
	for c := range p.open {
		_ = c.Close()
	}
}

// turn has the address lead to another server from now on.
func (p *proxy) turn(to string) {
	p.mu.Lock()
	p.to = to
	p.mu.Unlock()
	p.refuse(false)
}

// enter notes a connection, and reports whether it may go on.
func (p *proxy) enter(c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open[c] = true
	return !p.shut
}

// disarm lets everything pass, and returns how many connections have been cut.
func (p *proxy) disarm() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.armed = false
	return p.cuts
}

// passes reports whether a message may pass.
func (p *proxy) passes(reply bool) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.armed || p.reply != reply {
		return true
	}
	if p.left > 0 {
		p.left--
		return true
	}
	p.armed = false
	p.cuts++
	return false
}

func (p *proxy) serve(client net.Conn) {
	p.mu.Lock()
	to := p.to
	p.mu.Unlock()
	server, err := net.Dial("tcp", to)
	if err != nil || !p.enter(client) {
		_ = client.Close()
		return
	}
	var writes atomic.Bool // the connection has asked for the row's lock
	var once sync.Once
	end := func() { once.Do(func() { _ = client.Close(); _ = server.Close() }) }
	forward := func(to, from net.Conn, reply bool) {
		late := false
		defer func() {
			if !late {
				end()
			}
		}()
		buf, rolled := make([]byte, 64<<10), false
		for {
			n, err := from.Read(buf)
			if !reply && bytes.Contains(buf[:n], []byte("for update")) {
				writes.Store(true)
			}
			if err != nil || writes.Load() && !p.passes(reply) {
				return
			}
			if !reply && writes.Load() {
				if late = p.hold(buf[:n], from, to); late {
					return
				}
				if rolled {
					p.goOn()
				}
				rolled = bytes.Contains(buf[:n], []byte("rollback"))
			}
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
	}
	go forward(server, client, false)
	forward(client, server, true)
}
