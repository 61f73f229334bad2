package run

import (
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// maxKernel bounds what is read of the kernel's log.
const maxKernel = 4 << 20

// sinceBoot is how long the machine has been running.
func sinceBoot() time.Duration {
	var now unix.Timespec
	if unix.ClockGettime(unix.CLOCK_MONOTONIC, &now) != nil {
		return 0
	}
	return time.Duration(now.Nano())
}

// KernelLog returns what the kernel has said, as /dev/kmsg gives it to those who may read it.
func KernelLog() string {
	fd, err := unix.Open("/dev/kmsg", unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return ""
	}
	defer unix.Close(fd)
	var all strings.Builder
	buf := make([]byte, 8<<10)
	for all.Len() < maxKernel {
		n, err := unix.Read(fd, buf) // one record each
		if err == unix.EPIPE || err == unix.EINTR {
			continue // the next one was overwritten
		}
		if err != nil || n <= 0 {
			break
		}
		line, _, _ := strings.Cut(string(buf[:n]), "\n")
		all.WriteString(line + "\n")
	}
	return all.String()
}

// NoExec says whether programs in a folder cannot be executed, because its file system is mounted so.
func NoExec(dir string) bool {
	var s unix.Statfs_t
	return unix.Statfs(dir, &s) == nil && s.Flags&unix.ST_NOEXEC != 0
}

// NearlyFull says how many bytes are free for this user where a folder lies, if that is less than a fiftieth of all.
func NearlyFull(dir string) (free int64, full bool) {
	var s unix.Statfs_t
	if unix.Statfs(dir, &s) != nil || s.Blocks == 0 {
		return 0, false
	}
	return int64(s.Bavail) * s.Bsize, s.Bavail < s.Blocks/50
}

// EndRest ends every process that this one has started, directly or not, and that is still there.
func EndRest() {
	for range 3 { // they may start others meanwhile
		g := group{shared: true, known: map[int]string{}}
		g.look(os.Getpid())
		if len(g.known) == 0 {
			return
		}
		for pid := range g.known {
			_ = unix.Kill(pid, unix.SIGKILL) // it may have ended meanwhile
		}
	}
}

// Adopt makes this process the parent of those below it whose own parents end, so that EndRest finds them.
func Adopt() { _ = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) }
