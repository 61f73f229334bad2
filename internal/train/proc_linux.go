package train

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// bootOf identifies this start of the machine.
func bootOf() string {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(id))
}

// procStat returns what the system says of a process, from the third field on: state, parent, group, session, …
func procStat(pid string) [][]byte {
	stat, err := os.ReadFile(filepath.Join("/proc", pid, "stat"))
	if err != nil {
		return nil
	}
	_, rest, _ := bytes.Cut(stat[max(0, bytes.LastIndexByte(stat, ')')):], []byte(" ")) // the name before may hold anything
	return bytes.Fields(rest)
}

func dead(fields [][]byte) bool {
	return len(fields) < 20 || string(fields[0]) == "Z" || string(fields[0]) == "X"
}

// procStart returns when a process began, in clock ticks since boot, "" where there is none that lives: a dead one may wait to be
// collected.
func procStart(pid int) string {
	fields := procStat(strconv.Itoa(pid)) // from the third, the state; the start is the 22nd
	if dead(fields) {
		return ""
	}
	return string(fields[19])
}

// killSession kills what is left of the session of an agent, and what its processes have started elsewhere. It returns how many
// processes it found.
func killSession(a agent) int {
	names, err := os.ReadDir("/proc")
	if err != nil {
		return 0
	}
	parents, left := map[int]int{}, map[int]bool{}
	for _, e := range names {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		fields := procStat(e.Name())
		if dead(fields) {
			continue
		}
		parents[pid], _ = strconv.Atoi(string(fields[1]))
		// A session is as old as its leader: one of the same number that began earlier is not that of the agent.
		if string(fields[3]) == strconv.Itoa(a.PID) && !before(string(fields[19]), a.Start) {
			left[pid] = true
		}
	}
	for pid := range parents {
		for up := pid; up > 1 && !left[pid]; up = parents[up] {
			left[pid] = left[parents[up]]
		}
	}
	found := 0
	if left[a.PID] {
		_ = syscall.Kill(a.PID, syscall.SIGKILL) // first, so that it takes nothing of this for how its command ended
	}
	for pid, in := range left {
		if in && pid != os.Getpid() {
			found++
			_ = syscall.Kill(pid, syscall.SIGKILL) // it may have ended
		}
	}
	return found
}

// before compares two start times.
func before(a, b string) bool {
	return len(a) < len(b) || len(a) == len(b) && a < b
}
