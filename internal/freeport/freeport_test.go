package freeport

import (
	"net"
	"testing"
)

// TestFind listens where it says, below the ports that connections are given.
func TestFind(t *testing.T) {
	for range 20 {
		addr, err := Addr()
		if err != nil {
			t.Fatal(err)
		}
		l, err := net.Listen("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		if port := l.Addr().(*net.TCPAddr).Port; port < first || port > last {
			t.Errorf("port %d", port)
		}
	}
}
