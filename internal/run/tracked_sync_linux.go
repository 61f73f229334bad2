package run

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// syncData waits until what was written is on the disk.
func syncData(f *os.File) error {
	for {
		err := unix.Fdatasync(int(f.Fd()))
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}
