package train

import (
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

// killSession kills what is left of the process group of an agent. It returns whether there was any.
func killSession(a agent) int {
	if syscall.Kill(-a.PID, syscall.SIGKILL) != nil {
		return 0
	}
	return 1
}
