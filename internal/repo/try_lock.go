package repo

import (
	"os"

	"mlx/internal/fault"
)

// TryLock takes the lock of a file, which is made if it is not there. false: another process has it. The system gives it
// back when the process ends, however it ends. On a file system without locks everybody gets it.
func TryLock(path string) (release func(), ok bool, err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o666)
	if err != nil {
		return nil, false, fault.New(fault.KindOf(err), "cannot lock %s: %w", path, err)
	}
	if ok, err = tryLock(f); err == nil && !ok {
		_ = f.Close()
		return nil, false, nil
	}
	return func() { _ = f.Close() }, true, nil
}
