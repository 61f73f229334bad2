//go:build unix

package router

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
)

// locked holds the folder while do runs: two routers never write a state at the same time.
func locked(dir string, do func() error) error {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer f.Close() // and with it the lock
	for {
		if err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX); !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	if err != nil {
		return err
	}
	return do()
}
