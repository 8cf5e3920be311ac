package transfer

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// maxRow is the longest row of an answer, in bytes: far more than a request may
// have brought.
const maxRow = 256 << 20

// found is a row as the server shows it.
type found struct {
	ID       int64           `json:"id"`
	SourceID int64           `json:"_source_id"`
	Event    json.RawMessage `json:"event"`
}

// Last implements [Finder].
func (r *Remote) Last(ctx context.Context) (last int64, err error) {
	_, err = r.get(ctx, "select=id&order=id.desc&limit=1", func(row *found) { last = row.ID })
	return last, err
}

// ByID implements [Finder].
func (r *Remote) ByID(ctx context.Context, ids []int64, each func(int64, []byte)) error {
	var list []byte
	for i, id := range ids {
		if i > 0 {
			list = append(list, ',')
		}
		list = strconv.AppendInt(list, id, 10)
	}
	_, err := r.get(ctx, "select=id,event&id=in.("+string(list)+")", func(row *found) { each(row.ID, row.Event) })
	return err
}

// Renumbered implements [Finder]. It asks for pages, so that a server that
// bounds its answers, or a connection that breaks, leaves nothing out.
func (r *Remote) Renumbered(ctx context.Context, each func(int64, []byte)) error {
	for last, n := int64(0), 1; n > 0; {
		var err error
		q := fmt.Sprintf("select=id,_source_id,event&_source_id=gt.0&id=gt.%d&order=id.asc&limit=1000", last)
		n, err = r.get(ctx, q, func(row *found) {
			last = row.ID
			each(row.SourceID, row.Event)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// get asks for rows, again where that may help, and returns how many there were.
func (r *Remote) get(ctx context.Context, query string, each func(*found)) (rows int, err error) {
	err = r.retry(ctx, func() (wait time.Duration, err error) {
		rows, wait, err = r.rows(ctx, query, each)
		return wait, err
	})
	return rows, err
}

// rows makes one attempt; rows that were read before it broke off come again
// with the next.
func (r *Remote) rows(ctx context.Context, query string, each func(*found)) (n int, wait time.Duration, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimRight(r.Base, "/")+"/"+url.PathEscape(r.Table)+"?"+query, nil)
	if err != nil {
		return 0, final, fmt.Errorf("look for what is there: %w", err)
	}
	req.Header.Set("Accept", "application/x-ndjson")
	if r.Token != "" {
		req.Header.Set("Authorization", "Bearer "+r.Token)
	}
	res, err := r.Client.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			wait = final
		}
		return 0, wait, fmt.Errorf("look for what is there: %w", err)
	}
	defer res.Body.Close()
	if res.StatusCode/100 != 2 {
		text, _ := io.ReadAll(io.LimitReader(res.Body, 64<<10))
		err := ErrorOf(res.StatusCode, text)
		switch res.StatusCode { // 400: a table without such columns
		case http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden:
			err = errors.Join(ErrNotReadable, err)
		}
		return 0, waitOf(res), err
	}
	lines := bufio.NewScanner(res.Body)
	lines.Buffer(make([]byte, 0, 64<<10), maxRow)
	for lines.Scan() {
		var row found
		if err := json.Unmarshal(lines.Bytes(), &row); err != nil || row.ID == 0 {
			return n, final, errors.New("look for what is there: the server's answer is no row")
		}
		n++
		each(&row)
	}
	if err := lines.Err(); err != nil {
		return n, 0, fmt.Errorf("look for what is there: %w", err)
	}
	return n, 0, nil
}
