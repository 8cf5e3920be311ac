package main

import (
	"fmt"
	"runtime/debug"
)

type versionCmd struct{}

// Run prints the version and what it was built with.
func (*versionCmd) Run(std *stdio) error {
	_, err := fmt.Fprintln(std.Out, "vigil", version())
	return err
}

// version returns the version the Go toolchain put into the binary.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	v := info.Main.Version
	if v == "" || v == "(devel)" {
		v = "development"
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			v += " (" + s.Value[:12] + ")"
		}
	}
	return v + " " + info.GoVersion
}
