package postgrest

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"vigil/internal/auth"
	"vigil/internal/pgtest"
	"vigil/internal/store/postgres/relation"
)

// suiteSecret is the one that the suite's tokens are signed with.
const suiteSecret = "reallyreallyreallyreallyverysafe"

// relationDifferences are cases that Vigil answers otherwise, grouped by reason.
var relationDifferences = map[string][]string{
	"scripts of other origins are let in only where that is configured":      {"head-0001"},
	"without a secret no token is believed, which is no fault of the server": {"head-0119"},
	"no functions: how a domain is compared and printed":                     {"head-0265"},
	"no functions: further media types":                                      {"head-0300", "head-0307", "head-0325"},
	"nothing is ignored silently":                                            {"head-1078"},
	"looks at rows that an earlier case has changed":                         {"head-1453"},
	"errors repeat no data of a row":                                         {"head-0495"},
}

// TestRelationCases runs the reads and inserts of PostgREST's suite over its own
// tables in a database.
func TestRelationCases(t *testing.T) {
	t.Parallel()
	fixtures := shared(t, "postgrest/fixtures.json")
	uri := pgtest.Postgres(t)
	if err := pgtest.LoadFixtures(t.Context(), uri, fixtures); err != nil {
		t.Fatal(err)
	}
	reasons := map[string]string{}
	for why, ids := range relationDifferences {
		for _, id := range ids {
			reasons[id] = why
		}
	}
	var inserts []specCase
	counts := map[string]int{}
	judge := func(c specCase, d *relation.DB) {
		diff := c.runRelation(t, d)
		why, listed := reasons[c.ID]
		switch {
		case diff != "" && !listed:
			t.Errorf("%s %s %s %q %v\n\t%s", c.ID, c.Method, c.Path, c.Headers, c.Settings, diff)
		case diff == "" && listed:
			t.Errorf("%s: is listed (%s) and passes", c.ID, why)
		case listed:
			counts["not as expected: "+why]++
		default:
			counts["as expected"]++
		}
	}
	reads := copyDatabase(t, uri)
	narrow, wide := openSuite(t, reads, "public"), openSuite(t, reads, "public", "extensions")
	lines(t, shared(t, "postgrest/cases.jsonl"), func(c specCase) {
		switch {
		case c.Method == http.MethodGet || c.Method == http.MethodHead:
			d := narrow
			if c.setting("db-extra-search-path", "") != "" {
				d = wide
			}
			judge(c, d)
		case c.Method == http.MethodPost && !slices.Contains(c.Needs, "upsert"):
			inserts = append(inserts, c)
		}
	})
	// No two write to the same table of a database.
	var copies []*relation.DB
	used := map[string]int{}
	for _, c := range inserts {
		table, _, _ := strings.Cut(c.Path, "?")
		n := used[table]
		used[table]++
		if n == len(copies) {
			copies = append(copies, openSuite(t, copyDatabase(t, uri), "public"))
		}
		judge(c, copies[n])
	}
	for _, what := range slices.Sorted(maps.Keys(counts)) {
		t.Logf("%4d %s", counts[what], what)
	}
}

// openSuite opens the suite's tables.
func openSuite(t *testing.T, uri string, path ...string) *relation.DB {
	return openRelations(t, uri, relation.Config{Schemas: []string{"test"}, Path: path, Conns: 2})
}

// copyDatabase returns the address of a copy of the database at uri, which nobody
// must be connected to.
func copyDatabase(t *testing.T, uri string) string {
	t.Helper()
	made, err := url.Parse(pgtest.Postgres(t))
	if err != nil {
		t.Fatal(err)
	}
	from, err := url.Parse(uri)
	if err != nil {
		t.Fatal(err)
	}
	to := made.Path[1:] + "_copy"
	run(t, made.String(), "create database "+to+" template "+from.Path[1:])
	run(t, made.String(), "alter database "+to+" set default_text_search_config = 'pg_catalog.english'")
	made.Path = "/" + to
	return made.String()
}

