package gateway

import (
	"context"
	"io"
	"net"
)

// wideSize is in what pieces bodies go to the upstream, in bytes: for uploads, the
// calls of the system are what a proxy takes most of its time for.
const wideSize = 128 << 10

// wideConn is a connection to the upstream that is written in larger pieces than
// [io.Copy] makes, which Transport sends bodies by.
type wideConn struct {
	net.Conn
	buffers *bufferPool
}

// ReadFrom implements [io.ReaderFrom].
func (c wideConn) ReadFrom(r io.Reader) (int64, error) {
	buf := c.buffers.Get()
	defer c.buffers.Put(buf)
	return io.CopyBuffer(struct{ io.Writer }{c.Conn}, r, buf)
}

// dialWide returns d's way to connect, for bodies in larger pieces.
func dialWide(d *net.Dialer) func(ctx context.Context, network, addr string) (net.Conn, error) {
	buffers := &bufferPool{size: wideSize}
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := d.DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return wideConn{Conn: conn, buffers: buffers}, nil
	}
}
