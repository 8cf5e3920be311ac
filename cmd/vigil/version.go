package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

type versionCmd struct{}

// Run prints the version and what it was built with.
func (*versionCmd) Run(std *stdio) error {
	_, err := fmt.Fprintln(std.Out, "vigil", version())
	return err
}

// stamp is the version that the build gave, as in
// go build -ldflags='-X main.stamp=v1.2.3'.
var stamp string

// version returns the stamp, or else what the Go toolchain put into the binary.
func version() string {
	if stamp != "" {
		return stamp + " " + runtime.Version()
	}
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
