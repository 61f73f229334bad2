//go:build unix

package run

import (
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// claimFolder locks the folder of a run for this process, or fails at once. The kernel frees it when the process ends.
func claimFolder(dir string) (io.Closer, error) {
	f, err := os.OpenFile(filepath.Join(dir, claimName), os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}
