package postgrest

import (
	"math"
	"testing"
)

func TestClip(t *testing.T) {
	all := window{0, -1}
	tests := []struct {
		w      window
		header string
		want   window
		status int // of the error
	}{
		{all, "0-1", window{0, 2}, 0},
		{all, "100-", window{100, -1}, 0},
		{all, "0-0", window{0, 1}, 0},
		{window{2, -1}, "0-3", window{2, 2}, 0},
		{window{0, 3}, "0-1", window{0, 2}, 0},
		{window{0, 3}, "1-", window{1, 2}, 0},
		{window{math.MaxInt64, 5}, "0-", window{math.MaxInt64, 0}, 416},
		{all, "1-0", window{}, 416},
		{window{0, 1}, "5-6", window{}, 416},
		{all, "abc", window{}, 400},
		{all, "bytes=0-1", window{}, 400},
		{all, "-5", window{}, 400},
		{all, "", window{}, 400},
		{all, "1-2-3", window{}, 400},
		{all, "+1-2", window{}, 400},
		{all, "99999999999999999999-", window{}, 400},
	}
	for _, tt := range tests {
		got, err := tt.w.clip(tt.header)
		if err != nil || tt.status != 0 {
			if err == nil || asError(err).Status != tt.status {
				t.Errorf("%v %q: got %v, want status %d", tt.w, tt.header, err, tt.status)
			}
			continue
		}
		if got != tt.want {
			t.Errorf("%v %q: got %v, want %v", tt.w, tt.header, got, tt.want)
		}
	}
}

func TestWindow(t *testing.T) {
	tests := []struct {
		w    window
		most int64
		want int64 // rows of 33
	}{
		{window{0, -1}, 0, 33},
		{window{0, -1}, 10, 10},
		{window{0, 5}, 10, 5},
		{window{30, 5}, 0, 3},
		{window{33, 5}, 0, 0},
		{window{500, -1}, 0, 0},
		{window{0, 0}, 0, 0},
	}
	for _, tt := range tests {
		if got := tt.w.cap(tt.most).rows(33); got != tt.want {
			t.Errorf("%v capped at %d: got %d, want %d", tt.w, tt.most, got, tt.want)
		}
	}
}

// The values were seen at PostgREST 12.0.2.
func TestContentRange(t *testing.T) {
	tests := []struct {
		offset, n, total int64
		want             string
		status           int
	}{
		{0, 25, unknown, "0-24/*", 200},
		{0, 0, unknown, "*/*", 200},
		{500, 0, unknown, "*/*", 200},
		{5, 2, unknown, "5-6/*", 200},
		{0, 33, 33, "0-32/33", 200},
		{0, 2, 33, "0-1/33", 206},
		{0, 0, 33, "*/33", 206},
		{33, 0, 33, "*/33", 206},
		{34, 0, 33, "*/33", 416},
		{0, 0, 0, "*/0", 200},
		{0, 1, 19, "0-0/19", 206},
	}
	for _, tt := range tests {
		if got := contentRange(tt.offset, tt.n, tt.total); got != tt.want {
			t.Errorf("%+v: got %s", tt, got)
		}
		if got := rangeStatus(tt.offset, tt.n, tt.total); got != tt.status {
			t.Errorf("%+v: got status %d", tt, got)
		}
	}
}
