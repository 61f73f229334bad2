package remote

import (
	"os"
	"testing"
)

// memoryDir returns a new folder, in memory where Linux has one: thousands of small files are no test of the disk.
func memoryDir(t testing.TB) string {
	dir, err := os.MkdirTemp("/dev/shm", "mlx-test-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}
