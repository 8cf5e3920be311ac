package bench

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"time"
)

// Volume is what a million events cost.
type Volume struct {
	Events      int
	LoadSeconds float64
	PeakRSS     int64   // bytes while loading
	DiskPer     float64 // bytes of store files without the journal, an event
	FirstByte   time.Duration
	ReadSeconds float64
	ReadBytes   int64
	ReadRSS     int64 // resident set above the one before reading, at its highest
	Restart     time.Duration
	AfterKill   time.Duration
}

// MeasureVolume loads events of about 900 bytes into the running server,
// restarts it, reads them all back, and starts it once more after SIGKILL in
// the middle of a load.
func MeasureVolume(ctx context.Context, v *Vigil, token string, events int) (Volume, error) {
	out := Volume{Events: events}
	if err := v.ResetPeak(); err != nil {
		return out, err
	}
	start := time.Now()
	if err := load(ctx, v, token, events, 4); err != nil {
		return out, err
	}
	out.LoadSeconds = time.Since(start).Seconds()
	var err error
	if _, out.PeakRSS, err = v.Memory(); err != nil {
		return out, err
	}
	if err := v.Stop(); err != nil {
		return out, fmt.Errorf("stop: %w", err)
	}
	bytes, err := v.Disk()
	if err != nil {
		return out, err
	}
	out.DiskPer = float64(bytes) / float64(events)
	if out.Restart, err = v.Start(ctx); err != nil {
		return out, err
	}
	// A process that has just started holds nothing yet, so that all the memory
	// of the answer is counted.
	if err := out.read(ctx, v, token); err != nil {
		return out, err
	}
	killed := make(chan error, 1)
	go func() { killed <- load(ctx, v, token, events, 4) }()
	time.Sleep(3 * time.Second)
	v.Kill()
	<-killed // it fails: its server was killed
	out.AfterKill, err = v.Start(ctx)
	return out, err
}

// load posts arrays of 1,000 events.
func load(ctx context.Context, v *Vigil, token string, events, connections int) error {
	bodies := Bodies(64, 1000, true)
	requests := make([][]byte, len(bodies))
	for i, b := range bodies {
		requests[i] = Post(v.Addr, "/events", token, b)
	}
	left := atomic.Int64{}
	left.Store(int64(events / 1000))
	return postAll(ctx, v.Addr, requests, connections, &left)
}

// read gets all events once and watches memory while they come.
func (out *Volume) read(ctx context.Context, v *Vigil, token string) error {
	before, _, err := v.Memory()
	if err != nil {
		return err
	}
	if err := v.ResetPeak(); err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+v.Addr+"/events", nil)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Accept-Encoding", "identity")
	start := time.Now()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	br := bufio.NewReaderSize(resp.Body, 256<<10)
	if _, err := br.ReadByte(); err != nil {
		return err
	}
	out.FirstByte = time.Since(start)
	n, err := io.Copy(io.Discard, br)
	if err != nil {
		return err
	}
	out.ReadBytes, out.ReadSeconds = n+1, time.Since(start).Seconds()
	_, peak, err := v.Memory()
	out.ReadRSS = peak - before
	return err
}

// Write prints the figures as a Markdown table.
func (out Volume) Write(w io.Writer) {
	fmt.Fprintf(w, "| figure | value |\n|---|---|\n")
	fmt.Fprintf(w, "| events | %d |\n", out.Events)
	fmt.Fprintf(w, "| loading, arrays of 1,000 over 4 connections | %.1f s, %.0f events/s |\n", out.LoadSeconds, float64(out.Events)/out.LoadSeconds)
	fmt.Fprintf(w, "| resident while loading, highest | %d MB |\n", out.PeakRSS>>20)
	disk := fmt.Sprintf("%.0f bytes an event", out.DiskPer)
	if out.DiskPer < 1 { // all of them are in the journal
		disk = "not sealed yet"
	}
	fmt.Fprintf(w, "| disk without journal | %s |\n", disk)
	fmt.Fprintf(w, "| GET /events, all: first byte | %s |\n", out.FirstByte.Round(100*time.Microsecond))
	fmt.Fprintf(w, "| GET /events, all: whole | %.1f s, %d MB |\n", out.ReadSeconds, out.ReadBytes>>20)
	fmt.Fprintf(w, "| GET /events, all: memory above before | %d MB |\n", out.ReadRSS>>20)
	fmt.Fprintf(w, "| restart after SIGTERM | %s |\n", out.Restart.Round(time.Millisecond))
	fmt.Fprintf(w, "| restart after kill -9 while loading | %s |\n", out.AfterKill.Round(time.Millisecond))
}
