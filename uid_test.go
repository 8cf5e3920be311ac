package vigil_test

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"vigil"
)

// TestNewUID has RFC 9562's example of version 7 (appendix A.6).
func TestNewUID(t *testing.T) {
	at := time.UnixMilli(0x017F22E279B0)
	random := [10]byte{0x0C, 0xC3, 0x18, 0xC4, 0xDC, 0x0C, 0x0C, 0x07, 0x39, 0x8F}
	if got := vigil.NewUID(at, random).String(); got != "017f22e2-79b0-7cc3-98c4-dc0c0c07398f" {
		t.Errorf("uid %s", got)
	}
}

func TestUIDText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var random [10]byte
		copy(random[:], rapid.SliceOfN(rapid.Byte(), 10, 10).Draw(t, "random"))
		ms := rapid.Int64Range(0, 1<<48-1).Draw(t, "ms")
		u := vigil.NewUID(time.UnixMilli(ms), random)
		s := u.String()
		if s[14] != '7' || !strings.ContainsRune("89ab", rune(s[19])) {
			t.Fatalf("%s is no version 7", s)
		}
		for _, text := range []string{s, strings.ToUpper(s)} {
			if again, err := vigil.ParseUID(text); err != nil || again != u {
				t.Fatalf("%s is read as %s, %v", text, again, err)
			}
		}
		if later := vigil.NewUID(time.UnixMilli(ms+1), [10]byte{}); ms < 1<<48-1 && later.String() <= s {
			t.Fatalf("%s of the next millisecond is not above %s", later, s)
		}
	})
}

func TestParseUIDErrors(t *testing.T) {
	for _, s := range []string{
		"", "0198f7a0", "0198f7a0-0000-7000-8000-00000000000", "0198f7a0-0000-7000-8000-0000000000000", "0198f7a0x0000-7000-8000-000000000000",
		"0198f7a0-0000-7000-8000-00000000000g", "{198f7a0-0000-7000-8000-000000000000", strings.Repeat("-", 36),
	} {
		if u, err := vigil.ParseUID(s); err == nil || u != (vigil.UID{}) {
			t.Errorf("%q is read as %v, %v", s, u, err)
		}
	}
}
