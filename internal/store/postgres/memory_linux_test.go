package postgres_test

import (
	"os"
	"syscall"
)

// inMemory returns an empty directory in memory, or nothing where there is little
// of that: most of what these tests take is the making of databases' files.
func inMemory() string {
	const place, need = "/dev/shm", 3 << 30
	var fs syscall.Statfs_t
	if err := syscall.Statfs(place, &fs); err != nil || fs.Bavail*uint64(fs.Bsize) < need {
		return ""
	}
	dir, err := os.MkdirTemp(place, "vigil-pg-")
	if err != nil {
		return ""
	}
	return dir
}
