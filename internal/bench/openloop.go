package bench

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"runtime"
	"time"
)

// OpenLoop sends requests at times fixed before, whatever the answers do. What a
// request waits for the one before it on its connection counts as its time, so
// that a server that stops for a while cannot hide it (coordinated omission).
type OpenLoop struct {
	Addr        string // HOST:PORT
	Connections int
	Rate        float64 // requests in a second, of all connections together
	Duration    time.Duration
	Request     []byte // a whole HTTP/1.1 request
	Want        int    // status that counts as success
}

// Run sends the load. Times are from the moment that a request was meant to be
// sent. Each connection has a thread that sleeps and reads in the kernel, since
// Go's own timers are up to a millisecond late when the process is idle.
func (l OpenLoop) Run(ctx context.Context) (Result, error) {
	// A thread that comes back from the kernel must find a processor of Go's.
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(l.Connections + 4))
	start := time.Now().Add(20 * time.Millisecond) // all are connected by then
	return gather(l.Connections, start, func(at int) ([]time.Duration, error) { return l.connection(ctx, at, start) })
}

// connection sends every request whose turn it is.
func (l OpenLoop) connection(ctx context.Context, at int, start time.Time) ([]time.Duration, error) {
	conn, err := blocking(ctx, l.Addr)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	runtime.LockOSThread() // and end with it: its timer is another one now
	exactTimer()
	br := bufio.NewReaderSize(conn, 16<<10)
	gap := time.Duration(float64(l.Connections) / l.Rate * float64(time.Second))
	intended := start.Add(gap * time.Duration(at) / time.Duration(l.Connections))
	var times []time.Duration
	for end := start.Add(l.Duration); intended.Before(end); intended = intended.Add(gap) {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		pause(time.Until(intended))
		if _, err := conn.Write(l.Request); err != nil {
			return nil, err
		}
		status, err := answer(br)
		if err != nil {
			return nil, err
		}
		if status != l.Want {
			return nil, fmt.Errorf("answered %d, want %d", status, l.Want)
		}
		times = append(times, time.Since(intended))
	}
	return times, nil
}

// blocking connects, and returns the connection as a file whose reads and writes
// wait in the kernel.
func blocking(ctx context.Context, addr string) (*os.File, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	defer conn.Close() // the file is a copy
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return nil, fmt.Errorf("%s is not reached by TCP", addr)
	}
	f, err := tcp.File()
	if err != nil {
		return nil, err
	}
	return waitInKernel(f)
}
