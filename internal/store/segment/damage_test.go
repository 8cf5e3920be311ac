package segment

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vigil/internal/store/storetest"
)

// damageable makes a closed store with files of every kind, and events in the
// journal as well.
func damageable(t *testing.T) (Options, int) {
	t.Helper()
	o := testOptions(t, 24<<10)
	d := drive(t, o)
	rnd := rand.New(rand.NewPCG(7, 8))
	for range 120 {
		d.put(batch(rnd, 1+rnd.IntN(20)))
	}
	d.put(batch(rnd, 3)) // the one before filled the head
	if len(d.active.events) == 0 || len(d.manifest.Segments) < 3 || len(d.manifest.Keys) == 0 || d.manifest.Size < 256 {
		t.Fatalf("the store has not something of everything: %d events in the head, %d segments, %d files of keys, sealed to %d", len(d.active.events), len(d.manifest.Segments), len(d.manifest.Keys), d.manifest.Size)
	}
	n := len(d.acked)
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	return o, n
}

// files returns the files of a store that a start or a check must look at.
func files(t *testing.T, dir string) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() && e.Name() != "lock" && !strings.HasSuffix(path, ".free") {
			out = append(out, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// readAll opens a store and reads everything; it returns the first error.
func readAll(t *testing.T, o Options, want int) error {
	t.Helper()
	s, err := Open(o, storetest.Config(nil))
	if err != nil {
		return err
	}
	defer s.Close()
	n := 0
	for _, err := range s.Entries(t.Context(), 0) {
		if err != nil {
			return err
		}
		n++
	}
	if n != want {
		t.Errorf("%d events were read without an error, there were %d", n, want)
	}
	return nil
}

// TestMissing removes one file after the other: no start goes on without it.
func TestMissing(t *testing.T) {
	t.Parallel()
	o, _ := damageable(t)
	for _, path := range files(t, o.Dir) {
		aside := path + "-aside"
		if err := os.Rename(path, aside); err != nil {
			t.Fatal(err)
		}
		s, err := Open(o, storetest.Config(nil))
		if err == nil {
			t.Errorf("opened without %s", path)
			s.Close()
			return // the directory has changed
		}
		what := filepath.Base(path)
		if strings.HasSuffix(what, ".journal") {
			what = "journal"
		}
		if !strings.Contains(err.Error(), what) || !strings.Contains(err.Error(), "vigil check") {
			t.Errorf("%s is missing: the error does not say so, or not what to do: %v", path, err)
		}
		if found, err := Check(t.Context(), o, storetest.Config(nil), nil); err != nil || len(found) == 0 {
			t.Errorf("%s is missing: check found %v, %v", path, found, err)
		}
		if err := os.Rename(aside, path); err != nil {
			t.Fatal(err)
		}
	}
}

// TestFlipped changes one byte of each file, at several places: a check finds
// it, names the file, and no reader is given what was never written.
func TestFlipped(t *testing.T) {
	t.Parallel()
	o, n := damageable(t)
	if err := readAll(t, o, n); err != nil {
		t.Fatal(err)
	}
	if found, err := Check(t.Context(), o, storetest.Config(nil), nil); err != nil || len(found) > 0 {
		t.Fatalf("check of a store in order: %v, %v", found, err)
	}
	rnd := rand.New(rand.NewPCG(9, 10))
	for _, path := range files(t, o.Dir) {
		good, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, at := range places(path, good, rnd) {
			image := Options{Dir: filepath.Join(t.TempDir(), "data"), Guard: filepath.Join(t.TempDir(), "guard")}
			copyDir(t, o.Dir, image.Dir)
			bad := append([]byte(nil), good...)
			bad[at] ^= 1 << rnd.IntN(8)
			rel, err := filepath.Rel(o.Dir, path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(image.Dir, rel), bad, 0o600); err != nil {
				t.Fatal(err)
			}
			found, err := Check(t.Context(), image, storetest.Config(nil), nil)
			if err != nil || len(found) == 0 || !strings.Contains(fmt.Sprint(found), located(rel)) {
				t.Errorf("byte %d of %s: check found %v, %v", at, rel, found, err)
			}
			if err := readAll(t, image, n); err != nil && !strings.Contains(err.Error(), located(rel)) {
				t.Errorf("byte %d of %s: the error does not name it: %v", at, rel, err)
			}
		}
	}
}

// places returns the offsets that are tried in a file.
func places(path string, data []byte, rnd *rand.Rand) []int {
	if !strings.HasSuffix(path, ".journal") {
		return []int{0, len(data) / 2, len(data) - 1, rnd.IntN(len(data))}
	}
	return []int{20, 4096 + 80} // the header, and the payload of the first frame
}

// located is the part of a name that an error has to have.
func located(rel string) string {
	switch filepath.Dir(rel) {
	case "log":
		return "tile"
	case "journal":
		return "journal"
	}
	return filepath.Base(rel)
}

// TestDamageError makes sure that damage met while reading is told apart.
func TestDamageError(t *testing.T) {
	t.Parallel()
	o, n := damageable(t)
	for _, name := range segmentFiles(t, o.Dir) {
		path := layout(o.Dir).segment(name)
		data, err := os.ReadFile(path)
		if err != nil || !strings.HasSuffix(name, ".seg") {
			continue
		}
		data[100] ^= 1 // in the documents, which opening does not read
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		err = readAll(t, o, n)
		if d, ok := errors.AsType[*DamageError](err); !ok || d.File != path {
			t.Errorf("reading a damaged block: %v", err)
		}
		return
	}
}
