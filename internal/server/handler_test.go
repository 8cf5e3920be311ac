package server

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"

	"vigil/internal/web"
)

// TestRefusedAnswersAreRecorded is about requests that end with an error: a read
// whose question was put to the store tells its reader of what is stored, and is in
// the record; one that was never asked is not. Of a stranger's question the beginning is.
func TestRefusedAnswersAreRecorded(t *testing.T) {
	long := strings.Repeat("é", 511) + "xéé" // cut within a letter
	for _, c := range []struct {
		access web.Access
		want   string // outcome and question of the record; empty is none
	}{
		{web.Access{Status: 406, Asked: true, Query: "_patient=eq.Patient/1"}, "406 _patient=eq.Patient/1"},
		{web.Access{Status: 400, Asked: true, Query: "select=id::date"}, "400 select=id::date"},
		{web.Access{Status: 400, Query: "id=foo.1"}, ""},
		{web.Access{Status: 400, Asked: true, Write: true}, ""},
		{web.Access{Status: 200, Query: "id=eq.1"}, "200 id=eq.1"},
		{web.Access{Status: 403, Denied: "42501", Role: "event_writer", Query: long}, "403 " + long},
		{web.Access{Status: 401, Denied: "PGRST302", Query: long}, "401 " + long[:1023] + "…"},
	} {
		synctest.Test(t, func(t *testing.T) {
			r, _, stop := recording(t)
			c.access.Table = "events"
			r.access(httptest.NewRequest(http.MethodGet, "/events", nil), &c.access)
			got := ""
			for _, d := range stop() {
				got += d.Outcome + " " + d.Entity.Query
				if refused := c.access.Denied != ""; refused != strings.HasPrefix(d.Message, "request refused") || !refused && d.Message != "log read" {
					t.Errorf("recorded as %q", d.Message)
				}
			}
			if got != c.want {
				t.Errorf("%+v: recorded %q, want %q", c.access, got, c.want)
			}
		})
	}
}
