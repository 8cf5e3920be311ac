package transfer_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"vigil"
	"vigil/internal/auth"
	"vigil/internal/postgrest"
	"vigil/internal/store"
	"vigil/internal/transfer"
)

// take imports a text and returns the counts.
func take(t testing.TB, target transfer.Target, size int, text string) transfer.Counts {
	t.Helper()
	im := transfer.Import{Target: target, MaxRecords: size}
	c, err := im.Run(t.Context(), transfer.Read(strings.NewReader(text), transfer.NDJSON, transfer.Options{}))
	if err != nil {
		t.Fatal(err)
	}
	c.Offset = 0
	return c
}

// overHTTP is the target that is a server over the store. Without reading it
// only takes.
func overHTTP(t *testing.T, s store.Store, reading bool) *transfer.Remote {
	t.Helper()
	api := postgrest.New(postgrest.Config{
		Store: s, Now: time.Now,
		Authenticate: func(*http.Request) (*auth.Principal, error) {
			return &auth.Principal{Subject: "x", Role: "x", Roles: []string{"x"}, Authenticated: true}, nil
		},
		Allow: func(_ *auth.Principal, _ string, a auth.Action) error {
			if a == auth.Select && !reading {
				return &vigil.Error{Kind: vigil.Forbidden, Message: "no"}
			}
			return nil
		},
	})
	web := httptest.NewServer(api)
	t.Cleanup(web.Close)
	return &transfer.Remote{Client: web.Client(), Base: web.URL, Table: "events", Pause: func(context.Context, time.Duration) error { return nil }}
}

// TestImportAgain takes a dump, then a later one in which an id has another
// document, both twice: nothing is there twice, and offline and over HTTP alike.
func TestImportAgain(t *testing.T) {
	const first = "{\"id\":2,\"event\":{\"a\":1,\"b\":1.0}}\n{\"id\":4,\"event\":\"four\"}\n{\"id\":6,\"event\":6}\n"
	const later = "{\"id\":1,\"event\":\"late\"}\n{\"id\":2,\"event\":{\"b\":1.0, \"a\":1}}\n{\"id\":4,\"event\":\"another\"}\n{\"id\":4,\"event\":\"another\"}\n{\"id\":8,\"event\":8}\n"
	want := []string{`2 0 {"a":1,"b":1.0}`, `4 0 "four"`, `6 0 6`, `7 1 "late"`, `8 4 "another"`, `9 8 8`}
	for name, target := range map[string]func(store.Store) transfer.Target{
		"offline": func(s store.Store) transfer.Target { return local(s) },
		"HTTP":    func(s store.Store) transfer.Target { return overHTTP(t, s, true) },
	} {
		for _, size := range []int{0, 2} {
			s := memory(t)
			if c := take(t, target(s), size, first); c != (transfer.Counts{Taken: 3}) {
				t.Errorf("%s: first %+v", name, c)
			}
			if c := take(t, target(s), size, later); c != (transfer.Counts{Taken: 3, Merged: 2}) {
				t.Errorf("%s: later %+v", name, c)
			}
			for _, again := range []string{first, later} {
				n := int64(strings.Count(again, "\n"))
				if c := take(t, target(s), size, again); c != (transfer.Counts{Merged: n}) {
					t.Errorf("%s: again %+v", name, c)
				}
			}
			if d := cmp.Diff(want, stored(t, s)); d != "" {
				t.Errorf("%s: -want +got\n%s", name, d)
			}
		}
	}
}

// TestImportManyRenumbered finds more rows with new ids than one page has.
func TestImportManyRenumbered(t *testing.T) {
	s := memory(t)
	take(t, local(s), 0, "{\"id\":100000,\"event\":0}\n")
	text := file(2500)
	if c := take(t, overHTTP(t, s, true), 0, text); c.Taken != 2500 {
		t.Errorf("%+v", c)
	}
	if c := take(t, overHTTP(t, s, true), 0, text); c.Merged != 2500 || c.Taken != 0 {
		t.Errorf("again: %+v", c)
	}
}

// TestImportGrows imports a file again and again while it grows: every record
// is there once, in order, whether or not the target can be asked.
func TestImportGrows(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		withIDs := rapid.SampledFrom([]string{"none", "some", "all"}).Draw(rt, "ids")
		reading := rapid.Bool().Draw(rt, "reading")
		size := rapid.IntRange(1, 40).Draw(rt, "size")
		grown := rapid.SliceOfN(rapid.IntRange(0, 50), 1, 6).Draw(rt, "grown")
		bad := rapid.IntRange(0, 200).Draw(rt, "bad")
		s, err := store.NewMemory(store.Config{Mapping: noFacts{}})
		if err != nil {
			rt.Fatal(err)
		}
		defer s.Close()
		var target transfer.Target = local(s)
		if !reading {
			target = unreadable{target}
		}
		rnd := rand.New(rand.NewPCG(1, 2))
		var text strings.Builder
		n, taken := 0, int64(0)
		for _, more := range grown {
			for range more {
				n++
				switch {
				case n == bad:
					text.WriteString("{\"id\":9223372036854775807,\"event\":1}\n") // which the store refuses
				case withIDs == "all" || withIDs == "some" && rnd.IntN(3) == 0:
					fmt.Fprintf(&text, "{\"id\":%d,\"event\":{\"n\":%d}}\n", 2*n, n)
				default:
					fmt.Fprintf(&text, "{\"n\":%d}\n", n)
				}
			}
			c := take(t, target, size, text.String())
			if taken += c.Taken; c.Taken+c.Merged+c.Refused != int64(n) {
				rt.Fatalf("%d records, counted %+v", n, c)
			}
		}
		want := n
		if bad >= 1 && bad <= n {
			want--
		}
		all := stored(t, s)
		if len(all) != want || taken != int64(want) {
			rt.Fatalf("%d records, %d stored, %d taken", want, len(all), taken)
		}
		seen := 0
		for _, line := range all {
			var id, source, k int
			if _, err := fmt.Sscanf(line, `%d %d {"n":%d}`, &id, &source, &k); err != nil || k <= seen {
				rt.Fatalf("%s after %d", line, seen)
			}
			seen = k
		}
	})
}

// unreadable hides that the target can be asked.
type unreadable struct{ transfer.Target }

// TestImportAlike takes a file that begins like another one.
func TestImportAlike(t *testing.T) {
	s := memory(t)
	a, b := "{\"started\":1}\n{\"a\":1}\n", "{\"started\":1}\n{\"b\":1}\n"
	for range 2 {
		take(t, local(s), 0, a)
		take(t, local(s), 0, b)
		b += "{\"b\":2}\n"
	}
	want := []string{`1 0 {"started":1}`, `2 0 {"a":1}`, `3 0 {"started":1}`, `4 0 {"b":1}`, `5 0 {"b":2}`}
	if d := cmp.Diff(want, stored(t, s)); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
}

func TestUnreadable(t *testing.T) {
	for head, want := range map[string]string{"\x1f\x8b\x08": "gunzip", "PGDMP\x01\x10": "pg_restore", "{}": ""} {
		err := transfer.Unreadable([]byte(head))
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", head, err)
		}
	}
}
