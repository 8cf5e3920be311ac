package segment

import (
	crand "crypto/rand"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"

	"vigil/internal/store"
)

func incompressible(n int) []byte {
	b := make([]byte, n)
	crand.Read(b)
	return b
}

// TestRandomLife lets a store live through random writes, restarts and mergers,
// and compares it all the time with what it acknowledged.
func TestRandomLife(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		o := testOptions(t, int64(rapid.SampledFrom([]int{1 << 10, 8 << 10, 1 << 20}).Draw(rt, "head")))
		o.JournalFile = int64(rapid.SampledFrom([]int{64 << 10, 1 << 20}).Draw(rt, "journal file"))
		d := drive(t, o)
		defer func() { d.Close() }()
		rnd := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 0))
		var sent []*store.Batch
		for range rapid.IntRange(1, 25).Draw(rt, "steps") {
			switch k := rapid.IntRange(0, 9).Draw(rt, "step"); {
			case k == 0:
				acked := d.acked
				if err := d.Close(); err != nil {
					rt.Fatal(err)
				}
				d = drive(t, o)
				d.acked = acked
				d.sealAll()
			case k == 1:
				holds(t, d.Store, d.acked)
			case k == 2 && len(sent) > 0:
				again := *sent[rapid.IntRange(0, len(sent)-1).Draw(rt, "which")]
				again.Events = numbered(0, 1)
				n := d.Log().Size()
				if again.Key != nil {
					d.put(&again)
					if d.Log().Size() != n {
						rt.Fatal("a repeated key added an event")
					}
				}
			default:
				b := batch(rnd, rapid.IntRange(0, 30).Draw(rt, "events"))
				d.put(b)
				sent = append(sent, b)
			}
		}
		holds(t, d.Store, d.acked)
	})
}
