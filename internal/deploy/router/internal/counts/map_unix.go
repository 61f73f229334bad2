//go:build linux || darwin

package counts

import (
	"os"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

const mappable = true

// mapFile views the first n cells of a file. A mapping starts at a page, and so every cell is aligned.
func mapFile(f *os.File, n int) ([]atomic.Int64, error) {
	mapped, err := unix.Mmap(int(f.Fd()), 0, n*cellBytes, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, err
	}
	return unsafe.Slice((*atomic.Int64)(unsafe.Pointer(&mapped[0])), n), nil
}

// Monotonic is nanoseconds of a clock that nobody sets, the same for all processes until the machine starts again.
func Monotonic() int64 {
	var t unix.Timespec
	if unix.ClockGettime(unix.CLOCK_MONOTONIC, &t) != nil {
		return 0
	}
	return t.Nano()
}
