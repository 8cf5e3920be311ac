package transfer

import (
	"context"
	"encoding/hex"
	"errors"
	"strconv"
)

// maxAlike is how many files that have the same record at the same place are
// told apart by keys that are tried one after the other.
const maxAlike = 16

// pieces appends records so that a later run, over the same file or one that
// has grown, finds them.
//
// The key of a piece says where it begins and what its first record is, not
// where it ends. To a key that is known with other records the target says so;
// then shorter pieces are tried, and one that was handed over is merged. So
// that few lengths need trying, a piece is as long as the run where that is
// complete, else a power of two: 7 records at the end of a file go as 4, 2 and
// 1, and when they are followed by 993 more, these three are merged and the
// rest is one piece.
//
// Two files that begin alike are one file to this: records of the second that
// stand at the same places as a whole piece of the first are merged.
func (im *Import) pieces(ctx context.Context, c *Counts, records []Record, complete bool) error {
	faulty := 0 // up to here there is a record that is refused
	for at := 0; at < len(records); {
		n, err := im.piece(ctx, c, records, at, &faulty, complete)
		if err != nil {
			return err
		}
		if at += n; n == 0 { // more files alike than keys are tried for
			return im.halve(ctx, c, records[at:])
		}
	}
	return nil
}

// piece deals with the records from at on, as many as go in one piece, and
// returns how many these are; 0 is none.
func (im *Import) piece(ctx context.Context, c *Counts, records []Record, at int, faulty *int, complete bool) (int, error) {
	rest := records[at:]
	for alike := range maxAlike {
		key := pieceKey(rest[0], alike)
		for n := longest(len(rest), complete); n > 0; n = shorter(n) {
			if n > 1 && at+n >= *faulty && *faulty > at {
				continue
			}
			merged, err := im.Target.Append(ctx, key, rest[:n])
			refusal, refused := errors.AsType[*Refusal](err)
			switch {
			case err == nil:
				c.count(n, merged)
				return n, nil
			case !refused:
				return 0, err
			case refusal.KeyUsed:
			case n == 1:
				*faulty = 0
				return 1, im.refuseRecord(c, rest[0], refusal)
			default:
				*faulty = at + n
			}
		}
	}
	return 0, nil
}

// longest is the first length to try for a piece of n records.
func longest(n int, complete bool) int {
	if complete {
		return n
	}
	return shorter(n + 1)
}

// shorter returns the greatest power of two below n, 0 if there is none.
func shorter(n int) int {
	p := 1
	for 2*p < n {
		p *= 2
	}
	if p >= n {
		return 0
	}
	return p
}

// pieceKey is the idempotency key of the piece that begins with r.
func pieceKey(r Record, alike int) string {
	sum := digest([]Record{r})
	key := "import-" + strconv.FormatInt(r.Offset, 10) + "-" + hex.EncodeToString(sum[:16])
	if alike > 0 {
		key += "-" + strconv.Itoa(alike)
	}
	return key
}
