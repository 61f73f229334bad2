//go:build unix

package run

import (
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// claimFolder locks the folder of a run for this process, or fails at once: also where the folder is being removed, which
// this must not disturb. The lock is free again when the process ends.
func claimFolder(dir string) (io.Closer, error) {
	f, err := os.OpenFile(filepath.Join(dir, claimName), os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}
