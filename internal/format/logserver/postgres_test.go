package logserver_test

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"vigil/internal/format/logserver"
	"vigil/internal/pgtest"
)

// TestParseTimeAsPostgreSQL reads generated times of every spelling, many of
// them near changes of the clock, here and in PostgreSQL.
func TestParseTimeAsPostgreSQL(t *testing.T) {
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, pgtest.Postgres(t))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	r := rand.New(rand.NewPCG(1, 2))
	layouts := []string{
		"2006-01-02 15:04:05", "2006-01-02 15:04:05.000", "2006-01-02T15:04:05.000000", "2006-01-02T15:04:05.0000000", "2006-01-02 15:04", "2006-01-02",
		"2006-01-02T15:04:05Z07:00", "2006-01-02 15:04:05.000-0700", "2006-01-02 15:04:05.999999-07",
	}
	for _, name := range []string{"UTC", "America/Los_Angeles", "Europe/Berlin", "Australia/Lord_Howe", "Asia/Kathmandu"} {
		zone, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Exec(ctx, "select set_config('TimeZone', $1, false)", name); err != nil {
			t.Fatal(err)
		}
		var texts []string
		for range 400 {
			// Clocks change within these days, in spring and in autumn.
			day := []time.Time{time.Date(2022, 3, 1, 0, 0, 0, 0, time.UTC), time.Date(2022, 10, 25, 0, 0, 0, 0, time.UTC), time.Date(2022, 4, 1, 0, 0, 0, 0, time.UTC)}[r.IntN(3)]
			at := day.Add(time.Duration(r.Int64N(int64(30 * 24 * time.Hour)))).In([]*time.Location{time.UTC, zone}[r.IntN(2)])
			texts = append(texts, at.Format(layouts[r.IntN(len(layouts))]))
		}
		rows, err := conn.Query(ctx, "select x, (extract(epoch from x::timestamptz) * 1000000)::int8 from unnest($1::text[]) with ordinality as t(x, n) order by n", texts)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for ; rows.Next(); n++ {
			var text string
			var want int64
			if err := rows.Scan(&text, &want); err != nil {
				t.Fatal(err)
			}
			got, ok := logserver.ParseTime([]byte(text), zone)
			if !ok || got.UnixMicro() != want {
				t.Errorf("%s in %s: %v, PostgreSQL has %v", text, name, got, time.UnixMicro(want).UTC())
			}
		}
		if err := rows.Err(); err != nil || n != len(texts) {
			t.Fatal(n, err)
		}
	}
}
