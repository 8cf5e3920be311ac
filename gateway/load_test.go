package gateway_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"vigil"
	"vigil/gateway"
	"vigil/internal/bench"
	"vigil/internal/format/fhir/balp"
	"vigil/internal/spool"
)

// serveForLoad is one of the servers that BenchmarkLoad compares, in a process
// of its own: plain is a ReverseProxy over the same Transport, the others are
// gateways with full audit (exchange, AuditEvent, spool on disk).
func serveForLoad(kind, upstream, dir string) error {
	u, err := url.Parse(upstream)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(l.Addr())
	mux := http.NewServeMux()
	mux.HandleFunc("/-/cpu", func(w http.ResponseWriter, _ *http.Request) {
		var u syscall.Rusage
		if syscall.Getrusage(syscall.RUSAGE_SELF, &u) == nil {
			fmt.Fprint(w, u.Utime.Nano()+u.Stime.Nano())
		}
	})
	if kind == "plain" {
		mux.Handle("/", &httputil.ReverseProxy{
			Rewrite: func(pr *httputil.ProxyRequest) {
				pr.Out.URL.Scheme, pr.Out.URL.Host, pr.Out.Host = u.Scheme, u.Host, pr.In.Host
				pr.SetXForwarded()
			},
			Transport: gateway.NewTransport(), BufferPool: &pool{},
		})
		return http.Serve(l, mux)
	}
	mode, err := gateway.ParseMode(kind)
	if err != nil {
		return err
	}
	audit := balp.New(balp.Config{Observer: "gateway"})
	reader := gateway.NewReader(gateway.ReaderConfig{Events: func(x *vigil.Exchange) ([]*vigil.Event, error) {
		events, err := audit.Events(x)
		if err != nil {
			return nil, err
		}
		e, err := gateway.ExchangeEvent(x)
		return append(events, e), err
	}})
	sink := vigil.WriterFunc(func(context.Context, []*vigil.Event) error { return nil })
	sp, err := spool.Open(spool.Config{Dir: dir, Writer: sink, Events: reader.Events, ByKey: true})
	if err != nil {
		return err
	}
	g, err := gateway.New(gateway.Config{Spool: sp, Mode: func(*http.Request) gateway.Mode { return mode }})
	if err != nil {
		return err
	}
	h, err := g.Proxy(gateway.ProxyConfig{Upstream: u})
	if err != nil {
		return err
	}
	mux.Handle("/", h)
	mux.HandleFunc("/-/flush", func(_ http.ResponseWriter, r *http.Request) { sp.Flush(r.Context()) })
	server := &http.Server{Handler: mux, ConnContext: new(gateway.ConnIDs).Context}
	debug.SetGCPercent(400) // as vigil gateway does
	return server.Serve(l)
}

// startForLoad starts a server and returns its address.
func startForLoad(b *testing.B, kind, upstream string) string {
	b.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "GATEWAY_TEST_LOAD="+kind, "GATEWAY_TEST_UPSTREAM="+upstream, "GATEWAY_TEST_DIR="+b.TempDir())
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		cmd.Process.Signal(os.Interrupt)
		cmd.Wait() // it was killed
	})
	addr, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	return strings.TrimSpace(addr)
}

// quickServer answers every request with the same Patient of 2 KB, with as
// little work as there can be.
func quickServer(b *testing.B) string {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { l.Close() })
	answer := []byte("HTTP/1.1 200 OK\r\nContent-Type: application/fhir+json\r\nEtag: W/\"1\"\r\nContent-Length: " +
		strconv.Itoa(len(patient)) + "\r\n\r\n" + patient)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go answerAll(conn, answer)
		}
	}()
	return "http://" + l.Addr().String() + "/fhir"
}

func answerAll(conn net.Conn, answer []byte) {
	defer conn.Close()
	buf, n := make([]byte, 16<<10), 0
	for {
		got, err := conn.Read(buf[n:])
		if err != nil {
			return
		}
		n += got
		for {
			end := bytes.Index(buf[:n], []byte("\r\n\r\n"))
			if end < 0 {
				break
			}
			n = copy(buf, buf[end+4:n])
			if _, err := conn.Write(answer); err != nil {
				return
			}
		}
	}
}

// BenchmarkLoad compares the gateway with a plain ReverseProxy: a closed loop, in
// turns of a second, as processes of their own. It reports the median of the
// turns' ratios, once more with the time until the spool was empty counted as
// well, and the time of a request with one connection.
//
//	go test -run - -bench Load -benchtime 5x ./gateway
func BenchmarkLoad(b *testing.B) {
	upstream := quickServer(b)
	plain := startForLoad(b, "plain", upstream)
	kinds := []string{"spool", "strict"}
	addrs := map[string]string{}
	for _, kind := range kinds {
		addrs[kind] = startForLoad(b, kind, upstream)
	}
	tok := token(`{"sub":"u-1","name":"Nurse One","iss":"https://idp.example","scope":"user/*.rs"}`)
	request := []byte("GET /fhir/Patient/p-1 HTTP/1.1\r\nHost: gw.example\r\nUser-Agent: bench\r\nAuthorization: Bearer " + tok + "\r\n\r\n")
	type result struct {
		bench.Result
		flush time.Duration
		cpu   float64 // of a request, µs, until the spool was empty
	}
	run := func(addr string, connections int) (r result) {
		var err error
		cpu := ask(b, addr, "/-/cpu")

		r.Result, err = bench.Load{Addr: addr, Connections: connections, Duration: time.Second, Requests: [][]byte{request}, Want: 200}.Run(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		began := time.Now()
		ask(b, addr, "/-/flush")
		r.flush = time.Since(began)
		r.cpu = float64(ask(b, addr, "/-/cpu")-cpu) / float64(r.Done) / 1000
		return r
	}
	for _, connections := range []int{1, 16, 64} {
		b.Run(fmt.Sprintf("connections=%d", connections), func(b *testing.B) {
			ratios, whole, extra := map[string][]float64{}, map[string][]float64{}, map[string][]float64{}
			var rates, plainCPU []float64
			cpu := map[string][]float64{}
			run(plain, connections)
			for b.Loop() {
				before := run(plain, connections)
				for _, kind := range kinds {
					r := run(addrs[kind], connections)
					ratios[kind] = append(ratios[kind], r.Rate()/before.Rate())
					cpu[kind] = append(cpu[kind], r.cpu)
					whole[kind] = append(whole[kind], float64(r.Done)/(r.Elapsed+r.flush).Seconds()/before.Rate())
					extra[kind] = append(extra[kind], float64((r.P50 - before.P50).Microseconds()))
				}
				rates, plainCPU = append(rates, before.Rate()), append(plainCPU, before.cpu)
			}
			b.ReportMetric(middle(rates), "plain-req/s")
			b.ReportMetric(middle(plainCPU), "plain-cpu-µs")
			for _, kind := range kinds {
				b.ReportMetric(middle(ratios[kind]), kind+"/plain")
				b.ReportMetric(middle(cpu[kind]), kind+"-cpu-µs")
				b.ReportMetric(middle(whole[kind]), kind+"-drained/plain")
				if connections == 1 {
					b.ReportMetric(middle(extra[kind]), kind+"-p50-more-µs")
				}
			}
		})
	}
}

// ask gets a number from a server, 0 where it says nothing.
func ask(b *testing.B, addr, path string) (n int64) {
	b.Helper()
	resp, err := http.Get("http://" + addr + path)
	if err != nil {
		b.Fatal(err)
	}
	defer resp.Body.Close()
	fmt.Fscan(resp.Body, &n)
	return n
}

func middle(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return v[len(v)/2]
}
