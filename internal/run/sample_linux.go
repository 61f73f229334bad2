package run

import (
	"bytes"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// ticks of the clock in which the system counts CPU time: 100 a second for every program, whatever the kernel does.
const clockTick = 10 * time.Millisecond

// tree finds a process and whatever it started, by asking each process for its children: the other processes of the
// machine are never looked at. A process whose parent has ended stays known.
type tree struct {
	root  int
	known map[int]string // when each began
	page  int64
	buf   []byte
}

func newTree(root int) tree {
	return tree{root: root, page: int64(unix.Getpagesize()), buf: make([]byte, 4096)}
}

// read adds up what the tree uses.
func (t *tree) read() (usage, bool) {
	var u usage
	if t.known == nil {
		t.known = make(map[int]string)
	}
	seen := make(map[int]bool, len(t.known)+1)
	queue := []int{t.root}
	for pid := range t.known {
		queue = append(queue, pid)
	}
	for len(queue) > 0 {
		pid := queue[len(queue)-1]
		queue = queue[:len(queue)-1]
		if seen[pid] {
			continue
		}
		seen[pid] = true
		if !t.one(pid, &u) {
			delete(t.known, pid)
			continue
		}
		queue = append(queue, t.children(pid, &u)...)
	}
	return u, len(t.known) > 0
}

// one adds one process. false: it ended, or its number belongs to another by now.
func (t *tree) one(pid int, u *usage) bool {
	folder := "/proc/" + strconv.Itoa(pid)
	u.files += 2
	stat := t.file(folder + "/stat")
	stat = stat[max(0, bytes.LastIndexByte(stat, ')')):]
	fields := bytes.Fields(stat) // the first is the end of the name, field 2
	if len(fields) < 23 || fields[1][0] == 'X' {
		return false
	}
	began := string(fields[20])
	if old, ok := t.known[pid]; ok && old != began {
		return false
	}
	t.known[pid] = began
	for _, ticks := range fields[12:16] { // in user and kernel mode, then those of children that were waited for
		u.cpu += time.Duration(positive(ticks)) * clockTick
	}
	u.memory += positive(fields[22]) * t.page
	for line := range bytes.Lines(t.file(folder + "/io")) {
		if value, ok := bytes.CutPrefix(line, []byte("read_bytes: ")); ok {
			u.read += positive(bytes.TrimSpace(value))
		} else if value, ok := bytes.CutPrefix(line, []byte("write_bytes: ")); ok {
			u.written += positive(bytes.TrimSpace(value))
		}
	}
	return true
}

// children returns what the threads of a process started.
func (t *tree) children(pid int, u *usage) []int {
	folder := "/proc/" + strconv.Itoa(pid) + "/task/"
	var all []int
	for _, thread := range threads(folder) {
		u.files++
		for _, word := range bytes.Fields(t.file(folder + thread + "/children")) {
			if child := positive(word); child > 0 {
				all = append(all, int(child))
			}
		}
	}
	return all
}

// file reads a small file of /proc; what is longer is cut.
func (t *tree) file(name string) []byte {
	fd, err := unix.Open(name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	defer unix.Close(fd)
	n, err := unix.Read(fd, t.buf)
	if err != nil {
		return nil
	}
	return t.buf[:n]
}

func positive(text []byte) int64 {
	n, err := strconv.ParseInt(string(text), 10, 64)
	if err != nil || n < 0 {
		return 0
	}
	return n
}
