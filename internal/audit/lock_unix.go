//go:build unix

package audit

import (
	"os"

	"golang.org/x/sys/unix"
)

// lock claims a file for this process, or fails at once. It is free again when the process ends, however it does.
func lock(f *os.File) error { return unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) }

// syncFolder makes the names in a folder survive a crash of the machine.
func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
