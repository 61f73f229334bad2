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

// procStart says when a process began, or "" of one that has ended.
func procStart(pid int) string {
	info, err := unix.SysctlKinfoProc("kern.proc.pid", pid)
	if err != nil || int(info.Proc.P_pid) != pid {
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