// setting returns a setting of the case, or what the suite has by itself.
func (c *specCase) setting(name, otherwise string) string {
	v, ok := c.Settings[name]
	if !ok {
		return otherwise
	}
	s, _ := v.(string)
	return s
}

// runRelation runs a case over the tables of d, and says how the
// answer differs from the expected one.
func (c *specCase) runRelation(t *testing.T, d *relation.DB) string {
	grants, err := auth.NewGrants(auth.Grant{Role: "postgrest_test_anonymous"}, auth.Grant{Role: "postgrest_test_author"})
	if err != nil {
		t.Fatal(err)
	}
	ac := auth.Config{AnonRole: c.setting("db-anon-role", "postgrest_test_anonymous"), Grants: grants}
	if s := c.setting("jwt-secret", suiteSecret); s != "" {
		ac.Secrets = []string{s}
	}
	ac.SecretsBase64 = c.setting("jwt-secret-is-base64", "") == "true"
	if a := c.setting("jwt-aud", ""); a != "" {
		ac.Audience = []string{a}
	}
	a, err := auth.New(ac)
	if err != nil {
		return err.Error()
	}
	f := newRelationFace(t, d, func(cfg *Config) {
		cfg.Authenticate = a.Authenticate
		cfg.Aggregates = c.setting("db-aggregates-enabled", "false") == "true"
		cfg.TraceHeader = c.setting("server-trace-header", "")
		if o := c.setting("server-cors-allowed-origins", ""); o != "" {
			cfg.CORSOrigins = strings.Split(strings.ReplaceAll(o, " ", ""), ",")
		}
		if c.setting("db-max-rows", "") == "2" {
			cfg.MaxRows = 2
		}
	})
	body := ""
	if c.Body != nil {
		if body = string(c.Body.JSON); c.Body.Text != nil {
			body = *c.Body.Text
		}
	}
	p, q, _ := strings.Cut(c.Path, "?")
	if !strings.HasPrefix(p, "/") {
		p = "/" + p
	}
	target := (&url.URL{Path: p}).EscapedPath()
	if strings.Contains(p, "%") {
		target = p
	}
	if q != "" {
		target += "?" + strings.ReplaceAll(q, " ", "%20")
	}
	res := f.exchange(t, c.Method, target, c.Headers, body)
	return c.differs(res, bodyOf(t, res))
}

// differs says how an answer differs from the expected one in status, every
// header and body; empty where it does not.
func (c *specCase) differs(res *http.Response, body string) string {
	var diffs []string
	if c.Expect.Status != 0 && res.StatusCode != c.Expect.Status {
		diffs = append(diffs, fmt.Sprintf("status %d, want %d: %.300s", res.StatusCode, c.Expect.Status, body))
	}
	for _, h := range c.Expect.Headers {
		v, ok := res.Header[http.CanonicalHeaderKey(h.Name)]
		got := strings.Join(v, ", ")
		switch {
		case h.Name == "Content-Length" && body == "": // the server writes it
		case h.Absent && ok:
			diffs = append(diffs, fmt.Sprintf("%s: %q, want none", h.Name, got))
		case h.Eq != nil && got != *h.Eq:
			diffs = append(diffs, fmt.Sprintf("%s: %q, want %q", h.Name, got, *h.Eq))
		case h.Regex != nil && !regexp.MustCompile(*h.Regex).MatchString(got):
			diffs = append(diffs, fmt.Sprintf("%s: %q, want %q", h.Name, got, *h.Regex))
		}
	}
	if b := c.Expect.Body; b != nil && b.JSON != nil && !sameJSON(body, string(b.JSON)) {
		diffs = append(diffs, fmt.Sprintf("got  %.400s\n\twant %.400s", body, b.JSON))
	} else if b != nil && b.Text != nil && body != *b.Text {
		diffs = append(diffs, fmt.Sprintf("got  %.300q\n\twant %.300q", body, *b.Text))
	}
	return strings.Join(diffs, "\n\t")
}
