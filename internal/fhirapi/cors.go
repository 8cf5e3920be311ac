package fhirapi

import (
	"net/http"
	"slices"
)

// cors answers a browser's question whether a script may use the API, and says
// so in every answer. It reports whether the request is answered.
func (a *API) cors(w http.ResponseWriter, r *http.Request) bool {
	origin := r.Header.Get("Origin")
	every := slices.Contains(a.CORSOrigins, "*")
	h := w.Header()
	if origin != "" && (every || slices.Contains(a.CORSOrigins, origin)) {
		if every {
			origin = "*"
		}
		h.Set("Access-Control-Allow-Origin", origin)
		h.Add("Vary", "Origin")
		h.Set("Access-Control-Expose-Headers", "Location, Content-Location, ETag, Last-Modified, Retry-After, WWW-Authenticate, X-Progress")
	}
	if r.Method != http.MethodOptions {
		return false
	}
	h.Set("Allow", "GET, HEAD, POST, OPTIONS")
	if h.Get("Access-Control-Allow-Origin") != "" {
		h.Set("Access-Control-Allow-Methods", "GET, HEAD, POST")
		h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, Accept, Prefer, If-None-Exist, If-None-Match, If-Modified-Since, Idempotency-Key")
		h.Set("Access-Control-Max-Age", "86400")
	}
	w.WriteHeader(http.StatusNoContent)
	return true
}
