package remote

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// limitedLoki refuses as Loki 3.7.6 does: it takes what it can of a request and
// answers 400 with a message for each other line, equal ones counted.
type limitedLoki struct {
	oldest, newest time.Time
	longest        int
	behind         func(line string) bool // refused by the stream, which says so otherwise
	taken          map[string]int
}

func (l *limitedLoki) answer(t *testing.T, r request, w http.ResponseWriter) {
	var got struct {
		Streams []struct{ Values [][2]string }
	}
	if err := json.Unmarshal([]byte(r.body), &got); err != nil {
		t.Error(err)
	}
	const stream = `{box="audit", service_name="unknown_service"}`
	faults, behind := map[string]int{}, 0
	for _, v := range got.Streams[0].Values {
		var n int64
		fmt.Sscan(v[0], &n)
		at := time.Unix(0, n).UTC()
		switch {
		case at.Before(l.oldest):
			faults[fmt.Sprintf("entry for stream '%s' has timestamp too old: %s, oldest acceptable timestamp is: %s", stream, at.Format("2006-01-02T15:04:05Z"), l.oldest.Format("2006-01-02T15:04:05Z"))]++
		case at.After(l.newest):
			faults[fmt.Sprintf("entry for stream '%s' has timestamp too new: %s", stream, at.Format("2006-01-02T15:04:05Z"))]++
		case len(v[1]) > l.longest:
			faults[fmt.Sprintf("max entry size '%d' bytes exceeded for stream '%s' while adding an entry with length '%d' bytes", l.longest, stream, len(v[1]))]++
		case l.behind != nil && l.behind(v[1]):
			behind++
		default:
			l.taken[v[1]]++
		}
	}
	var all []string
	for text, n := range faults {
		if len(faults) > 1 || n > 1 {
			text = fmt.Sprintf("%d errors like: %s", n, text)
		}
		all = append(all, text)
	}
	switch {
	case behind > 0: // and nothing of the others
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(w, "entry with timestamp %s ignored, reason: 'entry too far behind, entry timestamp is: 2026-11-22T13:37:28Z, oldest acceptable timestamp is: 2026-11-22T15:39:08Z',\nuser 'fake', total ignored: %d out of %d for stream: %s", taken, behind, len(got.Streams[0].Values), stream)
	case len(all) > 0:
		w.WriteHeader(http.StatusBadRequest)
		io.WriteString(w, strings.Join(all, "; ")+"\n")
	default:
		w.WriteHeader(http.StatusNoContent)
	}
}

// TestLokiLimits follows an old log into Loki: whatever number of lines it does
// not take, all are set aside, the others are taken, and no line comes twice.
func TestLokiLimits(t *testing.T) {
	l := &limitedLoki{oldest: taken.Add(-7 * 24 * time.Hour).Truncate(time.Second).Add(300 * time.Millisecond), newest: taken.Add(10 * time.Minute), longest: 300, taken: map[string]int{}}
	var docs, bad []string
	for i := range 900 {
		at, pad := taken.Add(time.Duration(i)*time.Millisecond), ""
		switch {
		case i < 3*refusedInRow: // an import
			at = taken.AddDate(-1, 0, 0).Add(time.Duration(i/10) * time.Second)
		case i%50 == 1:
			at = time.Date(2262+i, 1, 1, 0, 0, 0, 0, time.UTC)
		case i%50 == 2:
			pad = strings.Repeat("x", 400)
		case i%50 == 3: // in the second of the limit, to both sides
			at = l.oldest.Add(time.Duration(i-600) * time.Millisecond / 2)
		case i%50 == 4: // before 1970, and long
			at, pad = time.Time{}.AddDate(1, 0, 0), strings.Repeat("x", 400)
		}
		doc := fmt.Sprintf(`{"n":%d,"ts":%q,"pad":%q}`, i, at.Format(time.RFC3339Nano), pad)
		if docs = append(docs, doc); at.Before(l.oldest) || at.After(l.newest) || len(doc) > l.longest {
			bad = append(bad, doc)
		}
	}
	srv := serve(t, func(_ int, r request, w http.ResponseWriter) { l.answer(t, r, w) })
	var a aside
	s := must(t)(kinds["loki"](config(srv.URL, &a)))
	if err := s.Write(t.Context(), events(docs...)); err != nil {
		t.Fatal(err)
	}
	reasons := a.reasons()
	for _, doc := range docs {
		n, refused := l.taken[doc], reasons[doc] != ""
		if want := slices.Contains(bad, doc); refused != want || n != map[bool]int{false: 1}[want] {
			t.Errorf("%.60s: taken %d times, set aside for %q", doc, n, reasons[doc])
		}
	}
	if len(a.got) != len(bad) || len(srv.requests()) != 1 || !strings.Contains(reasons[docs[0]], "too old") || !strings.Contains(reasons[docs[302]], "max entry size") {
		t.Errorf("%d set aside of %d in %d requests: %q, %q", len(a.got), len(bad), len(srv.requests()), reasons[docs[0]], reasons[docs[302]])
	}
}

