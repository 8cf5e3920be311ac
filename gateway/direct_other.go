//go:build !unix

package gateway

// canPeek says that an idle connection cannot be asked whether it still is, so
// that Transport carries every request.
const canPeek = false

func (c *upstreamConn) peekAt(uintptr) bool { return true }
