package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"vigil"
	"vigil/internal/jsonb"
	"vigil/internal/store"
)

func asError(err error) (*vigil.Error, bool) { return errors.AsType[*vigil.Error](err) }

func testFills(t *testing.T, f *fixture) {
	first, second := event(vigil.TableEvents, `{"n":1}`), event(vigil.TableLogs, `{"n":2}`)
	r := f.put(t, first, second)
	equal(t, "receipt", r, store.Receipt{First: 0, Count: 2})
	equal(t, "id of the first", first.ID, 1)
	equal(t, "id in another table", second.ID, 1)
	equal(t, "index", second.Index, 1)
	equal(t, "epoch", first.Epoch, 1)
	want := f.clock.Now().Truncate(time.Microsecond).UTC()
	if !first.Received.Equal(want) || first.Received.Location() != time.UTC {
		t.Errorf("received %v, want %v", first.Received, want)
	}
	if first.UID == second.UID || first.UID == (vigil.UID{}) || first.Salt == second.Salt {
		t.Error("uids or salts are not fresh for each event")
	}
	if ms := first.UID.String()[:13]; ms != vigil.NewUID(want, [10]byte{}).String()[:13] {
		t.Errorf("uid begins with %s, which is not the time of receipt", ms)
	}
	equal(t, "uid's version", first.UID.String()[14], '7')
}

// testExact makes sure that documents and senders come back as they went in.
func testExact(t *testing.T, f *fixture) {
	odd := &vigil.Sender{Subject: "a\x00b\xffc<&>\u2028é", Authenticated: true}
	in := []*vigil.Event{
		event(vigil.TableEvents, "  {\"b\" :1.0,\n\t\"a\":1,\"a\":2, \"big\":12345678901234567890.10,\"e\":1e2 } "),
		{Table: vigil.TableEvents, Format: vigil.FormatAidbox, Doc: []byte(`{}`)},
		{Table: vigil.TableEvents, Format: vigil.FormatLogserver, Doc: []byte(`{}`), Sender: odd},
	}
	var received [][]byte
	for _, e := range in {
		received = append(received, bytes.Clone(e.Doc))
	}
	f.put(t, in...)
	f.settle(t)
	var out []*vigil.Event
	for e, err := range f.Records(f.ctx, all(vigil.TableEvents)) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, e)
	}
	if len(out) != len(in) {
		t.Fatalf("%d events, want %d", len(out), len(in))
	}
	for i := range in {
		want := received[i]
		if out[i].Canonical {
			want = jsonb.AppendCanonical(nil, want)
		}
		if !bytes.Equal(out[i].Doc, want) || !bytes.Equal(in[i].Doc, want) || in[i].Canonical != out[i].Canonical {
			t.Errorf("document %d: got %q, was told %q, want %q", i, out[i].Doc, in[i].Doc, want)
		}
		if out[i].Canonical && in[i].Format != vigil.FormatLogserver {
			t.Errorf("document %d of format %s is not kept as it came", i, in[i].Format)
		}
		equal(t, "format", out[i].Format, in[i].Format)
		equal(t, "salt", out[i].Salt, in[i].Salt)
	}
	equal(t, "sender", *out[0].Sender, *sender)
	if out[1].Sender != nil {
		t.Errorf("an unknown sender came back as %+v", out[1].Sender)
	}
	equal(t, "odd sender", out[2].Sender.Subject, "a\uFFFDb\uFFFDc<&>\u2028é")
}

// testAtomic makes sure that a batch with one bad event stores none.
func testAtomic(t *testing.T, f *fixture) {
	f.put(t, numbered(vigil.TableEvents, 0, 3)...)
	taken := event(vigil.TableEvents, `{}`)
	taken.WantID = 2
	for name, bad := range map[string]*vigil.Event{
		"taken id":      taken,
		"unknown table": event("nowhere", `{}`),
		"no document":   {Table: vigil.TableEvents, Format: vigil.FormatLogserver},
		"no format":     {Table: vigil.TableEvents, Doc: []byte(`{}`)},
	} {
		good := event(vigil.TableEvents, `{"good":true}`)
		other := event(vigil.TableLogs, `{"good":true}`)
		key := &store.Key{Scope: "s", Key: name}
		if _, err := f.Append(f.ctx, &store.Batch{Events: []*vigil.Event{good, other, bad}, Key: key}); err == nil {
			t.Errorf("%s: the batch was taken", name)
		}
		if good.ID != 0 || good.UID != (vigil.UID{}) {
			t.Errorf("%s: the good event was filled in", name)
		}
		r, err := f.Append(f.ctx, &store.Batch{Events: []*vigil.Event{event("custom", `{}`)}, Key: key})
		if err != nil || r.Replayed {
			t.Errorf("%s: the key of a failed batch was kept: %+v, %v", name, r, err)
		}
	}
	equal(t, "size of the log", f.Log().Size(), 3+4)
	equalLines(t, "rows", f.rows(t, all(vigil.TableLogs)))
	next := event(vigil.TableEvents, `{}`)
	f.put(t, next)
	equal(t, "id after failures", next.ID, 4)
}

