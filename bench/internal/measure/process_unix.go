//go:build unix

package measure

import (
	"os"
	"runtime"
	"syscall"
)

// peak returns the resident size at its highest, in bytes; the kernel counts in KiB, on macOS in bytes.
func peak(state *os.ProcessState) int64 {
	usage, ok := state.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0
	}
	if runtime.GOOS == "darwin" || runtime.GOOS == "ios" {
		return int64(usage.Maxrss)
	}
	return int64(usage.Maxrss) * 1024
}