// TestLokiBehind has lines that only the stream refuses, among others that are
// refused before: Loki says nothing of the latter then, so nothing may be taken for
// there.
func TestLokiBehind(t *testing.T) {
	l := &limitedLoki{oldest: taken.AddDate(0, 0, -7), newest: taken.AddDate(0, 0, 1), longest: 300, taken: map[string]int{}, behind: func(line string) bool { return strings.Contains(line, "behind") }}
	srv := serve(t, func(_ int, r request, w http.ResponseWriter) { l.answer(t, r, w) })
	var docs []string
	for i := range 2 * refusedInRow {
		docs = append(docs, fmt.Sprintf(`{"behind":%d}`, i))
	}
	docs = append(docs, `{"n":1}`, `{"n":2,"ts":"2020-01-01T00:00:00Z"}`, `{"n":3}`, `{"behind":0.5}`)
	var a aside
	s := must(t)(kinds["loki"](config(srv.URL, &a)))
	if err := s.Write(t.Context(), events(docs...)); err != nil {
		t.Fatal(err)
	}
	if len(a.reasons()) != len(docs)-2 || l.taken[`{"n":1}`] == 0 || l.taken[`{"n":3}`] == 0 || len(l.taken) != 2 {
		t.Errorf("%d set aside of %d, taken %v", len(a.reasons()), len(docs)-2, l.taken)
	}
}

// TestLokiSchema has a line older than all of Loki's schema_config, which it only
// finds out when it makes a stream for it, and calls its own fault.
func TestLokiSchema(t *testing.T) {
	got := map[string]int{}
	srv := serve(t, func(_ int, r request, w http.ResponseWriter) {
		if strings.Contains(r.body, "946684799") {
			say(500, "rpc error: code = Unknown desc = failed to create stream: no schema config found for time 946684799\n")(0, r, w)
			return
		}
		got[r.body]++
		w.WriteHeader(http.StatusNoContent)
	})
	var a aside
	s := must(t)(kinds["loki"](config(srv.URL, &a)))
	old := `{"ts":"1999-12-31T23:59:59Z"}`
	if err := s.Write(t.Context(), events(old, `{"n":1}`, `{"n":2}`)); err != nil || len(a.got) != 1 || a.reasons()[old] == "" || len(got) != 1 {
		t.Errorf("%v, set aside %v, taken %v", err, a.reasons(), got)
	}
}

// FuzzLokiFaults expects no answer to name lines that are not there, or to be taken
// for what it is not.
func FuzzLokiFaults(f *testing.F) {
	f.Add("2 errors like: entry for stream '{a=\"b\"}' has timestamp too old: 1970-01-01T00:00:00Z, oldest acceptable timestamp is: 2026-11-15T16:40:53Z; 1 errors like: entry for stream '{a=\"b\"}' has timestamp too new: 2262-04-11T23:47:16Z\n")
	f.Add("max entry size '262144' bytes exceeded for stream '{a=\"b\"}' while adding an entry with length '300048' bytes")
	f.Add("99999999999999999999 errors like: entry for stream '{}' has timestamp too new: 2262-04-11T23:47:16Z")
	items := []item{{at: time.Unix(1, 0), line: []byte("a")}, {at: taken, line: make([]byte, 300_000)}, {at: lastNano, line: []byte("b")}}
	f.Fuzz(func(t *testing.T, body string) {
		refused, ok := lokiRefused([]byte(body), items)
		seen := map[int]bool{}
		for _, r := range refused {
			if seen[r.item] || r.item < 0 || r.item >= len(items) || r.reason == "" {
				t.Errorf("refused %v", refused)
			}
			seen[r.item] = true
		}
		if ok == (len(refused) == 0) {
			t.Errorf("%t, %v", ok, refused)
		}
	})
}
