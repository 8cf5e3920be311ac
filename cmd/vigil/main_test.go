package main

import (
	"os"
	"testing"
)

// TestMain makes the test binary the program itself where a test starts it as a process.
func TestMain(m *testing.M) {
	if os.Getenv("AS_VIGIL") == "1" {
		main()
		return
	}
	os.Exit(m.Run())
}
