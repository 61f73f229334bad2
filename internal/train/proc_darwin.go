package train

import (
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"
)

// bootOf identifies this start of the machine.
func bootOf() string {
	id, err := unix.Sysctl("kern.bootsessionuuid")
	if err != nil {
		return ""
	}
	return id
}

// zombie is the state of a dead process that waits to be collected (SZOMB of sys/proc.h).
const zombie = 5

// procStart returns when a process began, "" where there is none that lives.
func procStart(pid int) string {
	info, err := unix.SysctlKinfoProc("kern.proc.pid", pid)
	if err != nil || int(info.Proc.P_pid) != pid || info.Proc.P_stat == zombie {
		return ""
	}
	began := info.Proc.P_starttime
	return fmt.Sprintf("%d.%06d", began.Sec, began.Usec)
}

// killSession kills what is left of the process group of an agent. It returns whether there was any.
func killSession(a agent) int {
	if syscall.Kill(-a.PID, syscall.SIGKILL) != nil {
		return 0
	}
	return 1
}
