package postgres

import (
	"context"
	"strings"

	"vigil/internal/query"
)

// Explain returns the plan of the statement that answers q, without sequential
// scans where there is another way, as in a large table.
func Explain(ctx context.Context, s *Store, q *query.Query) (string, error) {
	sql, _, err := s.translate(q)
	if err != nil || sql == nil {
		return "", err
	}
	st, _, err := sql.Rows()
	if err != nil {
		return "", err
	}
	st.Text = "explain " + st.Text
	var lines []string
	for b, err := range s.stream(ctx, st, nil) {
		if err != nil {
			return "", err
		}
		lines = append(lines, string(b[0]))
	}
	return strings.Join(lines, "\n"), nil
}

// Waiting returns how many requests wait for the sequencer.
func Waiting(s *Store) int { return s.queue.len() }
