//go:build unix

package train

import (
	"errors"
	"os"
	"syscall"
)

// askToEnd asks a process to end.
func askToEnd(pid int) { _ = syscall.Kill(pid, syscall.SIGTERM) } // it may have ended

// lockFolder waits until no other process holds the lock. The kernel gives it back however the process ends.
func lockFolder(file string) (unlock func(), err error) {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		if err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX); !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return func() { _ = f.Close() }, nil
}
