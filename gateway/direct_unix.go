//go:build unix

package gateway

import (
	"errors"
	"syscall"
)

// canPeek says that an idle connection can be asked whether it still is.
const canPeek = true

// peekAt looks whether there is something to read. Whatever there is makes the
// connection useless, so it need not stay.
func (c *upstreamConn) peekAt(fd uintptr) bool {
	var b [1]byte
	_, err := syscall.Read(int(fd), b[:])
	c.still = errors.Is(err, syscall.EAGAIN)
	return true
}
