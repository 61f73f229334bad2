package disk

import (
	"os"

	"golang.org/x/sys/unix"
)

// SyncData makes the content of f durable, and its size, but not its times: on Linux that saves a journal write.
func SyncData(f *os.File) error {
	for {
		err := unix.Fdatasync(int(f.Fd()))
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return &os.PathError{Op: "fdatasync", Path: f.Name(), Err: err}
		}
		return nil
	}
}
