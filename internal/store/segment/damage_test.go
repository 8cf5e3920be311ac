package segment

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

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
		if found, err := problems(t, o, storetest.Config(nil)); err != nil || len(found) == 0 {
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
	if found, err := problems(t, o, storetest.Config(nil)); err != nil || len(found) > 0 {
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
			found, err := problems(t, image, storetest.Config(nil))
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

// TestDamageError meets damage while reading: it is told apart, counted and
// remembered, and the rest is read and merged on.
func TestDamageError(t *testing.T) {
	t.Parallel()
	o, n := damageable(t)
	path := damageSegment(t, o)
	var logged bytes.Buffer
	c, registry := storetest.Config(nil), prometheus.NewRegistry()
	c.Metrics, c.Log = registry, slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{Level: slog.LevelError}))
	s := mustOpen(t, o, c)
	defer s.Close()
	if err := s.Damage(); err != nil {
		t.Fatalf("before anything was read: %v", err)
	}
	for range 2 {
		var err error
		read := 0
		for _, err = range s.Entries(t.Context(), 0) {
			read++
		}
		if d, ok := errors.AsType[*DamageError](err); !ok || d.File != path || read > n {
			t.Errorf("reading a damaged block: %v after %d", err, read)
		}
	}
	if d, ok := errors.AsType[*DamageError](s.Damage()); !ok || d.File != path {
		t.Errorf("the damage is remembered as %v", s.Damage())
	}
	if s.Err() != nil {
		t.Errorf("the store says %v", s.Err())
	}
	if text := logged.String(); strings.Count(text, "level=ERROR") != 1 || !strings.Contains(text, path) {
		t.Errorf("the log has %q", text)
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	counted := 0.0
	for _, f := range families {
		if f.GetName() == "vigil_store_damage_total" {
			counted = f.GetMetric()[0].GetCounter().GetValue()
		}
	}
	if counted != 2 {
		t.Errorf("%v reads met damage", counted)
	}
	if err := s.Write(t.Context(), numbered(0, 3)); err != nil {
		t.Error(err)
	}
	last := s.Log().Size() - 3
	for e, err := range s.Entries(t.Context(), last) {
		if err != nil || e.Index != last {
			t.Errorf("entry %d: %v", last, err)
		}
		last++
	}
}

// damageSegment changes a byte of the documents of the first segment, which
// opening does not read.
func damageSegment(t *testing.T, o Options) string {
	t.Helper()
	for _, name := range segmentFiles(t, o.Dir) {
		if !strings.HasSuffix(name, ".seg") {
			continue
		}
		path := layout(o.Dir).segment(name)
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		data[100] ^= 1
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	t.Fatal("there is no segment")
	return ""
}

// TestMergeDamage damages a segment that is due to be merged: it stays as it is,
// and the store goes on.
func TestMergeDamage(t *testing.T) {
	t.Parallel()
	d := drive(t, testOptions(t, 2<<10))
	defer d.Close()
	var path string
	d.reached = func(point string) {
		if point == "segments written" && path == "" && len(d.manifest.Segments) > 2 {
			path = damageSegment(t, d.opts)
		}
	}
	rnd := rand.New(rand.NewPCG(11, 12))
	for range 200 {
		d.put(batch(rnd, 1+rnd.IntN(10)))
	}
	if path == "" || d.Damage() == nil || d.Err() != nil {
		t.Errorf("damaged %q; the store says %v and %v", path, d.Damage(), d.Err())
	}
	if _, err := os.Stat(path); err != nil {
		t.Errorf("the damaged file is gone: %v", err)
	}
	if len(d.manifest.Segments) > 60 {
		t.Errorf("nothing is merged any more: %d segments", len(d.manifest.Segments))
	}
}

// TestTileDamage changes tiles under a store that is open.
func TestTileDamage(t *testing.T) {
	t.Parallel()
	o, _ := damageable(t)
	s := mustOpen(t, o, storetest.Config(nil))
	defer s.Close()
	path := filepath.Join(layout(o.Dir).log(), "0.tiles")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Log().Consistency(10, 300); err != nil || s.Damage() != nil {
		t.Fatalf("before: %v, %v", err, s.Damage())
	}
	data[10*32] ^= 1
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Log().Consistency(10, 300); err == nil || s.Damage() == nil {
		t.Errorf("after: %v, %v", err, s.Damage())
	}
}

// TestCheckChangesNothing checks a store with leftovers of a crash: they are
// told, and left to the next start.
func TestCheckChangesNothing(t *testing.T) {
	t.Parallel()
	o, _ := damageable(t)
	left := layout(o.Dir).segment("99999999.events.seg")
	aside := layout(o.Dir).manifest() + ".42.tmp"
	for _, path := range []string{left, aside} {
		if err := os.WriteFile(path, []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	tiles := filepath.Join(layout(o.Dir).log(), "0.tiles")
	f, err := os.OpenFile(tiles, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(make([]byte, 9000)); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	before := contents(t, o.Dir)
	found, err := problems(t, o, storetest.Config(nil))
	if err != nil || len(found) != 1 || !found[0].Harmless || found[0].File != left {
		t.Errorf("check found %v, %v", found, err)
	}
	if after := contents(t, o.Dir); !maps.Equal(before, after) {
		t.Errorf("check changed files")
	}
	s := mustOpen(t, o, storetest.Config(nil))
	defer s.Close()
	for _, path := range []string{left, aside} {
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the start left %s: %v", path, err)
		}
	}
}

// contents returns the files of a store but those of the journal.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, path := range files(t, dir) {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if filepath.Dir(path) != layout(dir).journal() {
			all[path] = string(data)
		}
	}
	return all
}
