package run

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// bootID joins the random id of this boot and the id of the process namespace: two containers on one machine may share
// a host name, and count processes apart.
func bootID() string {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	space, err := os.Readlink("/proc/self/ns/pid")
	if err != nil {
		return strings.TrimSpace(string(boot))
	}
	return strings.TrimSpace(string(boot)) + " " + space
}

// startOf returns when process pid began, in clock ticks since boot, or "" when there is none or it is dead and only
// waits to be collected.
func startOf(pid int) string {
	fields := statOf(strconv.Itoa(pid)) // from field 3, the state; the start is field 22
	if len(fields) < 20 || string(fields[0]) == "Z" || string(fields[0]) == "X" {
		return ""
	}
	return string(fields[19])
}

// statOf returns what the system says of a process, from the third field on.
func statOf(pid string) [][]byte {
	stat, err := os.ReadFile(filepath.Join("/proc", pid, "stat"))
	if err != nil {
		return nil
	}
	// The second field is the name of the program in parentheses; it may hold blanks and parentheses itself.
	_, rest, _ := bytes.Cut(stat[max(0, bytes.LastIndexByte(stat, ')')):], []byte(" "))
	return bytes.Fields(rest)
}

// parents returns the parent of each process that there is.
func parents() map[int]int {
	all := make(map[int]int)
	dir, err := os.Open("/proc")
	if err != nil {
		return all
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(-1) // what was read before an error still counts
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		if fields := statOf(name); len(fields) > 1 {
			if parent, err := strconv.Atoi(string(fields[1])); err == nil {
				all[pid] = parent
			}
		}
	}
	return all
}

// highWater returns the greatest memory that process pid ever held, in bytes, or 0 when it cannot be read.
func highWater(pid int) int64 {
	return kibibytes(filepath.Join("/proc", strconv.Itoa(pid), "status"), "VmHWM:")
}

// memory returns the size of the machine's memory in bytes, or 0.
func memory() int64 { return kibibytes("/proc/meminfo", "MemTotal:") }

// cpuModel returns the name of the processor, or "".
func cpuModel() string { return field("/proc/cpuinfo", "model name") }

func kibibytes(file, key string) int64 {
	number, _, _ := strings.Cut(field(file, key), " ")
	kib, err := strconv.ParseInt(number, 10, 64)
	if err != nil {
		return 0
	}
	return kib << 10
}

// field returns the value of the first line of a /proc file that begins with key.
func field(file, key string) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, key); ok {
			return strings.TrimSpace(strings.TrimLeft(value, " \t:"))
		}
	}
	return ""
}

// threads lists the threads in a folder /proc/PID/task/.
func threads(folder string) []string {
	dir, err := os.Open(folder)
	if err != nil {
		return nil
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(-1) // what was read before an error still counts
	return names
}

// outOfMemory returns how often the system ended a process of this control group because memory was short.
func outOfMemory() (times int64, ok bool) {
	named, _ := os.ReadFile("/proc/self/cgroup") // without it, the group that is mounted is asked
	return outOfMemoryIn("/sys/fs/cgroup", string(named))
}

// outOfMemoryIn looks where control groups are mounted for those that the system names, one a line. In a container the group is what
// is mounted, and its name that of the world outside.
func outOfMemoryIn(mounted, named string) (times int64, ok bool) {
	for line := range strings.Lines(named + "\n0::/\n0:memory:/\n") {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) != 3 {
			continue
		}
		file := ""
		switch {
		case parts[1] == "memory":
			file = filepath.Join(mounted, "memory", parts[2], "memory.oom_control")
		case parts[0] == "0":
			file = filepath.Join(mounted, parts[2], "memory.events")
		default:
			continue
		}
		if n, err := strconv.ParseInt(field(file, "oom_kill "), 10, 64); err == nil {
			return n, true
		}
	}
	return 0, false
}
