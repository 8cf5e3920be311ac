package postgrest

import (
	"net/http"
	"slices"
)

// exposed are the headers that a script of another origin may read.
const exposed = "Content-Encoding, Content-Location, Content-Range, Content-Type, Date, Link, Location, Server, Transfer-Encoding, Range-Unit, Idempotency-Replayed"

// cors sets the headers that let scripts of a configured origin use the answer.
// It reports whether the request was a preflight, which it has then answered.
// Without configured origins there are none: PostgREST lets everybody in.
func (h *handler) cors(w http.ResponseWriter, r *http.Request) (done bool) {
	if len(h.CORSOrigins) == 0 {
		return false
	}
	hd := w.Header()
	hd.Add("Vary", "Origin")
	origin := r.Header.Get("Origin")
	all := slices.Contains(h.CORSOrigins, "*")
	if origin == "" || !all && !slices.Contains(h.CORSOrigins, origin) {
		return false
	}
	if all {
		origin = "*"
	} else {
		hd.Set("Access-Control-Allow-Credentials", "true")
	}
	hd.Set("Access-Control-Allow-Origin", origin)
	if r.Method != http.MethodOptions || r.Header.Get("Access-Control-Request-Method") == "" {
		hd.Set("Access-Control-Expose-Headers", exposed)
		return false
	}
	hd.Set("Access-Control-Allow-Methods", "GET, POST, OPTIONS, HEAD")
	asked := r.Header.Get("Access-Control-Request-Headers")
	if asked != "" {
		asked += ", "
	}
	hd.Set("Access-Control-Allow-Headers", "Authorization, "+asked+"Accept, Accept-Language, Content-Language")
	hd.Set("Access-Control-Max-Age", "86400")
	w.WriteHeader(http.StatusOK)
	return true
}
