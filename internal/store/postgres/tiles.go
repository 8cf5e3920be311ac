package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"vigil/internal/ledger"
)

// tiles keeps full tiles in vigil.tiles. What is written waits in memory for the
// transaction of the commit.
type tiles struct {
	pool    *pgxpool.Pool
	written []writtenTile // the sequencer's
}

type writtenTile struct {
	level int
	n     int64
	data  []byte
}

var _ ledger.Tiles = (*tiles)(nil)

// tileTimeout bounds the reading of a tile, for which there is no context.
const tileTimeout = 10 * time.Second

// ReadTile implements [ledger.Tiles].
func (t *tiles) ReadTile(level int, n int64) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), tileTimeout)
	defer cancel()
	var b []byte
	err := t.pool.QueryRow(ctx, "select hashes from vigil.tiles where level = $1 and n = $2", level, n).Scan(&b)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, ledger.ErrRange
	}
	return b, readError(ctx, err)
}

// WriteTile implements [ledger.Tiles]. It does not fail.
func (t *tiles) WriteTile(level int, n int64, data []byte) error {
	t.written = append(t.written, writtenTile{level, n, append([]byte(nil), data...)})
	return nil
}
