package train

import "strconv"

// startOf returns when a process began, in clock ticks since boot, "" where there is none, and whether it lives: a dead one
// may wait to be collected.
func startOf(pid int) (start string, alive bool) {
	fields := procStat(strconv.Itoa(pid)) // from the third, the state; the start is the 22nd
	if len(fields) < 20 {
		return "", false
	}
	return string(fields[19]), !dead(fields)
}
