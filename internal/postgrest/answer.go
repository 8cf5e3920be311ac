package postgrest

import (
	"net/http"
	"strconv"
	"sync"
)

// How much of an answer is held back before its header is sent. A page that is
// followed by another needs its end for the header, so more of it is held.
const (
	holdAny  = 64 << 10
	holdPage = 512 << 10
)

// answer is a body on its way out. As long as it is short it is held back, so
// that the header can tell its length and how many rows it has; then it is sent
// in pieces, and the header tells what is known by then. (Content-Range may not
// stand in a trailer: RFC 9110, section 6.5.1.)
type answer struct {
	w    http.ResponseWriter
	buf  []byte
	hold int
	sent bool // the header is out

	contentRange string
	link         string
}

// buffers keeps the buffers of answers.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

func newAnswer(w http.ResponseWriter) *answer {
	return &answer{w: w, hold: holdAny, buf: (*buffers.Get().(*[]byte))[:0]}
}

// free gives the buffer back; what it held has been sent or is not wanted.
func (a *answer) free() {
	if b := a.buf; cap(b) <= 2*holdPage {
		buffers.Put(&b)
	}
	a.buf = nil
}

// full reports whether it is time to send.
func (a *answer) full() bool { return len(a.buf) >= a.hold }

// send sends what is held, the first time with the header before it.
func (a *answer) send(status int) error {
	if !a.sent {
		a.sent, a.hold = true, holdAny
		hd := a.w.Header()
		if a.contentRange != "" {
			hd.Set("Content-Range", a.contentRange)
		}
		if a.link != "" {
			hd.Set("Link", a.link)
		}
		a.w.WriteHeader(status)
	}
	_, err := a.w.Write(a.buf)
	a.buf = a.buf[:0]
	return err
}

// finish sends the rest. contentRange and link are set by now.
func (a *answer) finish(status int) error {
	if !a.sent {
		a.w.Header().Set("Content-Length", strconv.Itoa(len(a.buf)))
	}
	return a.send(status)
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }
