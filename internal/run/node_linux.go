package run

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"mlx/internal/object"
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
	endAll(func(known map[int]string) {
		g := group{shared: true, known: known}
		g.look(os.Getpid())
	})
}

// EndRun ends every process of a run whose agent is gone: those that have its id in their environment. It returns when they are gone,
// so that another attempt does not begin beside them, or after a while where the system cannot end one.
func EndRun(id object.Digest) {
	const pause, most = 5 * time.Millisecond, 2000
	for range most {
		endAll(func(known map[int]string) { processesOf(id, known) })
		left := map[int]string{}
		if processesOf(id, left); len(left) == 0 {
			return
		}
		<-time.After(pause)
	}
}

func processesOf(id object.Digest, known map[int]string) {
	for pid := range parents() {
		if pid != os.Getpid() && pid != 1 && ofRun(pid, id) {
			known[pid] = ""
		}
	}
}

// commandOf finds the process that the others of a run come from.
func commandOf(id object.Digest) (pid int, ok bool) {
	all := map[int]string{}
	processesOf(id, all)
	above := parents()
	for one := range all {
		if _, inside := all[above[one]]; !inside && (!ok || one < pid) {
			pid, ok = one, true
		}
	}
	return pid, ok
}

func endAll(find func(known map[int]string)) {
	for range 3 { // they may start others meanwhile
		known := map[int]string{}
		find(known)
		if len(known) == 0 {
			return
		}
		for pid := range known {
			_ = unix.Kill(pid, unix.SIGKILL) // it may have ended meanwhile
		}
	}
}

// maxEnviron bounds what is read of the environment of a process.
const maxEnviron = 4 << 20

// ofRun says whether a process that lives belongs to a run, which what it was started with tells.
func ofRun(pid int, id object.Digest) bool {
	f, err := os.Open(filepath.Join("/proc", strconv.Itoa(pid), "environ"))
	if err != nil {
		return false // that of another user, or it has ended
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxEnviron))
	return err == nil && bytes.Contains(append([]byte{0}, text...), []byte("\x00MLX_RUN_ID="+id.Hex()+"\x00")) && startOf(pid) != ""
}

// Adopt makes this process the parent of those below it whose own parents end, so that EndRest finds them.
func Adopt() { _ = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) }
