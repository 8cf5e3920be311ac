package ledger

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestCheckpoint(t *testing.T) {
	a, b, other := newSigner(t, "log.example/a"), newSigner(t, "witness.example"), newSigner(t, "log.example/a")
	want := Checkpoint{Origin: "log.example/a", Size: 77, Root: leafHash(1)}
	signed, err := SignCheckpoint(want, a, b)
	if err != nil {
		t.Fatal(err)
	}
	for name, keys := range map[string][]*Signer{"log": {a}, "witness": {b}, "both": {a, b}, "and unknown": {other, a}} {
		verifiers := make([]string, len(keys))
		for i, k := range keys {
			verifiers[i] = k.Verifier()
		}
		got, err := OpenCheckpoint(signed, verifiers...)
		if err != nil || got.Size != want.Size || got.Root != want.Root || got.Origin != want.Origin {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
		if slices.Contains(got.Signers, other.Verifier()) || len(got.Signers) == 0 {
			t.Errorf("%s: signers are %v", name, got.Signers)
		}
	}
	if _, err := OpenCheckpoint(signed, other.Verifier()); err == nil {
		t.Error("a stranger's key opens it")
	}
	if _, err := OpenCheckpoint(signed); err == nil {
		t.Error("no key opens it")
	}
	if c, err := ReadCheckpoint(signed); err != nil || c.Size != 77 {
		t.Errorf("ReadCheckpoint: %+v, %v", c, err)
	}
	for i := range bytes.LastIndex(signed, []byte("\n\n")) {
		bad := bytes.Clone(signed)
		bad[i] ^= 1
		if _, err := OpenCheckpoint(bad, a.Verifier()); err == nil {
			t.Errorf("byte %d of the signed text was changed, and it opens", i)
		}
	}
	// The same text, signed by a key of the same name.
	forged, err := SignCheckpoint(want, other)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := OpenCheckpoint(forged, a.Verifier()); err == nil {
		t.Error("signed anew by another key, and it opens")
	}
}

func TestSignRefuses(t *testing.T) {
	a := newSigner(t, "log.example/a")
	for _, c := range []Checkpoint{{Size: 1}, {Origin: "a\nb", Size: 1}, {Origin: "a", Size: -1}} {
		if _, err := SignCheckpoint(c, a); err == nil {
			t.Errorf("signed %+v", c)
		}
	}
	if _, err := SignCheckpoint(Checkpoint{Origin: "a"}); err == nil {
		t.Error("signed without a key")
	}
}

func FuzzCheckpoint(f *testing.F) {
	s := newSigner(f, "log.example/a")
	signed, err := s.Sign("log.example/a", 9, Hash{3})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(signed)
	f.Add([]byte("a\n0\n" + Hash{}.String() + "\n\n— a AAAAAAA=\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := ReadCheckpoint(b)
		if err == nil && (c.Size < 0 || c.Origin == "" || !strings.HasPrefix(string(b), c.text())) {
			t.Errorf("%q is read as %+v", b, c)
		}
		if c, err := OpenCheckpoint(b, s.Verifier()); err == nil && (c.Size != 9 || c.Root != Hash{3}) {
			t.Errorf("a forgery opens: %+v", c)
		}
	})
}

func TestSetCheckpoint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSigner(t, "log.example/a")
		l := NewLog("log.example/a", &MemoryTiles{})
		fill(t, l, 10)
		sign := func(origin string, size int64) []byte { return must(s.Sign(origin, size, l.Root())) }
		if l.SetCheckpoint(sign("log.example/b", 10)) == nil || l.SetCheckpoint([]byte("x")) == nil {
			t.Error("a wrong checkpoint is taken")
		}
		if err := l.SetCheckpoint(sign("log.example/a", 11)); !errors.Is(err, ErrRange) {
			t.Errorf("a checkpoint ahead of the log: %v", err)
		}
		if l.Checkpoint() != nil {
			t.Error("there is a checkpoint")
		}
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		done := make(chan error)
		go func() { done <- l.WaitCheckpoint(ctx, 10) }()
		synctest.Wait()
		if err := l.SetCheckpoint(sign("log.example/a", 10)); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := l.WaitCheckpoint(ctx, 11); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("waited for what does not come: %v", err)
		}
	})
}

func TestProof(t *testing.T) {
	s := newSigner(t, "log.example/a")
	l := NewLog("log.example/a", &MemoryTiles{})
	var records [][]byte
	for i := range 300 {
		leaf := sampleLeaf()
		leaf.ID = int64(i)
		records = append(records, leaf.AppendText(nil))
		l.Append(HashLeaf(records[i]))
	}
	l.Publish(300)
	if _, err := l.Proof(0, records[0]); !errors.Is(err, ErrRange) {
		t.Errorf("before the first checkpoint: %v", err)
	}
	if err := l.SetCheckpoint(must(s.Sign("log.example/a", 299, must(l.RootAt(299))))); err != nil {
		t.Fatal(err)
	}
	for _, i := range []int64{0, 1, 255, 256, 298} {
		text, err := l.Proof(i, records[i])
		if err != nil {
			t.Fatal(err)
		}
		p, err := ParseProof(text)
		if err != nil || !bytes.Equal(p.AppendText(nil), text) {
			t.Fatalf("proof %d does not come back: %v", i, err)
		}
		if c, err := p.Check(p.Record, s.Verifier()); err != nil || c.Size != 299 {
			t.Errorf("proof %d: %v", i, err)
		}
		if _, err := p.Check(records[i+1], s.Verifier()); err == nil {
			t.Errorf("proof %d proves another record", i)
		}
		if _, err := p.Check(records[i], newSigner(t, "log.example/a").Verifier()); err == nil {
			t.Errorf("proof %d opens with another key", i)
		}
	}
	if _, err := l.Proof(299, records[299]); !errors.Is(err, ErrRange) {
		t.Errorf("past the checkpoint: %v", err)
	}
	if _, err := l.Proof(3, records[4]); err == nil {
		t.Error("a proof of a wrong record was given out")
	}
	for _, to := range []int64{1, 256, 300} {
		for _, from := range []int64{0, 1, 200, 256, 300} {
			if from > to {
				continue
			}
			older, newer := Checkpoint{Size: from, Root: must(l.RootAt(from))}, Checkpoint{Size: to, Root: must(l.RootAt(to))}
			if err := CheckConsistency(older, newer, must(l.Consistency(from, to))); err != nil {
				t.Errorf("%d to %d: %v", from, to, err)
			}
			older.Root[0] ^= 1
			if from > 0 && CheckConsistency(older, newer, must(l.Consistency(from, to))) == nil {
				t.Errorf("%d to %d: a fork passes", from, to)
			}
		}
	}
}

func FuzzParseProof(f *testing.F) {
	f.Add([]byte("c2sp.org/tlog-proof@v1\nextra eA==\nindex 0\n" + Hash{1}.String() + "\n\na\n0\n"))
	f.Add([]byte("c2sp.org/tlog-proof@v1\nindex 12\n\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if p, err := ParseProof(b); err == nil && !bytes.Equal(p.AppendText(nil), b) {
			t.Errorf("%q came back as %q", b, p.AppendText(nil))
		}
	})
}
