package ledger

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"
)

func sampleLeaf() Leaf {
	return Leaf{
		Epoch: 1, Table: "events", ID: 42, UID: "0198f7a0-0000-7000-8000-000000000001",
		Received: time.Date(2026, 3, 4, 5, 6, 7, 89_000, time.UTC), Form: FormRaw,
		Commitment: Commit([16]byte{1}, []byte(`{"authenticated":false}`), []byte(`{"a":1}`)),
	}
}

// TestLeafText pins the record: other people's verifiers depend on every byte.
func TestLeafText(t *testing.T) {
	salted := append([]byte{1}, 9, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 2)
	sum := sha256.Sum256(append(append(salted, "{}"...), `{"a":1}`...))
	l := sampleLeaf()
	l.Commitment = Commit([16]byte{0: 9, 1: 9, 15: 7}, []byte("{}"), []byte(`{"a":1}`))
	want := "vigil-leaf/v1\n1\nevents 42\n0198f7a0-0000-7000-8000-000000000001\n2026-03-04T05:06:07.000089Z\nraw\n" +
		base64.StdEncoding.EncodeToString(sum[:]) + "\n"
	got := l.AppendText(nil)
	if string(got) != want {
		t.Errorf("record is\n%s\nwant\n%s", got, want)
	}
	if HashLeaf(got) != Hash(tlog.RecordHash(got)) {
		t.Error("leaf hash is not RFC 6962's")
	}
	if long := make([]byte, 1000); HashLeaf(long) != Hash(tlog.RecordHash(long)) {
		t.Error("leaf hash of a long record is not RFC 6962's")
	}
}

func TestLeafRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := sampleLeaf()
		l.Epoch = rapid.IntRange(0, 1<<30).Draw(t, "epoch")
		l.ID = rapid.Int64().Draw(t, "id")
		l.Table = rapid.StringMatching(`[a-zé_][a-z0-9_]{0,20}`).Draw(t, "table")
		l.Received = time.UnixMicro(rapid.Int64Range(0, 1<<52).Draw(t, "received")).UTC()
		l.Form = rapid.SampledFrom([]string{FormRaw, FormCanonical}).Draw(t, "form")
		copy(l.Commitment[:], rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "commitment"))
		got, err := ParseLeaf(l.AppendText(nil))
		if err != nil || got != l {
			t.Fatalf("got %+v, %v; want %+v", got, err, l)
		}
	})
}

func TestParseLeafRefuses(t *testing.T) {
	good := string(sampleLeaf().AppendText(nil))
	if _, err := ParseLeaf([]byte(good)); err != nil {
		t.Fatal(err)
	}
	for name, edit := range map[string][2]string{
		"header":       {"v1", "v2"},
		"leading zero": {"\n1\n", "\n01\n"},
		"plus":         {" 42", " +42"},
		"no table":     {"events ", " "},
		"two spaces":   {"events 42", "events x 42"},
		"tab":          {"events", "eve\tnts"},
		"upper uid":    {"0198f7a0", "0198F7A0"},
		"zone":         {"07.000089Z", "07.000089+00:00"},
		"milliseconds": {"07.000089Z", "07.000Z"},
		"form":         {"raw", "row"},
		"carriage":     {"raw\n", "raw\r\n"},
		"more":         {"raw\n", "raw\nraw\n"},
	} {
		bad := bytes.Replace([]byte(good), []byte(edit[0]), []byte(edit[1]), 1)
		if string(bad) == good {
			t.Fatalf("%s: the edit does nothing", name)
		}
		if _, err := ParseLeaf(bad); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
	for n := range good {
		if _, err := ParseLeaf([]byte(good[:n])); err == nil {
			t.Errorf("cut to %d bytes is taken", n)
		}
	}
}

func FuzzParseLeaf(f *testing.F) {
	f.Add(sampleLeaf().AppendText(nil))
	f.Add([]byte("vigil-leaf/v1\n\n\n\n\n\n\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if l, err := ParseLeaf(b); err == nil && !bytes.Equal(l.AppendText(nil), b) {
			t.Errorf("%q came back as %q", b, l.AppendText(nil))
		}
	})
}

func TestTilePath(t *testing.T) {
	for path, want := range map[string]TilePath{
		"0/000":                               {Width: 256},
		"4/x001/x234/067":                     {Level: 4, N: 1234067, Width: 256},
		"63/001.p/1":                          {Level: 63, N: 1, Width: 1},
		"entries/x001/000.p/255":              {Entries: true, N: 1000, Width: 255},
		"entries/999":                         {Entries: true, N: 999, Width: 256},
		"1/x999/x999/x999/x9/000":             {Width: -1},
		"64/000":                              {Width: -1},
		"00/000":                              {Width: -1},
		"0/0":                                 {Width: -1},
		"0/0000":                              {Width: -1},
		"0/x000/001":                          {Width: -1},
		"0/001/002":                           {Width: -1},
		"0/x001":                              {Width: -1},
		"0/000.p/0":                           {Width: -1},
		"0/000.p/256":                         {Width: -1},
		"0/000.p/01":                          {Width: -1},
		"0/000.p/1/..":                        {Width: -1},
		"0/../000":                            {Width: -1},
		"../0/000":                            {Width: -1},
		"0/+01":                               {Width: -1},
		"data/000":                            {Width: -1},
		"-1/000":                              {Width: -1},
		"0/x999/x999/x999/x999/x999/x999/999": {Width: -1},
		"":                                    {Width: -1}, "0": {Width: -1}, "/": {Width: -1}, "0/": {Width: -1},
	} {
		got, err := ParseTilePath(path)
		if want.Width < 0 {
			if err == nil {
				t.Errorf("%q is taken as %+v", path, got)
			}
			continue
		}
		if err != nil || got != want {
			t.Errorf("%q is %+v, %v; want %+v", path, got, err, want)
		}
	}
}

// TestTilePathAsTheirs compares the paths with x/mod's, whose paths have the
// tile's height in the middle.
func TestTilePathAsTheirs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := TilePath{
			Level: rapid.IntRange(0, 63).Draw(t, "level"),
			N:     rapid.Int64Range(0, 1<<52).Draw(t, "n"),
			Width: rapid.IntRange(1, 256).Draw(t, "width"),
		}
		theirs := tlog.Tile{H: 8, L: p.Level, N: p.N, W: p.Width}.Path()
		if want := fmt.Sprintf("tile/8/%s", p); want != theirs {
			t.Fatalf("path is %s, want %s", want, theirs)
		}
		if got, err := ParseTilePath(p.String()); err != nil || got != p {
			t.Fatalf("%s came back as %+v, %v", p, got, err)
		}
	})
}

func FuzzParseTilePath(f *testing.F) {
	f.Add("0/x001/000.p/3")
	f.Add("entries/000")
	f.Fuzz(func(t *testing.T, s string) {
		p, err := ParseTilePath(s)
		if err == nil && (p.String() != s || p.N < 0) {
			t.Errorf("%q came back as %q", s, p)
		}
	})
}
