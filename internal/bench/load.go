package bench

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// Load is one point of a measurement: the same kind of request over a number of
// keep-alive connections for a while.
type Load struct {
	Addr        string // HOST:PORT
	Connections int
	Duration    time.Duration
	// Requests are sent in turn, each connection starting at another one. They
	// are whole HTTP/1.1 requests, bytes as on the wire.
	Requests [][]byte
	Want     int // status that counts as success
}

// Result is what a Load did.
type Result struct {
	Done    int // requests answered with Want
	Elapsed time.Duration
	P50     time.Duration
	P99     time.Duration
	Behind  time.Duration // what the server did behind its answers went on so long
	CPU     time.Duration // that the server had of the processors, where that is known
}

// Rate returns requests in a second.
func (r Result) Rate() float64 { return float64(r.Done) / r.Elapsed.Seconds() }

// Run sends the load. Any other answer than Want ends it with an error, since a
// rate of failures is no rate. The generator writes prepared bytes and reads no
// more of an answer than it must, so that the server has the processors.
func (l Load) Run(ctx context.Context) (Result, error) {
	ctx, cancel := context.WithTimeout(ctx, l.Duration+30*time.Second)
	defer cancel()
	start := time.Now()
	return gather(l.Connections, start, func(at int) ([]time.Duration, error) {
		return l.connection(ctx, at, start.Add(l.Duration))
	})
}

// gather measures over so many connections at once: each returns how long its
// answers took. The measurement counts from start.
func gather(connections int, start time.Time, each func(at int) ([]time.Duration, error)) (Result, error) {
	times := make([][]time.Duration, connections)
	errs := make([]error, connections)
	var wg sync.WaitGroup
	for i := range connections {
		wg.Go(func() { times[i], errs[i] = each(i) })
	}
	wg.Wait()
	elapsed := time.Since(start)
	if err := errors.Join(errs...); err != nil {
		return Result{}, err
	}
	all := slices.Concat(times...)
	if len(all) == 0 {
		return Result{}, errors.New("no request was answered in time")
	}
	slices.Sort(all)
	return Result{
		Done: len(all), Elapsed: elapsed,
		P50: all[len(all)/2], P99: all[len(all)*99/100],
	}, nil
}

// connection sends requests one after the other until the end.
func (l Load) connection(ctx context.Context, at int, end time.Time) ([]time.Duration, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", l.Addr)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			return nil, err
		}
	}
	br := bufio.NewReaderSize(conn, 16<<10)
	var times []time.Duration
	for i := at; ; i++ {
		t := time.Now()
		if t.After(end) {
			return times, nil
		}
		if _, err := conn.Write(l.Requests[i%len(l.Requests)]); err != nil {
			return nil, err
		}
		status, err := answer(br)
		if err != nil {
			return nil, err
		}
		if status != l.Want {
			return nil, fmt.Errorf("answered %d, want %d", status, l.Want)
		}
		times = append(times, time.Since(t))
	}
}

// answer reads one HTTP/1.1 response and returns its status.
func answer(br *bufio.Reader) (int, error) {
	line, err := br.ReadSlice('\n')
	if err != nil {
		return 0, err
	}
	if len(line) < 12 {
		return 0, fmt.Errorf("status line of %d bytes", len(line))
	}
	status, err := strconv.Atoi(string(line[9:12]))
	if err != nil {
		return 0, err
	}
	return status, skipMessage(br)
}

// skipMessage reads the headers and the body of a message.
func skipMessage(br *bufio.Reader) error {
	length, chunked := int64(0), false
	for {
		line, err := br.ReadSlice('\n')
		if err != nil {
			return err
		}
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			break
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		switch {
		case bytes.EqualFold(name, []byte("content-length")):
			if length, err = strconv.ParseInt(string(bytes.TrimSpace(value)), 10, 64); err != nil {
				return err
			}
		case bytes.EqualFold(name, []byte("transfer-encoding")):
			chunked = true
		}
	}
	if chunked {
		return skipChunks(br)
	}
	_, err := io.CopyN(io.Discard, br, length)
	return err
}

// skipChunks reads a chunked body to its end.
func skipChunks(br *bufio.Reader) error {
	for {
		line, err := br.ReadSlice('\n')
		if err != nil {
			return err
		}
		size, err := strconv.ParseInt(string(bytes.TrimSpace(line)), 16, 64)
		if err != nil {
			return err
		}
		if _, err := io.CopyN(io.Discard, br, size+2); err != nil {
			return err
		}
		if size == 0 {
			return nil
		}
	}
}

// Post returns the bytes of a POST of a JSON body.
func Post(host, path, token string, body []byte) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n\r\n",
		path, host, token, len(body))
	b.Write(body)
	return b.Bytes()
}

// postAll sends requests over some connections until left is used up.
func postAll(ctx context.Context, addr string, requests [][]byte, connections int, left *atomic.Int64) error {
	return postEach(ctx, addr, connections, func() []byte {
		n := left.Add(-1)
		if n < 0 {
			return nil
		}
		return requests[int(n)%len(requests)]
	})
}

// postEach sends what next gives over some connections, until it gives nil. It is
// called by all of them at once.
func postEach(ctx context.Context, addr string, connections int, next func() []byte) error {
	errs := make([]error, connections)
	var wg sync.WaitGroup
	for i := range connections {
		wg.Go(func() {
			var d net.Dialer
			conn, err := d.DialContext(ctx, "tcp", addr)
			if err != nil {
				errs[i] = err
				return
			}
			defer conn.Close()
			br := bufio.NewReaderSize(conn, 16<<10)
			for request := next(); request != nil; request = next() {
				if _, err := conn.Write(request); err != nil {
					errs[i] = err
					return
				}
				if status, err := answer(br); err != nil || status != 201 {
					errs[i] = fmt.Errorf("load: answered %d: %w", status, err)
					return
				}
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}
