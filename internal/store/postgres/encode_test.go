package postgres_test

import (
	"bytes"
	"context"
	"sync"
	"testing"
	"time"

	"vigil"
	"vigil/internal/format"
	"vigil/internal/store/postgres"
	"vigil/internal/store/storetest"
)

// faulty is a mapping with a fault.
type faulty struct{ vigil.Mapping }

func (f faulty) Facts(format vigil.Format, doc []byte) vigil.Facts {
	if bytes.Contains(doc, []byte("fault")) {
		panic("a fault")
	}
	return f.Mapping.Facts(format, doc)
}

// TestFaultyRow has a fault of the program in one row, of few or of so many that
// the first are written already: it ends that request, and no other.
func TestFaultyRow(t *testing.T) {
	t.Parallel()
	url := migrated(t)
	c := storetest.Config(nil)
	c.Mapping = faulty{format.New(time.UTC)}
	s, err := postgres.Open(t.Context(), postgres.Options{URL: url}, c)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	write := func(n int, bad bool) (fault any, err error) {
		defer func() { fault = recover() }()
		events := numbered(vigil.TableEvents, 0, n)
		if bad {
			events[n-1].Doc = []byte(`{"fault": true}`)
		}
		return nil, s.Write(context.Background(), events)
	}
	sizes := []int{1, 100, 1000}
	var wg sync.WaitGroup
	for _, n := range sizes {
		for _, bad := range []bool{false, true, false} {
			wg.Go(func() {
				if fault, err := write(n, bad); err != nil || (fault != nil) != bad {
					t.Errorf("%d events, with a fault %v: %v, panic %v", n, bad, err, fault)
				}
			})
		}
	}
	wg.Wait()
	wantRows(t, s, dial(t, url), 2*(1+100+1000))
}
