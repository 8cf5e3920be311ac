package remote

import (
	"bytes"
	"cmp"
	"context"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"time"
)

// lokiLineFaults are in the answers of Loki that speak of lines: too old for its
// limits or for the stream, too new, too long.
var lokiLineFaults = [...]string{"timestamp too old", "timestamp too new", "too far behind", "out of order", "max entry size"}

// lokiFault is one message of Loki's about the lines of a request, with the number
// of lines that it is about where that is not 1.
var lokiFault = regexp.MustCompile(`^(?:([0-9]+) errors like: )?(?:` +
	`entry for stream '\{.*?\}' has timestamp too (?:old: \S+, oldest acceptable timestamp is: ([0-9TZ:.+-]+)|(new): [0-9TZ:.+-]+)` +
	`|max entry size '([0-9]+)' bytes exceeded for stream '\{.*?\}' while adding an entry with length '[0-9]+' bytes` +
	`)(?:; |$)`)

// judgeLoki tells lines that Loki does not take from requests that it does not
// understand. Of the former there may be any number, such as after the import of
// an old log. Loki has taken the other lines of the request, and shows a line that
// comes again twice when there is much between; so they are not sent again where
// the answer says which ones it has not.
func judgeLoki(ctx context.Context, s *Sink, a *answer, items []item) outcome {
	if a.status == http.StatusInternalServerError && bytes.Contains(a.body, []byte("no schema config found for time")) {
		return outcome{refused: reason(a), sure: true} // older than its schema_config, to which it does not look first
	}
	out := byStatus(ctx, s, a, items)
	if out.refused == "" || !slices.ContainsFunc(lokiLineFaults[:], func(fault string) bool {
		return bytes.Contains(a.body, []byte(fault))
	}) {
		return out
	}
	out.sure = true
	if a.status == http.StatusBadRequest && len(items) > 1 {
		if refused, ok := lokiRefused(a.body, items); ok {
			return outcome{items: refused}
		}
	}
	return out
}

// lokiFaults is what an answer says of the lines of a request.
type lokiFaults struct {
	old, new, long int       // how many lines are so
	oldest         time.Time // acceptable, in whole seconds
	longest        int       // acceptable, in bytes
	why            [3]string // a message about each
}

// parseLokiFaults reads an answer that consists of faults of lines and of nothing
// else.
func parseLokiFaults(body []byte) (f lokiFaults, ok bool) {
	for rest := bytes.TrimSpace(body); len(rest) > 0; {
		m := lokiFault.FindSubmatch(rest)
		if m == nil {
			return f, false
		}
		n := 1
		if len(m[1]) > 0 {
			n, _ = strconv.Atoi(string(m[1])) // digits; one too large is refused by the caller
		}
		kind := 0
		switch {
		case len(m[2]) > 0:
			t, err := time.Parse(time.RFC3339, string(m[2]))
			if err != nil {
				return f, false
			}
			f.oldest = t
			f.old += n
		case len(m[3]) > 0:
			kind = 1
			f.new += n
		default:
			kind = 2
			f.longest, _ = strconv.Atoi(string(m[4]))
			f.long += n
		}
		f.why[kind] = "400 Bad Request: " + clip(string(m[0]), reasonSize)
		rest = rest[len(m[0]):]
	}
	return f, f.old+f.new+f.long > 0
}

// lokiRefused finds the lines that an answer is about. Loki looks first at their
// age, then whether they are of the future, then at their length: so they are the
// oldest, the newest of the others, and the longest of the rest. It is not ok where
// the answer does not fit the lines.
func lokiRefused(body []byte, items []item) ([]refusal, bool) {
	f, ok := parseLokiFaults(body)
	if !ok || f.old < 0 || f.new < 0 || f.long < 0 || f.old > len(items) || f.new > len(items)-f.old || f.long > len(items)-f.old-f.new {
		return nil, false
	}
	at := func(i int) int64 { return unixNano(items[i].at) }
	order := make([]int, len(items))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(at(i), at(j)) })
	old, rest := order[:f.old], order[f.old:]
	if f.old > 0 && (at(old[f.old-1]) >= unixNano(f.oldest.Add(time.Second)) || len(rest) > 0 && at(rest[0]) < unixNano(f.oldest)) {
		return nil, false
	}
	rest, fresh := rest[:len(rest)-f.new], rest[len(rest)-f.new:]
	if f.new > 0 && len(rest) > 0 && at(rest[len(rest)-1]) == at(fresh[0]) {
		return nil, false
	}
	var long []int
	for _, i := range rest {
		if f.long > 0 && len(items[i].line) > f.longest {
			long = append(long, i)
		}
	}
	if len(long) != f.long {
		return nil, false
	}
	var out []refusal
	for kind, list := range [...][]int{old, fresh, long} {
		for _, i := range list {
			out = append(out, refusal{i, f.why[kind]})
		}
	}
	slices.SortFunc(out, func(x, y refusal) int { return cmp.Compare(x.item, y.item) })
	return out, true
}
