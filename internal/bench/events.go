package bench

import (
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"time"
)

// Events makes synthetic audit events that look like real ones: names from
// small sets, patients and users by a Zipf law, two random identifiers each.
// They are the same for the same seed.
type Events struct {
	rnd      *rand.Rand
	patients *rand.Zipf
	users    *rand.Zipf
	at       time.Time
	long     bool
}

// NewEvents returns a generator of events of about 390 bytes, as logserver's
// clients send them, or, if long, of about 900.
func NewEvents(seed uint64, long bool) *Events {
	r := rand.New(rand.NewPCG(seed, 0))
	return &Events{
		rnd:      r,
		patients: rand.NewZipf(r, 1.1, 8, 200_000),
		users:    rand.NewZipf(r, 1.2, 4, 5_000),
		at:       time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), long: long,
	}
}

// Next appends the next event's document to b.
func (g *Events) Next(b []byte) []byte {
	g.step()
	action := pick(g, "read", "read", "read", "read", "update", "create", "delete", "execute", "login", "logout")
	severity := pick(g, "info", "info", "info", "info", "info", "info", "warning", "error")
	patient, user := g.patients.Uint64(), g.users.Uint64()
	site := pick(g, "north", "south", "east", "west", "harbour", "valley")
	b = fmt.Appendf(b, `{"version": "3.0", "severity": "%s", "action": "%s", "occurred": "%s", "asctime": "%s", "name": "%s", "levelname": "%s", "tags": ["%s", "%s"], `,
		severity, action, g.at.Format("2006-01-02T15:04:05.000Z"), g.at.Format("2006-01-02 15:04:05,000"),
		pick(g, "sample_wrapper", "sample_messaging", "sample_search"), severity,
		pick(g, "Patient", "Observation", "launch", "search", "MedicationRequest"), action)
	b = fmt.Appendf(b, `"subject": "Patient/%d", "agent": {"ip_address": "10.%d.%d.%d", "type": "user", "who": "Practitioner/%d"}, "message": "%s", "authSessionID": "%s"`,
		patient, g.rnd.IntN(4), g.rnd.IntN(255), g.rnd.IntN(255), user,
		pick(g, "record viewed", "search made", "order sent", "note written"), g.random(16))
	if g.long {
		b = fmt.Appendf(b, `, "source": {"observer": "https://%s.audit.example", "type": "%s", "version": "4.%d.%d"}, `+
			`"entity": {"detail": [{"url": "https://%s.audit.example/fhir/Patient/%d?_include=Observation:subject&_count=%d"}, {"controller": "%s"}], "query": "_id=%d&date=ge%s"}, `+
			`"correlation": "%s", "deployment": "prod", "clinical-site": "%s", "outcome": "%d", "durationMs": %d, "user": {"username": "synthetic user %d", "DEA": "Z%07d"}, `+
			`"userAgent": "Sample/5.0 (X11; Linux x86_64)"`,
			site, pick(g, "sample-ehr", "sample-portal", "sample-client"), g.rnd.IntN(9), g.rnd.IntN(20),
			site, patient, 10*(1+g.rnd.IntN(9)), pick(g, "patients", "orders", "results"), patient, g.at.Format(time.DateOnly),
			g.random(16), site, g.rnd.IntN(2), g.rnd.IntN(3_000), user, user)
	}
	return append(b, '}')
}

// step goes on by a second on average.
func (g *Events) step() {
	g.at = g.at.Add(time.Duration(g.rnd.IntN(2_000)) * time.Millisecond)
}

// random returns n random bytes in hexadecimal.
func (g *Events) random(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(g.rnd.Uint32())
	}
	return hex.EncodeToString(b)
}

func pick(g *Events, from ...string) string { return from[g.rnd.IntN(len(from))] }

// Bodies returns n bodies of a POST to /events: an object each, or arrays of
// size objects where size is over one.
func Bodies(n, size int, long bool) [][]byte {
	g := NewEvents(42, long)
	out := make([][]byte, n)
	for i := range out {
		if size > 1 {
			out[i] = array(nil, size, g.Next)
			continue
		}
		out[i] = append(g.Next([]byte(`{"event": `)), '}')
	}
	return out
}
