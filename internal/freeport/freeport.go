// Package freeport finds ports of the loopback for servers that tests and
// measurements start as processes of their own.
package freeport

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
)

// The ports below those that systems give to outgoing connections (from 32768 on
// Linux, 49152 elsewhere): a server that is started again gets its port back, and
// nobody who dials it while it is away is connected with himself.
const (
	first = 10240
	last  = 32767
	tries = 100
)

// Find returns a port of 127.0.0.1 at which nobody listens. It stays free as long
// as nobody else happens to choose it.
func Find() (port int, err error) {
	for range tries {
		port = first + rand.IntN(last-first+1)
		var l net.Listener
		if l, err = net.Listen("tcp", address(port)); err == nil {
			return port, l.Close()
		}
	}
	return 0, fmt.Errorf("find a free port: %w", err)
}

// Addr returns the address 127.0.0.1:port of what [Find] finds.
func Addr() (string, error) {
	port, err := Find()
	if err != nil {
		return "", err
	}
	return address(port), nil
}

func address(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
