package bench

import (
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// exactTimer makes the kernel wake this thread on time: it is 50 µs late otherwise.
func exactTimer() { _ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0) } // without it times are longer, not wrong

// pause sleeps in the kernel.
func pause(d time.Duration) {
	if d <= 0 {
		return
	}
	left := unix.NsecToTimespec(d.Nanoseconds())
	for {
		now := left
		if err := unix.Nanosleep(&now, &left); !errors.Is(err, unix.EINTR) {
			return
		}
	}
}

// waitInKernel makes f one that blocks its thread, ten seconds at most.
func waitInKernel(f *os.File) (*os.File, error) {
	fd := int(f.Fd())
	err := unix.SetNonblock(fd, false)
	if err == nil {
		err = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 10})
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}