func testEmpty(t *testing.T, f *fixture) {
	f.put(t, numbered(vigil.TableEvents, 0, 2)...)
	equal(t, "receipt", f.put(t), store.Receipt{First: 2})
	key := &store.Key{Scope: "s", Key: "empty"}
	if _, err := f.Append(f.ctx, &store.Batch{Key: key}); err != nil {
		t.Fatal(err)
	}
	r, err := f.Append(f.ctx, &store.Batch{Key: key})
	if err != nil || !r.Replayed || r.Count != 0 {
		t.Errorf("an empty batch again: %+v, %v", r, err)
	}
	equal(t, "size of the log", f.Log().Size(), 2)
}

func testIDs(t *testing.T, f *fixture) {
	last := map[string]int64{}
	for i := range 30 {
		batch := append(numbered(vigil.TableEvents, i, i%4), numbered("custom", i, i%3)...)
		f.put(t, batch...)
		for _, e := range batch {
			equal(t, "id", e.ID, last[e.Table]+1)
			last[e.Table] = e.ID
		}
	}
}

func testWantID(t *testing.T, f *fixture) {
	want := func(id int64) (*vigil.Event, error) {
		e := event(vigil.TableEvents, `{}`)
		e.WantID = id
		_, err := f.Append(f.ctx, &store.Batch{Events: []*vigil.Event{e}})
		return e, err
	}
	e, err := want(10)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "id asked for", e.ID, 10)
	_, err = want(10)
	wantError(t, "id that is taken", err, vigil.Conflict, "23505")
	_, err = want(5)
	wantError(t, "id that was passed over", err, vigil.Conflict, "23505")
	_, err = want(-1)
	wantError(t, "negative id", err, vigil.Conflict, "23505")
	_, err = want(store.MaxID + 1)
	wantError(t, "id that is too large", err, vigil.Invalid, "22003")
	if strings.Contains(fmt.Sprintf("%+v", err), fmt.Sprint(store.MaxID+1)) {
		t.Errorf("the error repeats what was sent: %+v", err)
	}
	a, b := event(vigil.TableEvents, `{}`), event(vigil.TableEvents, `{}`)
	a.WantID, b.WantID = 20, 20
	_, err = f.Append(f.ctx, &store.Batch{Events: []*vigil.Event{a, b}})
	wantError(t, "same id twice in a batch", err, vigil.Conflict, "23505")
	if e, err = want(0); err != nil {
		t.Fatal(err)
	}
	equal(t, "id after one asked for", e.ID, 11)
	other := event("custom", `{}`)
	other.WantID = 10
	f.put(t, other)
	equal(t, "same id in another table", other.ID, 10)
	equal(t, "source id", other.SourceID, 0)
}

func testImport(t *testing.T, f *fixture) {
	var batch []*vigil.Event
	for _, id := range []int64{7, 9, 8, 9, 0, 20, -3, store.MaxID + 1, 5, store.MaxImportID} {
		e := event(vigil.TableEvents, `{"was":%d}`, id)
		e.WantID = id
		batch = append(batch, e)
	}
	if _, err := f.Append(f.ctx, &store.Batch{Events: batch, Import: true}); err != nil {
		t.Fatal(err)
	}
	f.settle(t)
	want := [][2]int64{{7, 0}, {9, 0}, {10, 8}, {11, 9}, {12, 0}, {20, 0}, {21, -3}, {store.MaxID + 1, 0}, {store.MaxID + 2, 5}, {store.MaxImportID, 0}}
	var lines []string
	for i, e := range batch {
		equal(t, fmt.Sprintf("id and source id of event %d", i), [2]int64{e.ID, e.SourceID}, want[i])
		source := "null"
		if want[i][1] != 0 {
			source = fmt.Sprint(want[i][1])
		}
		lines = append(lines, fmt.Sprintf(`{"id":%d,"_source_id":%s}`, want[i][0], source))
	}
	q := all(vigil.TableEvents)
	q.Select = items("id", "_source_id")
	equalLines(t, "rows", f.rows(t, q), lines...)

	beyond := event(vigil.TableEvents, `{}`)
	beyond.WantID = store.MaxImportID + 1
	_, err := f.Append(f.ctx, &store.Batch{Events: []*vigil.Event{beyond}, Import: true})
	wantError(t, "id that is too large for an import", err, vigil.Invalid, "22003")
	next := event(vigil.TableEvents, `{}`)
	f.put(t, next)
	equal(t, "id that the store gives", next.ID, store.MaxImportID+1)
}

