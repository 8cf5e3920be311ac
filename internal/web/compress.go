package web

import (
	"net/http"
	"strings"

	"github.com/klauspost/compress/gzhttp"
	"github.com/klauspost/compress/gzip"
)

// Compress answers with gzip whoever accepts it, where the answer is worth it:
// at least a kilobyte, and not compressed already. A live tail (text/event-stream) is left
// alone, so that each event leaves at once; Flush works on either.
func Compress(h http.Handler) http.Handler {
	wrap, err := gzhttp.NewWrapper(
		gzhttp.CompressionLevel(gzip.BestSpeed),
		gzhttp.EnableZstd(false),
		gzhttp.ContentTypeFilter(func(ct string) bool {
			return !strings.HasPrefix(ct, "text/event-stream") && gzhttp.DefaultContentTypeFilter(ct)
		}),
	)
	if err != nil { // of the options, which are constants
		return h
	}
	zip := wrap(h)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// gzhttp holds the header back until it has seen bytes; a tail's header
		// must be able to leave before the first event, and so must that of the
		// stream of logs, which is without end as well.
		if strings.Contains(r.Header.Get("Accept"), "text/event-stream") || r.URL.Path == "/_logs" {
			h.ServeHTTP(w, r)
			return
		}
		zip.ServeHTTP(w, r)
	})
}
