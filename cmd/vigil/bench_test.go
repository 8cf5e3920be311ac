package main

import (
	"bytes"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"vigil/internal/pgtest"
)

// TestBench runs each measurement for moments: every table is there, with
// figures, and nothing is left in the directory.
func TestBench(t *testing.T) {
	if testing.Short() {
		t.Skip("it starts servers and loads them")
	}
	for _, c := range []struct {
		name string
		args []string
		want []string
	}{
		{"fhir", []string{"--fhir", "--events", "0"}, []string{`64 connections +\| \d+ \(`, `Bundles of 100, 4 connections \| \d+ \(`}},
		{"fhir over PostgreSQL", []string{"--fhir", "--postgres", "--events", "2000", "--queries"}, []string{
			`1 connection +\| \d+ \(`, `2000 events, half AuditEvents`, `patient +\| 0, \d+, \d+ +\| [\d.]+`, `no such type +\| 0, 0, 0 `, `type: /fhir/AuditEvent\?type=`,
		}},
		{"gateway", []string{"--gateway"}, []string{
			`direct +\| \d+ \(`, `gateway +\| \d+ \(`, `reads, 64 connections \| \d+ \(`, `reads, 16 connections \| plain proxy \| \d+ `, `uploads of 200 KB, 16 connections \| \d+ \(`,
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if strings.Contains(c.name, "PostgreSQL") {
				pgtest.Postgres(t) // leaves the test out where there is none
			}
			dir := t.TempDir()
			cmd := exec.CommandContext(t.Context(), os.Args[0], append([]string{"bench", "--rounds", "1", "--duration", "60ms", "--dir", dir}, c.args...)...)
			cmd.Env = append(os.Environ(), "AS_VIGIL=1")
			var out, errs bytes.Buffer
			cmd.Stdout, cmd.Stderr = &out, &errs
			if err := cmd.Run(); err != nil {
				t.Fatalf("%v: %s\n%s", err, &errs, &out)
			}
			for _, want := range c.want {
				if !regexp.MustCompile(want).Match(out.Bytes()) {
					t.Errorf("%s is not in\n%s", want, &out)
				}
			}
			if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
				t.Errorf("%v is left, %v", left, err)
			}
		})
	}
}

// TestBenchUsage refuses measurements that are two.
func TestBenchUsage(t *testing.T) {
	for _, args := range [][]string{{"--fhir", "--gateway"}, {"--gateway", "--postgres"}, {"--play", "other"}} {
		var out, errs bytes.Buffer
		code := run(t.Context(), append([]string{"bench"}, args...), &stdio{Out: &out, Err: &errs})
		if code != 2 || errs.Len() == 0 {
			t.Errorf("%v: %d, %s", args, code, &errs)
		}
	}
}
