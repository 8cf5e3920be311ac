package segfile

import "encoding/binary"

// A column of integers is a mode byte and varints (zigzag, as encoding/binary
// writes them): either each value, or value and length of each run.
const (
	intsEach = 0
	intsRuns = 1
)

// appendInts appends a column in the mode that is shorter.
func appendInts(dst []byte, vals []int64) []byte {
	start := len(dst)
	dst = append(dst, intsRuns)
	for i := 0; i < len(vals); {
		j := i + 1
		for j < len(vals) && vals[j] == vals[i] {
			j++
		}
		dst = binary.AppendVarint(dst, vals[i])
		dst = binary.AppendUvarint(dst, uint64(j-i))
		i = j
	}
	each := 1
	for _, v := range vals {
		each += varintLen(v)
	}
	if each >= len(dst)-start {
		return dst
	}
	dst = append(dst[:start], intsEach)
	for _, v := range vals {
		dst = binary.AppendVarint(dst, v)
	}
	return dst
}

func varintLen(v int64) int {
	u := uint64(v) << 1
	if v < 0 {
		u = ^u
	}
	n := 1
	for u >= 0x80 {
		u >>= 7
		n++
	}
	return n
}

// readInts fills vals from a column and returns what follows it, nil if the
// column is not one of len(vals) values.
func readInts(b []byte, vals []int64) (rest []byte) {
	if len(b) == 0 {
		return nil
	}
	mode, b := b[0], b[1:]
	switch mode {
	case intsEach:
		for i := range vals {
			v, n := binary.Varint(b)
			if n <= 0 {
				return nil
			}
			vals[i], b = v, b[n:]
		}
	case intsRuns:
		for i := 0; i < len(vals); {
			v, n := binary.Varint(b)
			if n <= 0 {
				return nil
			}
			b = b[n:]
			run, n := binary.Uvarint(b)
			if n <= 0 || run == 0 || run > uint64(len(vals)-i) {
				return nil
			}
			b = b[n:]
			for end := i + int(run); i < end; i++ {
				vals[i] = v
			}
		}
	default:
		return nil
	}
	return b[:len(b):len(b)]
}

// differences replaces each value by what it adds to the one before.
func differences(vals []int64) {
	prev := int64(0)
	for i, v := range vals {
		vals[i], prev = v-prev, v
	}
}

// sums undoes differences.
func sums(vals []int64) {
	sum := int64(0)
	for i, v := range vals {
		sum += v
		vals[i] = sum
	}
}
