package train

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// zombie is the state of a dead process that waits to be collected (SZOMB of sys/proc.h).
const zombie = 5

// startOf returns when a process began, "" where there is none, and whether it lives.
func startOf(pid int) (start string, alive bool) {
	info, err := unix.SysctlKinfoProc("kern.proc.pid", pid)
	if err != nil || int(info.Proc.P_pid) != pid {
		return "", false
	}
	began := info.Proc.P_starttime
	return fmt.Sprintf("%d.%06d", began.Sec, began.Usec), info.Proc.P_stat != zombie
}
