package sink

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"vigil/internal/jsonb"
)

// RefusedFile keeps refused lines in a file, a JSON object in each line. It is
// safe for concurrent use.
type RefusedFile struct {
	mu   sync.Mutex
	f    *os.File
	size int64
	now  func() time.Time
}

// OpenRefused opens the file for appending, and makes it where it is not there.
func OpenRefused(path string, now func() time.Time) (*RefusedFile, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the file of refused lines: %w", err)
	}
	info, err := f.Stat()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open the file of refused lines: %w", err), f.Close())
	}
	return &RefusedFile{f: f, size: info.Size(), now: now}, nil
}

// SetAside is a [SetAside].
func (r *RefusedFile) SetAside(_ context.Context, refused []Refused) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	var b []byte
	for _, x := range refused {
		b = append(x.Append(b, r.now()), '\n')
	}
	n, err := r.f.Write(b)
	if err == nil {
		err = r.f.Sync()
	}
	if err != nil {
		if n > 0 {
			err = errors.Join(err, r.f.Truncate(r.size))
		}
		return fmt.Errorf("write the file of refused lines: %w", err)
	}
	r.size += int64(n)
	return nil
}

// Close closes the file.
func (r *RefusedFile) Close() error { return r.f.Close() }

// Append appends what was refused as a JSON object:
//
//	{"at":"…Z","sink":"search","for":"events","uid":"…","reason":"400 …","line":"…"}
func (r Refused) Append(dst []byte, at time.Time) []byte {
	dst = append(dst, `{"at":"`...)
	dst = append(at.UTC().AppendFormat(dst, time.RFC3339Nano), '"')
	for _, f := range [...]struct{ key, value string }{
		{`,"sink":`, r.Sink}, {`,"for":`, r.Event.Table}, {`,"uid":`, r.Event.UID.String()}, {`,"reason":`, r.Reason},
	} {
		dst = jsonb.AppendLineString(append(dst, f.key...), f.value)
	}
	if r.Count > 1 {
		dst = fmt.Appendf(dst, `,"count":%d`, r.Count)
	}
	return append(jsonb.AppendLineString(append(dst, `,"line":`...), r.Line), '}')
}
