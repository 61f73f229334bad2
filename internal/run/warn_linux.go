package run

import (
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// IsWarning says whether a signal is one by which backends say that they are about to end a job.
func IsWarning(s os.Signal) bool { return s == syscall.SIGUSR1 }

// Warnings are the signals by which backends say that they are about to end a job.
func Warnings() []os.Signal { return []os.Signal{syscall.SIGUSR1} }

// warn sends a signal to those processes of a child's group that catch it.
func warn(p *os.Process, s os.Signal) {
	sig, ok := s.(syscall.Signal)
	if !ok {
		return
	}
	for pid := range parents() {
		if group, err := unix.Getpgid(pid); err == nil && group == p.Pid && catches(pid, sig) {
			_ = syscall.Kill(pid, sig) // it may have ended meanwhile
		}
	}
}

// catches says whether a process has a handler of its own for a signal.
func catches(pid int, s syscall.Signal) bool {
	mask, err := strconv.ParseUint(field(filepath.Join("/proc", strconv.Itoa(pid), "status"), "SigCgt"), 16, 64)
	return err == nil && mask&(1<<(uint(s)-1)) != 0
}
