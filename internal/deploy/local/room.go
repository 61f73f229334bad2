package local

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Machine is what is free on this machine, and what the servers of a service hold of its GPUs, in bytes. 0 and nil: not known.
type Machine struct {
	Memory int64
	GPUs   []int64          // free, of each
	Sizes  []int64          // of each
	Held   map[string]int64 // of GPUs, by key of the release
}

// askedGPU is how long a GPU may take to tell.
const askedGPU = 10 * time.Second

// LookAtMachine asks the system, and nvidia-smi where it is. dir is the folder of the service.
func LookAtMachine(ctx context.Context, dir string) Machine {
	m := Machine{Memory: freeMemory("/proc/meminfo", "/sys/fs/cgroup"), Held: map[string]int64{}}
	ctx, cancel := context.WithTimeout(ctx, askedGPU)
	defer cancel()
	m.GPUs, m.Sizes = parseFree(nvidia(ctx, "--query-gpu=memory.free,memory.total"))
	if len(m.GPUs) == 0 {
		return m
	}
	servers := serversOf(dir)
	for pid, held := range parseHeld(nvidia(ctx, "--query-compute-apps=pid,used_memory")) {
		if key, ok := servers[groupOf(pid)]; ok {
			m.Held[key] += held
		}
	}
	return m
}

// nvidia is what nvidia-smi prints; nothing where there is none.
func nvidia(ctx context.Context, query string) []byte {
	out, err := exec.CommandContext(ctx, "nvidia-smi", query, "--format=csv,noheader,nounits").Output()
	if err != nil {
		return nil
	}
	return out
}

// numbers reads lines of two numbers; of one that says N/A nothing.
func numbers(text []byte) [][2]int64 {
	const most = 1 << 16
	lines := csv.NewReader(bytes.NewReader(text))
	lines.TrimLeadingSpace, lines.FieldsPerRecord, lines.LazyQuotes = true, -1, true
	var all [][2]int64
	for len(all) < most {
		fields, err := lines.Read()
		if err != nil {
			return all
		}
		if len(fields) != 2 {
			continue
		}
		a, errA := strconv.ParseInt(strings.TrimSpace(fields[0]), 10, 64)
		b, errB := strconv.ParseInt(strings.TrimSpace(fields[1]), 10, 64)
		if errA == nil && errB == nil && a >= 0 && b >= 0 && a < 1<<40 && b < 1<<40 {
			all = append(all, [2]int64{a, b})
		}
	}
	return all
}

// parseFree reads lines of MiB that are free, and of MiB that there are.
func parseFree(text []byte) (free, sizes []int64) {
	for _, line := range numbers(text) {
		free, sizes = append(free, line[0]<<20), append(sizes, line[1]<<20)
	}
	return free, sizes
}

// parseHeld reads lines of a process and the MiB that it holds.
func parseHeld(text []byte) map[int]int64 {
	all := map[int]int64{}
	for _, line := range numbers(text) {
		all[int(line[0])] += line[1] << 20
	}
	return all
}

// serversOf are the processes of the servers of a service, with the key of their release.
func serversOf(dir string) map[int]string {
	all := map[int]string{}
	names, err := filepath.Glob(filepath.Join(dir, serversName, "*.json"))
	if err != nil {
		return all // the folder has a name that is a pattern: nothing is known of it
	}
	stages, _ := filepath.Glob(filepath.Join(dir, stagesName, "*", serversName, "*.json")) // the same pattern in part
	names = append(names, stages...)
	for _, name := range names {
		var note struct {
			Key     string `json:"key"`
			Process struct {
				PID int `json:"pid"`
			} `json:"process"`
		}
		if text, err := os.ReadFile(name); err == nil && json.Unmarshal(text, &note) == nil && note.Process.PID > 0 {
			all[note.Process.PID] = note.Key
		}
	}
	return all
}

// groupOf is the process that began the group of a process, which is how a server and what it started belong together.
func groupOf(pid int) int {
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return pid
	}
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 3 {
		return pid
	}
	group, err := strconv.Atoi(string(fields[2]))
	if err != nil {
		return pid
	}
	return group
}

// freeMemory is what programs can still take without swapping: what the system says, and no more than the limit of the group of processes that
// this machine or container is.
func freeMemory(meminfo, cgroup string) int64 {
	free := valueIn(meminfo, "MemAvailable:") << 10
	for _, v := range []struct{ limit, used, stat, cache string }{
		{"memory.max", "memory.current", "memory.stat", "inactive_file"},
		{"memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "memory/memory.stat", "total_inactive_file"},
	} {
		limit, used := valueIn(filepath.Join(cgroup, v.limit), ""), valueIn(filepath.Join(cgroup, v.used), "")
		if limit == 0 || used == 0 || free == 0 {
			continue // there is none, or no limit
		}
		used -= valueIn(filepath.Join(cgroup, v.stat), v.cache) // copies of files, which the system lets go of
		free = min(free, max(limit-used, 1))
	}
	return free
}

// valueIn is the number behind a word at the beginning of a line of a small file; 0: there is none.
func valueIn(name, word string) int64 {
	const most = 1 << 50
	text, err := os.ReadFile(name)
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if word != "" && (len(fields) < 2 || fields[0] != word) || len(fields) == 0 {
			continue
		}
		number := fields[0]
		if word != "" {
			number = fields[1]
		}
		n, err := strconv.ParseInt(number, 10, 64)
		if err != nil || n < 0 {
			return 0
		}
		return min(n, most)
	}
	return 0
}
