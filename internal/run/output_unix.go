//go:build unix

package run

import (
	"errors"
	"os"
	"syscall"
)

// pipeSize is how much a pipe or a terminal can hold, at most.
const pipeSize = 1 << 20

// readNow reads what is there. 0: nothing is.
func readNow(f *os.File, buf []byte) int {
	raw, err := f.SyscallConn()
	if err != nil {
		return 0
	}
	n := 0
	err = raw.Read(func(fd uintptr) bool {
		for {
			n, err = syscall.Read(int(fd), buf)
			if !errors.Is(err, syscall.EINTR) {
				return true
			}
		}
	})
	if err != nil {
		return 0
	}
	return n
}

// isResize reports whether a signal says that the terminal has another size.
func isResize(s os.Signal) bool { return s == syscall.SIGWINCH }

// pollsCancel: a signal says that there is something to read.
const pollsCancel = false
