package bench

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// cpuOf returns how long a process and its children have had a processor, as the
// kernel counts it: in hundredths of a second.
func cpuOf(pid int) (time.Duration, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	// The name is in parentheses and may have spaces in it; the times are the
	// 14th and the 15th field of all (proc(5)).
	_, after, _ := strings.Cut(string(b), ") ")
	fields := strings.Fields(after)
	if len(fields) < 13 {
		return 0, errors.New("the kernel tells no times of processes")
	}
	var sum time.Duration
	for _, f := range fields[11:13] {
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return 0, err
		}
		sum += time.Duration(n) * 10 * time.Millisecond
	}
	lists, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil {
		return 0, err
	}
	for _, list := range lists {
		b, err := os.ReadFile(list)
		if err != nil {
			continue // the thread has ended
		}
		for _, child := range strings.Fields(string(b)) {
			n, err := strconv.Atoi(child)
			if err != nil {
				return 0, err
			}
			one, err := cpuOf(n)
			if err != nil {
				return 0, err
			}
			sum += one
		}
	}
	return sum, nil
}

// CPU returns how long the server has had a processor.
func (v *Vigil) CPU() (time.Duration, error) { return cpuOf(v.cmd.Process.Pid) }

// CPU returns how long the program and its children have had a processor.
func (p *Process) CPU() (time.Duration, error) { return cpuOf(p.cmd.Process.Pid) }
