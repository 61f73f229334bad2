package train

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
)

// startOf returns when a process began, in clock ticks since boot, "" where there is none, and whether it lives: a dead one
// may wait to be collected.
func startOf(pid int) (start string, alive bool) {
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return "", false
	}
	// The second field is the name of the program in parentheses; it may hold blanks and parentheses itself.
	_, rest, _ := bytes.Cut(stat[max(0, bytes.LastIndexByte(stat, ')')):], []byte(" "))
	fields := bytes.Fields(rest) // from the third, the state; the start is the 22nd
	if len(fields) < 20 {
		return "", false
	}
	return string(fields[19]), string(fields[0]) != "Z" && string(fields[0]) != "X"
}
