package segfile

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
)

// generator makes records as a clinic's applications would: JSON documents of
// about 900 bytes with UUIDs, times, names from lists and some free text.
type generator struct {
	rnd *rand.Rand
	now int64
	id  int64
}

func newGenerator(seed uint64) *generator {
	return &generator{rnd: rand.New(rand.NewPCG(seed, 2)), now: 1_786_000_000_000_000, id: 1000}
}

func (g *generator) bytes(n int) []byte {
	b := make([]byte, 0, n+8)
	for len(b) < n {
		b = binary.LittleEndian.AppendUint64(b, g.rnd.Uint64())
	}
	return b[:n]
}

func (g *generator) uuid() string {
	x := hex.EncodeToString(g.bytes(16))
	return x[:8] + "-" + x[8:12] + "-4" + x[13:16] + "-a" + x[17:20] + "-" + x[20:]
}

func pick[T any](g *generator, from ...T) T { return from[g.rnd.IntN(len(from))] }

func (g *generator) doc(occurred string) []byte {
	user := g.rnd.IntN(400)
	patient := g.rnd.IntN(20000)
	action := pick(g, "read", "read", "read", "read", "search", "update", "create", "delete", "login", "export")
	resource := pick(g, "Patient", "Observation", "Encounter", "MedicationRequest", "DiagnosticReport", "Condition", "DocumentReference")
	return fmt.Appendf(nil, `{"severity":"%s","version":"1.0","occurred":"%s","action":"%s","message":"%s %s of patient %d by user%03d at ward %d took %d ms",`+
		`"agent":{"type":"user","who":"Practitioner/%s","name":"Synthetic User %03d","login":"user%03d","ip_address":"10.%d.%d.%d","user_agent":"%s","roles":["%s","%s"]},`+
		`"source":{"observer":"%s","type":"web","site":"ward-%d","version":"4.%d.1"},"patient":{"reference":"Patient/%d","display":"Test Patient %05d"},`+
		`"entity":[{"type":"%s","reference":"%s/%s","role":"domain-resource"},{"type":"query","query":"%s?patient=%d&_count=%d&date=ge2026-%02d-%02d"}],`+
		`"correlation":{"request":"%s","trace":"%s","span":"%s"},"outcome":{"code":"%d","text":"%s"},"tags":["phi","audit","%s","%s"],"duration_ms":%d}`,
		pick(g, "informational", "informational", "informational", "warning", "error"), occurred, action, action, resource, patient, user, user%17, g.rnd.IntN(900),
		fmt.Sprintf("%08x-0000-4000-8000-%012x", user*2654435, user*7919), user, user, user%4, user%250, 1+user%200,
		pick(g, "Mozilla/5.0 (X11; Linux x86_64) Synthetic/118.0", "Mozilla/5.0 (Windows NT 10.0) Synthetic/119.2", "SyntheticClient/3.1"),
		pick(g, "physician", "nurse", "clerk"), pick(g, "ward", "lab", "billing"),
		pick(g, "portal", "viewer", "orders", "scheduler"), user%17, user%9, patient, patient,
		resource, resource, g.uuid(), resource, patient, 10+g.rnd.IntN(5)*10, 1+g.rnd.IntN(12), 1+g.rnd.IntN(28),
		g.uuid(), hex.EncodeToString(g.bytes(16)), hex.EncodeToString(g.bytes(8)), pick(g, 200, 200, 200, 200, 404, 403, 500), pick(g, "success", "failure"),
		pick(g, "ward", "clinic", "lab"), pick(g, "day", "night"), g.rnd.IntN(2000))
}

func (g *generator) record() Record {
	g.id++
	g.now += int64(g.rnd.IntN(120))
	occurred := g.now - int64(g.rnd.IntN(3_000_000))
	r := Record{
		ID: g.id, Index: g.id * 2, Received: g.now, Occurred: occurred, Epoch: 1, Format: "logserver",
		Doc:    g.doc(fmt.Sprintf("2026-08-%02dT%02d:%02d:%02d.%06dZ", 1+occurred/86_400_000_000%28, occurred/3_600_000_000%24, occurred/60_000_000%60, occurred/1_000_000%60, occurred%1_000_000)),
		Sender: fmt.Appendf(nil, `{"sub":"app-%d","role":"writer","listener":"http","peer":"192.0.2.%d","authenticated":true}`, g.rnd.IntN(5), g.rnd.IntN(20)),
	}
	copy(r.Salt[:], g.bytes(16))
	copy(r.UID[:], g.bytes(16))
	binary.BigEndian.PutUint64(r.UID[:8], uint64(g.now/1000)<<16|0x7000|uint64(r.UID[7])<<4)
	r.UID[8] = r.UID[8]&0x3f | 0x80
	return r
}

func (g *generator) records(n int) []Record {
	recs := make([]Record, n)
	for i := range recs {
		recs[i] = g.record()
	}
	return recs
}
