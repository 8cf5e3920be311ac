package gateway

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
)

// maxCodings bounds how often a body is encoded: nobody does it twice who does not
// mean harm.
const maxCodings = 4

var errCodings = errors.New("it has more codings than anybody needs")

// decode undoes content codings, the last one first, and stops at limit bytes.
// What could be read before an error is returned with it.
func decode(body []byte, coding string, limit int) (out []byte, more bool, err error) {
	codings := strings.Split(coding, ",")
	if len(codings) > maxCodings {
		return nil, false, errCodings
	}
	for i := len(codings) - 1; i >= 0; i-- {
		var cut bool
		body, cut, err = decodeOne(body, strings.ToLower(strings.TrimSpace(codings[i])), limit)
		more = more || cut
		if err != nil {
			return body, more, err
		}
	}
	return body, more, nil
}

func decodeOne(body []byte, coding string, limit int) ([]byte, bool, error) {
	var r io.Reader
	var err error
	switch coding {
	case "", "identity":
		if len(body) > limit {
			return body[:limit], true, nil
		}
		return body, false, nil
	case "gzip", "x-gzip":
		r, err = gzip.NewReader(bytes.NewReader(body))
	case "deflate": // zlib, as RFC 9110 has it, or bare, as some servers do
		if len(body) >= 2 && body[0]&0x0f == 8 && (uint(body[0])<<8|uint(body[1]))%31 == 0 {
			r, err = zlib.NewReader(bytes.NewReader(body))
		} else {
			r = flate.NewReader(bytes.NewReader(body))
		}
	case "zstd":
		var d *zstd.Decoder
		d, err = zstd.NewReader(bytes.NewReader(body), zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(8<<20))
		if err == nil {
			defer d.Close()
			r = d
		}
	default:
		return nil, false, fmt.Errorf("its coding %.20q is not known", coding)
	}
	if err != nil {
		return nil, false, fmt.Errorf("its coding %s is damaged", coding)
	}
	out, err := io.ReadAll(io.LimitReader(r, int64(limit)+1))
	if len(out) > limit {
		return out[:limit], true, nil
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return out, false, fmt.Errorf("its coding %s is damaged or cut", coding)
	}
	return out, false, nil
}