func testKeys(t *testing.T, f *fixture) {
	body := [32]byte{1}
	send := func(scope, key string, body [32]byte) (store.Receipt, error) {
		return f.Append(f.ctx, &store.Batch{
			Events: numbered(vigil.TableEvents, 0, 3), Key: &store.Key{Scope: scope, Key: key, Body: body},
		})
	}
	expect := func(what string, scope, key string, want store.Receipt) {
		t.Helper()
		got, err := send(scope, key, body)
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		equal(t, what, got, want)
	}
	expect("new key", "a", "k", store.Receipt{First: 0, Count: 3})
	f.put(t, event(vigil.TableLogs, `{}`))
	expect("same key", "a", "k", store.Receipt{Replayed: true, First: 0, Count: 3})
	expect("other scope", "b", "k", store.Receipt{First: 4, Count: 3})
	expect("no scope, same text in all", "", "ak", store.Receipt{First: 7, Count: 3})
	_, err := send("a", "k", [32]byte{2})
	wantError(t, "same key, other body", err, vigil.Unprocessable, "")
	f.settle(t)
	f.clock.advance(store.KeyLife - time.Microsecond)
	expect("same key after almost seven days", "a", "k", store.Receipt{Replayed: true, First: 0, Count: 3})
	f.clock.advance(time.Microsecond)
	expect("same key after seven days", "a", "k", store.Receipt{First: 10, Count: 3})
	expect("and again", "a", "k", store.Receipt{Replayed: true, First: 10, Count: 3})
	if f.Reopen != nil {
		f.Store = f.Reopen(t, f.Store, f.config)
		expect("same key after a restart", "a", "k", store.Receipt{Replayed: true, First: 10, Count: 3})
		_, err := send("a", "k", [32]byte{2})
		wantError(t, "same key, other body after a restart", err, vigil.Unprocessable, "")
	}
	equal(t, "size of the log", f.Log().Size(), 13)
}

// testKeysConcurrent sends the same request many times at once: it counts once.
func testKeysConcurrent(t *testing.T, f *fixture) {
	const times, each = 16, 5
	var wg sync.WaitGroup
	fresh := make(chan store.Receipt, times*each)
	for i := range times * each {
		wg.Go(func() {
			r, err := f.Append(f.ctx, &store.Batch{
				Events: numbered(vigil.TableEvents, i, 2), Key: &store.Key{Key: fmt.Sprint(i % each)},
			})
			switch {
			case err != nil:
				t.Errorf("append: %v", err)
			case !r.Replayed:
				fresh <- r
			}
		})
	}
	wg.Wait()
	equal(t, "batches that were new", len(fresh), each)
	equal(t, "size of the log", f.Log().Size(), 2*each)
}

func testRefuses(t *testing.T, f *fixture) {
	try := func(e *vigil.Event) error {
		_, err := f.Append(f.ctx, &store.Batch{Events: []*vigil.Event{e}})
		return err
	}
	wantError(t, "unknown table", try(event("nowhere", `{}`)), vigil.NotFound, "PGRST205")
	wantError(t, "view", try(event("brief", `{}`)), vigil.NotAllowed, "55000")
	huge := event(vigil.TableEvents, "")
	huge.Doc = bytes.Repeat([]byte(" "), store.MaxBatch)
	wantError(t, "batch that is too large", try(huge), vigil.TooLarge, "")
	large := event(vigil.TableEvents, "")
	large.Doc = append(bytes.Repeat([]byte(" "), 3<<20), `{"large":true}`...)
	if err := try(large); err != nil {
		t.Errorf("a large event: %v", err)
	}
	equal(t, "size of the log", f.Log().Size(), 1)
	if err := f.Err(); err != nil {
		t.Errorf("refusing made the store fail: %v", err)
	}
}

func testClosed(t *testing.T, f *fixture) {
	f.put(t, event(vigil.TableEvents, `{}`))
	if err := f.Err(); err != nil {
		t.Errorf("an open store says %v", err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Errorf("closing again: %v", err)
	}
	_, err := f.Append(f.ctx, &store.Batch{Events: numbered(vigil.TableEvents, 0, 1)})
	wantError(t, "append to a closed store", err, vigil.Unavailable, "")
	if f.Err() == nil {
		t.Error("a closed store says that it takes events")
	}
}
