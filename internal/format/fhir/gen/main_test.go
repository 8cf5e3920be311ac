package main

import (
	"os"
	"path/filepath"
	"testing"
)

// TestTablesAreFresh makes the tables again where the definitions are.
func TestTablesAreFresh(t *testing.T) {
	const data = "../../../../../shared/data/fhir"
	if _, err := os.Stat(data); err != nil {
		t.Logf("the definitions are not here: %v", err)
		return
	}
	files, err := generate(data)
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != 4 {
		t.Errorf("%d files, not 4", len(files))
	}
	for name, want := range files {
		got, err := os.ReadFile(filepath.Join("..", name))
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != string(want) {
			t.Errorf("%s is not what the definitions say: run go generate ./internal/format/fhir", name)
		}
	}
}
