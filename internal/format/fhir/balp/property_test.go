package balp_test

import (
	"encoding/json"
	"testing"
	"time"

	"pgregory.net/rapid"

	"vigil"
	"vigil/internal/format/fhir/balp"
)

// word draws what may stand in any field: what is usual there, nothing, and what
// nobody should send.
func word(usual ...string) *rapid.Generator[string] {
	return rapid.OneOf(
		rapid.SampledFrom(append(usual, "")),
		rapid.SampledFrom([]string{
			"\x00", "\r\n", " ", "\t", "\u00a0", "\u2028", "\xff\xfe", "\xed\xa0\x80", "\ufffe", "\u202e", "\x1b[31m", "\"}", `\u0000`, "\\",
			"Patient/1", "Patient/ 1", "/Patient/1", "http://h/Patient/1/_history/2", "Patient/1/_history/", "urn:uuid:x", "urn:oid:1", "#x",
			"[::1", "[::1]:80", "::1", "a:b:c", "://", "http://", "http://@", "http://u:p@h/b", "0001", "<div>", "%zz", "$", "_history", "\U000e0001",
		}),
		rapid.String(),
		rapid.StringOfN(rapid.RuneFrom([]rune("a/ :?\\\"\u0085\n")), 0, 12, -1),
		rapid.Map(rapid.SliceOfN(rapid.Byte(), 0, 12), func(b []byte) string { return string(b) }),
	)
}

func words(usual ...string) *rapid.Generator[[]string] {
	return rapid.SliceOfN(word(usual...), 0, 4)
}

var interactions = []string{
	"read", "vread", "create", "update", "patch", "delete", "search", "search-type", "search-system", "history-instance",
	"history-type", "history-system", "operation", "capabilities", "transaction", "batch",
}

// exchanges draws exchanges, with entries where deep.
func exchanges(deep bool) *rapid.Generator[vigil.Exchange] {
	return rapid.Custom(func(t *rapid.T) vigil.Exchange {
		x := vigil.Exchange{
			ID: word("id-1").Draw(t, "id"), RequestID: word("req-1").Draw(t, "request"), Correlation: word("c").Draw(t, "correlation"),
			Connection: word("c").Draw(t, "connection"), Start: time.Unix(rapid.Int64Range(-1e12, 1e12).Draw(t, "start"), 5),
			Duration: time.Duration(rapid.Int64().Draw(t, "duration")), Method: word("GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS").Draw(t, "method"),
			Host: word("h.example:80").Draw(t, "host"), Protocol: word("HTTP/1.1").Draw(t, "protocol"), Path: word("/fhir/Patient", "/token").Draw(t, "path"),
			RawQuery: word("a=b").Draw(t, "query"), Status: rapid.OneOf(rapid.SampledFrom([]int{0, 101, 200, 201, 202, 204, 206, 302, 304, 401, 404, 500, 503}), rapid.Int()).Draw(t, "status"),
			RequestBytes: rapid.Int64().Draw(t, "in"), ResponseBytes: rapid.Int64().Draw(t, "out"), Complete: rapid.Bool().Draw(t, "complete"),
			Error: word("x").Draw(t, "error"), Peer: words("192.0.2.1").Draw(t, "peer"), Forwarded: words("192.0.2.1").Draw(t, "forwarded"), UserAgent: word("ua").Draw(t, "agent"),
			Interaction: word(interactions...).Draw(t, "interaction"), Operation: word("$everything", "$erase").Draw(t, "operation"),
			Type: word("Patient", "Observation", "Own").Draw(t, "type"), Key: word("p-1").Draw(t, "key"), Version: word("1").Draw(t, "version"),
			Condition: word("a=b").Draw(t, "condition"), Patients: words("Patient/p-1").Draw(t, "patients"), Returned: words("Patient/p-1/_history/1").Draw(t, "returned"),
			Outcome: word("error: x").Draw(t, "outcome"), Purpose: words("TREAT").Draw(t, "purpose"), RolledBack: rapid.Bool().Draw(t, "rolled back"),
			Gateway: word("gw").Draw(t, "gateway"), Upstream: word("http://h.example/fhir").Draw(t, "upstream"), Notes: words("cut").Draw(t, "notes"),
			Headers: rapid.MapOfN(word("X-A"), word("v"), 0, 2).Draw(t, "headers"),
		}
		u := &x.User
		u.Subject, u.Name, u.Username = word("u-1").Draw(t, "sub"), word("N").Draw(t, "name"), word("n").Draw(t, "username")
		u.FHIRUser, u.Client, u.Issuer = word("Practitioner/1", "Observation/1").Draw(t, "fhirUser"), word("app").Draw(t, "client"), word("https://i.example").Draw(t, "iss")
		u.TokenID, u.By, u.Verified = word("t-1").Draw(t, "jti"), word("bearer", "basic", "certificate").Draw(t, "by"), rapid.Bool().Draw(t, "verified")
		if rapid.Bool().Draw(t, "searched") {
			total := rapid.Int64().Draw(t, "total")
			x.Search = &vigil.Search{Query: word("a=b").Draw(t, "search"), Total: &total, Matches: rapid.Int().Draw(t, "matches"), PageOf: word("/p").Draw(t, "page")}
		}
		if rapid.Bool().Draw(t, "audited") {
			x.Audit = map[string]json.RawMessage{word("a").Draw(t, "audit"): json.RawMessage(word(`"b"`, `{"c":1}`).Draw(t, "audit value"))}
		}
		if deep {
			x.Entries = rapid.SliceOfN(exchanges(false), 0, 3).Draw(t, "entries")
		}
		return x
	})
}

// TestAnyExchange draws exchanges and settings: every event is valid, claims
// included, and of one line.
func TestAnyExchange(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := exchanges(true).Draw(t, "exchange")
		b := balp.New(balp.Config{
			Observer: word("gw").Draw(t, "observer"), ObserverSystem: word("urn:example:gw").Draw(t, "system"), Site: word("s").Draw(t, "site"),
			PerPatient: rapid.Bool().Draw(t, "per patient"), MaxPatients: rapid.IntRange(-1, 3).Draw(t, "max patients"),
			MaxReturned: rapid.IntRange(-1, 3).Draw(t, "max returned"), Firely: rapid.Bool().Draw(t, "firely"), R5: rapid.Bool().Draw(t, "R5"),
		})
		build(t, b, &x)
	})
}
