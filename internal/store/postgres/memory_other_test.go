//go:build !linux

package postgres_test

func inMemory() string { return "" }
